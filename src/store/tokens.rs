//! Sealed tokens: the claim before a spend, the fenced write after it, and the release of what did not work.
//!
//! A claim sets a lease and a new fence and opens the spend's row, in one committed statement. Every later write names
//! the generation and the fence it was claimed with; when it meets no row, somebody else has moved on and the write is
//! void. Only `replace` (a fresh authorization) and a reply that had to wait do not need the fence.
//!
//! A lease that ran out is not claimed at once: its holder may have a reply in hand that could not be stored because the
//! database was away, and this may be the moment at which it came back. The first who notices re-leases the row to nobody
//! (`TAKEOVER`) for a while; who claims after that takes over. The holder's fence still stands meanwhile.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, connections::Status};
use crate::provider::Provider;

/// Who holds a lease that ran out, for as long as it is left to its former holder. No daemon is called like this: their
/// names hold a slash.
pub const TAKEOVER: &str = "takeover";

/// A refresh token that is ours to spend until the lease runs out.
#[derive(Debug)]
pub struct Claim {
    /// Whose token.
    pub connection_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// The generation that is spent.
    pub generation: i64,
    /// Ours, until somebody claims after us.
    pub fence: i64,
    /// The ledger's row.
    pub spend_id: i64,
    /// The token, sealed.
    pub refresh_sealed: String,
    /// The app that it was issued to.
    pub issued_to: String,
    /// End of the refresh window.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// End of the hard cap.
    pub refresh_hard_expires_at: Option<DateTime<Utc>>,
    /// Failed renewals since the last good one.
    pub failures: i32,
    /// The connection's status when it was claimed.
    pub status: Status,
    /// An earlier spend of this generation was sent and never answered.
    pub after_unknown: bool,
}

/// New tokens, sealed, with their clocks.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct SealedTokens {
    /// The access token.
    pub access_sealed: String,
    /// The refresh token: the new one, or the one that was spent if the provider left it out.
    pub refresh_sealed: String,
    /// Its fingerprint.
    pub refresh_fingerprint: String,
    /// End of the access token.
    pub access_expires_at: DateTime<Utc>,
    /// End of the refresh window; `None` keeps what is stored, unless a new value came.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// End of the hard cap; `None` keeps what is stored.
    pub refresh_hard_expires_at: Option<DateTime<Utc>>,
    /// When they arrived.
    pub renewed_at: DateTime<Utc>,
    /// When the keeper takes them up next.
    pub renew_at: DateTime<Utc>,
}

// The two ways to pick rows share everything that makes a claim safe.
macro_rules! claim {
    ($pick:tt, $now:expr, $daemon:expr, $lease:expr, $($argument:expr),+) => {
        sqlx::query_as!(
            Claim,
            "with picked as ("
                + $pick
                + r#" for update of t skip locked
             ), claimed as (
                 update tokens t
                 set lease_until = clock_timestamp() + make_interval(secs => $3), leased_by = $2, fence = t.fence + 1
                 from picked where t.connection_id = picked.connection_id
                 returning t.*
             ), abandoned as (
                 update spends s set finished_at = $1, outcome = 'unknown', rule = 'lease_ran_out'
                 from claimed where s.connection_id = claimed.connection_id and s.finished_at is null
             ), opened as (
                 insert into spends (connection_id, generation, fence, fingerprint, daemon, started_at)
                 select connection_id, generation, fence, refresh_fingerprint, $2, $1 from claimed
                 returning id, connection_id
             )
             select k.connection_id as "connection_id!", k.provider as "provider!: Provider",
                    k.generation as "generation!", k.fence as "fence!", o.id as "spend_id!",
                    k.refresh_sealed as "refresh_sealed!", k.issued_to as "issued_to!", k.refresh_expires_at, k.refresh_hard_expires_at,
                    k.failures as "failures!", c.status as "status: Status",
                    exists (select from spends s
                            where s.connection_id = k.connection_id and s.generation = k.generation
                              and (s.finished_at is null or s.outcome = 'unknown')) as "after_unknown!"
             from claimed k join opened o on o.connection_id = k.connection_id
                  join connections c on c.id = k.connection_id
             order by k.renew_at"#,
            $now,
            $daemon,
            $lease.as_secs_f64(),
            $($argument),+
        )
    };
}

/// Leaves leases that ran out to their holders for `pause` more, once: whoever has a reply that waited for the database
/// stores it now. `true` when there were any.
///
/// # Errors
/// Database trouble.
pub async fn announce_takeovers(conn: &mut PgConnection, pause: Duration) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update tokens set lease_until = clock_timestamp() + make_interval(secs => $1), leased_by = $2
         where connection_id in (select connection_id from tokens
                                 where lease_until < clock_timestamp() and leased_by <> $2 for update skip locked)",
        pause.as_secs_f64(),
        TAKEOVER
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Which tokens of a provider are taken up.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Whose.
    pub provider: Provider,
    /// Those whose turn came before this.
    pub by: DateTime<Utc>,
    /// No more than this.
    pub limit: i64,
}

