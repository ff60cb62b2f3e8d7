//! HubSpot's replies.

use super::bodies::*;
use super::{Row, check, judged};
use crate::provider::verdict::Surface;
use crate::provider::{Cause, Provider, Verdict};
use Provider::Hubspot;
use Surface::{Create, Exchange, Introspect, Read, Refresh, Revoke, Search};
use Verdict::{Lapsed, OperatorFault, OutcomeUnknown, Rejected, TokenRefused, Transient};

pub(super) const TABLES: [&[Row]; 4] = [TOKEN, REVOKE, INTROSPECT, API];

const REFRESH: Option<&str> = Some("BAD_REFRESH_TOKEN");

#[rustfmt::skip]
const TOKEN: &[Row] = &[
    (Refresh,  400, BAD_REFRESH,     Lapsed(Cause::Revoked),       "grant_dead",     REFRESH),
    (Refresh,  400, BAD_REFRESH_OLD, Lapsed(Cause::Revoked),       "grant_dead",     REFRESH),
    (Refresh,  400, NOT_OURS,        Lapsed(Cause::Revoked),       "grant_dead",     REFRESH),
    (Refresh,  401, BAD_REFRESH_OLD, Lapsed(Cause::Revoked),       "grant_dead",     REFRESH),
    (Refresh,  403, INVALID_GRANT,   Lapsed(Cause::Revoked),       "grant_dead",     Some("invalid_grant")),
    (Refresh,  400, r#"{"error":"access_denied"}"#, Lapsed(Cause::Revoked), "grant_dead", Some("access_denied")),
    (Refresh,  400, BAD_HUB,         Lapsed(Cause::PortalDeleted), "portal_deleted", Some("BAD_HUB")),
    (Refresh,  400, r#"{"status":"BAD_HUB","message":"missing or unknown hub id"}"#, Lapsed(Cause::PortalDeleted), "portal_deleted", Some("BAD_HUB")),

    (Exchange, 400, r#"{"status":"BAD_AUTH_CODE","message":"missing or unknown auth code"}"#, Rejected, "code_refused", Some("BAD_AUTH_CODE")),
    (Exchange, 400, r#"{"status":"BAD_AUTH_CODE","message":"missing or unknown auth code","error":"invalid_grant"}"#, Rejected, "code_refused", Some("BAD_AUTH_CODE")),
    (Exchange, 400, r#"{"status":"BAD_CODE_VERIFIER","message":"x"}"#, Rejected, "code_refused", Some("BAD_CODE_VERIFIER")),
    (Exchange, 400, INVALID_GRANT,   Rejected, "code_refused", Some("invalid_grant")),
    (Exchange, 400, BAD_HUB,         Rejected, "code_refused", Some("BAD_HUB")),
    (Exchange, 400, INVALID_REQUEST, Rejected, "code_refused", Some("invalid_request")),
    (Exchange, 403, HUB_INVALID,     Rejected, "code_refused", Some("VALIDATION_ERROR")),

    // Our own faults, which stand above a dead grant.
    (Refresh,  400, r#"{"status":"BAD_CLIENT_ID","message":"x","error":"invalid_client"}"#, OperatorFault, "client_refused", Some("BAD_CLIENT_ID")),
    (Refresh,  400, r#"{"status":"BAD_CLIENT_SECRET","message":"x"}"#, OperatorFault, "client_refused", Some("BAD_CLIENT_SECRET")),
    (Refresh,  400, INVALID_CLIENT,  OperatorFault, "client_refused", Some("invalid_client")),
    (Refresh,  401, INVALID_CLIENT,  OperatorFault, "client_refused", Some("invalid_client")),
    (Exchange, 400, r#"{"error":"unauthorized_client"}"#, OperatorFault, "client_refused", Some("unauthorized_client")),
    (Refresh,  400, r#"{"status":"BAD_REFRESH_TOKEN","error":"invalid_client"}"#, OperatorFault, "client_refused", REFRESH),
    (Refresh,  400, r#"{"status":"BAD_CLIENT_ID","error":"invalid_grant"}"#, OperatorFault, "client_refused", Some("BAD_CLIENT_ID")),
    (Refresh,  401, HUB_INVALID,     OperatorFault, "client_refused", Some("VALIDATION_ERROR")),
    (Exchange, 400, r#"{"status":"BAD_REDIRECT_URI","message":"x","error":"invalid_grant"}"#, OperatorFault, "settings_refused", Some("BAD_REDIRECT_URI")),
    (Refresh,  400, r#"{"status":"BAD_GRANT_TYPE","message":"x"}"#, OperatorFault, "settings_refused", Some("BAD_GRANT_TYPE")),
    (Exchange, 400, r#"{"status":"BAD_SCOPES","message":"x"}"#, OperatorFault, "settings_refused", Some("BAD_SCOPES")),
    (Refresh,  400, r#"{"error":"unsupported_grant_type"}"#, OperatorFault, "settings_refused", Some("unsupported_grant_type")),
    // The old paths end on a date.
    (Refresh,  404, HUB_INVALID,     OperatorFault, "endpoint_missing", Some("VALIDATION_ERROR")),
    (Refresh,  410, HTML,            OperatorFault, "endpoint_missing", None),
    (Refresh,  301, "",              OperatorFault, "redirected", None),

    // Trouble that passes.
    (Refresh,  400, INVALID_REQUEST, Transient, "request_refused", Some("invalid_request")),
    (Refresh,  429, HUB_TEN,         Transient, "throttled", Some("TEN_SECONDLY_ROLLING")),
    (Refresh,  423, "",              Transient, "busy", None),
    (Refresh,  477, BAD_REFRESH,     Transient, "busy", REFRESH),
    (Refresh,  503, BAD_HUB,         Transient, "server_error", Some("BAD_HUB")),
    (Refresh,  400, HTML,            Transient, "not_their_words", None),
    (Refresh,  400, ARRAY,           Transient, "not_their_words", None),
    (Refresh,  403, HTML,            Transient, "not_their_words", None),
    (Refresh,  400, GRPC,            Transient, "unlisted", None),
    (Refresh,  400, HUB_INVALID,     Transient, "unlisted", Some("VALIDATION_ERROR")),
    (Refresh,  403, HUB_SCOPES,      Transient, "unlisted", Some("MISSING_SCOPES")),
    (Refresh,  403, r#"{"error":"access_denied"}"#, Transient, "unlisted", Some("access_denied")),
    (Refresh,  400, r#"{"status":"BAD_AUTH_CODE","error":"invalid_grant"}"#, Transient, "unlisted", Some("BAD_AUTH_CODE")),
    (Refresh,  400, r#"{"status":"BAD_CODE_VERIFIER"}"#, Transient, "unlisted", Some("BAD_CODE_VERIFIER")),
    (Refresh,  400, r#"{"message":"BAD_REFRESH_TOKEN","error_description":"BAD_HUB"}"#, Transient, "unlisted", None),
    (Refresh,  400, r#"{"status":{"status":"BAD_HUB"}}"#, Transient, "unlisted", None),
    (Refresh,  400, r#"{"status":"BAD_HUB","status":"BAD_REFRESH_TOKEN"}"#, Transient, "unlisted", None),
    (Refresh,  400, fault!("3100"),  Transient, "unlisted", None),

    // It is open what was done.
    (Refresh,  200, BAD_REFRESH,     OutcomeUnknown, "reply_unusable", REFRESH),
    (Refresh,  200, HTML,            OutcomeUnknown, "reply_unusable", None),
    (Refresh,  525, HTML,            OutcomeUnknown, "server_error_unsettled", None),
    (Refresh,  502, "",              OutcomeUnknown, "server_error_unsettled", None),
    (Exchange, 400, "",              OutcomeUnknown, "not_their_words_unsettled", None),
];

#[rustfmt::skip]
const REVOKE: &[Row] = &[
    (Revoke, 400, BAD_REFRESH,     Rejected,      "token_unknown",    REFRESH),
    (Revoke, 400, BAD_REFRESH_OLD, Rejected,      "token_unknown",    REFRESH),
    (Revoke, 400, BAD_HUB,         Rejected,      "token_unknown",    Some("BAD_HUB")),
    (Revoke, 400, INVALID_GRANT,   Rejected,      "token_unknown",    Some("invalid_grant")),
    (Revoke, 400, r#"{"status":"BAD_CLIENT_ID","message":"x"}"#, OperatorFault, "client_refused", Some("BAD_CLIENT_ID")),
    (Revoke, 404, "",              OperatorFault, "endpoint_missing", None),
    (Revoke, 400, INVALID_REQUEST, Transient,     "unlisted",         Some("invalid_request")),
    (Revoke, 400, "",              Transient,     "not_their_words",  None),
    (Revoke, 500, "",              Transient,     "server_error",     None),
    (Revoke, 477, "",              Transient,     "busy",             None),
];

#[rustfmt::skip]
const INTROSPECT: &[Row] = &[
    // A token that is not known is a success, which no table sees; this is what it must not be taken for.
    (Introspect, 200, INACTIVE,                 Transient, "read_unusable", None),
    (Introspect, 200, r#"{"active":"false"}"#,  Transient, "read_unusable", None),
    (Introspect, 200, "",                       Transient, "read_unusable", None),
    (Introspect, 400, BAD_REFRESH,     Rejected,      "token_unknown",    REFRESH),
    (Introspect, 400, r#"{"error":"invalid_token"}"#, Rejected, "token_unknown", Some("invalid_token")),
    (Introspect, 400, BAD_HUB,         Rejected,      "token_unknown",    Some("BAD_HUB")),
    (Introspect, 400, r#"{"status":"BAD_CLIENT_SECRET","message":"x"}"#, OperatorFault, "client_refused", Some("BAD_CLIENT_SECRET")),
    (Introspect, 404, HTML,            OperatorFault, "endpoint_missing", None),
    (Introspect, 400, HUB_INVALID,     Transient,     "unlisted",         Some("VALIDATION_ERROR")),
    (Introspect, 400, HTML,            Transient,     "not_their_words",  None),
    (Introspect, 429, HUB_SECOND,      Transient,     "throttled",        None),
    (Introspect, 504, "",              Transient,     "server_error",     None),
];

#[rustfmt::skip]
const API: &[Row] = &[
    (Search, 401, HUB_EXPIRED,  TokenRefused, "token_refused", Some("EXPIRED_AUTHENTICATION")),
    (Read,   401, r#"{"category":"INVALID_AUTHENTICATION"}"#, TokenRefused, "token_refused", Some("INVALID_AUTHENTICATION")),
    (Read,   401, "",           TokenRefused, "token_refused", None),
    (Read,   401, "{}",         TokenRefused, "token_refused", None),
    (Search, 403, HUB_SCOPES,   Lapsed(Cause::PermissionLost), "scopes_lost", Some("MISSING_SCOPES")),

    (Search, 400, HUB_INVALID,  Rejected, "refused", Some("VALIDATION_ERROR")),
    (Search, 403, HUB_INVALID,  Rejected, "refused", Some("VALIDATION_ERROR")),
    (Read,   404, HUB_INVALID,  Rejected, "refused", Some("VALIDATION_ERROR")),
    (Search, 400, HUB_SCOPES,   Rejected, "refused", Some("MISSING_SCOPES")),
    (Read,   403, BAD_HUB,      Rejected, "refused", Some("BAD_HUB")),
    (Read,   400, BAD_REFRESH,  Rejected, "refused", REFRESH),
    (Read,   403, FORBIDDEN,    Rejected, "refused", None),
    (Read,   400, fault!("6190"), Rejected, "refused", None),
    (Read,   414, "{}",         Rejected, "refused", None),

    (Read,   429, HUB_TEN,      Transient, "throttled", Some("TEN_SECONDLY_ROLLING")),
    (Search, 429, HUB_SECOND,   Transient, "throttled", None),
    (Read,   423, "",           Transient, "busy", None),
    (Read,   477, "",           Transient, "busy", None),
    (Read,   502, HTML,         Transient, "server_error", None),
    (Read,   521, HTML,         Transient, "server_error", None),
    (Read,   200, HTML,         Transient, "read_unusable", None),
    (Search, 207, "{}",         Transient, "read_unusable", None),
    (Read,   401, HTML,         Transient, "not_their_words", None),
    (Read,   403, HTML,         Transient, "not_their_words", None),
    (Read,   404, HTML,         Transient, "not_their_words", None),
    (Read,   400, ARRAY,        Transient, "not_their_words", None),
    (Read,   100, "{}",         Transient, "unlisted", None),
    (Read,   404, "",           OperatorFault, "endpoint_missing", None),
    (Read,   308, "",           OperatorFault, "redirected", None),

    // Nothing is created there yet; were it, an open outcome would have to stay open.
    (Create, 500, "",           OutcomeUnknown, "server_error_unsettled", None),
    (Create, 201, "",           OutcomeUnknown, "reply_unusable", None),
    (Create, 400, HTML,         OutcomeUnknown, "not_their_words_unsettled", None),
];

#[test]
fn the_token_endpoint() {
    check(Hubspot, TOKEN);
}

#[test]
fn the_revoke_endpoint() {
    check(Hubspot, REVOKE);
}

#[test]
fn the_introspection() {
    check(Hubspot, INTROSPECT);
}

#[test]
fn the_api() {
    check(Hubspot, API);
}

#[test]
fn a_refused_request_is_told_in_hubspots_words_with_its_id() {
    let failure = judged(Hubspot, Search, 400, HUB_INVALID);
    assert_eq!((failure.message.as_str(), failure.correlation_id.as_deref()), ("..", Some("..")));
}

#[test]
fn pauses() {
    let wait = |surface, status, body| judged(Hubspot, surface, status, body).retry_after.map(|wait| wait.as_secs());
    assert_eq!(wait(Read, 429, HUB_TEN), Some(10));
    assert_eq!(wait(Read, 429, HUB_DAILY), Some(3600));
    assert_eq!(wait(Search, 429, HUB_SECOND), Some(1));
    assert_eq!(wait(Read, 423, ""), Some(2));
    assert_eq!(wait(Read, 477, ""), None);
    assert_eq!(wait(Refresh, 429, ""), None);
}
