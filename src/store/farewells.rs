//! The end of a connection that somebody chose, and whether its grant was given back at the provider.
//!
//! `begin` ends it here, in one transaction: nobody may be spending its token, the tokens get a new generation (so that
//! whatever still comes back for the old one is void), and they are leased to whoever says farewell. `finish` is fenced
//! like every other write to tokens: a fresh authorization in between is never touched.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{
    Error, alerts,
    connections::Status,
    tokens::{TAKEOVER, announce_takeovers},
};
use crate::provider::Provider;

/// Tokens that are ours to give back until the lease runs out.
#[derive(Debug)]
pub struct Held {
    /// Whose.
    pub connection_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// The generation that ends.
    pub generation: i64,
    /// Ours, until somebody claims after us.
    pub fence: i64,
    /// The refresh token, sealed.
    pub refresh_sealed: String,
    /// The access token, sealed.
    pub access_sealed: String,
    /// The app that they were issued to.
    pub issued_to: String,
    /// A spend of these tokens brought something that was never stored: the provider may know newer ones.
    pub unsettled: bool,
}

/// What beginning a farewell came to.
#[derive(Debug)]
pub enum Begun {
    /// Ended here; the provider comes next.
    Held(Held),
    /// Somebody works on these tokens.
    Busy(Lease),
    /// There is nothing left to do.
    Over(Farewell),
    /// It was connected again since the caller looked.
    Reconnected,
}

/// Who wants to hold tokens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Who.
    pub name: &'a str,
    /// For how long at most.
    pub lease: Duration,
    /// How long a lease that ran out is left to its former holder.
    pub takeover: Duration,
}

/// Who works on tokens.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Who.
    pub by: String,
    /// In how many seconds it runs out, by the database's clock.
    pub ends_in: f64,
}

/// The end of a connection, for people.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Farewell {
    /// When it ended here.
    pub begun_at: DateTime<Utc>,
    /// How often the provider was told.
    pub attempts: i32,
    /// When last.
    pub tried_at: Option<DateTime<Utc>>,
    /// When it was given back; absent while the grant may still live at the provider.
    pub given_back_at: Option<DateTime<Utc>>,
    /// HTTP status of the last try.
    pub status: Option<i32>,
    /// The rule that judged it.
    pub rule: Option<String>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's correlation id.
    pub correlation_id: Option<String>,
}

/// Ends a connection here and takes its tokens for giving them back, or takes up again what an earlier try left.
/// `connected_at` is what the caller saw: a connection that was made since then is not ended.
///
/// # Errors
/// Database trouble, or no such connection.
pub async fn begin(
    conn: &mut PgConnection,
    connection_id: Uuid,
    connected_at: DateTime<Utc>,
    holder: Holder<'_>,
    now: DateTime<Utc>,
) -> Result<Begun, Error> {
    let mut tx = conn.begin().await?;
    // Tokens before connections, as everybody does who locks both.
    let tokens = sqlx::query!(
        r#"select generation, leased_by, extract(epoch from lease_until - clock_timestamp())::float8 as lease_ends_in
           from tokens where connection_id = $1 for update"#,
        connection_id
    )
    .fetch_one(&mut *tx)
    .await?;
    let connection = sqlx::query!(
        r#"select status as "status: Status", connected_at from connections where id = $1 for no key update"#,
        connection_id
    )
    .fetch_one(&mut *tx)
    .await?;
    if connection.connected_at != connected_at {
        return Ok(Begun::Reconnected);
    }
    let over = of(&mut tx, connection_id).await?.filter(|farewell| farewell.given_back_at.is_some());
    if let Some(farewell) = over.filter(|_| connection.status == Status::Disconnected) {
        return Ok(Begun::Over(farewell));
    }
    if let (Some(by), Some(ends_in)) = (tokens.leased_by, tokens.lease_ends_in) {
        if ends_in >= 0.0 {
            return Ok(Begun::Busy(Lease { by, ends_in }));
        }
        if by != TAKEOVER {
            announce_takeovers(&mut tx, holder.takeover).await?;
            tx.commit().await?;
            return Ok(Begun::Busy(Lease { by: TAKEOVER.to_owned(), ends_in: holder.takeover.as_secs_f64() }));
        }
    }
    if connection.status != Status::Disconnected {
        end(&mut tx, connection_id, tokens.generation + 1, now).await?;
    }
    let held = hold(&mut tx, connection_id, holder, now).await?;
    tx.commit().await?;
    Ok(Begun::Held(held))
}