/// Claims tokens that are due, the earliest first. Rows that somebody else works on are left alone.
///
/// # Errors
/// Database trouble.
pub async fn claim_due(
    conn: &mut PgConnection,
    due: Due,
    now: DateTime<Utc>,
    daemon: &str,
    lease: Duration,
) -> Result<Vec<Claim>, Error> {
    Ok(claim!(
        "select t.connection_id from tokens t
         where t.provider = $6 and t.renew_at <= $7
           and (t.lease_until is null or (t.leased_by = $4 and t.lease_until < clock_timestamp()))
         order by t.renew_at limit $5",
        now,
        daemon,
        lease,
        TAKEOVER,
        due.limit,
        due.provider as Provider,
        due.by
    )
    .fetch_all(conn)
    .await?)
}

/// Claims one token now, due or not, if it still has `generation`, nobody works on it, and no spend of it came back
/// without new tokens after `quiet_since`: whoever asks cannot override the pause after a failure.
///
/// # Errors
/// Database trouble.
pub async fn claim_one(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    daemon: &str,
    lease: Duration,
    connection_id: Uuid,
    generation: i64,
    quiet_since: DateTime<Utc>,
) -> Result<Option<Claim>, Error> {
    Ok(claim!(
        "select t.connection_id from tokens t
         where t.connection_id = $5 and t.generation = $6 and t.renew_at is not null
           and (t.lease_until is null or (t.leased_by = $4 and t.lease_until < clock_timestamp()))
           and not exists (select from spends s where s.connection_id = $5 and s.generation = $6
                           and s.finished_at > $7)",
        now,
        daemon,
        lease,
        TAKEOVER,
        connection_id,
        generation,
        quiet_since
    )
    .fetch_optional(conn)
    .await?)
}

/// Commits the reply of a spend: the first write after it, and alone. `false` when the tokens moved on, or when a fence is
/// named and somebody else has claimed since.
///
/// A reply that had to wait (in the spool, or beyond its lease) names no fence: whoever claimed since then spent the same
/// value, and while the generation stands nothing newer is stored.
///
/// # Errors
/// Database trouble: the caller keeps the reply.
pub async fn keep(
    conn: &mut PgConnection,
    connection_id: Uuid,
    generation: i64,
    fence: Option<i64>,
    new: &SealedTokens,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update tokens
         set generation = generation + 1, access_sealed = $4, refresh_sealed = $5, refresh_fingerprint = $6,
             access_expires_at = $7, refresh_expires_at = coalesce($8, refresh_expires_at),
             refresh_hard_expires_at = coalesce($9, refresh_hard_expires_at),
             renewed_at = $10, renew_at = $11, failures = 0, lease_until = null, leased_by = null, fence = fence + 1
         where connection_id = $1 and generation = $2 and fence = coalesce($3, fence)",
        connection_id,
        generation,
        fence,
        new.access_sealed,
        new.refresh_sealed,
        new.refresh_fingerprint,
        new.access_expires_at,
        new.refresh_expires_at,
        new.refresh_hard_expires_at,
        new.renewed_at,
        new.renew_at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether these very tokens are stored already: a commit whose answer was cut off, or a reply that was replayed before.
///
/// # Errors
/// Database trouble.
pub async fn holds(conn: &mut PgConnection, connection_id: Uuid, new: &SealedTokens) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from tokens where connection_id = $1 and access_sealed = $2) as "holds!""#,
        connection_id,
        new.access_sealed
    )
    .fetch_one(conn)
    .await?)
}

