//! Every mail as the tests know it: snapshots of what is said, and the rules that all of them keep.

mod warnings;
mod webhook;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::provider::{Cause, Endpoint, Provider};

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

const LINK: &str =
    "https://lamplighter.example.com/reconnect/AZq8V2lkLm9yZy1hLXNpZ25lZC10b2tlbi10aGF0LWlzLWxvbmc.9f3c1d";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
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
        correlation_id: Some("1-628f0be4-3c9d5a"),
    }
}

fn recovered() -> Recovered<'static> {
    Recovered {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        provider: Provider::Quickbooks,
        company: "Harbor Books LLC",
        recovered_at: at("2026-11-22T08:05:00Z"),
        lapsed_at: at("2026-11-21T22:30:00Z"),
        waiting_orders: 12,
        support_contact: Some("support@operator.example"),
    }
}

fn operator_fault() -> OperatorFault<'static> {
    OperatorFault {
        provider: Provider::Quickbooks,
        rule: "invalid_client",
        code: Some("invalid_client"),
        message: "Intuit does not accept our client id or secret",
        first_seen_at: at("2026-11-21T22:30:00Z"),
        connections_touched: 3,
        remedy: "Compare quickbooks.client_id and quickbooks.client_secret with the production keys of the app.",
        correlation_id: Some("1-628f0be4-3c9d5a"),
    }
}

fn operator_fault_resolved() -> OperatorFaultResolved<'static> {
    OperatorFaultResolved {
        provider: Provider::Quickbooks,
        rule: "invalid_client",
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

/// Whether a mail asks its reader to reconnect.
fn has_button(name: &str) -> bool {
    name.starts_with("lapsed") || (name.starts_with("running_out") && !name.ends_with("resolved"))
}

/// All mails, each with the name of its snapshot.
fn all() -> Vec<(String, Rendered)> {
    let mut mails = Vec::new();
    for provider in Provider::ALL {
        for cause in CAUSES {
            let name = format!("lapsed_{provider}_{cause:?}").to_lowercase();
            mails.push((name, lapsed(provider, cause).render().unwrap()));
        }
    }
    mails.push(("recovered".to_owned(), recovered().render().unwrap()));
    mails.push(("operator_fault".to_owned(), operator_fault().render().unwrap()));
    mails.push(("operator_fault_resolved".to_owned(), operator_fault_resolved().render().unwrap()));
    mails.push(("outage_opened".to_owned(), outage_opened().render().unwrap()));
    mails.push(("outage_closed".to_owned(), outage_closed().render().unwrap()));
    let tokens = OutageOpened { endpoint: Endpoint::Tokens, ..outage_opened() };
    mails.push(("outage_opened_tokens".to_owned(), tokens.render().unwrap()));
    mails.push(("restore_fence".to_owned(), restore_fence().render().unwrap()));
    mails.push(("restore_fence_opened".to_owned(), restore_fence_opened().render().unwrap()));
    mails.extend(warnings::all());
    for (name, key_id) in [("without_key", Some("1f0e2d3c")), ("damaged", None)] {
        mails.push((format!("tokens_set_aside_{name}"), tokens_set_aside(key_id).render().unwrap()));
        mails.push((format!("tokens_open_again_{name}"), tokens_open_again(key_id).render().unwrap()));
    }
    mails
}

#[test]
fn text_parts_read_as_agreed() {
    for (name, mail) in all() {
        insta::assert_snapshot!(name, mail.text);
    }
}

#[test]
fn subjects_tell_mails_apart() {
    let subjects: Vec<String> = all().into_iter().map(|(_, mail)| mail.subject).collect();
    let mut distinct = subjects.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), subjects.len(), "two mails share a subject");
    insta::assert_snapshot!(subjects.join("\n"), @r"
    Action needed: reconnect QuickBooks for Harbor Books
    Action needed: QuickBooks permission for Harbor Books has expired
    Action needed: renew QuickBooks for Harbor Books (time limit reached)
    Action needed: reconnect QuickBooks for Harbor Books (a reply was lost)
    Action needed: reconnect QuickBooks for Harbor Books (connected a second time)
    Action needed: an admin must reconnect QuickBooks for Harbor Books
    Action needed: the QuickBooks subscription of Harbor Books has ended
    Action needed: QuickBooks no longer finds the company of Harbor Books
    Action needed: reconnect HubSpot for Harbor Books
    Action needed: HubSpot permission for Harbor Books has expired
    Action needed: renew HubSpot for Harbor Books (time limit reached)
    Action needed: reconnect HubSpot for Harbor Books (a reply was lost)
    Action needed: reconnect HubSpot for Harbor Books (connected a second time)
    Action needed: an admin must reconnect HubSpot for Harbor Books
    Action needed: the HubSpot subscription of Harbor Books has ended
    Action needed: HubSpot no longer finds the account of Harbor Books
    All clear: QuickBooks is connected again for Harbor Books
    Lamplighter setup fault: QuickBooks (invalid_client)
    Lamplighter setup fault resolved: QuickBooks (invalid_client)
    Outage at QuickBooks since 21 Nov 2026, 22:30 UTC
    Outage at QuickBooks is over after 5 h 15 min
    Outage at the token endpoint of QuickBooks since 21 Nov 2026, 22:30 UTC
    Lamplighter holds back: its database looks restored or copied
    Lamplighter goes on: the database is accepted
    60 days left: renew the QuickBooks permission for Harbor Books LLC
    Reminder: 30 days left to renew the QuickBooks permission for Harbor Books LLC
    Last call: 7 days left to renew the QuickBooks permission for Harbor Books LLC
    60 days left: renew the HubSpot permission for harborbooks.example
    Reminder: 30 days left to renew the HubSpot permission for harborbooks.example
    Last call: 7 days left to renew the HubSpot permission for harborbooks.example
    All clear: the QuickBooks permission for Harbor Books LLC is renewed
    60 days left, and 37 connections at QuickBooks are not being renewed
    Reminder: 30 days left, and 37 connections at QuickBooks are not being renewed
    Last call: 7 days left, and 37 connections at QuickBooks are not being renewed
    All clear: no refresh window at QuickBooks is at risk any more
    Lamplighter: The vault key 1f0e2d3c is missing (7 connections)
    Lamplighter: The vault key 1f0e2d3c is no longer missing
    Lamplighter: Stored tokens are damaged (7 connections)
    Lamplighter: No stored token is damaged any more
    ");
}

