//! Everything at once, for whoever compares it with what really happened. Only simulations ask for this: it reads whole
//! tables.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, alerts::Kind, connections::Status, mails::Step, spends::Outcome};
use crate::provider::Provider;

/// How much is under somebody's lease now.
///
/// # Errors
/// Database trouble.
pub async fn leased(conn: &mut PgConnection) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"select (select count(*) from tokens where lease_until is not null)
                + (select count(*) from mails where lease_until is not null) as "count!""#
    )
    .fetch_one(conn)
    .await?)
}

/// A connection with its sealed refresh token.
#[derive(Debug)]
pub struct Holding {
    /// Its id.
    pub id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// How it stands.
    pub status: Status,
    /// What would be spent next, sealed.
    pub refresh_sealed: String,
}

/// Every connection.
///
/// # Errors
/// Database trouble.
pub async fn holdings(conn: &mut PgConnection) -> Result<Vec<Holding>, Error> {
    Ok(sqlx::query_as!(
        Holding,
        r#"select c.id, c.provider as "provider: Provider", c.status as "status: Status", t.refresh_sealed
           from connections c join tokens t on t.connection_id = c.id"#
    )
    .fetch_all(conn)
    .await?)
}

/// A mail of the outbox with its incident.
#[derive(Debug)]
pub struct Letter {
    /// Its id, and its Message-ID.
    pub id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// The moment.
    pub step: Step,
    /// The connection it is about.
    pub connection_id: Option<Uuid>,
    /// Where it goes.
    pub recipient: String,
    /// When it was handed over.
    pub sent_at: Option<DateTime<Utc>>,
}

/// Every mail.
///
/// # Errors
/// Database trouble.
pub async fn letters(conn: &mut PgConnection) -> Result<Vec<Letter>, Error> {
    Ok(sqlx::query_as!(
        Letter,
        r#"select m.id, a.kind as "kind: Kind", m.step as "step: Step", a.connection_id, m.recipient, m.sent_at
           from mails m join alerts a on a.id = m.alert_id"#
    )
    .fetch_all(conn)
    .await?)
}

/// How many spends came to what; `None` counts those that are still open.
///
/// # Errors
/// Database trouble.
pub async fn spends(conn: &mut PgConnection) -> Result<Vec<(Option<Outcome>, i64)>, Error> {
    let rows = sqlx::query!(
        r#"select outcome as "outcome: Outcome", count(*) as "count!" from spends group by outcome order by outcome"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.outcome, row.count)).collect())
}