/// Takes the tokens of a lapsed connection up at once: whether they work is seen when they are spent. `false` when it has
/// not lapsed.
///
/// # Errors
/// Database trouble.
pub async fn put_to_the_proof(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update tokens t set renew_at = $2 from connections c
         where t.connection_id = $1 and c.id = t.connection_id and c.status = 'lapsed'",
        connection_id,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a claim back unrenewed, to be taken up again at `renew_at`. `false` when the fence was passed meanwhile.
///
/// # Errors
/// Database trouble: the lease runs out by itself.
pub async fn release(
    conn: &mut PgConnection,
    claim: &Claim,
    renew_at: DateTime<Utc>,
    count_failure: bool,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update tokens set renew_at = $4, failures = failures + $5, lease_until = null, leased_by = null
         where connection_id = $1 and generation = $2 and fence = $3",
        claim.connection_id,
        claim.generation,
        claim.fence,
        renew_at,
        i32::from(count_failure)
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stops renewing a generation that only its owner can repair. `false` when the tokens moved on (somebody renewed them)
/// or, if a fence is named, when somebody else has claimed them since.
///
/// # Errors
/// Database trouble.
pub async fn rest(
    conn: &mut PgConnection,
    connection_id: Uuid,
    generation: i64,
    fence: Option<i64>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update tokens set renew_at = null, lease_until = null, leased_by = null
         where connection_id = $1 and generation = $2 and fence = coalesce($3, fence)",
        connection_id,
        generation,
        fence
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores the tokens of a fresh authorization. They count as a new generation, so late replies for older ones are void.
///
/// # Errors
/// Database trouble.
pub async fn replace(
    conn: &mut PgConnection,
    connection_id: Uuid,
    issued_to: &str,
    new: &SealedTokens,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into tokens (connection_id, provider, generation, access_sealed, refresh_sealed, refresh_fingerprint,
                             access_expires_at, refresh_expires_at, refresh_hard_expires_at, renewed_at, renew_at,
                             issued_to)
         select $1, c.provider, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10 from connections c where c.id = $1
         on conflict (connection_id) do update
             set generation = tokens.generation + 1, access_sealed = $2, refresh_sealed = $3, refresh_fingerprint = $4,
                 access_expires_at = $5, refresh_expires_at = $6, refresh_hard_expires_at = $7, renewed_at = $8,
                 renew_at = $9, issued_to = $10, failures = 0, lease_until = null, leased_by = null,
                 fence = tokens.fence + 1",
        connection_id,
        new.access_sealed,
        new.refresh_sealed,
        new.refresh_fingerprint,
        new.access_expires_at,
        new.refresh_expires_at,
        new.refresh_hard_expires_at,
        new.renewed_at,
        new.renew_at,
        issued_to
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An access token as it is stored.
#[derive(Debug)]
pub struct Access {
    /// The generation it belongs to.
    pub generation: i64,
    /// The token, sealed.
    pub access_sealed: String,
    /// Its end.
    pub access_expires_at: DateTime<Utc>,
    /// With whom.
    pub provider: Provider,
    /// The app that it was issued to.
    pub issued_to: String,
    /// Whether somebody renews it now.
    pub leased: bool,
    /// Whether the keeper still renews it.
    pub renewable: bool,
}

/// The stored access token of a connection.
///
/// # Errors
/// Database trouble.
pub async fn access(conn: &mut PgConnection, connection_id: Uuid) -> Result<Option<Access>, Error> {
    Ok(sqlx::query_as!(
        Access,
        r#"select t.generation, t.access_sealed, t.access_expires_at, c.provider as "provider: Provider", t.issued_to,
                  coalesce(t.lease_until >= clock_timestamp(), false) as "leased!", t.renew_at is not null as "renewable!"
           from tokens t join connections c on c.id = t.connection_id where t.connection_id = $1"#,
        connection_id
    )
    .fetch_optional(conn)
    .await?)
}

/// What the keeper waits for next at one provider.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// Whose tokens.
    pub provider: Provider,
    /// When the earliest token that nobody works on is due.
    pub due_at: Option<DateTime<Utc>>,
    /// In how many seconds the first lease runs out, by the database's clock.
    pub lease_ends_in: Option<f64>,
    /// When the most overdue token was due, under lease or not.
    pub overdue_since: Option<DateTime<Utc>>,
    /// While the provider's token endpoint is out: when it is probed next.
    pub canary_at: Option<DateTime<Utc>>,
}

impl Ahead {
    /// When the next spend is due here: a canary's turn while the provider is out, else the earliest token's.
    pub fn spend_at(&self) -> Option<DateTime<Utc>> {
        self.canary_at.or(self.due_at)
    }
}

/// Looks ahead, by index, for every provider.
///
/// # Errors
/// Database trouble.
pub async fn ahead(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Ahead>, Error> {
    Ok(sqlx::query_as!(
        Ahead,
        r#"select p.provider as "provider!: Provider",
                  (select min(t.renew_at) from tokens t
                   where t.provider = p.provider and t.renew_at is not null and t.lease_until is null) as due_at,
                  (select extract(epoch from min(t.lease_until) - clock_timestamp())::float8 from tokens t
                   where t.provider = p.provider and t.lease_until is not null) as lease_ends_in,
                  (select min(t.renew_at) from tokens t
                   where t.provider = p.provider and t.renew_at <= $1) as overdue_since,
                  (select o.canary_at from outages o
                   where o.provider = p.provider and o.endpoint = 'tokens' and o.closed_at is null) as canary_at
           from (values ('quickbooks'), ('hubspot')) as p (provider)"#,
        now
    )
    .fetch_all(conn)
    .await?)
}

/// When the most overdue token was due that could be renewed now: those of a provider that is out only wait.
pub fn late_since(ahead: &[Ahead]) -> Option<DateTime<Utc>> {
    ahead.iter().filter(|one| one.canary_at.is_none()).filter_map(|one| one.overdue_since).min()
}

/// When a connection's tokens last changed.
///
/// # Errors
/// Database trouble.
pub async fn renewed_at(conn: &mut PgConnection, connection_id: Uuid) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!("select renewed_at from tokens where connection_id = $1", connection_id)
        .fetch_optional(conn)
        .await?)
}
