//! What the providers are known to send, to the letter.

/// A fault of the accounting service with this code.
macro_rules! fault {
    ($code:literal) => {
        concat!(
            r#"{"Fault":{"Error":[{"Message":"M","Detail":"D","code":""#,
            $code,
            r#""}],"type":"ValidationFault"}}"#
        )
    };
}
pub(super) use fault;

pub(super) const HTML: &str = "<html><head><title>502 Bad Gateway</title></head></html>";
/// What gRPC gateways send.
pub(super) const GRPC: &str = r#"{"code":16,"message":"invalid_grant","details":[]}"#;
pub(super) const ARRAY: &str = r#"[{"error":"invalid_grant","status":"BAD_REFRESH_TOKEN"}]"#;

// Intuit's token endpoint.
pub(super) const INVALID_GRANT: &str = r#"{"error":"invalid_grant"}"#;
pub(super) const GRANT_WORDED: &str =
    r#"{"error":"invalid_grant","error_description":"Incorrect or invalid refresh token"}"#;
pub(super) const GRANT_MOCKED: &str = r#"{"error_description":"Token invalid","error":"invalid_grant"}"#;
pub(super) const GRANT_WRONG_KIND: &str =
    r#"{"error":"invalid_grant","error_description":"Incorrect Token type or clientID"}"#;
pub(super) const GRANT_GENERIC: &str =
    r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
pub(super) const INVALID_CLIENT: &str = r#"{"error":"invalid_client"}"#;
pub(super) const INVALID_REQUEST: &str = r#"{"error":"invalid_request"}"#;

// Intuit's API.
pub(super) const DUPLICATE: &str = r#"{"Fault":{"Error":[{"Message":"Duplicate Document Number Error","Detail":"Duplicate Document Number Error : You must specify a different number. This number has already been used. DocNumber=1037 is assigned to TxnType=Invoice with TxnId=17984","code":"6140","element":""}],"type":"ValidationFault"},"time":"2026-04-29T11:55:16.670-07:00"}"#;
pub(super) const EXPIRED: &str = r#"{"warnings":null,"intuitObject":null,"fault":{"error":[{"message":"message=AuthenticationFailed; errorCode=003200; statusCode=401","detail":"Token expired","code":"3200","element":null}],"type":"AUTHENTICATION"},"report":null,"queryResponse":null,"batchItemResponse":[],"attachableResponse":[],"syncErrorResponse":null,"requestId":null,"time":1633520295688,"status":null,"cdcresponse":[]}"#;
pub(super) const FORBIDDEN: &str = r#"{"fault":{"error":[{"message":"message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403","detail":null,"code":"3100","element":null}],"type":"SERVICE"}}"#;
pub(super) const THROTTLED: &str = r#"{"Fault":{"Error":[{"Message":"message=ThrottleExceeded; errorCode=003001; statusCode=429","Detail":"The request limit was reached. Try again later","code":"3001"}],"type":"SERVICE"}}"#;

// HubSpot's OAuth endpoints.
pub(super) const BAD_REFRESH: &str = r#"{"error":"invalid_grant","error_description":"refresh token is invalid, expired or revoked","status":"BAD_REFRESH_TOKEN","message":"refresh token is invalid, expired or revoked"}"#;
pub(super) const BAD_REFRESH_OLD: &str =
    r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#;
pub(super) const BAD_HUB: &str =
    r#"{"status":"BAD_HUB","message":"missing or unknown hub id","error":"access_denied"}"#;
/// In prose it is another app's token; which app ours is, is known without asking.
pub(super) const NOT_OURS: &str = r#"{"error":"invalid_grant","error_description":"refresh token was not issued to this client","status":"BAD_REFRESH_TOKEN","message":"refresh token was not issued to this client"}"#;
pub(super) const INACTIVE: &str = r#"{"active":false}"#;

// HubSpot's API.
pub(super) const HUB_EXPIRED: &str = r#"{"status":"error","message":"The OAuth token used to make this call expired 0 second(s) ago.","correlationId":"...","category":"EXPIRED_AUTHENTICATION","context":{"expire time":["..."]}}"#;
pub(super) const HUB_SCOPES: &str = r#"{"status":"error","message":"This app hasn't been granted all required scopes to make this call. ...","correlationId":"..","errors":[{"message":"One or more of the following scopes are required.","context":{"requiredGranularScopes":["crm.objects.companies.write"]}}],"category":"MISSING_SCOPES"}"#;
pub(super) const HUB_TEN: &str = r#"{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","correlationId":"20f98dfa-05b6-4d27-8d96-ecfde54ca211","policyName":"TEN_SECONDLY_ROLLING","groupName":"publicapi:private_app-api-calls-ten-secondly:…"}"#;
pub(super) const HUB_DAILY: &str = r#"{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","correlationId":"c033cdaa-2c40-4a64-ae48-b4cec88dad24","policyName":"DAILY","requestId":"3d3e35b7-…"}"#;
pub(super) const HUB_SECOND: &str = r#"{"status":"error","message":"You have reached your secondly limit."}"#;
pub(super) const HUB_INVALID: &str = r#"{"status":"error","message":"..","correlationId":"..","category":"VALIDATION_ERROR","errors":[{"message":"m","code":"c","in":"i","context":{}}],"context":{},"links":{}}"#;

// Successes.
pub(super) const INTUIT_GRANT: &str = r#"{"access_token":"sample_access_token","refresh_token":"sample_refresh_token","token_type":"bearer","expires_in":3600,"x_refresh_token_expires_in":8726400,"id_token":"sample_id_token"}"#;
pub(super) const INTUIT_GRANT_CAPPED: &str = r#"{"access_token":"eyJ...","token_type":"bearer","expires_in":3600,"refresh_token":"RT1-39-H3-1785429816rcysb9dns1ofreknypnm","x_refresh_token_expires_in":8726400,"x_refresh_token_hard_expires_in":156032154}"#;
pub(super) const HUB_GRANT: &str = r#"{"token_type":"bearer","refresh_token":"na1-aaaa-bbbb-cccc-dddd-eeeeeeeeeeee","access_token":"xxx","hub_id":1234567,"scopes":["oauth","crm.objects.contacts.write","crm.objects.contacts.read"],"expires_in":1800}"#;

/// All of them, for bending.
pub(super) const ALL: [&str; 33] = [
    HTML,
    GRPC,
    ARRAY,
    INVALID_GRANT,
    GRANT_WORDED,
    GRANT_MOCKED,
    GRANT_WRONG_KIND,
    GRANT_GENERIC,
    INVALID_CLIENT,
    INVALID_REQUEST,
    DUPLICATE,
    EXPIRED,
    FORBIDDEN,
    THROTTLED,
    fault!("120"),
    fault!("6190"),
    fault!("3100"),
    fault!("3200"),
    fault!("6210"),
    BAD_REFRESH,
    BAD_REFRESH_OLD,
    BAD_HUB,
    NOT_OURS,
    INACTIVE,
    HUB_EXPIRED,
    HUB_SCOPES,
    HUB_TEN,
    HUB_DAILY,
    HUB_SECOND,
    HUB_INVALID,
    INTUIT_GRANT,
    INTUIT_GRANT_CAPPED,
    HUB_GRANT,
];
