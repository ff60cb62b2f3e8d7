//! The tables, row by row, with bodies as the providers send them.

use proptest::prelude::*;
use reqwest::header::HeaderMap;

use super::*;
use crate::provider::{Cause, Verdict};
use Provider::{Hubspot, Quickbooks};
use Surface::{Create, Exchange, Introspect, Read, Refresh, Revoke, Search};
use Verdict::{Lapsed, OperatorFault, OutcomeUnknown, Rejected, TokenRefused, Transient};

const GATEWAY_EXPIRED: &str = r#"{"warnings":null,"intuitObject":null,"fault":{"error":[{"message":"message=AuthenticationFailed; errorCode=003200; statusCode=401","detail":"Token expired","code":"3200","element":null}],"type":"AUTHENTICATION"},"report":null,"queryResponse":null,"batchItemResponse":[],"attachableResponse":[],"syncErrorResponse":null,"requestId":null,"time":1633520295688,"status":null,"cdcresponse":[]}"#;
const GATEWAY_FORBIDDEN: &str = r#"{"fault":{"error":[{"message":"message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403","detail":null,"code":"3100","element":null}],"type":"SERVICE"}}"#;
const THROTTLED: &str = r#"{"Fault":{"Error":[{"Message":"message=ThrottleExceeded; errorCode=003001; statusCode=429","Detail":"The request limit was reached. Try again later","code":"3001"}],"type":"SERVICE"}}"#;
const DUPLICATE: &str = r#"{"Fault":{"Error":[{"Message":"Duplicate Document Number Error","Detail":"Duplicate Document Number Error : You must specify a different number. This number has already been used. DocNumber=1037 is assigned to TxnType=Invoice with TxnId=17984","code":"6140","element":""}],"type":"ValidationFault"},"time":"2026-04-29T11:55:16.670-07:00"}"#;
const BAD_REFRESH: &str = r#"{"error":"invalid_grant","error_description":"refresh token is invalid, expired or revoked","status":"BAD_REFRESH_TOKEN","message":"refresh token is invalid, expired or revoked"}"#;
const BAD_REFRESH_OLD: &str = r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#;
const BAD_HUB: &str = r#"{"status":"BAD_HUB","message":"missing or unknown hub id","error":"access_denied"}"#;
const HUB_EXPIRED: &str = r#"{"status":"error","message":"The OAuth token used to make this call expired 0 second(s) ago.","correlationId":"20f98dfa","category":"EXPIRED_AUTHENTICATION","context":{"expire time":["..."]}}"#;
const HUB_SCOPES: &str = r#"{"status":"error","message":"This app hasn't been granted all required scopes to make this call. ...","correlationId":"..","errors":[{"message":"One or more of the following scopes are required.","context":{"requiredGranularScopes":["crm.objects.companies.write"]}}],"category":"MISSING_SCOPES"}"#;
const HUB_TEN: &str = r#"{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","correlationId":"20f98dfa-05b6-4d27-8d96-ecfde54ca211","policyName":"TEN_SECONDLY_ROLLING","groupName":"publicapi:private_app-api-calls-ten-secondly:x"}"#;
const HUB_DAILY: &str = r#"{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","correlationId":"c033cdaa","policyName":"DAILY","requestId":"3d3e35b7"}"#;
const HUB_INVALID: &str = r#"{"status":"error","message":"There was a problem with the request.","correlationId":"aeb5f871","category":"VALIDATION_ERROR"}"#;
const HTML: &str = "<html><head><title>502 Bad Gateway</title></head></html>";

fn judged(provider: Provider, surface: Surface, status: u16, body: &str) -> Failure {
    judged_with(provider, surface, status, body, &HeaderMap::new())
}

fn judged_with(provider: Provider, surface: Surface, status: u16, body: &str, headers: &HeaderMap) -> Failure {
    let call = Call { provider, operation: "test", surface };
    judge(call, &Reply::new(status, headers, body.into()))
}

fn fault(code: &str) -> String {
    format!(r#"{{"Fault":{{"Error":[{{"Message":"M","Detail":"D","code":"{code}"}}],"type":"ValidationFault"}}}}"#)
}

/// What came back, and what it must mean: verdict, rule, code.
type Row<'a> = (Provider, Surface, u16, &'a str, Verdict, &'a str, Option<&'a str>);

