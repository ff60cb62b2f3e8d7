//! Endpoints of the operator's own services, and what they are to be told.
//!
//! `announce` writes in the caller's transaction, one row for each endpoint that wants the event; orders announce
//! themselves in the statement that settles them (`attempts::finish`). Where no endpoint is registered, nothing is written.
//! Secrets come and go sealed; this module opens none.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, alerts};

/// Something that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub enum Event {
    /// Only the owner can repair a connection.
    #[serde(rename = "connection.lapsed")]
    #[clap(name = "connection.lapsed")]
    ConnectionLapsed,
    /// It works again.
    #[serde(rename = "connection.recovered")]
    #[clap(name = "connection.recovered")]
    ConnectionRecovered,
    /// An order has its document.
    #[serde(rename = "order.posted")]
    #[clap(name = "order.posted")]
    OrderPosted,
    /// An order waits for a person.
    #[serde(rename = "order.parked")]
    #[clap(name = "order.parked")]
    OrderParked,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ConnectionLapsed, Self::ConnectionRecovered, Self::OrderPosted, Self::OrderParked];

    /// The name in messages and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionLapsed => "connection.lapsed",
            Self::ConnectionRecovered => "connection.recovered",
            Self::OrderPosted => "order.posted",
            Self::OrderParked => "order.parked",
        }
    }
}

impl FromStr for Event {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|event| event.as_str() == text).ok_or("no such event")
    }
}

/// A new endpoint. No `Debug`: its address may hold a secret of the receiver's.
pub struct NewWebhook<'a> {
    /// Its id.
    pub id: Uuid,
    /// Where messages go.
    pub url: &'a str,
    /// What it wants to hear of.
    pub events: &'a [Event],
    /// What signs its messages.
    pub secret_sealed: &'a str,
}

