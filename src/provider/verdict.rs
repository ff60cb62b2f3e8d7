//! The one place where a reply is judged.
//!
//! Each function in the tables is a table, read from the top, first match wins: what came back on the left, the `Rule`
//! that it meets on the right. First speaks the status, alike at both providers; then the words of the one that was
//! asked, in `quickbooks` and `hubspot`, so that no word of one decides at the other; then what kind of thing the body
//! is. What a rule then means, and what a person is told, stands once in `rule`.
//!
//! Two promises shape the order. An operator's mistake stands above a dead grant, so a reply that says both touches no
//! customer. And a grant is called dead only by a row that names its exact word: a status alone never does it, and
//! prose is never read.

mod hubspot;
mod quickbooks;
mod rule;

use std::time::Duration;

use self::rule::Rule;
use super::http::Lost;
use super::reply::{Reply, Shape, Signs};
use super::{Failure, Provider};

/// What is being asked of whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) provider: Provider,
    pub(super) operation: &'static str,
    pub(super) surface: Surface,
}

/// The kind of a call: which table judges it, and whether a lost reply matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// Spends a refresh token.
    Refresh,
    /// Spends an authorization code.
    Exchange,
    /// Gives a grant back.
    Revoke,
    /// Asks about a token.
    Introspect,
    /// Reads from an API.
    Read,
    /// Reads from HubSpot's search, which has a limit of its own.
    Search,
    /// Creates something through an API.
    Create,
}

/// The failure that a reply stands for. Also for a 2xx whose content is no use.
pub(super) fn judge(call: Call, reply: &Reply) -> Failure {
    if !reply.whole {
        return Failure { correlation_id: reply.correlation_id.clone(), ..judge_lost(call, Lost::Interrupted) };
    }
    let signs = reply.signs();
    let rule = rule(call, reply.status, &signs);
    let code = code(call.provider, &signs);
    let asked = reply.retry_after.or_else(|| usual_wait(call, rule, reply.status, signs.policy.as_deref()));
    let fault = signs.fault.unwrap_or_default();
    let said = Some(fault.words).filter(|words| !words.is_empty()).or(signs.message);
    Failure {
        status: Some(reply.status),
        code,
        message: rule.words(call, said),
        correlation_id: reply.correlation_id.clone().or(signs.correlation_id),
        retry_after: asked,
        ..bare_failure(call, rule)
    }
}

fn rule(call: Call, status: u16, signs: &Signs) -> Rule {
    use Surface::{Create, Exchange, Introspect, Read, Refresh, Revoke, Search};
    by_status(call.surface, status)
        .or_else(|| match (call.surface, call.provider) {
            (Refresh | Exchange | Revoke | Introspect, Provider::Quickbooks) => {
                quickbooks::oauth(call.surface, status, signs)
            }
            (Refresh | Exchange | Revoke | Introspect, Provider::Hubspot) => {
                hubspot::oauth(call.surface, status, signs)
            }
            (Read | Search | Create, Provider::Quickbooks) => quickbooks::api(call.surface, status, signs),
            (Read | Search | Create, Provider::Hubspot) => hubspot::api(status, signs),
        })
        .unwrap_or_else(|| by_shape(call.surface, status, signs.shape))
}

/// What the status says by itself, before any word of the body counts.
#[rustfmt::skip]
fn by_status(surface: Surface, status: u16) -> Option<Rule> {
    use Surface::{Create, Exchange, Introspect, Read, Refresh, Revoke, Search};
    Some(match (status, surface) {
        (300..=399, _)                              => Rule::Redirected,
        (429, _)                                    => Rule::Throttled,
        (408 | 423 | 425 | 477, _)                  => Rule::Busy,
        // Turned away at the door, where every other error of a server leaves open what was done behind it.
        (503, Refresh)                              => Rule::ServerError,
        (500.., Refresh | Exchange | Create)        => Rule::ServerErrorUnsettled,
        (500.., Revoke | Introspect | Read | Search) => Rule::ServerError,
        _ => return None,
    })
}

/// What is left when no word decided.
#[rustfmt::skip]
fn by_shape(surface: Surface, status: u16, shape: Shape) -> Rule {
    use Surface::{Create, Exchange, Introspect, Read, Refresh, Revoke, Search};
    match (status, shape, surface) {
        (200..=299, _, Refresh | Exchange | Create)             => Rule::ReplyUnusable,
        (200..=299, _, Revoke | Introspect | Read | Search)     => Rule::ReadUnusable,
        (404 | 405 | 410, Shape::Empty, _)                      => Rule::EndpointMissing,
        (_, Shape::Object, Refresh | Revoke | Introspect | Read | Search) => Rule::Unlisted,
        (_, _, Exchange | Create)                               => Rule::NotTheirWordsUnsettled,
        (_, Shape::Empty | Shape::Foreign, _)                   => Rule::NotTheirWords,
    }
}