fn check(rows: &[Row<'_>]) {
    for (provider, surface, status, body, verdict, rule, code) in rows {
        let failure = judged(*provider, *surface, *status, body);
        let seen = (failure.verdict, failure.rule, failure.code.as_deref());
        assert_eq!(seen, (*verdict, *rule, *code), "{provider} {surface:?} {status} {body}");
        assert_eq!(failure.status, Some(*status));
        assert!(!failure.message.is_empty());
    }
}

#[test]
#[rustfmt::skip]
fn dead_grants() {
    let bare = r#"{"error":"invalid_grant"}"#;
    let revoked = Lapsed(Cause::Revoked);
    let grant = Some("invalid_grant");
    check(&[
        (Quickbooks, Refresh, 400, bare, revoked, "grant_dead", grant),
        (Quickbooks, Refresh, 400, r#"{"error":"invalid_grant","error_description":"Incorrect or invalid refresh token"}"#, revoked, "grant_dead", grant),
        (Quickbooks, Refresh, 400, r#"{"error_description":"Token invalid","error":"invalid_grant"}"#, revoked, "grant_dead", grant),
        (Quickbooks, Refresh, 400, r#"{"error":"invalid_grant","error_description":"Incorrect Token type or clientID"}"#, revoked, "grant_dead", grant),
        (Hubspot, Refresh, 400, BAD_REFRESH, revoked, "grant_dead", Some("BAD_REFRESH_TOKEN")),
        (Hubspot, Refresh, 400, BAD_REFRESH_OLD, revoked, "grant_dead", Some("BAD_REFRESH_TOKEN")),
        (Hubspot, Refresh, 400, BAD_HUB, Lapsed(Cause::PortalDeleted), "portal_deleted", Some("BAD_HUB")),
        // The same words mean less elsewhere.
        (Quickbooks, Exchange, 400, bare, Rejected, "code_refused", grant),
        (Hubspot, Exchange, 400, r#"{"status":"BAD_AUTH_CODE","message":"missing or unknown auth code","error":"invalid_grant"}"#, Rejected, "code_refused", Some("BAD_AUTH_CODE")),
        (Quickbooks, Revoke, 400, bare, Rejected, "token_unknown", grant),
        (Quickbooks, Refresh, 503, bare, Transient, "server_error", grant),
        (Quickbooks, Refresh, 429, bare, Transient, "throttled", grant),
        (Quickbooks, Refresh, 404, bare, OperatorFault, "endpoint_missing", grant),
        (Quickbooks, Refresh, 200, bare, OutcomeUnknown, "reply_unusable", grant),
        (Hubspot, Introspect, 400, BAD_REFRESH, Rejected, "token_unknown", Some("BAD_REFRESH_TOKEN")),
    ]);
}

#[test]
#[rustfmt::skip]
fn our_own_faults() {
    check(&[
        (Quickbooks, Refresh, 401, r#"{"error":"invalid_client"}"#, OperatorFault, "client_refused", Some("invalid_client")),
        (Quickbooks, Exchange, 401, r#"{"error":"invalid_client"}"#, OperatorFault, "client_refused", Some("invalid_client")),
        (Hubspot, Refresh, 400, r#"{"error":"unauthorized_client"}"#, OperatorFault, "client_refused", Some("unauthorized_client")),
        (Hubspot, Refresh, 400, r#"{"status":"BAD_CLIENT_SECRET","message":"x"}"#, OperatorFault, "client_refused", Some("BAD_CLIENT_SECRET")),
        (Hubspot, Revoke, 400, r#"{"status":"BAD_CLIENT_ID","message":"x"}"#, OperatorFault, "client_refused", Some("BAD_CLIENT_ID")),
        (Hubspot, Exchange, 400, r#"{"status":"BAD_REDIRECT_URI","message":"x"}"#, OperatorFault, "settings_refused", Some("BAD_REDIRECT_URI")),
        // Our mistake outranks a dead grant when a reply says both.
        (Hubspot, Refresh, 400, r#"{"status":"BAD_REFRESH_TOKEN","error":"invalid_client"}"#, OperatorFault, "client_refused", Some("BAD_REFRESH_TOKEN")),
        (Hubspot, Refresh, 410, HTML, OperatorFault, "endpoint_missing", None),
        (Hubspot, Refresh, 301, "", OperatorFault, "redirected", None),
        (Quickbooks, Create, 302, "", OperatorFault, "redirected", None),
        (Quickbooks, Read, 404, "", OperatorFault, "endpoint_missing", None),
    ]);
}

#[test]
#[rustfmt::skip]
fn troubles_that_pass() {
    check(&[
        (Quickbooks, Refresh, 400, r#"{"error":"invalid_request"}"#, Transient, "unlisted", Some("invalid_request")),
        (Quickbooks, Refresh, 400, HTML, Transient, "not_their_words", None),
        (Quickbooks, Refresh, 400, "", Transient, "not_their_words", None),
        (Quickbooks, Refresh, 504, HTML, Transient, "server_error", None),
        (Hubspot, Refresh, 477, "", Transient, "busy", None),
        (Hubspot, Refresh, 423, "", Transient, "busy", None),
        (Hubspot, Refresh, 525, HTML, Transient, "server_error", None),
        (Quickbooks, Read, 503, HTML, Transient, "server_error", None),
        (Quickbooks, Read, 200, HTML, Transient, "read_unusable", None),
        (Quickbooks, Read, 403, HTML, Transient, "not_their_words", None),
        (Hubspot, Search, 521, HTML, Transient, "server_error", None),
        (Hubspot, Read, 207, "{}", Transient, "read_unusable", None),
    ]);
}

#[test]
#[rustfmt::skip]
fn outcomes_left_open() {
    let hidden = r#"{"refresh_token":"RT1-secret"}"#;
    check(&[
        (Quickbooks, Refresh, 200, "", OutcomeUnknown, "reply_unusable", None),
        (Quickbooks, Refresh, 200, r#"{"access_token":"eyJ"#, OutcomeUnknown, "reply_unusable", None),
        (Quickbooks, Refresh, 200, hidden, OutcomeUnknown, "reply_unusable", None),
        (Hubspot, Exchange, 502, HTML, OutcomeUnknown, "server_error_unsettled", None),
        (Quickbooks, Exchange, 403, HTML, OutcomeUnknown, "not_their_words_unsettled", None),
        (Quickbooks, Create, 504, HTML, OutcomeUnknown, "server_error_unsettled", None),
        (Quickbooks, Create, 500, &fault("10000"), OutcomeUnknown, "server_error_unsettled", Some("10000")),
        (Quickbooks, Create, 200, "{}", OutcomeUnknown, "reply_unusable", None),
        (Quickbooks, Create, 403, HTML, OutcomeUnknown, "not_their_words_unsettled", None),
    ]);
    assert!(!judged(Quickbooks, Refresh, 200, hidden).to_string().contains("RT1"));
}

#[test]
#[rustfmt::skip]
fn the_quickbooks_api() {
    let (permission, revoked) = (Lapsed(Cause::PermissionLost), Lapsed(Cause::Revoked));
    check(&[
        (Quickbooks, Read, 401, GATEWAY_EXPIRED, TokenRefused, "token_refused", Some("3200")),
        (Quickbooks, Create, 401, &fault("003200"), TokenRefused, "token_refused", Some("3200")),
        (Quickbooks, Read, 401, "", TokenRefused, "token_refused", None),
        (Quickbooks, Read, 403, GATEWAY_FORBIDDEN, revoked, "disconnected", Some("3100")),
        (Quickbooks, Create, 403, &fault("003100"), revoked, "disconnected", Some("3100")),
        (Quickbooks, Read, 403, &fault("120"), permission, "rights_lost", Some("120")),
        (Quickbooks, Create, 401, &fault("120"), permission, "rights_lost", Some("120")),
        (Quickbooks, Create, 400, &fault("6190"), Lapsed(Cause::SubscriptionLapsed), "subscription_lapsed", Some("6190")),
        (Quickbooks, Create, 429, THROTTLED, Transient, "throttled", Some("3001")),
        (Quickbooks, Create, 400, DUPLICATE, Rejected, "refused", Some("6140")),
        (Quickbooks, Create, 400, &fault("6240"), Rejected, "refused", Some("6240")),
        (Quickbooks, Create, 200, &fault("6210"), Rejected, "refused", Some("6210")),
        (Quickbooks, Read, 400, &fault("4001"), Rejected, "refused", Some("4001")),
        (Quickbooks, Create, 400, r#"{"Fault":{"Error":[]}}"#, Rejected, "refused", None),
        // A fault inside a 5xx is not yet a refusal.
        (Quickbooks, Create, 500, &fault("6190"), OutcomeUnknown, "server_error_unsettled", Some("6190")),
    ]);
    let message = judged(Quickbooks, Create, 400, DUPLICATE).message;
    assert!(message.starts_with("Duplicate Document Number Error: ") && message.ends_with("TxnId=17984"), "{message}");
}

#[test]
#[rustfmt::skip]
fn the_hubspot_api() {
    check(&[
        (Hubspot, Search, 401, HUB_EXPIRED, TokenRefused, "token_refused", Some("EXPIRED_AUTHENTICATION")),
        (Hubspot, Read, 401, r#"{"category":"INVALID_AUTHENTICATION"}"#, TokenRefused, "token_refused", Some("INVALID_AUTHENTICATION")),
        (Hubspot, Search, 403, HUB_SCOPES, Lapsed(Cause::PermissionLost), "scopes_lost", Some("MISSING_SCOPES")),
        (Hubspot, Search, 403, HUB_INVALID, Rejected, "refused", Some("VALIDATION_ERROR")),
        (Hubspot, Search, 400, HUB_INVALID, Rejected, "refused", Some("VALIDATION_ERROR")),
        (Hubspot, Read, 429, HUB_TEN, Transient, "throttled", Some("TEN_SECONDLY_ROLLING")),
    ]);
    let failure = judged(Hubspot, Search, 400, HUB_INVALID);
    assert_eq!(failure.message, "There was a problem with the request.");
    assert_eq!(failure.correlation_id.as_deref(), Some("aeb5f871"));
}

#[test]
fn pauses() {
    let wait = |provider, surface, status, body| {
        judged(provider, surface, status, body).retry_after.map(|wait: Duration| wait.as_secs())
    };
    assert_eq!(wait(Quickbooks, Create, 429, THROTTLED), Some(60));
    assert_eq!(wait(Quickbooks, Refresh, 429, ""), None);
    assert_eq!(wait(Hubspot, Read, 429, HUB_TEN), Some(10));
    assert_eq!(wait(Hubspot, Read, 429, HUB_DAILY), Some(3600));
    assert_eq!(wait(Hubspot, Search, 429, r#"{"status":"error"}"#), Some(1));
    assert_eq!(wait(Hubspot, Read, 423, ""), Some(2));
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "7".parse().unwrap());
    headers.insert("intuit_tid", "1-628f0be4".parse().unwrap());
    let failure = judged_with(Quickbooks, Create, 429, THROTTLED, &headers);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(failure.correlation_id.as_deref(), Some("1-628f0be4"));
}

#[test]
fn no_reply() {
    for (surface, verdict) in [
        (Refresh, OutcomeUnknown),
        (Exchange, OutcomeUnknown),
        (Create, OutcomeUnknown),
        (Read, Transient),
        (Search, Transient),
        (Revoke, Transient),
        (Introspect, Transient),
    ] {
        let call = Call { provider: Quickbooks, operation: "test", surface };
        assert_eq!(judge_lost(call, Lost::Interrupted).verdict, verdict, "{surface:?}");
        assert_eq!(judge_lost(call, Lost::NotReached).verdict, Transient, "{surface:?}");
        assert_eq!(judge_lost(call, Lost::CertificateRefused).verdict, OperatorFault, "{surface:?}");
        assert_eq!(judge_lost(call, Lost::Unsendable).verdict, OperatorFault, "{surface:?}");
    }
}

/// Every word that a row calls a grant dead for.
const FATAL: [&str; 8] =
    ["invalid_grant", "access_denied", "BAD_HUB", "BAD_REFRESH_TOKEN", "MISSING_SCOPES", "3100", "120", "6190"];

fn calls() -> impl Strategy<Value = (Provider, Surface)> {
    let surfaces = vec![Refresh, Exchange, Revoke, Introspect, Read, Search, Create];
    (prop::sample::select(Provider::ALL.to_vec()), prop::sample::select(surfaces))
}

proptest! {
    #[test]
    fn bytes_never_panic_and_never_kill(
        (provider, surface) in calls(),
        status in 100u16..1000,
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let call = Call { provider, operation: "test", surface };
        let failure = judge(call, &Reply::new(status, &HeaderMap::new(), body));
        prop_assert!(!matches!(failure.verdict, Lapsed(_)));
    }

    #[test]
    fn only_listed_words_kill(
        (provider, surface) in calls(),
        status in 100u16..1000,
        word in "[A-Za-z_]{1,20}|[0-9]{1,6}",
    ) {
        prop_assume!(!FATAL.contains(&word.trim_start_matches('0')));
        let body = format!(
            r#"{{"error":"{word}","status":"{word}","category":"{word}","message":"invalid_grant BAD_HUB",
            "error_description":"invalid_grant","Fault":{{"Error":[{{"Message":"120 3100","code":"{word}"}}]}}}}"#
        );
        prop_assert!(!matches!(judged(provider, surface, status, &body).verdict, Lapsed(_)));
    }

    #[test]
    fn no_word_kills_under_another_status(
        (provider, surface) in calls(),
        status in prop_oneof![100u16..200, 201u16..400, 404u16..1000],
        word in prop::sample::select(FATAL.to_vec()),
    ) {
        let body = format!(
            r#"{{"error":"{word}","status":"{word}","category":"{word}","Fault":{{"Error":[{{"code":"{word}"}}]}}}}"#
        );
        prop_assert!(!matches!(judged(provider, surface, status, &body).verdict, Lapsed(_)));
    }
}

#[test]
fn a_scope_that_we_never_ask_for_is_our_own_fault() {
    let reply = Reply::new(403, &HeaderMap::new(), HUB_SCOPES.into());
    let call = Call { provider: Hubspot, operation: "test", surface: Search };
    let wide = ["oauth".to_owned(), "crm.objects.companies.write".to_owned()];
    assert_eq!(judge_within(call, &reply, &wide).verdict, Lapsed(Cause::PermissionLost));
    let narrow = judge_within(call, &reply, &wide[..1]);
    assert_eq!((narrow.verdict, narrow.rule), (OperatorFault, "scopes_not_asked_for"));
    assert_eq!(narrow.code.as_deref(), Some("MISSING_SCOPES"));
}
