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
    /// Who held it before without giving it back.
    pub left_by: Option<String>,
    /// How often a person had decided about an order of it when it was claimed.
    pub decisions: i64,
    /// What that worker may have sent.
    pub under_way: Option<Vec<Uuid>>,
    /// Since when.
    pub under_way_since: Option<DateTime<Utc>>,
    /// The first order, when it failed last time while the company answered.
    pub stuck_on: Option<Uuid>,
    /// How often it did, in a row.
    pub stuck_tries: i32,
    /// Since when.
    pub stuck_since: Option<DateTime<Utc>>,
}

impl Claim {
    /// What fails for a reason of its own is settled, or another one's turn has come.
    pub fn unstick(&mut self) {
        (self.stuck_on, self.stuck_tries, self.stuck_since) = (None, 0, None);
    }
}

/// Makes the lane of a QuickBooks connection, or wakes it; what the provider asked for is still given.
///
/// # Errors
/// Database trouble.
pub async fn open(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "insert into lanes (connection_id, resume_at) values ($1, $2)
         on conflict (connection_id) do update
             set resume_at = greatest($2, lanes.not_before), failures = 0, arrivals = lanes.arrivals + 1",
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
    claim(conn, now, now, daemon, lease, limit).await
}

/// The same, lanes that pause after a failure too, but none that the provider asked to be left alone.
///
/// # Errors
/// Database trouble.
pub async fn claim_pausing(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    daemon: &str,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Claim>, Error> {
    claim(conn, DateTime::<Utc>::MAX_UTC, now, daemon, lease, limit).await
}

async fn claim(
    conn: &mut PgConnection,
    due_by: DateTime<Utc>,
    now: DateTime<Utc>,
    daemon: &str,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Claim>, Error> {
    Ok(sqlx::query_as!(
        Claim,
        "with picked as (
             select l.connection_id, c.account_id, c.company_id, c.verified_at, l.leased_by as left_by
             from lanes l join connections c on c.id = l.connection_id
             where l.resume_at <= $1 and (l.lease_until is null or l.lease_until < clock_timestamp())
               and (l.not_before is null or l.not_before <= $5)
               and c.status = 'connected'
             order by l.resume_at limit $4 for update of l skip locked
         )
         update lanes l
         set lease_until = clock_timestamp() + make_interval(secs => $3), leased_by = $2, fence = l.fence + 1
         from picked where l.connection_id = picked.connection_id
         returning l.connection_id, picked.account_id, picked.company_id, l.fence, l.arrivals, l.failures, l.decisions,
                   picked.verified_at, picked.left_by, l.under_way, l.under_way_since, l.stuck_on, l.stuck_tries,
                   l.stuck_since",
        due_by,
        daemon,
        lease.as_secs_f64(),
        limit,
        now
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
        /// The provider itself asked for the pause.
        asked: bool,
    },
}

impl Leave {
    /// When the lane is due again, its failures, and until when the provider wants it left alone.
    pub(super) fn columns(self, now: DateTime<Utc>) -> (Option<DateTime<Utc>>, i32, Option<DateTime<Utc>>) {
        match self {
            Leave::Empty => (None, 0, None),
            Leave::More => (Some(now), 0, None),
            Leave::Pause { until, failures, asked } => (Some(until), failures, asked.then_some(until)),
        }
    }
}

/// Gives the lane back.
///
/// # Errors
/// Database trouble: the lease runs out by itself.
pub async fn release(conn: &mut PgConnection, claim: &Claim, leave: Leave, now: DateTime<Utc>) -> Result<(), Error> {
    let (resume_at, failures, not_before) = leave.columns(now);
    sqlx::query!(
        "update lanes
         set resume_at = case when $3::timestamptz is null and arrivals <> $4 then $6 else $3 end,
             failures = $5, not_before = $7, stuck_on = $8, stuck_tries = $9, stuck_since = $10,
             lease_until = null, leased_by = null, under_way = null, under_way_since = null
         where connection_id = $1 and fence = $2",
        claim.connection_id,
        claim.fence,
        resume_at,
        claim.arrivals,
        failures,
        now,
        not_before,
        claim.stuck_on,
        claim.stuck_tries,
        claim.stuck_since
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the pauses of all lanes in which orders wait, because the provider is back. A pause that the provider asked for
/// goes on: it was one company's.
///
/// # Errors
/// Database trouble.
pub async fn resume_all(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update lanes set resume_at = greatest($1, not_before), failures = 0
         where resume_at > $1 and (not_before is null or not_before < resume_at)",
        now
    )
    .execute(conn)
    .await?;
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