/// Registers an endpoint; `false` when its address is registered already.
///
/// # Errors
/// Database trouble.
pub async fn add(conn: &mut PgConnection, new: &NewWebhook<'_>, now: DateTime<Utc>) -> Result<bool, Error> {
    let events: Vec<&str> = new.events.iter().map(|event| event.as_str()).collect();
    let done = sqlx::query!(
        "insert into webhooks (id, url, events, secret_sealed, created_at) values ($1, $2, $3, $4, $5)
         on conflict (url) do nothing",
        new.id,
        new.url,
        events as _,
        new.secret_sealed,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// An endpoint, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Its id.
    pub id: Uuid,
    /// Where messages go.
    pub url: String,
    /// What it wants to hear of.
    pub events: Vec<String>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Since when it is switched off, because it said that it is gone.
    pub switched_off_at: Option<DateTime<Utc>>,
    /// Messages that wait.
    pub waiting: i64,
    /// How many of these failed before.
    pub failing: i64,
    /// When a message last arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// What went wrong with one that waits.
    pub last_error: Option<String>,
}

/// All endpoints, the oldest first.
///
/// # Errors
/// Database trouble.
pub async fn overview(conn: &mut PgConnection) -> Result<Vec<Overview>, Error> {
    Ok(sqlx::query_as!(
        Overview,
        r#"select w.id, w.url, w.events, w.created_at, w.switched_off_at, q.waiting as "waiting!",
                  q.failing as "failing!", q.last_error,
                  (select max(d.delivered_at) from webhook_deliveries d where d.webhook_id = w.id) as delivered_at
           from webhooks w
           cross join lateral (select count(*) as waiting, count(d.last_error) as failing, max(d.last_error) as last_error
                               from webhook_deliveries d
                               where d.webhook_id = w.id and d.delivered_at is null and d.given_up_at is null) q
           order by w.created_at, w.id"#
    )
    .fetch_all(conn)
    .await?)
}

/// The sealed secret and the address of an endpoint.
///
/// # Errors
/// Database trouble.
pub async fn secret(conn: &mut PgConnection, id: Uuid) -> Result<Option<(String, String)>, Error> {
    let row = sqlx::query!("select url, secret_sealed from webhooks where id = $1", id).fetch_optional(conn).await?;
    Ok(row.map(|row| (row.url, row.secret_sealed)))
}

/// Forgets an endpoint with all that waits for it, and what was told of it is over; `false` when it was not there.
///
/// # Errors
/// Database trouble.
pub async fn remove(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    let done = sqlx::query!("delete from webhooks where id = $1", id).execute(&mut *conn).await?;
    alerts::close_silently(conn, alerts::Ended::Incident(&incident(id)), now).await?;
    Ok(done.rows_affected() == 1)
}

/// Switches an endpoint on again that had said that it is gone; `false` when it was not off.
///
/// # Errors
/// Database trouble.
pub async fn switch_on(conn: &mut PgConnection, id: Uuid) -> Result<bool, Error> {
    let done =
        sqlx::query!("update webhooks set switched_off_at = null where id = $1 and switched_off_at is not null", id)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Switches an endpoint off that is gone, and gives up what waits for it.
///
/// # Errors
/// Database trouble.
pub async fn switch_off(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "with off as (
             update webhooks set switched_off_at = $2 where id = $1 and switched_off_at is null
         )
         update webhook_deliveries
         set given_up_at = $2, last_error = coalesce(last_error, 'the endpoint was switched off'), lease_until = null,
             leased_by = null, fence = fence + 1
         where webhook_id = $1 and delivered_at is null and given_up_at is null",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes whether the operator knows that something never arrived; `false` when that was so already.
///
/// # Errors
/// Database trouble.
pub async fn set_alerted(conn: &mut PgConnection, id: Uuid, alerted: bool) -> Result<bool, Error> {
    let done = sqlx::query!("update webhooks set alerted = $2 where id = $1 and alerted <> $2", id, alerted)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The name of the incident of an endpoint that does not take its messages.
pub fn incident(id: Uuid) -> String {
    format!("webhook/{id}")
}

/// Writes what happened to a connection for every endpoint that wants to hear of it. Call it in the transaction of the
/// deed.
///
/// # Errors
/// Database trouble.
pub async fn announce(
    conn: &mut PgConnection,
    event: Event,
    connection_id: Uuid,
    now: DateTime<Utc>,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        "insert into webhook_deliveries (id, webhook_id, event, payload, created_at, send_at)
         select gen_random_uuid(), w.id, $1,
                jsonb_build_object('type', $1::text, 'timestamp', $3::timestamptz, 'data', jsonb_build_object(
                    'connection_id', c.id, 'account_id', a.id, 'account', a.name, 'provider', c.provider,
                    'environment', c.environment, 'company_id', c.company_id, 'company_name', c.company_name,
                    'status', c.status, 'cause', c.cause)), $3, $3
         from webhooks w cross join connections c join accounts a on a.id = c.account_id
         where w.switched_off_at is null and $1 = any(w.events) and c.id = $2",
        event.as_str(),
        connection_id,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// The sealed secret of an endpoint.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Whose.
    pub id: Uuid,
    /// The secret.
    pub secret_sealed: String,
}

/// Secrets that are sealed under another key than this one.
///
/// # Errors
/// Database trouble.
pub async fn under_other_keys(conn: &mut PgConnection, key_id: &str) -> Result<Vec<Sealed>, Error> {
    Ok(sqlx::query_as!(
        Sealed,
        "select id, secret_sealed from webhooks where split_part(secret_sealed, '.', 2) <> $1 order by id",
        key_id
    )
    .fetch_all(conn)
    .await?)
}

/// Puts a newly sealed secret in the place of the one it was made from.
///
/// # Errors
/// Database trouble.
pub async fn reseal(conn: &mut PgConnection, old: &Sealed, new: &str) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update webhooks set secret_sealed = $3 where id = $1 and secret_sealed = $2",
        old.id,
        old.secret_sealed,
        new
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
