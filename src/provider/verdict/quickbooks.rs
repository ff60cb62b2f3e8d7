//! What Intuit's words mean. Nothing here says what HubSpot's do.

use super::rule::Rule;
use super::{Shape, Signs, Surface};

/// The token endpoint and the one that revokes. Intuit names the error and nothing else.
#[rustfmt::skip]
pub(super) fn oauth(surface: Surface, status: u16, signs: &Signs) -> Option<Rule> {
    use Surface::{Exchange, Introspect, Refresh, Revoke};
    Some(match (status, signs.error.as_deref().unwrap_or(""), surface) {
        (400 | 401 | 403, "invalid_client" | "unauthorized_client", _)      => Rule::ClientRefused,
        (400 | 401 | 403, "unsupported_grant_type" | "invalid_scope", _)    => Rule::SettingsRefused,
        (400 | 401 | 403, "redirect_uri_mismatch", Exchange)                => Rule::SettingsRefused,

        (400 | 401 | 403, "invalid_grant", Refresh)                         => Rule::GrantDead,
        (400 | 401 | 403, "invalid_grant", Exchange)                        => Rule::CodeRefused,
        (400 | 401 | 403, "invalid_grant" | "invalid_token", Revoke | Introspect) => Rule::TokenUnknown,
        // Said during incidents of its own, so not of our request alone.
        (400, "invalid_request", Refresh)                                   => Rule::RequestRefused,

        (404 | 405 | 410, ..)                                               => Rule::EndpointMissing,
        // The one failure that is documented, without a body.
        (400, _, Revoke) if signs.shape != Shape::Foreign                   => Rule::TokenUnknown,
        (401, ..) if signs.shape == Shape::Object                           => Rule::ClientRefused,
        (400..=499, _, Exchange) if signs.shape == Shape::Object            => Rule::CodeRefused,
        _ => return None,
    })
}

/// The accounting API. A fault counts with a 200 too.
#[rustfmt::skip]
pub(super) fn api(surface: Surface, status: u16, signs: &Signs) -> Option<Rule> {
    use Surface::Create;
    let fault = signs.fault.as_ref();
    let code = fault.and_then(|fault| fault.code.as_deref()).unwrap_or("");
    Some(match (status, code, surface) {
        (_, "3001", _)                      => Rule::Throttled,
        (_, "10000", Create)                => Rule::ServerErrorUnsettled,
        (_, "10000", _)                     => Rule::ServerError,

        (_, "3200", _)                      => Rule::TokenRefused,
        (200 | 403, "3100", _)              => Rule::Disconnected,
        (200 | 400 | 401 | 403, "120", _)   => Rule::RightsLost,
        (200 | 400 | 403, "6190", _)        => Rule::SubscriptionLapsed,

        (401, ..) if signs.shape != Shape::Foreign                      => Rule::TokenRefused,
        _ if fault.is_some()                                            => Rule::Refused,
        (404 | 405 | 410, ..) if signs.shape == Shape::Object           => Rule::EndpointMissing,
        _ => return None,
    })
}
