//! Who works on this database. Every time and every age here is the database's own: daemons share its clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// What a daemon says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Beat<'a> {
    /// Who it is in leases and in the ledger.
    pub name: &'a str,
    /// The data directory that it works from.
    pub installation_id: Uuid,
    /// Its machine.
    pub host: &'a str,
    /// The vault keys that it can open with.
    pub vault_key_ids: &'a [String],
    /// The one that it seals with.
    pub active_vault_key: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Whether it spends, posts and mails, or holds back.
    pub works: bool,
}

/// A daemon, as it was last heard of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Daemon {
    /// Who it is in leases and in the ledger.
    pub name: String,
    /// The data directory that it works from.
    pub installation_id: Uuid,
    /// Its machine.
    pub host: String,
    /// When it first beat.
    pub started_at: DateTime<Utc>,
    /// When it last beat.
    pub seen_at: DateTime<Utc>,
    /// How often it beat.
    pub beats: i64,
    /// Whether it spends, posts and mails, or holds back.
    pub works: bool,
    /// The vault keys that it can open with.
    pub vault_key_ids: Vec<String>,
    /// The one that it seals with.
    pub active_vault_key: String,
    /// Its version.
    pub version: String,
}

/// Notes that a daemon is there.
///
/// # Errors
/// Database trouble.
pub async fn beat(conn: &mut PgConnection, beat: &Beat<'_>) -> Result<(), Error> {
    sqlx::query!(
        "insert into daemons (name, installation_id, host, vault_key_ids, active_vault_key, version, works)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (name) do update
             set seen_at = clock_timestamp(), beats = daemons.beats + 1, vault_key_ids = $4, active_vault_key = $5,
                 version = $6, works = $7",
        beat.name,
        beat.installation_id,
        beat.host,
        beat.vault_key_ids,
        beat.active_vault_key,
        beat.version,
        beat.works
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Corrects what a daemon said of its keys; one that has not beaten yet says it then.
///
/// # Errors
/// Database trouble.
pub async fn report_keys(
    conn: &mut PgConnection,
    name: &str,
    vault_key_ids: &[String],
    active_vault_key: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "update daemons set vault_key_ids = $2, active_vault_key = $3 where name = $1",
        name,
        vault_key_ids,
        active_vault_key
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The daemons that beat within this time, those that started first before the others.
///
/// # Errors
/// Database trouble.
pub async fn live(conn: &mut PgConnection, within: Duration) -> Result<Vec<Daemon>, Error> {
    Ok(sqlx::query_as!(
        Daemon,
        "select name, installation_id, host, started_at, seen_at, beats, works, vault_key_ids, active_vault_key, version
         from daemons where seen_at > clock_timestamp() - make_interval(secs => $1) order by started_at, name",
        within.as_secs_f64()
    )
    .fetch_all(conn)
    .await?)
}

/// The daemon that beat last, however long ago.
///
/// # Errors
/// Database trouble.
pub async fn latest(conn: &mut PgConnection) -> Result<Option<Daemon>, Error> {
    Ok(sqlx::query_as!(
        Daemon,
        "select name, installation_id, host, started_at, seen_at, beats, works, vault_key_ids, active_vault_key, version
         from daemons where works order by seen_at desc limit 1"
    )
    .fetch_optional(conn)
    .await?)
}

/// Takes a daemon off the list, because it ends.
///
/// # Errors
/// Database trouble.
pub async fn leave(conn: &mut PgConnection, name: &str) -> Result<(), Error> {
    sqlx::query!("delete from daemons where name = $1", name).execute(conn).await?;
    Ok(())
}

/// Forgets daemons that were not heard of for longer than this, and says how many.
///
/// # Errors
/// Database trouble.
pub async fn forget(conn: &mut PgConnection, after: Duration) -> Result<u64, Error> {
    let done = sqlx::query!(
        "delete from daemons where seen_at < clock_timestamp() - make_interval(secs => $1)",
        after.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// How often each daemon has beaten that works, but for one.
///
/// # Errors
/// Database trouble.
pub async fn working(conn: &mut PgConnection, but_for: &str) -> Result<Vec<(String, i64)>, Error> {
    let rows =
        sqlx::query!("select name, beats from daemons where works and name <> $1", but_for).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.name, row.beats)).collect())
}