#[test]
fn html_parts_load_nothing_and_say_what_the_text_says() {
    for (name, mail) in all() {
        let html = &mail.html;
        assert!(html.contains("<html lang=\"en\""), "{name}");
        assert!(html.contains("prefers-color-scheme: dark"), "{name}");
        for remote in ["<img", "<script", "<link", "url(", "@import", "src="] {
            assert!(!html.contains(remote), "{name} has {remote}");
        }
        let links = html.matches("href=").count();
        let own = html.matches(&format!("href=\"{LINK}\"")).count();
        assert_eq!(links, own, "{name} links somewhere else");
        assert_eq!(own > 0, has_button(&name), "{name}: a button is for owners who must reconnect");
        let heading = mail.text.lines().next().unwrap();
        assert!(html.contains(heading), "{name}: {heading}");
    }
}

#[test]
fn text_lines_fit_and_the_link_stands_alone() {
    for (name, mail) in all() {
        for line in mail.text.lines() {
            assert!(line == LINK || line.chars().count() <= 76, "{name}: {line}");
        }
        assert_eq!(mail.text.lines().any(|line| line == LINK), has_button(&name), "{name}");
    }
}

#[test]
fn names_cannot_add_tags_headers_or_paragraphs() {
    let hostile = "<script>alert('x')</script>\r\n\r\nBcc: all@example.com & \"co\"";
    let mail = Lapsed {
        account: hostile,
        owner_name: hostile,
        company: hostile,
        support_contact: Some(hostile),
        correlation_id: Some(hostile),
        ..lapsed(Provider::Quickbooks, Cause::Revoked)
    }
    .render()
    .unwrap();
    assert!(!mail.html.contains("<script"), "{}", mail.html);
    assert!(!mail.html.contains("& \""), "{}", mail.html);
    assert!(mail.html.contains("&#60;script&#62;"), "{}", mail.html);
    assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
    assert!(!mail.text.lines().any(|line| line.starts_with("Bcc:")), "{}", mail.text);
    let fault = OperatorFault { message: hostile, rule: hostile, code: None, remedy: hostile, ..operator_fault() };
    let fault = fault.render().unwrap();
    assert!(!fault.html.contains("<script") && !fault.subject.contains('\n'));
    let outage = OutageOpened { evidence: hostile, ..outage_opened() }.render().unwrap();
    assert!(!outage.html.contains("<script"));
    let held = RestoreFence { found: hostile, daemon: hostile, ..restore_fence() }.render().unwrap();
    assert!(!held.html.contains("<script"));
}

#[test]
fn a_lapse_has_one_to_three_steps_and_names_its_deadline() {
    for provider in Provider::ALL {
        for cause in CAUSES {
            let mail = lapsed(provider, cause).render().unwrap();
            let steps = mail
                .text
                .lines()
                .filter(|line| ["  1. ", "  2. ", "  3. ", "  4. "].iter().any(|mark| line.starts_with(mark)));
            let steps = steps.count();
            assert!((1..=3).contains(&steps), "{provider} {cause:?}: {steps}");
            assert!(mail.text.contains("28 Nov 2026, 22:30 UTC"), "{provider} {cause:?}");
            assert!(mail.subject.starts_with("Action needed: "), "{}", mail.subject);
        }
    }
}

#[test]
fn counts_are_said_in_words_that_agree() {
    let said = |waiting_orders| {
        let mail = Lapsed { waiting_orders, ..lapsed(Provider::Quickbooks, Cause::Revoked) };
        mail.render().unwrap().text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(said(0).contains("No order is waiting at this moment."));
    assert!(said(1).contains("1 order is waiting at this moment."));
    assert!(said(12_480).contains("12,480 orders are waiting at this moment."));
    let short = Recovered { recovered_at: recovered().lapsed_at + TimeDelta::minutes(5), ..recovered() };
    assert!(short.render().unwrap().text.contains("Was out for: 5 min"));
}

#[test]
fn without_a_contact_nothing_is_left_open() {
    let mail = Lapsed {
        support_contact: None,
        last_good_at: None,
        correlation_id: None,
        ..lapsed(Provider::Hubspot, Cause::ReplyLost)
    };
    let text = mail.render().unwrap().text;
    let read = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(read.contains("use the link in our newest mail."), "{text}");
    assert!(!text.contains("Questions?") && !text.contains("Last seen working"), "{text}");
}

#[test]
fn a_deleted_portal_is_not_said_to_keep_its_orders() {
    let said = |cause| {
        let text = lapsed(Provider::Hubspot, cause).render().unwrap().text;
        text.split_whitespace().collect::<Vec<_>>().join(" ").contains("They stay in HubSpot")
    };
    assert!(said(Cause::Revoked));
    assert!(!said(Cause::PortalDeleted));
}
