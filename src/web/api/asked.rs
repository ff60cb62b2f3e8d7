//! What is asked: path, query and body, each read strictly, so that a typo is an answer and not a silence.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
};
use futures_util::StreamExt as _;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IntoDeserializer as _, value::Error as ValueError},
};
use serde_json::Value;

use super::problem::{Kind, Problem};
use crate::web::Web;

/// The longest body but of orders.
pub(super) const LONGEST_BODY: usize = 64 * 1024;

/// How much of a body that is too long is read before the connection is closed over it.
const LONGEST_READ: usize = 16 * 1024 * 1024;

/// The query.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Web> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, web).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(why) => Err(Problem::query(
                why.body_text().to_lowercase(),
                "see the parameters of this request: GET /api/v1; write times like 2026-11-20T14:00:00Z, and `+` as %2B",
            )),
        }
    }
}

/// An id in the path. What is no id names nothing.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Web> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, web).await {
            Ok(axum::extract::Path(id)) => Ok(Self(id)),
            Err(_) => Err(Problem::not_found("thing", "write an id as the lists show it")),
        }
    }
}

/// A JSON body.
pub(super) struct Content<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Web> for Content<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Web) -> Result<Self, Problem> {
        let text = text(request, LONGEST_BODY).await?;
        Ok(Self(read(&text)?))
    }
}

/// A JSON body that may be left out.
pub(super) struct OptionalContent<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<Web> for OptionalContent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Web) -> Result<Self, Problem> {
        let text = text(request, LONGEST_BODY).await?;
        Ok(Self(if text.trim().is_empty() { T::default() } else { read(&text)? }))
    }
}

pub(super) fn unreadable(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::Body, detail, "send JSON as GET /api/v1 describes it; nothing was done")
}

/// A body as text; `longest` is what the route allows. Of one that is longer the rest is read and forgotten, within reason:
/// whoever is still sending when the connection is closed sees a broken pipe and not the refusal.
pub(super) async fn text(request: Request, longest: usize) -> Result<String, Problem> {
    let mut chunks = request.into_body().into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| unreadable("the body did not arrive whole"))?;
        length += chunk.len();
        match length {
            _ if length <= longest => bytes.extend_from_slice(&chunk),
            _ if length <= LONGEST_READ => bytes = Vec::new(),
            _ => break,
        }
    }
    if length > longest {
        return Err(too_large(longest));
    }
    String::from_utf8(bytes).map_err(|_| unreadable("the body is not UTF-8"))
}

fn too_large(longest: usize) -> Problem {
    let most = match longest / (1024 * 1024) {
        0 => format!("{} KiB", longest / 1024),
        megabytes => format!("{megabytes} MiB"),
    };
    Problem::new(Kind::TooLarge, "the body is too large; nothing was done", format!("send at most {most} at once"))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let value: Value = serde_json::from_str(text).map_err(|why| unreadable(format!("the body is not JSON: {why}")))?;
    if has_zero(&value) {
        return Err(unreadable("a text in the body holds a zero byte"));
    }
    serde_path_to_error::deserialize(value).map_err(|why| {
        let at = why.path().to_string();
        let place = if at == "." { String::new() } else { format!("{at}: ") };
        unreadable(format!("{place}{}", why.into_inner()))
    })
}

/// No text of the database may hold one.
fn has_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_zero),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_zero(value)),
        _ => false,
    }
}

/// Words of a list with commas between them.
pub(super) fn words<T: for<'de> Deserialize<'de>>(name: &str, list: Option<&str>) -> Result<Vec<T>, Problem> {
    let parts = list.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    let read = |part: &str| T::deserialize(part.into_deserializer());
    let read: Result<_, ValueError> = parts.map(read).collect();
    read.map_err(|why| Problem::query(format!("{name}: {why}"), "write one of these words, or several with commas"))
}
