//! Why a connection, an order or an alert stands as it does, what happens next, and what a person can do: in words, for the
//! command line, the dashboard and the API alike.
//!
//! What is stored is read first, all of it; from there to the lines it is pure.

/// An alert.
pub mod alert;

/// A connection.
pub mod connection;

/// An order.
pub mod order;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::words;

/// Something that happens, or that happened and matters now.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = NextStep)]
pub struct Step {
    /// When; absent when it depends on something else.
    pub at: Option<DateTime<Utc>>,
    /// What.
    pub what: String,
}

impl Step {
    fn untimed(what: impl Into<String>) -> Self {
        Self { at: None, what: what.into() }
    }

    fn at(at: DateTime<Utc>, what: impl Into<String>) -> Self {
        Self { at: Some(at), what: what.into() }
    }

    /// As a line.
    pub fn line(&self, now: DateTime<Utc>) -> String {
        match self.at {
            Some(at) => format!("{}: {}", moment(at, now), self.what),
            None => self.what.clone(),
        }
    }
}

/// A moment with its zone, and how far it is.
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ({})", words::instant(at), words::until(at, now))
}

/// Words as a sentence.
fn sentence(text: &str) -> String {
    format!("{}.", words::capitalised(text).trim_end_matches('.'))
}
