//! When a grant was last seen to work, and when it is tried out next.
//!
//! A claim moves `probe_at` forward, and that is the whole lease: whoever crashes leaves a connection that is tried again a
//! little later. Proofs are written in batches. A proof older than the latest connect is none: it was another grant's.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::provider::Provider;

/// A connection to be tried out.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The connection.
    pub connection_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// Realm or hub id.
    pub company_id: String,
}

/// Claims up to `limit` connections of a provider that are due, the longest waiting first, and makes them due again at
/// `again_at`, should nothing come of it.
///
/// # Errors
/// Database trouble.
pub async fn claim_due(
    conn: &mut PgConnection,
    provider: Provider,
    now: DateTime<Utc>,
    again_at: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Claim>, Error> {
    Ok(sqlx::query_as!(
        Claim,
        r#"with picked as (
               select id from connections
               where provider = $1 and probe_at <= $2 and status in ('connected', 'failing')
               order by probe_at limit $4 for no key update skip locked
           )
           update connections c set probe_at = $3 from picked where c.id = picked.id
           returning c.id as connection_id, c.provider as "provider: Provider", c.company_id"#,
        provider as Provider,
        now,
        again_at,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// A call that showed that a grant works.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// Whose.
    pub connection_id: Uuid,
    /// When the call began.
    pub at: DateTime<Utc>,
    /// When the next probe is due.
    pub probe_at: DateTime<Utc>,
}

/// Writes proofs down; how many of them were of use.
///
/// # Errors
/// Database trouble.
pub async fn prove(conn: &mut PgConnection, proofs: &[Proof]) -> Result<u64, Error> {
    if proofs.is_empty() {
        return Ok(0);
    }
    let ids: Vec<_> = proofs.iter().map(|proof| proof.connection_id).collect();
    let times: Vec<_> = proofs.iter().map(|proof| proof.at).collect();
    let next: Vec<_> = proofs.iter().map(|proof| proof.probe_at).collect();
    // In one order, so that two daemons with the same connections in their batches do not wait for each other.
    let done = sqlx::query!(
        "with proofs as (
             select p.id, p.at, p.probe_at from connections c
                    join unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as p (id, at, probe_at) on p.id = c.id
             where c.status in ('connected', 'failing') and c.connected_at <= p.at
               and (c.verified_at is null or c.verified_at <= p.at)
             order by c.id for no key update of c
         )
         update connections c set verified_at = p.at, probe_at = p.probe_at from proofs p where c.id = p.id",
        &ids,
        &times,
        &next
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Moves the next probe of a connection.
///
/// # Errors
/// Database trouble.
pub async fn postpone(conn: &mut PgConnection, connection_id: Uuid, probe_at: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!("update connections set probe_at = greatest(probe_at, $2) where id = $1", connection_id, probe_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// When the next probe of a provider's connections is due, by index.
///
/// # Errors
/// Database trouble.
pub async fn next_due(conn: &mut PgConnection, provider: Provider) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!(
        "select min(probe_at) from connections where provider = $1 and status in ('connected', 'failing')",
        provider as Provider
    )
    .fetch_one(conn)
    .await?)
}

/// When a connection was last seen to work, and when it is tried out next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Since the latest connect.
    pub verified_at: Option<DateTime<Utc>>,
    /// The next probe.
    pub probe_at: Option<DateTime<Utc>>,
}

/// How a connection stands; nothing is known of one that is not there.
///
/// # Errors
/// Database trouble.
pub async fn standing(conn: &mut PgConnection, connection_id: Uuid) -> Result<Standing, Error> {
    let found = sqlx::query_as!(Standing, "select verified_at, probe_at from connections where id = $1", connection_id)
        .fetch_optional(conn)
        .await?;
    Ok(found.unwrap_or_default())
}

/// How many connections count as connected but were not seen to work since `since`, by index.
///
/// # Errors
/// Database trouble.
pub async fn count_unverified(conn: &mut PgConnection, since: DateTime<Utc>) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from connections
           where status = 'connected' and coalesce(verified_at, connected_at) < $1"#,
        since
    )
    .fetch_one(conn)
    .await?)
}

/// The sealed tokens of a connection, to be asked about but not spent.
#[derive(Debug)]
pub struct Tokens {
    /// Their generation.
    pub generation: i64,
    /// The refresh token.
    pub refresh_sealed: String,
    /// The access token.
    pub access_sealed: String,
    /// Its end.
    pub access_expires_at: DateTime<Utc>,
    /// The app that they were issued to.
    pub issued_to: String,
}

/// The tokens of a connection that is still renewed.
///
/// # Errors
/// Database trouble.
pub async fn tokens(conn: &mut PgConnection, connection_id: Uuid) -> Result<Option<Tokens>, Error> {
    Ok(sqlx::query_as!(
        Tokens,
        "select generation, refresh_sealed, access_sealed, access_expires_at, issued_to
         from tokens where connection_id = $1 and renew_at is not null",
        connection_id
    )
    .fetch_optional(conn)
    .await?)
}
