//! Everything about one order, for whoever is asked where it is.

mod next;
mod why;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::{
    next::{commands, lane, steps},
    why::{evidence, line, lines as why},
};
use crate::store::{
    self,
    order_log::dossier::{self, Dossier},
};

/// How many attempts are read; the latest ones.
const ATTEMPTS: i64 = 200;

/// Everything that is known.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// What is stored of it.
    #[serde(flatten)]
    pub dossier: Dossier,
    /// The moment that is spoken of.
    pub now: DateTime<Utc>,
}

/// Reads everything about an order; `None` when there is none.
///
/// # Errors
/// Database trouble.
pub async fn gather(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<Option<Facts>, store::Error> {
    Ok(dossier::get(conn, id, ATTEMPTS).await?.map(|dossier| Facts { dossier, now }))
}
