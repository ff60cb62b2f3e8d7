//! How far each HubSpot portal has been read. The cursor moves in the transaction that stores the orders.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, sources};

/// A portal that is ours to read until the lease runs out.
#[derive(Debug)]
pub struct Claim {
    /// The HubSpot connection.
    pub connection_id: Uuid,
    /// Its account.
    pub account_id: Uuid,
    /// When the portal was first connected.
    pub opened_at: DateTime<Utc>,
    /// Everything modified up to here is stored.
    pub modified_to: DateTime<Utc>,
    /// Ours, until somebody claims after us.
    pub fence: i64,
    /// Failed polls since the last good one.
    pub failures: i32,
    /// When the grant was last seen to work.
    pub verified_at: Option<DateTime<Utc>>,
}

/// Begins reading a portal from `modified_to`, or wakes one that is read already: its cursor stays where it was, so that
/// whatever happened in a gap is found. The portal is a source of its account's orders from now on.
///
/// # Errors
/// Database trouble.
pub async fn open(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sources::open_portal(conn, connection_id, now).await?;
    sqlx::query!(
        "insert into intakes (connection_id, opened_at, modified_to, poll_at) values ($1, $2, $2, $2)
         on conflict (connection_id) do update set poll_at = $2, failures = 0",
        connection_id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims up to `limit` connected portals that are due.
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
             select i.connection_id, c.account_id, c.verified_at from intakes i join connections c on c.id = i.connection_id
             where i.poll_at <= $1 and (i.lease_until is null or i.lease_until < clock_timestamp())
               and c.status = 'connected'
             order by i.poll_at limit $4 for update of i skip locked
         )
         update intakes i
         set lease_until = clock_timestamp() + make_interval(secs => $3), leased_by = $2, fence = i.fence + 1
         from picked where i.connection_id = picked.connection_id
         returning i.connection_id, picked.account_id, i.opened_at, i.modified_to, i.fence, i.failures,
                   picked.verified_at",
        now,
        daemon,
        lease.as_secs_f64(),
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// Waits until nobody else stores orders of this portal, and keeps them out until the transaction ends: of two readings of
/// one order the later must be stored last.
///
/// # Errors
/// Database trouble.
pub async fn hold(conn: &mut PgConnection, connection_id: Uuid) -> Result<(), Error> {
    sqlx::query!("select fence from intakes where connection_id = $1 for update", connection_id)
        .fetch_optional(conn)
        .await?;
    Ok(())
}

/// Makes portals due at once, because HubSpot says that something changed there; those that rest after a failure stay
/// alone. Returns how many.
///
/// # Errors
/// Database trouble.
pub async fn hasten(conn: &mut PgConnection, hub_ids: &[String], now: DateTime<Utc>) -> Result<u64, Error> {
    let done = sqlx::query!(
        "update intakes i set poll_at = $2 from connections c
         where c.id = i.connection_id and c.provider = 'hubspot' and c.company_id = any($1) and i.failures = 0
           and i.poll_at > $2",
        hub_ids,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Moves the cursor, never backwards, and keeps the lease for the next page. `false` when the fence was passed.
///
/// # Errors
/// Database trouble.
pub async fn advance(
    conn: &mut PgConnection,
    claim: &Claim,
    modified_to: DateTime<Utc>,
    lease: Duration,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update intakes set modified_to = greatest(modified_to, $3),
                            lease_until = clock_timestamp() + make_interval(secs => $4)
         where connection_id = $1 and fence = $2",
        claim.connection_id,
        claim.fence,
        modified_to,
        lease.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the portal back until `poll_at`; `read_at` is when a reading began that came to its end.
///
/// # Errors
/// Database trouble: the lease runs out by itself.
pub async fn release(
    conn: &mut PgConnection,
    claim: &Claim,
    poll_at: DateTime<Utc>,
    failed: bool,
    read_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    sqlx::query!(
        "update intakes set poll_at = $3, failures = case when $4 then failures + 1 else 0 end,
                            read_at = coalesce($5, read_at), lease_until = null, leased_by = null
         where connection_id = $1 and fence = $2",
        claim.connection_id,
        claim.fence,
        poll_at,
        failed,
        read_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a portal was read to its end since then.
///
/// # Errors
/// Database trouble.
pub async fn was_read(conn: &mut PgConnection, connection_id: Uuid, since: DateTime<Utc>) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from intakes where connection_id = $1 and read_at >= $2) as "was_read!""#,
        connection_id,
        since
    )
    .fetch_one(conn)
    .await?)
}

/// When the next portal is due.
///
/// # Errors
/// Database trouble.
pub async fn next_due(conn: &mut PgConnection) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!(
        "select min(i.poll_at) from intakes i join connections c on c.id = i.connection_id where c.status = 'connected' and (i.lease_until is null or i.lease_until < clock_timestamp())"
    )
    .fetch_one(conn)
    .await?)
}
