//! Tokens that did not open and rest: which key was missing, and what became of it. Alerts are per key, rows are here.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// Stands for the key in the name of an incident whose key is at hand.
const DAMAGED: &str = "damaged";

/// The name of the incident of all tokens that miss this key, or that are damaged when no key is missing.
pub fn incident(key_id: Option<&str>) -> String {
    format!("token_set_aside/{}", key_id.unwrap_or(DAMAGED))
}

/// Notes that a generation of tokens did not open.
///
/// # Errors
/// Database trouble.
pub async fn add(
    conn: &mut PgConnection,
    connection_id: Uuid,
    generation: i64,
    key_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into set_asides as s (connection_id, key_id, generation, since) values ($1, $2, $3, $4)
         on conflict (connection_id) do update
             set key_id = $2, generation = $3, returned_at = null,
                 since = case when s.generation = $3 and s.key_id is not distinct from $2 then s.since else $4 end",
        connection_id,
        key_id,
        generation,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The incident of the reason for which a connection's tokens rest, if they do.
///
/// # Errors
/// Database trouble.
pub async fn incident_of(conn: &mut PgConnection, connection_id: Uuid) -> Result<Option<String>, Error> {
    let row = sqlx::query!("select key_id from set_asides where connection_id = $1", connection_id);
    Ok(row.fetch_optional(conn).await?.map(|row| incident(row.key_id.as_deref())))
}

/// Tokens that rest for the same reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resting {
    /// How many.
    pub count: u64,
    /// The companies of the first of them.
    pub companies: Vec<String>,
}

/// Those that rest for want of this key, or because they are damaged; at most `limit` are named.
///
/// # Errors
/// Database trouble.
pub async fn resting(conn: &mut PgConnection, key_id: Option<&str>, limit: i64) -> Result<Resting, Error> {
    let companies = sqlx::query_scalar!(
        "select c.company_name from set_asides s join connections c on c.id = s.connection_id
         where s.key_id is not distinct from $1 order by s.since, c.company_name limit $2",
        key_id,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from set_asides where key_id is not distinct from $1"#,
        key_id
    )
    .fetch_one(conn)
    .await?;
    Ok(Resting { count: count.unsigned_abs(), companies })
}

/// How many rest for whatever reason.
///
/// # Errors
/// Database trouble.
pub async fn count(conn: &mut PgConnection) -> Result<u64, Error> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!" from set_asides where returned_at is null"#);
    Ok(count.fetch_one(conn).await?.unsigned_abs())
}

/// Makes those due now whose key is at hand by now, and says how many. Each only once: what then fails for another reason
/// keeps that reason's pause.
///
/// # Errors
/// Database trouble.
pub async fn return_to_work(conn: &mut PgConnection, known: &[String], now: DateTime<Utc>) -> Result<u64, Error> {
    let returned = sqlx::query_scalar!(
        r#"with returned as (
               update set_asides s set returned_at = $2 from tokens t
               where t.connection_id = s.connection_id and s.returned_at is null and s.key_id is not null
                 and split_part(t.refresh_sealed, '.', 2) = any($1)
               returning s.connection_id
           ), due as (
               update tokens t set renew_at = $2 from returned r
               where t.connection_id = r.connection_id and t.renew_at > $2
               returning t.connection_id
           )
           select count(*) as "count!" from due"#,
        known,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(returned.unsigned_abs())
}

/// Forgets those that are over: renewed, replaced, given up, or at work again for `proven` without being set aside once
/// more.
///
/// # Errors
/// Database trouble.
pub async fn tidy(conn: &mut PgConnection, proven: Duration, now: DateTime<Utc>) -> Result<u64, Error> {
    let before = now - TimeDelta::from_std(proven).unwrap_or_default();
    let done = sqlx::query!(
        "delete from set_asides s using tokens t
         where t.connection_id = s.connection_id
           and (t.renew_at is null or t.generation <> s.generation or s.returned_at <= $1)",
        before
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// The open incidents that no row is left of, and whose key every daemon has that beat within `live`: one that lacks it
/// would only open the incident again.
///
/// # Errors
/// Database trouble.
pub async fn over(conn: &mut PgConnection, live: Duration) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar!(
        "select a.incident from alerts a
         where a.resolved_at is null and a.kind = 'token_set_aside'
           and not exists (select from set_asides s
                           where 'token_set_aside/' || coalesce(s.key_id, $1) = a.incident)
           and not exists (select from daemons d
                           join vault_keys k on 'token_set_aside/' || k.id = a.incident and k.retired_at is null
                           where d.seen_at > clock_timestamp() - make_interval(secs => $2)
                             and k.id <> all (d.vault_key_ids))",
        DAMAGED,
        live.as_secs_f64()
    )
    .fetch_all(conn)
    .await?)
}
