//! What HubSpot's words mean. Nothing here says what Intuit's do.

use super::rule::Rule;
use super::{Shape, Signs, Surface};

/// The endpoints for tokens, for revoking and for introspection. The older shape has a `status` and no `error`.
#[rustfmt::skip]
pub(super) fn oauth(surface: Surface, status: u16, signs: &Signs) -> Option<Rule> {
    use Surface::{Exchange, Introspect, Refresh, Revoke};
    let (error, word) = (signs.error.as_deref().unwrap_or(""), signs.status.as_deref().unwrap_or(""));
    Some(match (status, word, error, surface) {
        (400 | 401 | 403, "BAD_CLIENT_ID" | "BAD_CLIENT_SECRET", ..)                => Rule::ClientRefused,
        (400 | 401 | 403, _, "invalid_client" | "unauthorized_client", _)           => Rule::ClientRefused,
        (400 | 401 | 403, "BAD_REDIRECT_URI" | "BAD_GRANT_TYPE" | "BAD_SCOPES", ..) => Rule::SettingsRefused,
        (400 | 401 | 403, _, "unsupported_grant_type" | "invalid_scope", _)         => Rule::SettingsRefused,

        (400 | 401 | 403, "BAD_AUTH_CODE" | "BAD_CODE_VERIFIER", _, Exchange)       => Rule::CodeRefused,
        // It speaks of a code where none was sent.
        (400 | 401 | 403, "BAD_AUTH_CODE" | "BAD_CODE_VERIFIER", ..)                => Rule::Unlisted,

        (400 | 401 | 403, "BAD_HUB", _, Refresh)                                    => Rule::PortalDeleted,
        (400 | 401 | 403, "BAD_REFRESH_TOKEN", _, Refresh)                          => Rule::GrantDead,
        (400 | 401 | 403, _, "invalid_grant", Refresh)                              => Rule::GrantDead,
        (400, _, "access_denied", Refresh)                                          => Rule::GrantDead,
        (400 | 401 | 403, "BAD_HUB" | "BAD_REFRESH_TOKEN", _, Revoke | Introspect)  => Rule::TokenUnknown,
        (400 | 401 | 403, _, "invalid_grant" | "invalid_token", Revoke | Introspect) => Rule::TokenUnknown,
        (400, _, "invalid_request", Refresh)                                        => Rule::RequestRefused,

        (404 | 405 | 410, ..)                                                       => Rule::EndpointMissing,
        (401, ..) if signs.shape == Shape::Object                                   => Rule::ClientRefused,
        (400..=499, _, _, Exchange) if signs.shape == Shape::Object                 => Rule::CodeRefused,
        _ => return None,
    })
}

/// The CRM, which Lamplighter only reads.
#[rustfmt::skip]
pub(super) fn api(status: u16, signs: &Signs) -> Option<Rule> {
    Some(match (status, signs.category.as_deref().unwrap_or(""), signs.shape) {
        (401, "EXPIRED_AUTHENTICATION" | "INVALID_AUTHENTICATION", _)   => Rule::TokenRefused,
        (401, _, Shape::Object | Shape::Empty)                          => Rule::TokenRefused,
        (403, "MISSING_SCOPES", _)                                      => Rule::ScopesLost,
        (400..=499, _, Shape::Object)                                   => Rule::Refused,
        _ => return None,
    })
}
