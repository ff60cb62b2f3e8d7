//! `POST /api/v1/orders`: orders of any cart, for the account of the API key. Every order gets its own answer; the good ones
//! are taken whatever the others are. Sending the same again changes nothing.
//!
//! The key is looked at before the body is read, and neither is ever logged.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest as _, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::SecretString;
use serde::{Deserialize as _, Serialize};
use serde_json::{json, value::RawValue};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::Web;
use crate::{
    api_keys,
    orders::incoming::{self, DEFAULT_SOURCE, Fate, Refused},
    store,
};

/// The most orders of one request.
const MOST_ORDERS: usize = 500;
/// The longest body.
pub(super) const LONGEST_BODY: usize = 8 * 1024 * 1024;

/// What became of one order.
#[derive(Serialize)]
struct Answer {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_number: Option<String>,
    #[serde(flatten)]
    refused: Option<Refused>,
}

/// Why a whole request is not answered order by order.
enum Problem {
    Unauthorized,
    TooLarge,
    Unreadable(String),
    Store(store::Error),
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// Takes orders in.
pub(super) async fn take(State(web): State<Web>, request: Request) -> Response {
    match answer(&web, request).await {
        Ok(reply) => reply,
        Err(problem) => problem.into_response(),
    }
}

async fn answer(web: &Web, request: Request) -> Result<Response, Problem> {
    let key = bearer(request.headers()).ok_or(Problem::Unauthorized)?;
    let now = web.clock.now();
    let account_id = {
        let mut conn = web.pool.acquire().await.map_err(store::Error::from)?;
        api_keys::account(&mut conn, &key, now).await?.ok_or(Problem::Unauthorized)?
    };
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge,
        _ => Problem::Unreadable("the body did not arrive whole".to_owned()),
    })?;
    let body = std::str::from_utf8(&body).map_err(|_| Problem::Unreadable("the body is not UTF-8".to_owned()))?;
    let pieces = pieces(body)?;
    if pieces.len() > MOST_ORDERS {
        return Err(Problem::TooLarge);
    }
    let (mut answers, mut good, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (index, piece) in pieces.iter().enumerate() {
        let empty =
            Answer { index, external_id: None, source: None, result: "refused", document_number: None, refused: None };
        match incoming::read(piece, DEFAULT_SOURCE, now) {
            Ok(order) => {
                answers.push(Answer {
                    external_id: Some(order.order.external_id.clone()),
                    source: Some(order.source.clone()),
                    document_number: Some(order.order.document_number.clone()),
                    ..empty
                });
                places.push(index);
                good.push(order);
            }
            Err(refused) => {
                answers.push(Answer { external_id: incoming::claimed_id(piece), refused: Some(refused), ..empty });
            }
        }
    }
    let fates = {
        let mut conn = web.pool.acquire().await.map_err(store::Error::from)?;
        incoming::take(&mut conn, account_id, good, now).await?
    };
    for (place, fate) in places.into_iter().zip(fates) {
        answers[place].result = word(fate);
    }
    Ok(told(web, account_id, answers))
}

fn told(web: &Web, account_id: Uuid, answers: Vec<Answer>) -> Response {
    let count = |word: &str| answers.iter().filter(|answer| answer.result == word).count();
    let (taken, changed) = (count("taken"), count("changed"));
    let (unchanged, refused) = (count("unchanged"), count("refused"));
    if taken + changed + refused > 0 {
        info!(%account_id, taken, changed, unchanged, refused, "orders came in through the API");
    }
    if taken + changed > 0 {
        web.dispatch.wake();
    }
    let all_refused = refused > 0 && refused == answers.len();
    let status = if all_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let body = json!({
        "taken": taken, "changed": changed, "unchanged": unchanged, "refused": refused, "orders": answers,
    });
    (status, Json(body)).into_response()
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Taken => "taken",
        Fate::Changed => "changed",
        Fate::Unchanged => "unchanged",
    }
}

/// One order, or an array of them; each stays the text that it is, so that its numbers do.
fn pieces(body: &str) -> Result<Vec<&str>, Problem> {
    let mut reader = serde_json::Deserializer::from_str(body);
    let pieces = if body.trim_start().starts_with('[') {
        Vec::<&RawValue>::deserialize(&mut reader)
    } else {
        <&RawValue>::deserialize(&mut reader).map(|one| vec![one])
    };
    let pieces = pieces.and_then(|pieces| reader.end().map(|()| pieces));
    let pieces = pieces.map_err(|error| Problem::Unreadable(format!("the body is not JSON: {error}")))?;
    Ok(pieces.into_iter().map(RawValue::get).collect())
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretString::from(key.trim()))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let said = |status: StatusCode, message: &str, remedy: &str| {
            (status, Json(json!({ "error": { "message": message, "remedy": remedy } }))).into_response()
        };
        match self {
            Self::Unauthorized => {
                let remedy = "send `Authorization: Bearer KEY` with a key that `lamplighter account api-key create` made \
                              and nobody revoked";
                let mut reply = said(StatusCode::UNAUTHORIZED, "this is no API key that works", remedy);
                reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                reply
            }
            Self::TooLarge => {
                let remedy =
                    format!("send at most {MOST_ORDERS} orders and {} MiB at once", LONGEST_BODY / 1024 / 1024);
                said(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large; nothing was taken", &remedy)
            }
            Self::Unreadable(why) => {
                let remedy = "send one order as a JSON object, or several as an array; nothing was taken";
                said(StatusCode::UNPROCESSABLE_ENTITY, &why, remedy)
            }
            Self::Store(cause) => {
                let cause_text = crate::telemetry::chain(&cause);
                let status = if cause.may_pass() {
                    warn!(error = cause_text, "orders cannot be taken in now");
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    error!(error = cause_text, "orders could not be taken in");
                    StatusCode::INTERNAL_SERVER_ERROR
                };
                let remedy = "send the same again in a minute: nothing is taken twice";
                let mut reply = said(status, "the orders could not be stored now", remedy);
                reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
                reply
            }
        }
    }
}
