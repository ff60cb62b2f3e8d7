//! Provider-wide failures and the evidence for them. One open outage per provider is a unique index.

/// Pages of them, for programs.
pub mod listing;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::provider::{Endpoint, Provider};

/// A provider-wide failure.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Outage {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub provider: Provider,
    /// Which half of it.
    pub endpoint: Endpoint,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// What was seen.
    pub evidence: String,
    /// When the next canary may fly.
    pub canary_at: DateTime<Utc>,
    /// How many flew.
    pub canaries: i32,
    /// Until when.
    pub closed_at: Option<DateTime<Utc>>,
}

/// Failures in a row, up to now.
#[derive(Clone, Debug)]
pub struct Failures {
    /// How many.
    pub count: i32,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How many companies met them.
    pub companies: i32,
    /// How many companies could have met them: those whose grants may be fine.
    pub connected: i64,
}

/// Counts failures of one connection's calls.
///
/// # Errors
/// Database trouble.
pub async fn count_failures(
    conn: &mut PgConnection,
    provider: Provider,
    endpoint: Endpoint,
    connection_id: Uuid,
    failures: i32,
    message: &str,
    now: DateTime<Utc>,
) -> Result<Failures, Error> {
    Ok(sqlx::query_as!(
        Failures,
        r#"insert into provider_health as h
               (provider, endpoint, consecutive_failures, connection_ids, first_failure_at, last_failure_at, last_message)
           values ($1, $6, $2, array[$5::uuid], $3, $3, $4)
           on conflict (provider, endpoint) do update
               set consecutive_failures = h.consecutive_failures + $2, last_failure_at = $3, last_message = $4,
                   -- A handful says as much as thousands.
                   connection_ids = case when $5 = any(h.connection_ids) or cardinality(h.connection_ids) >= 10
                                         then h.connection_ids else h.connection_ids || $5 end
           returning consecutive_failures as count, first_failure_at as since,
                     cardinality(connection_ids) as "companies!",
                     (select count(*) from connections c where c.provider = $1 and c.status in ('connected', 'failing')) as "connected!""#,
        provider as Provider,
        failures,
        now,
        message,
        connection_id,
        endpoint as Endpoint
    )
    .fetch_one(conn)
    .await?)
}

/// Ends a row of failures.
///
/// # Errors
/// Database trouble.
pub async fn clear_failures(conn: &mut PgConnection, provider: Provider, endpoint: Endpoint) -> Result<(), Error> {
    sqlx::query!(
        "delete from provider_health where provider = $1 and endpoint = $2",
        provider as Provider,
        endpoint as Endpoint
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Opens an outage; `false` when one is open already.
///
/// # Errors
/// Database trouble.
pub async fn open(conn: &mut PgConnection, outage: &Outage) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into outages (id, provider, opened_at, evidence, canary_at, endpoint) values ($1, $2, $3, $4, $5, $6)
         on conflict (provider, endpoint) where closed_at is null do nothing",
        outage.id,
        outage.provider as Provider,
        outage.opened_at,
        outage.evidence,
        outage.canary_at,
        outage.endpoint as Endpoint
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes the open outage; `None` when none is open.
///
/// # Errors
/// Database trouble.
pub async fn close(
    conn: &mut PgConnection,
    provider: Provider,
    endpoint: Endpoint,
    now: DateTime<Utc>,
) -> Result<Option<Outage>, Error> {
    Ok(sqlx::query_as!(
        Outage,
        r#"update outages set closed_at = $2 where provider = $1 and endpoint = $3 and closed_at is null
           returning id, provider as "provider: Provider", endpoint as "endpoint: Endpoint", opened_at, evidence,
                  canary_at, canaries, closed_at"#,
        provider as Provider,
        now,
        endpoint as Endpoint
    )
    .fetch_optional(conn)
    .await?)
}

/// The latest outage of a provider's half, open or closed.
///
/// # Errors
/// Database trouble.
pub async fn latest(conn: &mut PgConnection, provider: Provider, endpoint: Endpoint) -> Result<Option<Outage>, Error> {
    Ok(sqlx::query_as!(
        Outage,
        r#"select id, provider as "provider: Provider", endpoint as "endpoint: Endpoint", opened_at, evidence,
                  canary_at, canaries, closed_at
           from outages where provider = $1 and endpoint = $2 order by opened_at desc limit 1"#,
        provider as Provider,
        endpoint as Endpoint
    )
    .fetch_optional(conn)
    .await?)
}

/// Whether anything speaks against a provider's half: failures in a row, or an open outage.
///
/// # Errors
/// Database trouble.
pub async fn is_doubted(conn: &mut PgConnection, provider: Provider, endpoint: Endpoint) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from provider_health where provider = $1 and endpoint = $2)
               or exists (select from outages where provider = $1 and endpoint = $2 and closed_at is null) as "doubted!""#,
        provider as Provider,
        endpoint as Endpoint
    )
    .fetch_one(conn)
    .await?)
}

