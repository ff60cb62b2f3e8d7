//! A lane is one QuickBooks company as a queue: leased by one worker at a time, in order.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// A lane that is ours to work until the lease runs out.
#[derive(Debug)]
pub struct Claim {
    /// The QuickBooks connection.
    pub connection_id: Uuid,
    /// Its account.
    pub account_id: Uuid,
    /// The realm.
    pub company_id: String,
    /// Ours, until somebody claims after us.
    pub fence: i64,
    /// How many batches had come in when it was claimed.
    pub arrivals: i64,
    /// Failures since the last order that went through.
    pub failures: i32,
    /// When the grant was last seen to work.
    pub verified_at: Option<DateTime<Utc>>,
}

/// Makes the lane of a QuickBooks connection, or wakes it.
///
/// # Errors
/// Database trouble.
pub async fn open(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "insert into lanes (connection_id, resume_at) values ($1, $2)
         on conflict (connection_id) do update
             set resume_at = $2, failures = 0, arrivals = lanes.arrivals + 1",
        connection_id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells the lane of an account that orders came in. The count makes sure that a worker who has just found the lane
/// empty does not put it to sleep.
///
/// # Errors
/// Database trouble.
pub async fn wake(conn: &mut PgConnection, account_id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update lanes l set resume_at = coalesce(l.resume_at, $2), arrivals = l.arrivals + 1
         from connections c
         where c.id = l.connection_id and c.account_id = $1 and c.provider = 'quickbooks'",
        account_id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims up to `limit` connected lanes in which orders wait, the longest waiting first.
///
/// # Errors
/// Database trouble.
pub async fn claim_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    daemon: &str,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Claim>, Error> {
    Ok(sqlx::query_as!(
        Claim,
        "with picked as (
             select l.connection_id, c.account_id, c.company_id, c.verified_at
             from lanes l join connections c on c.id = l.connection_id
             where l.resume_at <= $1 and (l.lease_until is null or l.lease_until < clock_timestamp())
               and c.status = 'connected'
             order by l.resume_at limit $4 for update of l skip locked
         )
         update lanes l
         set lease_until = clock_timestamp() + make_interval(secs => $3), leased_by = $2, fence = l.fence + 1
         from picked where l.connection_id = picked.connection_id
         returning l.connection_id, picked.account_id, picked.company_id, l.fence, l.arrivals, l.failures,
                   picked.verified_at",
        now,
        daemon,
        lease.as_secs_f64(),
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// How a worker leaves a lane.
#[derive(Clone, Copy, Debug)]
pub enum Leave {
    /// No order waits in it any more.
    Empty,
    /// More wait: go on at once, after the other lanes had their turn.
    More,
    /// Something concerns the whole company: go on later.
    Pause {
        /// When.
        until: DateTime<Utc>,
        /// Failures since the last order that went through, this one included.
        failures: i32,
    },
}

/// Gives the lane back.
///
/// # Errors
/// Database trouble: the lease runs out by itself.
pub async fn release(conn: &mut PgConnection, claim: &Claim, leave: Leave, now: DateTime<Utc>) -> Result<(), Error> {
    let (resume_at, failures) = match leave {
        Leave::Empty => (None, 0),
        Leave::More => (Some(now), 0),
        Leave::Pause { until, failures } => (Some(until), failures),
    };
    sqlx::query!(
        "update lanes
         set resume_at = case when $3::timestamptz is null and arrivals <> $4 then $6 else $3 end,
             failures = $5, lease_until = null, leased_by = null
         where connection_id = $1 and fence = $2",
        claim.connection_id,
        claim.fence,
        resume_at,
        claim.arrivals,
        failures,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the pauses of all lanes in which orders wait, because the provider is back.
///
/// # Errors
/// Database trouble.
pub async fn resume_all(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!("update lanes set resume_at = $1, failures = 0 where resume_at > $1", now).execute(conn).await?;
    Ok(())
}

/// When the next lane is due, by index.
///
/// # Errors
/// Database trouble.
pub async fn next_due(conn: &mut PgConnection) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!(
        "select min(l.resume_at) from lanes l join connections c on c.id = l.connection_id
         where l.resume_at is not null and c.status = 'connected'
           and (l.lease_until is null or l.lease_until < clock_timestamp())"
    )
    .fetch_one(conn)
    .await?)
}
