//! Every kind of mail with invented contents: what `lamplighter alert preview` writes to files, and what the tests hold
//! to the rules that all mails keep.
//!
//! Knows no database. Names, times and the link in here are nobody's.

mod incidents;
mod warnings;
mod webhook;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::provider::{Cause, Endpoint, Provider};

/// One mail as it could be sent.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it is called.
    pub name: String,
    /// Whether an owner gets it; else the operator does.
    pub for_owner: bool,
    /// The mail.
    pub rendered: Rendered,
}

impl Sample {
    fn owner(name: impl Into<String>, rendered: Rendered) -> Self {
        Self { name: name.into(), for_owner: true, rendered }
    }

    fn operator(name: impl Into<String>, rendered: Rendered) -> Self {
        Self { name: name.into(), for_owner: false, rendered }
    }
}

const CAUSES: [Cause; 8] = [
    Cause::Revoked,
    Cause::InactivityExpired,
    Cause::HardCapReached,
    Cause::ReplyLost,
    Cause::Replaced,
    Cause::PermissionLost,
    Cause::SubscriptionLapsed,
    Cause::PortalDeleted,
];

/// An owner's page.
const PAGE_URL: &str = "https://lamplighter.example/owner/b2Y.N2Q5ZjYwMTItNGQ0.Kj9";

fn page() -> OwnersPage<'static> {
    OwnersPage { url: PAGE_URL, works_until: at("2026-12-05T22:33:00Z") }
}

const LINK: &str =
    "https://lamplighter.example.com/reconnect/AZq8V2lkLm9yZy1hLXNpZ25lZC10b2tlbi10aGF0LWlzLWxvbmc.9f3c1d";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_default()
}

fn lapsed(provider: Provider, cause: Cause) -> Lapsed<'static> {
    Lapsed {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        provider,
        company: match provider {
            Provider::Quickbooks => "Harbor Books LLC",
            Provider::Hubspot => "harborbooks.example",
        },
        cause,
        happened_at: at("2026-11-21T22:30:00Z"),
        reconnect_url: LINK,
        link_expires_at: at("2026-11-28T22:30:00Z"),
        waiting_orders: 12,
        last_good_at: Some(at("2026-11-21T21:30:00Z")),
        support_contact: Some("support@operator.example"),
        page: page(),
        correlation_id: Some("1-628f0be4-3c9d5a"),
        reminder: None,
    }
}

fn reminder(cause: Cause, days: i64, is_last: bool) -> Lapsed<'static> {
    let reminder = Some(Reminder { out_for: TimeDelta::days(days) + TimeDelta::minutes(3), is_last });
    Lapsed { reminder, link_expires_at: at("2026-12-05T22:33:00Z"), ..lapsed(Provider::Quickbooks, cause) }
}

fn recovered() -> Recovered<'static> {
    Recovered {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        provider: Provider::Quickbooks,
        company: "Harbor Books LLC",
        recovered_at: at("2026-11-22T08:05:00Z"),
        lapsed_at: at("2026-11-21T22:30:00Z"),
        posted_orders: 12,
        waiting_orders: 0,
        is_read: true,
        missing: None,
        support_contact: Some("support@operator.example"),
        page: page(),
    }
}

fn operator_fault() -> OperatorFault<'static> {
    OperatorFault {
        provider: Provider::Quickbooks,
        rule: "client_refused",
        code: Some("invalid_client"),
        message: "the token endpoint of QuickBooks does not accept our client id and secret; check both in \
                  providers.quickbooks, and that they belong to the configured environment",
        first_seen_at: at("2026-11-21T22:30:00Z"),
        connections_touched: 3,
        correlation_id: Some("1-628f0be4-3c9d5a"),
    }
}

fn operator_fault_resolved() -> OperatorFaultResolved<'static> {
    OperatorFaultResolved {
        provider: Provider::Quickbooks,
        rule: "client_refused",
        first_seen_at: at("2026-11-21T22:30:00Z"),
        resolved_at: at("2026-11-21T23:10:00Z"),
    }
}

