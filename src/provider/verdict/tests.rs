//! The tables, row by row, with the bodies that the providers are known to send, and the laws that hold for every other.

mod bending;
mod bodies;
mod hubspot;
mod laws;
mod no_reply;
mod quickbooks;

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;

use super::*;
use crate::provider::Verdict;

/// What was asked, what came back, and what it must mean: verdict, rule, code.
type Row = (Surface, u16, &'static str, Verdict, &'static str, Option<&'static str>);

fn reply(status: u16, body: &str) -> Reply {
    Reply::new(status, &HeaderMap::new(), body.into())
}

fn judged(provider: Provider, surface: Surface, status: u16, body: &str) -> Failure {
    judge(Call { provider, operation: "test", surface }, &reply(status, body))
}

/// Judges every row; the answer is the rules that were reached.
fn check(provider: Provider, rows: &[Row]) -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    for (surface, status, body, verdict, rule, code) in rows {
        let failure = judged(provider, *surface, *status, body);
        let seen = (failure.verdict, failure.rule, failure.code.as_deref());
        assert_eq!(seen, (*verdict, *rule, *code), "{provider} {surface:?} {status} {body}");
        assert_eq!(failure.status, Some(*status));
        assert!(!failure.message.is_empty() && !failure.message.contains('{'), "{}", failure.message);
        reached.insert(failure.rule);
    }
    reached
}

#[test]
fn every_rule_has_a_row_that_reaches_it() {
    let mut reached = no_reply::reached();
    reached.extend(quickbooks::TABLES.iter().flat_map(|rows| check(Provider::Quickbooks, rows)));
    reached.extend(hubspot::TABLES.iter().flat_map(|rows| check(Provider::Hubspot, rows)));
    let all: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(all.len(), Rule::ALL.len(), "two rules share a name");
    assert_eq!(reached, all);
}

#[test]
fn every_rule_is_found_by_its_name() {
    for rule in Rule::ALL {
        assert_eq!(Rule::named(rule.name()), Some(*rule), "two rules share a name");
    }
    let words = words_of(Provider::Quickbooks, "refresh", "reply_lost").unwrap();
    assert_eq!(
        words,
        "QuickBooks got the request but its reply never arrived whole; the same token is tried again, alone"
    );
    let words = words_of(Provider::Hubspot, "revoke", "server_error").unwrap();
    assert_eq!(words, "HubSpot has a problem of its own; try it again");
    assert_eq!(words_of(Provider::Hubspot, "refresh", "no_such_rule"), None);
}
