//! What the API says when it does not do what was asked: problem details by RFC 9457, always with a remedy.
//!
//! Invariant: nothing that came from a store or a vault error is in the words; those go to the log under a reference.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tracing::{error, warn};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{keeper::access::Unavailable, store};

/// The media type of all of them.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// What kind of problem it is; `type` points to its words on the readable page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Kind {
    Query,
    Key,
    Scope,
    NotFound,
    Method,
    Conflict,
    NeedsOwner,
    TooLarge,
    Body,
    Rate,
    Internal,
    Unavailable,
    ProviderOut,
    HeldBack,
}

impl Kind {
    pub(super) const ALL: [Self; 14] = [
        Self::Query,
        Self::Key,
        Self::Scope,
        Self::NotFound,
        Self::Method,
        Self::Conflict,
        Self::NeedsOwner,
        Self::TooLarge,
        Self::Body,
        Self::Rate,
        Self::Internal,
        Self::Unavailable,
        Self::ProviderOut,
        Self::HeldBack,
    ];

    /// The last part of `type`.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Key => "key",
            Self::Scope => "scope",
            Self::NotFound => "not-found",
            Self::Method => "method",
            Self::Conflict => "conflict",
            Self::NeedsOwner => "needs-owner",
            Self::TooLarge => "too-large",
            Self::Body => "body",
            Self::Rate => "rate",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::ProviderOut => "provider-out",
            Self::HeldBack => "held-back",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Query => "A parameter cannot be read",
            Self::Key => "No API key that works",
            Self::Scope => "This key may not do that",
            Self::NotFound => "There is no such thing",
            Self::Method => "This cannot be done here",
            Self::Conflict => "It is not in a state for that",
            Self::NeedsOwner => "Only the owner can repair it",
            Self::TooLarge => "Too much at once",
            Self::Body => "The body cannot be used",
            Self::Rate => "Too many requests",
            Self::Internal => "Something went wrong on our side",
            Self::Unavailable => "Not now",
            Self::ProviderOut => "The provider cannot be used now",
            Self::HeldBack => "Work is held back",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Query => StatusCode::BAD_REQUEST,
            Self::Key => StatusCode::UNAUTHORIZED,
            Self::Scope => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::NeedsOwner => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Rate => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::ProviderOut | Self::HeldBack => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// How long to wait before the same is asked again, where that helps.
    fn patience(self) -> Option<u64> {
        match self {
            Self::Rate => Some(1),
            Self::Unavailable | Self::ProviderOut => Some(60),
            Self::HeldBack => Some(300),
            _ => None,
        }
    }
}

/// Why a request is not carried out.
#[derive(Debug)]
pub(in crate::web) struct Problem {
    kind: Kind,
    detail: String,
    remedy: String,
    retry_after: Option<u64>,
    reference: Option<String>,
}

/// What is said, by RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "/api/v1#problem-not-found", "title": "There is no such thing", "status": 404,
    "detail": "there is no such connection", "remedy": "list them: GET /api/v1/connections",
}))]
pub(super) struct Said {
    /// What kind of problem it is, as a link to its words.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words; the same for all of a kind.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// What to do instead.
    remedy: String,
    /// Names the line in our log, where something went wrong on our side.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

impl Problem {
    pub(in crate::web) fn new(kind: Kind, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let retry_after = kind.patience();
        Self { kind, detail: detail.into(), remedy: remedy.into(), retry_after, reference: None }
    }

    pub(super) fn query(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Kind::Query, detail, remedy)
    }

    pub(super) fn not_found(noun: &str, remedy: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, format!("there is no such {noun}, or not for this key"), remedy)
    }

    /// A defect of ours: the cause goes to the log.
    pub(in crate::web) fn internal(cause: &str) -> Self {
        let reference = Uuid::new_v4().to_string();
        error!(reference, cause, "an API request failed");
        let remedy = "try again; if it stays, give the reference to whoever runs this Lamplighter";
        Self { reference: Some(reference), ..Self::new(Kind::Internal, "the request could not be carried out", remedy) }
    }

    /// Worth another try at that time.
    pub(super) fn after(mut self, at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        if let Some(at) = at {
            self.retry_after = Some(u64::try_from((at - now).num_seconds()).unwrap_or(0).clamp(1, 3_600));
        }
        self
    }

    pub(super) fn in_seconds(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }
}

impl From<store::Error> for Problem {
    fn from(cause: store::Error) -> Self {
        let code = match &cause {
            store::Error::Sql(sqlx::Error::Database(error)) => error.code().map(std::borrow::Cow::into_owned),
            _ => None,
        };
        // A value that the database cannot hold, such as a text with a zero byte or a year beyond its calendar.
        if code.is_some_and(|code| code.starts_with("22")) {
            return Self::query("a value cannot be stored or looked for", "leave out zero bytes and years beyond 9999");
        }
        let text = crate::telemetry::chain(&cause);
        if cause.may_pass() {
            warn!(error = text, "an API request cannot be carried out now");
            let remedy = "send the same again in a minute: nothing is done twice";
            return Self::new(Kind::Unavailable, "the database does not answer now", remedy);
        }
        Self::internal(&text)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(cause: sqlx::Error) -> Self {
        store::Error::from(cause).into()
    }
}

/// Why there is no live token, where nothing more is known of its connection.
impl From<Unavailable> for Problem {
    fn from(reason: Unavailable) -> Self {
        match reason {
            Unavailable::Store(cause) => cause.into(),
            Unavailable::Lapsed => Self::new(
                Kind::NeedsOwner,
                "the connection has lapsed or is disconnected",
                "send its owner a link: POST /api/v1/accounts/{id}/connect-links",
            ),
            Unavailable::NotNow => Self::new(
                Kind::ProviderOut,
                "the token cannot be renewed right now; the daemon goes on trying",
                "ask again later",
            ),
            Unavailable::Fenced => Self::held_back(),
            Unavailable::Vault(cause) => {
                let remedy = "run `lamplighter doctor` where it is installed: a vault key is missing";
                error!(%cause, "a stored token does not open");
                Self::new(Kind::HeldBack, "the stored token does not open", remedy)
            }
        }
    }
}

impl Problem {
    pub(super) fn held_back() -> Self {
        let remedy = "run `lamplighter resume` where it is installed: it shows what was found and what can be done";
        Self::new(Kind::HeldBack, "the database looks restored or copied, so no grant of it is used", remedy)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let said = Said {
            kind: format!("/api/v1#problem-{}", self.kind.slug()),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: self.detail,
            remedy: self.remedy,
            reference: self.reference,
        };
        let mut reply = (status, Json(said)).into_response();
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Key {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }
}
