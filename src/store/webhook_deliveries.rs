//! Messages that an endpoint must still take. A message's id is fixed when it is written, and stays for every try.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// A message that is ours to send until the lease runs out.
#[derive(Clone)]
pub struct Claim {
    /// Its id, and its `webhook-id`.
    pub id: Uuid,
    /// The endpoint.
    pub webhook_id: Uuid,
    /// Where it goes.
    pub url: String,
    /// What signs it.
    pub secret_sealed: String,
    /// What it tells.
    pub event: String,
    /// The message itself.
    pub payload: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// How often it was tried, this time included.
    pub attempts: i32,
    /// Ours, until somebody claims after us.
    pub fence: i64,
    /// The operator knows that something never arrived there.
    pub alerted: bool,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a secret of the receiver's, and what is told is between the two of them.
        let Self { id, webhook_id, event, attempts, fence, .. } = self;
        f.debug_struct("Claim")
            .field("id", id)
            .field("webhook_id", webhook_id)
            .field("event", event)
            .field("attempts", attempts)
            .field("fence", fence)
            .finish_non_exhaustive()
    }
}

/// Claims up to `limit` messages that are due, of which no endpoint has more than `each` under way at a time.
///
/// # Errors
/// Database trouble.
pub async fn claim_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    daemon: &str,
    lease: Duration,
    limit: i64,
    each: i64,
) -> Result<Vec<Claim>, Error> {
    Ok(sqlx::query_as!(
        Claim,
        r#"with picked as (
               select d.id from webhooks w
               cross join lateral (
                   select q.id, q.send_at from webhook_deliveries q
                   where q.webhook_id = w.id and q.delivered_at is null and q.given_up_at is null and q.send_at <= $1
                     and (q.lease_until is null or q.lease_until < clock_timestamp())
                   order by q.send_at
                   limit greatest(0, $5 - (select count(*) from webhook_deliveries u
                                           where u.webhook_id = w.id and u.delivered_at is null
                                             and u.given_up_at is null and u.lease_until >= clock_timestamp()))
                   for update skip locked) d
               where w.switched_off_at is null
               order by d.send_at limit $4
           )
           update webhook_deliveries d
           set lease_until = clock_timestamp() + make_interval(secs => $3), leased_by = $2, fence = d.fence + 1,
               attempts = d.attempts + 1
           from picked p, webhooks w where d.id = p.id and w.id = d.webhook_id
           returning d.id, d.webhook_id, w.url, w.secret_sealed, d.event, d.payload::text as "payload!", d.created_at,
                     d.attempts, d.fence, w.alerted"#,
        now,
        daemon,
        lease.as_secs_f64(),
        limit,
        each
    )
    .fetch_all(conn)
    .await?)
}

/// Notes that the endpoint took the message.
///
/// # Errors
/// Database trouble.
pub async fn delivered(conn: &mut PgConnection, claim: &Claim, status: u16, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update webhook_deliveries
         set delivered_at = $3, last_status = $4, last_error = null, lease_until = null, leased_by = null
         where id = $1 and fence = $2",
        claim.id,
        claim.fence,
        now,
        i32::from(status)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts the message back, to be tried again then, or gives it up when there is no such time; `false` when the lease ran out
/// and somebody claimed it since.
///
/// # Errors
/// Database trouble: the lease runs out by itself.
pub async fn failed(
    conn: &mut PgConnection,
    claim: &Claim,
    status: Option<u16>,
    error: &str,
    again_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update webhook_deliveries
         set send_at = coalesce($5::timestamptz, send_at), given_up_at = case when $5::timestamptz is null then $6::timestamptz end,
             last_status = $3, last_error = $4, lease_until = null, leased_by = null
         where id = $1 and fence = $2",
        claim.id,
        claim.fence,
        status.map(i32::from),
        error,
        again_at,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// When the next message is due.
///
/// # Errors
/// Database trouble.
pub async fn next_due(conn: &mut PgConnection) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!(
        "select min(q.send_at) from webhooks w cross join lateral (
             select d.send_at from webhook_deliveries d
             where d.webhook_id = w.id and d.delivered_at is null and d.given_up_at is null
               and (d.lease_until is null or d.lease_until < clock_timestamp())
             order by d.send_at limit 1) q
         where w.switched_off_at is null"
    )
    .fetch_one(conn)
    .await?)
}

/// Forgets messages from before then that have ended, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from webhook_deliveries where id in (
             select id from webhook_deliveries
             where created_at < $1 and (delivered_at is not null or given_up_at is not null)
             order by created_at limit $2)",
        before,
        limit
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// A message, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Its id, and its `webhook-id`.
    pub id: Uuid,
    /// The endpoint.
    pub webhook_id: Uuid,
    /// Where it goes.
    pub url: String,
    /// What it tells.
    pub event: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it is tried next, if it waits.
    pub send_at: Option<DateTime<Utc>>,
    /// How often it was tried.
    pub attempts: i32,
    /// What the endpoint answered last.
    pub last_status: Option<i32>,
    /// What went wrong.
    pub last_error: Option<String>,
    /// When it arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub given_up_at: Option<DateTime<Utc>>,
}

/// The latest messages, of one endpoint or of all, those alone that did not arrive if `open_only`; at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn recent(
    conn: &mut PgConnection,
    webhook_id: Option<Uuid>,
    open_only: bool,
    limit: i64,
) -> Result<Vec<Overview>, Error> {
    Ok(sqlx::query_as!(
        Overview,
        r#"select d.id, d.webhook_id, w.url, d.event, d.created_at,
                  case when d.delivered_at is null and d.given_up_at is null then d.send_at end as send_at, d.attempts,
                  d.last_status, d.last_error, d.delivered_at, d.given_up_at
           from webhook_deliveries d join webhooks w on w.id = d.webhook_id
           where ($1::uuid is null or d.webhook_id = $1) and (not $2 or d.delivered_at is null)
           order by d.created_at desc, d.id limit $3"#,
        webhook_id,
        open_only,
        limit
    )
    .fetch_all(conn)
    .await?)
}