/// Our own end of it: nothing renews, posts or mails for this connection any more.
async fn end(tx: &mut PgConnection, connection_id: Uuid, generation: i64, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update tokens set generation = $2, renew_at = null, failures = 0 where connection_id = $1",
        connection_id,
        generation
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update connections set status = 'disconnected', cause = null, evidence = null, status_changed_at = $2
         where id = $1",
        connection_id,
        now
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into farewells (connection_id, generation, begun_at) values ($1, $2, $3)",
        connection_id,
        generation,
        now
    )
    .execute(&mut *tx)
    .await?;
    alerts::close_silently(tx, alerts::Ended::Connection(connection_id), now).await
}

/// Leases the tokens, and settles a spend that its holder left open.
async fn hold(
    tx: &mut PgConnection,
    connection_id: Uuid,
    holder: Holder<'_>,
    now: DateTime<Utc>,
) -> Result<Held, Error> {
    sqlx::query!(
        "update spends set finished_at = $2, outcome = 'unknown', rule = 'lease_ran_out'
         where connection_id = $1 and finished_at is null",
        connection_id,
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(sqlx::query_as!(
        Held,
        r#"with held as (
               update tokens
               set lease_until = clock_timestamp() + make_interval(secs => $3), leased_by = $2, fence = fence + 1
               where connection_id = $1
               returning *
           ), tried as (
               update farewells f set attempts = attempts + 1, tried_at = $4
               from held where f.connection_id = held.connection_id and f.generation = held.generation
           )
           select h.connection_id, c.provider as "provider: Provider", h.generation, h.fence, h.refresh_sealed,
                  h.access_sealed, h.issued_to,
                  exists (select from (select generation, outcome from spends where connection_id = $1
                                       order by id desc limit 20) s
                          where s.generation = h.generation - 1
                            and (s.outcome is null or s.outcome in ('unknown', 'discarded'))) as "unsettled!"
           from held h join connections c on c.id = h.connection_id"#,
        connection_id,
        holder.name,
        holder.lease.as_secs_f64(),
        now
    )
    .fetch_one(tx)
    .await?)
}

/// What the provider said.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: Option<i32>,
    /// The rule that judged it.
    pub rule: Option<String>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's correlation id.
    pub correlation_id: Option<String>,
}

/// Tokens that say nothing any more, in the sealed form of their places.
#[derive(Debug)]
pub struct Blank {
    /// In the place of the access token.
    pub access_sealed: String,
    /// In the place of the refresh token.
    pub refresh_sealed: String,
}

/// Writes down how the provider answered, and lets go of the tokens. With `blank` the grant is given back and the tokens
/// are overwritten. `false` when somebody has connected again or taken over meanwhile: then nothing is touched.
///
/// # Errors
/// Database trouble: the lease runs out by itself, and the next try finds what is left to do.
pub async fn finish(
    conn: &mut PgConnection,
    held: &Held,
    answer: &Answer,
    blank: Option<&Blank>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "with released as (
             update tokens
             set lease_until = null, leased_by = null, access_sealed = coalesce($4, access_sealed),
                 refresh_sealed = coalesce($5, refresh_sealed)
             where connection_id = $1 and generation = $2 and fence = $3
             returning connection_id, generation
         )
         update farewells f
         set given_back_at = case when $5::text is not null then $6::timestamptz end, status = $7, rule = $8, code = $9,
             correlation_id = $10
         from released r where f.connection_id = r.connection_id and f.generation = r.generation",
        held.connection_id,
        held.generation,
        held.fence,
        blank.map(|blank| blank.access_sealed.as_str()),
        blank.map(|blank| blank.refresh_sealed.as_str()),
        now,
        answer.status,
        answer.rule,
        answer.code,
        answer.correlation_id
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The latest end of a connection.
///
/// # Errors
/// Database trouble.
pub async fn of(conn: &mut PgConnection, connection_id: Uuid) -> Result<Option<Farewell>, Error> {
    Ok(sqlx::query_as!(
        Farewell,
        "select begun_at, attempts, tried_at, given_back_at, status, rule, code, correlation_id
         from farewells where connection_id = $1 order by generation desc limit 1",
        connection_id
    )
    .fetch_optional(conn)
    .await?)
}

/// Grants that may still live at a provider although nobody uses them here.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// How many.
    pub count: i64,
    /// One of them, to begin with.
    pub connection_id: Option<Uuid>,
}

/// Ended connections whose grants were not given back, by index. One that was connected again is history.
///
/// # Errors
/// Database trouble.
pub async fn open(conn: &mut PgConnection) -> Result<Open, Error> {
    Ok(sqlx::query_as!(
        Open,
        r#"select count(*) as "count!", (array_agg(f.connection_id order by f.begun_at))[1] as connection_id
           from farewells f join tokens t on t.connection_id = f.connection_id and t.generation = f.generation
           where f.given_back_at is null"#
    )
    .fetch_one(conn)
    .await?)
}
