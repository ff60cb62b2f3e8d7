//! Intuit's replies.

use std::time::Duration;

use super::bodies::*;
use super::{Row, check, judged, reply};
use crate::provider::verdict::{Call, Surface, judge};
use crate::provider::{Cause, Provider, Verdict};
use Provider::Quickbooks;
use Surface::{Create, Exchange, Introspect, Read, Refresh, Revoke, Search};
use Verdict::{Lapsed, OperatorFault, OutcomeUnknown, Rejected, TokenRefused, Transient};

pub(super) const TABLES: [&[Row]; 3] = [TOKEN, REVOKE, API];

const GRANT: Option<&str> = Some("invalid_grant");

#[rustfmt::skip]
const TOKEN: &[Row] = &[
    (Refresh, 400, INVALID_GRANT,    Lapsed(Cause::Revoked), "grant_dead", GRANT),
    (Refresh, 400, GRANT_WORDED,     Lapsed(Cause::Revoked), "grant_dead", GRANT),
    (Refresh, 400, GRANT_MOCKED,     Lapsed(Cause::Revoked), "grant_dead", GRANT),
    (Refresh, 400, GRANT_WRONG_KIND, Lapsed(Cause::Revoked), "grant_dead", GRANT),
    (Refresh, 400, GRANT_GENERIC,    Lapsed(Cause::Revoked), "grant_dead", GRANT),
    (Refresh, 401, INVALID_GRANT,    Lapsed(Cause::Revoked), "grant_dead", GRANT),
    (Refresh, 403, INVALID_GRANT,    Lapsed(Cause::Revoked), "grant_dead", GRANT),
    (Refresh, 400, r#"{"status":400,"error":"invalid_grant"}"#, Lapsed(Cause::Revoked), "grant_dead", GRANT),
    (Exchange, 400, INVALID_GRANT,   Rejected,       "code_refused",     GRANT),
    (Exchange, 400, INVALID_REQUEST, Rejected,       "code_refused",     Some("invalid_request")),
    (Exchange, 400, GRPC,            Rejected,       "code_refused",     None),

    // Our own faults, which stand above a dead grant.
    (Refresh,  401, INVALID_CLIENT,  OperatorFault,  "client_refused",   Some("invalid_client")),
    (Exchange, 401, INVALID_CLIENT,  OperatorFault,  "client_refused",   Some("invalid_client")),
    (Refresh,  400, INVALID_CLIENT,  OperatorFault,  "client_refused",   Some("invalid_client")),
    (Refresh,  400, r#"{"error":"unauthorized_client"}"#,    OperatorFault, "client_refused",   Some("unauthorized_client")),
    (Refresh,  401, EXPIRED,         OperatorFault,  "client_refused",   Some("3200")),
    (Refresh,  401, r#"{"message":"no"}"#, OperatorFault, "client_refused", None),
    (Refresh,  400, r#"{"error":"unsupported_grant_type"}"#, OperatorFault, "settings_refused", Some("unsupported_grant_type")),
    (Refresh,  400, r#"{"error":"invalid_scope"}"#,          OperatorFault, "settings_refused", Some("invalid_scope")),
    (Exchange, 400, r#"{"error":"redirect_uri_mismatch"}"#,  OperatorFault, "settings_refused", Some("redirect_uri_mismatch")),
    (Refresh,  404, INVALID_GRANT,   OperatorFault,  "endpoint_missing", GRANT),
    (Refresh,  405, "",              OperatorFault,  "endpoint_missing", None),
    (Exchange, 410, HTML,            OperatorFault,  "endpoint_missing", None),
    (Refresh,  302, INVALID_GRANT,   OperatorFault,  "redirected",       GRANT),

    // Trouble that passes.
    (Refresh,  400, INVALID_REQUEST, Transient,      "request_refused",  Some("invalid_request")),
    (Refresh,  429, INVALID_GRANT,   Transient,      "throttled",        GRANT),
    (Refresh,  429, THROTTLED,       Transient,      "throttled",        Some("3001")),
    (Exchange, 429, "",              Transient,      "throttled",        None),
    (Refresh,  408, "",              Transient,      "busy",             None),
    (Refresh,  503, HTML,            Transient,      "server_error",     None),
    (Refresh,  503, INVALID_GRANT,   Transient,      "server_error",     GRANT),
    (Refresh,  400, HTML,            Transient,      "not_their_words",  None),
    (Refresh,  400, "",              Transient,      "not_their_words",  None),
    (Refresh,  401, HTML,            Transient,      "not_their_words",  None),
    (Refresh,  401, "",              Transient,      "not_their_words",  None),
    (Refresh,  400, ARRAY,           Transient,      "not_their_words",  None),
    (Refresh,  400, r#"{"error":"invalid_grant"#,            Transient, "not_their_words", None),
    (Refresh,  400, r#"{"error":"invalid_grant"} trailing"#, Transient, "not_their_words", None),
    (Refresh,  101, "",              Transient,      "not_their_words",  None),
    // Words at the wrong place, of the wrong kind, said twice, or of the other provider.
    (Refresh,  400, GRPC,            Transient,      "unlisted",         None),
    (Refresh,  400, r#"{"error":{"error":"invalid_grant"}}"#,        Transient, "unlisted", None),
    (Refresh,  400, r#"{"error":["invalid_grant"]}"#,                Transient, "unlisted", None),
    (Refresh,  400, r#"{"error":"INVALID_GRANT"}"#,                  Transient, "unlisted", Some("INVALID_GRANT")),
    (Refresh,  400, r#"{"error_description":"invalid_grant"}"#,      Transient, "unlisted", None),
    (Refresh,  400, r#"{"error":"invalid_client","error":"invalid_grant"}"#, Transient, "unlisted", None),
    (Refresh,  400, BAD_REFRESH_OLD, Transient,      "unlisted",         None),
    (Refresh,  400, BAD_HUB,         Transient,      "unlisted",         Some("access_denied")),
    (Refresh,  400, fault!("3100"),  Transient,      "unlisted",         Some("3100")),
    (Refresh,  402, INVALID_GRANT,   Transient,      "unlisted",         GRANT),

    // It is open what was done.
    (Refresh,  200, INVALID_GRANT,   OutcomeUnknown, "reply_unusable",   GRANT),
    (Refresh,  200, HTML,            OutcomeUnknown, "reply_unusable",   None),
    (Refresh,  200, "",              OutcomeUnknown, "reply_unusable",   None),
    (Exchange, 204, "",              OutcomeUnknown, "reply_unusable",   None),
    (Refresh,  504, "",              OutcomeUnknown, "server_error_unsettled", None),
    (Refresh,  500, INVALID_GRANT,   OutcomeUnknown, "server_error_unsettled", GRANT),
    (Exchange, 503, HTML,            OutcomeUnknown, "server_error_unsettled", None),
    (Exchange, 400, HTML,            OutcomeUnknown, "not_their_words_unsettled", None),
];

#[rustfmt::skip]
const REVOKE: &[Row] = &[
    (Revoke,     400, "",              Rejected,      "token_unknown",    None),
    (Revoke,     400, INVALID_REQUEST, Rejected,      "token_unknown",    Some("invalid_request")),
    (Revoke,     400, INVALID_GRANT,   Rejected,      "token_unknown",    GRANT),
    (Revoke,     401, r#"{"error":"invalid_token"}"#, Rejected, "token_unknown", Some("invalid_token")),
    (Revoke,     401, INVALID_CLIENT,  OperatorFault, "client_refused",   Some("invalid_client")),
    (Revoke,     401, EXPIRED,         OperatorFault, "client_refused",   Some("3200")),
    (Revoke,     404, "",              OperatorFault, "endpoint_missing", None),
    (Revoke,     301, "",              OperatorFault, "redirected",       None),
    (Revoke,     429, "",              Transient,     "throttled",        None),
    (Revoke,     503, HTML,            Transient,     "server_error",     None),
    (Revoke,     500, "",              Transient,     "server_error",     None),
    (Revoke,     400, HTML,            Transient,     "not_their_words",  None),
    (Revoke,     403, r#"{"error":"x"}"#, Transient,  "unlisted",         Some("x")),
    // Intuit has none, so nobody may conclude much from one.
    (Introspect, 400, INVALID_GRANT,   Rejected,      "token_unknown",    GRANT),
    (Introspect, 200, HTML,            Transient,     "read_unusable",    None),
];

#[rustfmt::skip]
const API: &[Row] = &[
    (Read,   401, EXPIRED,       TokenRefused, "token_refused", Some("3200")),
    (Create, 401, fault!("003200"), TokenRefused, "token_refused", Some("3200")),
    (Read,   401, "",            TokenRefused, "token_refused", None),
    (Read,   401, r#"{"error":"x"}"#, TokenRefused, "token_refused", Some("x")),
    (Read,   401, r#"{"Fault":{"Error":[]}}"#, TokenRefused, "token_refused", None),
    (Read,   401, FORBIDDEN,     TokenRefused, "token_refused", Some("3100")),

    (Read,   403, FORBIDDEN,     Lapsed(Cause::Revoked),            "disconnected",        Some("3100")),
    (Create, 403, FORBIDDEN,     Lapsed(Cause::Revoked),            "disconnected",        Some("3100")),
    (Read,   200, FORBIDDEN,     Lapsed(Cause::Revoked),            "disconnected",        Some("3100")),
    (Read,   403, fault!("120"), Lapsed(Cause::PermissionLost),     "rights_lost",         Some("120")),
    (Create, 401, fault!("120"), Lapsed(Cause::PermissionLost),     "rights_lost",         Some("120")),
    (Create, 400, fault!("6190"), Lapsed(Cause::SubscriptionLapsed), "subscription_lapsed", Some("6190")),
    (Read,   200, fault!("6190"), Lapsed(Cause::SubscriptionLapsed), "subscription_lapsed", Some("6190")),

    (Create, 400, DUPLICATE,      Rejected, "refused", Some("6140")),
    (Create, 400, fault!("6240"), Rejected, "refused", Some("6240")),
    (Create, 400, fault!("5010"), Rejected, "refused", Some("5010")),
    (Create, 400, fault!("610"),  Rejected, "refused", Some("610")),
    (Create, 400, fault!("2020"), Rejected, "refused", Some("2020")),
    (Create, 400, fault!("2050"), Rejected, "refused", Some("2050")),
    (Create, 400, fault!("2170"), Rejected, "refused", Some("2170")),
    (Create, 400, fault!("2500"), Rejected, "refused", Some("2500")),
    (Read,   400, fault!("4001"), Rejected, "refused", Some("4001")),
    (Read,   400, fault!("4000"), Rejected, "refused", Some("4000")),
    (Create, 403, fault!("5020"), Rejected, "refused", Some("5020")),
    (Create, 400, fault!("500"),  Rejected, "refused", Some("500")),
    (Create, 400, fault!("6000"), Rejected, "refused", Some("6000")),
    (Create, 400, fault!("6070"), Rejected, "refused", Some("6070")),
    (Create, 200, fault!("6210"), Rejected, "refused", Some("6210")),
    (Create, 400, fault!("6540"), Rejected, "refused", Some("6540")),
    (Create, 400, fault!("6480"), Rejected, "refused", Some("6480")),
    (Create, 400, fault!("620"),  Rejected, "refused", Some("620")),
    (Create, 400, fault!("6080"), Rejected, "refused", Some("6080")),
    (Create, 400, fault!("2010"), Rejected, "refused", Some("2010")),
    // Each item of a batch says its own with HTTP 200.
    (Create, 200, r#"{"Fault":{"Error":[{"Message":"Stale Object Error","code":"5010"}],"type":"ValidationFault"},"bId":"3"}"#, Rejected, "refused", Some("5010")),
    (Create, 200, fault!("610"),  Rejected, "refused", Some("610")),
    (Create, 200, r#"{"bId":"3"}"#, OutcomeUnknown, "reply_unusable", None),
    (Create, 404, fault!("610"),  Rejected, "refused", Some("610")),
    (Read,   400, fault!("610"),  Rejected, "refused", Some("610")),
    (Create, 400, r#"{"Fault":{"Error":[]}}"#, Rejected, "refused", None),
    (Create, 400, r#"{"Fault":{"Error":{"code":6140}},"fault":null}"#, Rejected, "refused", Some("6140")),
    (Read,   404, fault!("610"),  Rejected, "refused", Some("610")),

    (Create, 429, THROTTLED,      Transient, "throttled", Some("3001")),
    (Read,   400, THROTTLED,      Transient, "throttled", Some("3001")),
    (Read,   500, fault!("10000"), Transient, "server_error", Some("10000")),
    (Read,   400, fault!("10000"), Transient, "server_error", Some("10000")),
    (Search, 503, HTML,           Transient, "server_error", None),
    (Read,   408, "",             Transient, "busy", None),
    (Read,   200, HTML,           Transient, "read_unusable", None),
    (Read,   200, "{}",           Transient, "read_unusable", None),
    (Read,   403, HTML,           Transient, "not_their_words", None),
    (Read,   404, HTML,           Transient, "not_their_words", None),
    (Read,   400, ARRAY,          Transient, "not_their_words", None),
    (Read,   400, BAD_HUB,        Transient, "unlisted", Some("access_denied")),
    (Read,   403, HUB_SCOPES,     Transient, "unlisted", None),
    // Two faults that do not agree decide nothing.
    (Read,   403, r#"{"Fault":{"Error":[{"code":"120"}]},"fault":{"error":[{"code":"3100"}]}}"#, Transient, "unlisted", None),

    (Read,   404, "",             OperatorFault, "endpoint_missing", None),
    (Read,   404, "{}",           OperatorFault, "endpoint_missing", None),
    (Create, 302, "",             OperatorFault, "redirected", None),

    // A fault inside a 5xx is not yet a refusal.
    (Create, 500, fault!("6190"),  OutcomeUnknown, "server_error_unsettled", Some("6190")),
    (Create, 400, fault!("10000"), OutcomeUnknown, "server_error_unsettled", Some("10000")),
    (Create, 504, "",             OutcomeUnknown, "server_error_unsettled", None),
    (Create, 200, HTML,           OutcomeUnknown, "reply_unusable", None),
    (Create, 400, HTML,           OutcomeUnknown, "not_their_words_unsettled", None),
    (Create, 400, r#"{"error":"x"}"#, OutcomeUnknown, "not_their_words_unsettled", Some("x")),
];

#[test]
fn the_token_endpoint() {
    check(Quickbooks, TOKEN);
}

#[test]
fn the_revoke_endpoint() {
    check(Quickbooks, REVOKE);
}

#[test]
fn the_api() {
    check(Quickbooks, API);
}

#[test]
fn a_refused_document_is_told_in_intuits_words() {
    let message = judged(Quickbooks, Create, 400, DUPLICATE).message;
    assert!(message.starts_with("Duplicate Document Number Error: ") && message.ends_with("TxnId=17984"), "{message}");
}

#[test]
fn pauses() {
    let wait = |surface, status, body| judged(Quickbooks, surface, status, body).retry_after.map(|wait| wait.as_secs());
    assert_eq!(wait(Create, 429, THROTTLED), Some(60));
    assert_eq!(wait(Read, 400, THROTTLED), Some(60));
    assert_eq!(wait(Refresh, 429, ""), None);
    assert_eq!(wait(Create, 503, ""), None);
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("retry-after", "7".parse().unwrap());
    headers.insert("intuit_tid", "1-628f0be4".parse().unwrap());
    let told = crate::provider::reply::Reply::new(429, &headers, THROTTLED.into());
    let failure = judge(Call { provider: Quickbooks, operation: "test", surface: Create }, &told);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(failure.correlation_id.as_deref(), Some("1-628f0be4"));
    assert_eq!(reply(429, "").correlation_id, None);
}
