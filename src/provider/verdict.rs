//! The one place where a reply is judged.
//!
//! Each function below is a table, read from the top, first match wins: what came back on the left, the `Rule` that
//! it meets on the right. What a rule then means, and what a person is told, stands once in `rule`.
//!
//! Two promises shape the order. An operator's mistake stands above a dead grant, so a reply that says both touches no
//! customer. And a grant is called dead only by a row that names its exact word: a status alone never does it, and
//! prose is never read.

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
    let signs = reply.signs();
    let rule = match (call.surface, call.provider) {
        (Surface::Refresh | Surface::Exchange | Surface::Revoke | Surface::Introspect, _) => {
            oauth(call.surface, reply.status, &signs)
        }
        (Surface::Read | Surface::Search | Surface::Create, Provider::Quickbooks) => {
            quickbooks(call.surface, reply.status, &signs)
        }
        (Surface::Read | Surface::Search | Surface::Create, Provider::Hubspot) => {
            hubspot(call.surface, reply.status, &signs)
        }
    };
    let asked = reply.retry_after.or_else(|| usual_wait(call, rule, reply.status, signs.policy.as_deref()));
    let fault = signs.fault.unwrap_or_default();
    let said = Some(fault.words).filter(|words| !words.is_empty()).or(signs.message);
    let telling = signs.status.filter(|word| word != "error");
    Failure {
        status: Some(reply.status),
        code: fault.code.or(telling).or(signs.error).or(signs.category).or(signs.policy),
        message: rule.words(call, said),
        correlation_id: reply.correlation_id.clone().or(signs.correlation_id),
        retry_after: asked,
        ..bare_failure(call, rule)
    }
}

/// The same for an API that was called with a token for these scopes. A scope that we never ask for is missing by our own
/// doing: no owner can give it, so none may be asked to.
pub(super) fn judge_within(call: Call, reply: &Reply, asked_for: &[String]) -> Failure {
    let failure = judge(call, reply);
    let ours = failure.rule == Rule::ScopesLost.name()
        && reply.signs().scopes.iter().any(|needed| !asked_for.iter().any(|asked| asked == needed));
    if !ours {
        return failure;
    }
    let rule = Rule::ScopesNotAskedFor;
    Failure { verdict: rule.verdict(), rule: rule.name(), message: rule.words(call, None), ..failure }
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

/// The OAuth endpoints of both providers. A 2xx comes here only when it holds nothing usable.
#[rustfmt::skip]
fn oauth(surface: Surface, status: u16, signs: &Signs) -> Rule {
    use Surface::{Exchange, Introspect, Refresh, Revoke};
    let (error, word) = (signs.error.as_deref().unwrap_or(""), signs.status.as_deref().unwrap_or(""));
    match (status, error, word, surface) {
        (200..=299, _, _, Refresh | Exchange) => Rule::ReplyUnusable,
        (200..=299, _, _, Revoke | Introspect) => Rule::ReadUnusable,
        (300..=399, ..) => Rule::Redirected,
        (429, ..) => Rule::Throttled,
        (408 | 423 | 425 | 477, ..) => Rule::Busy,
        (500.., _, _, Exchange) => Rule::ServerErrorUnsettled,
        (500.., ..) => Rule::ServerError,

        (400..=403, "invalid_client" | "unauthorized_client", _, _) => Rule::ClientRefused,
        (400..=403, _, "BAD_CLIENT_ID" | "BAD_CLIENT_SECRET", _) => Rule::ClientRefused,
        (400..=403, "unsupported_grant_type" | "invalid_scope" | "redirect_uri_mismatch", _, _) => Rule::SettingsRefused,
        (400..=403, _, "BAD_REDIRECT_URI" | "BAD_GRANT_TYPE" | "BAD_SCOPES", _) => Rule::SettingsRefused,

        (400..=403, _, "BAD_HUB", Refresh) => Rule::PortalDeleted,
        (400..=403, _, "BAD_REFRESH_TOKEN", Refresh) => Rule::GrantDead,
        (400..=403, "invalid_grant" | "access_denied", _, Refresh) => Rule::GrantDead,

        (404 | 405 | 410, ..) => Rule::EndpointMissing,
        (400..=499, _, _, Exchange) if signs.shape == Shape::Object => Rule::CodeRefused,
        (400..=499, _, _, Revoke) if signs.shape != Shape::Foreign => Rule::TokenUnknown,
        (400..=499, _, _, Introspect) if signs.shape == Shape::Object => Rule::TokenUnknown,
        (_, _, _, Exchange) => Rule::NotTheirWordsUnsettled,
        _ if signs.shape == Shape::Object => Rule::Unlisted,
        _ => Rule::NotTheirWords,
    }
}

/// QuickBooks' API. A fault counts with a 200 too.
#[rustfmt::skip]
fn quickbooks(surface: Surface, status: u16, signs: &Signs) -> Rule {
    let create = surface == Surface::Create;
    let code = signs.fault.as_ref().map(|fault| fault.code.as_deref().unwrap_or("none"));
    match (status, code, signs.shape) {
        (300..=399, ..) => Rule::Redirected,
        (429, ..) | (_, Some("3001"), _) => Rule::Throttled,
        (408 | 423 | 425 | 477, ..) => Rule::Busy,
        (500.., ..) | (_, Some("10000"), _) if create => Rule::ServerErrorUnsettled,
        (500.., ..) | (_, Some("10000"), _) => Rule::ServerError,

        (_, Some("3200"), _) => Rule::TokenRefused,
        (200 | 401 | 403, Some("3100"), _) => Rule::Disconnected,
        (200 | 400 | 401 | 403, Some("120"), _) => Rule::RightsLost,
        (200 | 400 | 403, Some("6190"), _) => Rule::SubscriptionLapsed,
        (401, _, Shape::Object | Shape::Empty) => Rule::TokenRefused,
        (_, Some(_), _) => Rule::Refused,

        (404 | 405 | 410, None, Shape::Object | Shape::Empty) => Rule::EndpointMissing,
        (200..=299, ..) if create => Rule::ReplyUnusable,
        (200..=299, ..) => Rule::ReadUnusable,
        _ if create => Rule::NotTheirWordsUnsettled,
        _ => Rule::NotTheirWords,
    }
}

/// HubSpot's API, which Lamplighter only reads.
#[rustfmt::skip]
fn hubspot(surface: Surface, status: u16, signs: &Signs) -> Rule {
    let create = surface == Surface::Create;
    match (status, signs.category.as_deref(), signs.shape) {
        (300..=399, ..) => Rule::Redirected,
        (429, ..) => Rule::Throttled,
        (408 | 423 | 425 | 477, ..) => Rule::Busy,
        (500.., ..) if create => Rule::ServerErrorUnsettled,
        (500.., ..) => Rule::ServerError,

        (401, Some("EXPIRED_AUTHENTICATION" | "INVALID_AUTHENTICATION"), _) => Rule::TokenRefused,
        (401, _, Shape::Object | Shape::Empty) => Rule::TokenRefused,
        (403, Some("MISSING_SCOPES"), _) => Rule::ScopesLost,
        (400..=499, _, Shape::Object) => Rule::Refused,

        (404 | 405 | 410, _, Shape::Empty) => Rule::EndpointMissing,
        (200..=299, ..) if create => Rule::ReplyUnusable,
        (200..=299, ..) => Rule::ReadUnusable,
        _ if create => Rule::NotTheirWordsUnsettled,
        _ => Rule::NotTheirWords,
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
