//! Calls that brought nothing to read.

use super::bodies::{HUB_SCOPES, INTUIT_GRANT};
use super::*;
use crate::provider::Cause;
use Provider::{Hubspot, Quickbooks};
use Surface::{Create, Exchange, Introspect, Read, Refresh, Revoke, Search};
use Verdict::{OperatorFault, OutcomeUnknown, TokenRefused, Transient};

#[rustfmt::skip]
const LOST: [(Lost, &[Surface], Verdict, &str); 5] = [
    (Lost::Interrupted,        &[Refresh, Exchange, Create],                               OutcomeUnknown, "reply_lost"),
    (Lost::Interrupted,        &[Revoke, Introspect, Read, Search],                        Transient,      "read_interrupted"),
    (Lost::NotReached,         &[Refresh, Exchange, Create, Revoke, Introspect, Read, Search], Transient,  "not_reached"),
    (Lost::CertificateRefused, &[Refresh, Exchange, Create, Revoke, Introspect, Read, Search], OperatorFault, "certificate_refused"),
    (Lost::Unsendable,         &[Refresh, Exchange, Create, Revoke, Introspect, Read, Search], OperatorFault, "unsendable"),
];

/// The rules that need no reply.
pub(super) fn reached() -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    let call = |surface| Call { provider: Quickbooks, operation: "test", surface };
    for (lost, surfaces, verdict, rule) in LOST {
        for surface in surfaces {
            let failure = judge_lost(call(*surface), lost);
            assert_eq!((failure.verdict, failure.rule), (verdict, rule), "{lost:?} {surface:?}");
            reached.insert(failure.rule);
        }
    }
    for (failure, verdict, rule) in [
        (not_configured(Hubspot, "test"), OperatorFault, "not_configured"),
        (token_unsendable(call(Read)), TokenRefused, "token_unsendable"),
        (unusable(call(Read)), Transient, "read_unusable"),
    ] {
        assert_eq!((failure.verdict, failure.rule, failure.status), (verdict, rule, None));
        reached.insert(failure.rule);
    }
    reached.insert(scopes(HUB_SCOPES, &["oauth"]).rule);
    let inactive = inactive(call(Introspect), &reply(200, "{}"));
    assert_eq!(inactive.verdict, Verdict::Lapsed(Cause::Revoked));
    reached.insert(inactive.rule);
    reached
}

fn scopes(body: &str, asked_for: &[&str]) -> Failure {
    let asked_for: Vec<_> = asked_for.iter().map(|scope| (*scope).to_owned()).collect();
    judge_within(Call { provider: Hubspot, operation: "test", surface: Search }, &reply(403, body), &asked_for)
}

#[test]
fn a_scope_that_we_never_ask_for_or_that_nobody_names_is_our_own_fault() {
    let lapsed = |failure: Failure| failure.verdict == Verdict::Lapsed(Cause::PermissionLost);
    assert!(lapsed(scopes(HUB_SCOPES, &["oauth", "crm.objects.companies.write"])));
    for (body, asked_for) in [
        (HUB_SCOPES, &["oauth"][..]),
        (r#"{"category":"MISSING_SCOPES"}"#, &["oauth"]),
        (r#"{"category":"MISSING_SCOPES","errors":[{"context":{"requiredGranularScopes":[]}}]}"#, &["oauth"]),
        (r#"{"category":"MISSING_SCOPES","context":{"missingScopes":["a","b"]}}"#, &["a"]),
        (r#"{"category":"MISSING_SCOPES","errors":[{"context":{"requiredScopes":["a"]}}]}"#, &["oauth"]),
    ] {
        let failure = scopes(body, asked_for);
        assert_eq!((failure.verdict, failure.rule), (OperatorFault, "scopes_not_asked_for"), "{body}");
        assert_eq!(failure.code.as_deref(), Some("MISSING_SCOPES"));
    }
    assert!(lapsed(scopes(r#"{"category":"MISSING_SCOPES","context":{"missingScopes":["a"]}}"#, &["a"])));
}

#[test]
fn a_torn_reply_is_a_lost_one_but_keeps_its_correlation_id() {
    let mut headers = HeaderMap::new();
    headers.insert("intuit_tid", "1-628f0be4".parse().unwrap());
    for (surface, rule) in [(Refresh, "reply_lost"), (Read, "read_interrupted")] {
        for body in [r#"{"error":"invalid_grant"}"#, "", INTUIT_GRANT] {
            let torn = Reply::new(400, &headers, body.into()).torn();
            let failure = judge(Call { provider: Quickbooks, operation: "test", surface }, &torn);
            assert_eq!((failure.rule, failure.status), (rule, None));
            assert_eq!(failure.correlation_id.as_deref(), Some("1-628f0be4"));
        }
    }
}