/// The provider's own code for what is wrong, the most telling first.
fn code(provider: Provider, signs: &Signs) -> Option<String> {
    let fault = signs.fault.as_ref().and_then(|fault| fault.code.as_ref());
    // HubSpot's APIs say just `error` in it, and a status in digits is no news.
    let status =
        signs.status.as_ref().filter(|word| *word != "error" && !word.starts_with(|c: char| c.is_ascii_digit()));
    let (error, category, policy) = (signs.error.as_ref(), signs.category.as_ref(), signs.policy.as_ref());
    match provider {
        Provider::Quickbooks => fault.or(error),
        Provider::Hubspot => status.or(error).or(category).or(policy),
    }
    .cloned()
}

/// The same for an API that was called with a token for these scopes. A scope that we never ask for, or that is not
/// named, is missing by our own doing: no owner can give it, so none may be asked to.
pub(super) fn judge_within(call: Call, reply: &Reply, asked_for: &[String]) -> Failure {
    let failure = judge(call, reply);
    let needed = reply.signs().scopes;
    let ours = needed.is_empty() || needed.iter().any(|scope| !asked_for.contains(scope));
    if failure.rule != Rule::ScopesLost.name() || !ours {
        return failure;
    }
    let rule = Rule::ScopesNotAskedFor;
    Failure { verdict: rule.verdict(), rule: rule.name(), message: rule.words(call, None), ..failure }
}

/// The failure that a well-formed introspection stands for when it calls a token inactive.
pub(super) fn inactive(call: Call, reply: &Reply) -> Failure {
    Failure {
        status: Some(reply.status),
        correlation_id: reply.correlation_id.clone(),
        ..bare_failure(call, Rule::IntrospectedInactive)
    }
}

/// The failure of a call that brought no reply.
pub(super) fn judge_lost(call: Call, lost: Lost) -> Failure {
    bare_failure(call, transport(call.surface, lost))
}

/// The failure of a call to a provider that the configuration does not have.
pub(super) fn not_configured(provider: Provider, operation: &'static str) -> Failure {
    bare_failure(Call { provider, operation, surface: Surface::Read }, Rule::NotConfigured)
}

/// The failure of a call whose access token cannot even be written into a header.
pub(super) fn token_unsendable(call: Call) -> Failure {
    bare_failure(call, Rule::TokenUnsendable)
}

/// The failure of a call whose replies, each well formed, make no sense together.
pub(super) fn unusable(call: Call) -> Failure {
    bare_failure(call, Rule::ReadUnusable)
}

/// The words of a rule by its name, as they are for the spend of a refresh token or for giving a grant back.
pub(super) fn words_of(provider: Provider, operation: &str, rule: &str) -> Option<String> {
    let (operation, surface) = match operation {
        "revoke" => ("revoke", Surface::Revoke),
        _ => ("refresh", Surface::Refresh),
    };
    Rule::named(rule).map(|rule| rule.words(Call { provider, operation, surface }, None))
}

fn bare_failure(call: Call, rule: Rule) -> Failure {
    Failure::without_reply(call.provider, call.operation, rule.verdict(), rule.name(), rule.words(call, None))
}

/// No reply came.
fn transport(surface: Surface, lost: Lost) -> Rule {
    match (lost, surface) {
        (Lost::Unsendable, _) => Rule::Unsendable,
        (Lost::NotReached, _) => Rule::NotReached,
        (Lost::CertificateRefused, _) => Rule::CertificateRefused,
        (Lost::Interrupted, Surface::Refresh | Surface::Exchange | Surface::Create) => Rule::ReplyLost,
        (Lost::Interrupted, Surface::Revoke | Surface::Introspect | Surface::Read | Surface::Search) => {
            Rule::ReadInterrupted
        }
    }
}

/// How long to wait where the provider documents a pause but sends no `Retry-After`.
fn usual_wait(call: Call, rule: Rule, status: u16, policy: Option<&str>) -> Option<Duration> {
    let seconds = match (call.provider, rule, call.surface, status, policy) {
        (Provider::Quickbooks, Rule::Throttled, Surface::Read | Surface::Search | Surface::Create, ..) => 60,
        (Provider::Hubspot, Rule::Throttled, _, _, Some("TEN_SECONDLY_ROLLING")) => 10,
        // The daily allowance is back at midnight in the portal's zone, which is not known here.
        (Provider::Hubspot, Rule::Throttled, _, _, Some("DAILY")) => 3600,
        (Provider::Hubspot, Rule::Throttled, Surface::Search, ..) => 1,
        (Provider::Hubspot, Rule::Busy, _, 423, _) => 2,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