fn outage_opened() -> OutageOpened<'static> {
    OutageOpened {
        provider: Provider::Quickbooks,
        endpoint: Endpoint::Api,
        since: at("2026-11-21T22:30:00Z"),
        evidence: "6 of 6 calls from 4 companies failed within 2 min: HTTP 503 (5), no answer in time (1).",
        waiting_orders: 48,
    }
}

fn outage_closed() -> OutageClosed {
    OutageClosed {
        provider: Provider::Quickbooks,
        endpoint: Endpoint::Api,
        since: at("2026-11-21T22:30:00Z"),
        until: at("2026-11-22T03:45:00Z"),
        waiting_orders: 1480,
    }
}

fn restore_fence() -> RestoreFence<'static> {
    RestoreFence {
        found: "this database was set back: its ledger ends at spend 40, but spend 52 was seen in it before 21 Nov 2026, \
                22:30 UTC",
        daemon: "lamp-1/4711-9f3c",
        found_at: at("2026-11-21T22:30:00Z"),
    }
}

fn restore_fence_opened() -> RestoreFenceOpened {
    let (found_at, opened_at) = (at("2026-11-21T22:30:00Z"), at("2026-11-21T23:10:00Z"));
    RestoreFenceOpened { found_at, opened_at, accepted: true }
}

fn tokens_set_aside(key_id: Option<&'static str>) -> TokensSetAside<'static> {
    TokensSetAside {
        key_id,
        connections: 7,
        companies: vec!["Harbor Books LLC".to_owned(), "harborbooks.example".to_owned()],
        first_seen_at: at("2026-11-21T22:30:00Z"),
    }
}

fn tokens_open_again(key_id: Option<&'static str>) -> TokensOpenAgain<'static> {
    TokensOpenAgain { key_id, first_seen_at: at("2026-11-21T22:30:00Z"), resolved_at: at("2026-11-21T23:10:00Z") }
}

/// All mails.
///
/// # Errors
/// When a template cannot be filled in.
pub fn all() -> Result<Vec<Sample>, askama::Error> {
    let mut mails = Vec::new();
    for provider in Provider::ALL {
        for cause in CAUSES {
            let name = format!("lapsed_{provider}_{cause:?}").to_lowercase();
            mails.push(Sample::owner(name, lapsed(provider, cause).render()?));
        }
    }
    mails.push(Sample::owner("reminder_first", reminder(Cause::Revoked, 3, false).render()?));
    mails.push(Sample::owner("reminder_last", reminder(Cause::SubscriptionLapsed, 14, true).render()?));
    mails.push(Sample::owner("recovered", recovered().render()?));
    mails.push(Sample::operator("operator_fault", operator_fault().render()?));
    mails.push(Sample::operator("operator_fault_resolved", operator_fault_resolved().render()?));
    mails.push(Sample::operator("outage_opened", outage_opened().render()?));
    mails.push(Sample::operator("outage_closed", outage_closed().render()?));
    let tokens = OutageOpened { endpoint: Endpoint::Tokens, ..outage_opened() };
    mails.push(Sample::operator("outage_opened_tokens", tokens.render()?));
    mails.push(Sample::operator("restore_fence", restore_fence().render()?));
    mails.push(Sample::operator("restore_fence_opened", restore_fence_opened().render()?));
    mails.extend(warnings::all()?);
    for (name, key_id) in [("without_key", Some("1f0e2d3c")), ("damaged", None)] {
        mails.push(Sample::operator(format!("tokens_set_aside_{name}"), tokens_set_aside(key_id).render()?));
        mails.push(Sample::operator(format!("tokens_open_again_{name}"), tokens_open_again(key_id).render()?));
    }
    mails.extend(incidents::all()?);
    mails.extend(webhook::all()?);
    let fresh = FreshLink {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        asked_at: at("2026-11-28T22:31:00Z"),
        support_contact: Some("support@operator.example"),
        page: page(),
    };
    mails.push(Sample::owner("fresh_link", fresh.render()?));
    let trial = Trial { host: "lamp-1", server: "smtp.operator.example:587", asked_at: at("2026-11-21T22:30:00Z") };
    mails.push(Sample::operator("test", trial.render()?));
    Ok(mails)
}

#[cfg(test)]
mod tests;
