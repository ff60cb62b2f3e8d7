//! Pages of a list: the next one begins behind a cursor, which nobody but us needs to read. What comes in meanwhile moves
//! nothing: a cursor is the key of the last row.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;

/// The most rows of a page.
pub(super) const MOST: u32 = 200;
const USUAL: u32 = 50;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The rows.
    items: Vec<T>,
    /// Where the next page begins: send it as `cursor`. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> Page<T> {
    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    /// Other rows, and the same next page.
    pub(super) fn with<R>(self, items: Vec<R>) -> Page<R> {
        Page { items, next: self.next }
    }
}

/// How many rows are wanted.
#[derive(Clone, Copy)]
pub(super) struct Size(usize);

impl Size {
    pub(super) fn of(limit: Option<u32>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::query(format!("limit cannot be {limit}"), format!("write 1 to {MOST}")));
        }
        Ok(Self(limit as usize))
    }

    /// One more than is shown tells whether there is more.
    pub(super) fn fetched(self) -> i64 {
        i64::try_from(self.0 + 1).unwrap_or(i64::MAX)
    }

    /// The page of what was fetched.
    pub(super) fn page<T>(self, mut rows: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let more = rows.len() > self.0;
        rows.truncate(self.0);
        let next = rows.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        Page { items: rows, next }
    }
}

/// The key that a cursor holds.
pub(super) fn behind<K: FromStr>(cursor: Option<&str>) -> Result<Option<K>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = key.filter(|key| !key.contains('\0')).and_then(|key| key.parse().ok());
    let remedy = "take it from `next` of the page before, or leave it out to begin anew";
    key.map(Some).ok_or_else(|| Problem::query("this cursor is none of ours", remedy))
}