/// Takes the canary's turn, if it is due: exactly one daemon gets it.
///
/// # Errors
/// Database trouble.
pub async fn take_canary(
    conn: &mut PgConnection,
    outage: &Outage,
    next_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update outages set canary_at = $3, canaries = canaries + 1
         where id = $1 and closed_at is null and canary_at <= $2 and canaries = $4",
        outage.id,
        now,
        next_at,
        outage.canaries
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How one half of a provider stands, as we see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ProviderStanding)]
pub struct Standing {
    /// Whose.
    pub provider: Provider,
    /// Which half.
    pub endpoint: Endpoint,
    /// Failures in a row, if the last call failed.
    pub failures: i32,
    /// Since when.
    pub failing_since: Option<DateTime<Utc>>,
    /// Since when there is an outage.
    pub out_since: Option<DateTime<Utc>>,
    /// When the last outage ended.
    pub back_since: Option<DateTime<Utc>>,
}

/// How the halves of these providers stand.
///
/// # Errors
/// Database trouble.
pub async fn standing(conn: &mut PgConnection, providers: &[Provider]) -> Result<Vec<Standing>, Error> {
    let names: Vec<&str> = providers.iter().map(|provider| provider.as_str()).collect();
    Ok(sqlx::query_as!(
        Standing,
        r#"select p.name as "provider!: Provider", e.name as "endpoint!: Endpoint",
                  coalesce(h.consecutive_failures, 0) as "failures!", h.first_failure_at as "failing_since?",
                  case when o.closed_at is null then o.opened_at end as out_since, o.closed_at as "back_since?"
           from unnest($1::text[]) with ordinality as p (name, nth)
           cross join (values (1, 'api'), (2, 'tokens')) as e (nth, name)
           left join provider_health h on h.provider = p.name and h.endpoint = e.name
           left join lateral (select opened_at, closed_at from outages l
                              where l.provider = p.name and l.endpoint = e.name order by l.opened_at desc limit 1) o on true
           order by p.nth, e.nth"#,
        names as _
    )
    .fetch_all(conn)
    .await?)
}

/// The outages that last, the latest first. There is at most one for each half of a provider.
///
/// # Errors
/// Database trouble.
pub async fn open_ones(conn: &mut PgConnection) -> Result<Vec<Outage>, Error> {
    Ok(sqlx::query_as!(
        Outage,
        r#"select id, provider as "provider: Provider", endpoint as "endpoint: Endpoint", opened_at, evidence,
                  canary_at, canaries, closed_at
           from outages where closed_at is null order by id desc"#
    )
    .fetch_all(conn)
    .await?)
}

/// The outages that are over and came before `before`, the latest first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn over_page(conn: &mut PgConnection, before: Option<Uuid>, limit: i64) -> Result<Vec<Outage>, Error> {
    Ok(sqlx::query_as!(
        Outage,
        r#"select id, provider as "provider: Provider", endpoint as "endpoint: Endpoint", opened_at, evidence,
                  canary_at, canaries, closed_at
           from outages where closed_at is not null and id < $1 order by id desc limit $2"#,
        before.unwrap_or(Uuid::max()),
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// The latest outages of all providers, open ones first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn recent(conn: &mut PgConnection, limit: i64) -> Result<Vec<Outage>, Error> {
    Ok(sqlx::query_as!(
        Outage,
        r#"select id, provider as "provider: Provider", endpoint as "endpoint: Endpoint", opened_at, evidence,
                  canary_at, canaries, closed_at
           from outages order by closed_at is null desc, opened_at desc limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?)
}
