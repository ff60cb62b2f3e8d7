//! Keys with which a cart sends orders for one account. What is stored cannot be used: a hash, and the first characters,
//! by which a key is recognised.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, one_row};

/// A key that may be the one that was shown.
#[derive(Debug)]
pub struct Candidate {
    /// Its id.
    pub id: Uuid,
    /// Whose orders it brings.
    pub account_id: Uuid,
    /// SHA-256 over the whole key.
    pub key_hash: Vec<u8>,
}

/// A key, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Whose.
    pub account: String,
    /// Its first characters.
    pub prefix: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it last brought something, to the hour.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is refused.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Stores a key that was just made.
///
/// # Errors
/// Database trouble.
pub async fn add(
    conn: &mut PgConnection,
    account_id: Uuid,
    prefix: &str,
    key_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into api_keys (id, account_id, prefix, key_hash, created_at) values ($1, $2, $3, $4, $5)",
        Uuid::now_v7(),
        account_id,
        prefix,
        key_hash,
        now
    )
    .execute(conn)
    .await?;
    one_row("API key", prefix, done.rows_affected())
}

/// The key with these first characters, unless it was revoked.
///
/// # Errors
/// Database trouble.
pub async fn find(conn: &mut PgConnection, prefix: &str) -> Result<Option<Candidate>, Error> {
    Ok(sqlx::query_as!(
        Candidate,
        "select id, account_id, key_hash from api_keys where prefix = $1 and revoked_at is null",
        prefix
    )
    .fetch_optional(conn)
    .await?)
}

/// Notes that a key was used; once an hour is enough for people, and spares the row.
///
/// # Errors
/// Database trouble.
pub async fn used(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update api_keys set last_used_at = $2
         where id = $1 and (last_used_at is null or last_used_at < $2::timestamptz - interval '1 hour')",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The keys of an account, or of all, the latest first.
///
/// # Errors
/// Database trouble.
pub async fn overview(conn: &mut PgConnection, account_id: Option<Uuid>) -> Result<Vec<Overview>, Error> {
    Ok(sqlx::query_as!(
        Overview,
        "select a.name as account, k.prefix, k.created_at, k.last_used_at, k.revoked_at
         from api_keys k join accounts a on a.id = k.account_id
         where k.account_id = coalesce($1, k.account_id) order by k.created_at desc, k.prefix",
        account_id
    )
    .fetch_all(conn)
    .await?)
}

/// Revokes a key of an account; `false` when it has none with these first characters that still works.
///
/// # Errors
/// Database trouble.
pub async fn revoke(
    conn: &mut PgConnection,
    account_id: Uuid,
    prefix: &str,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update api_keys set revoked_at = $3 where account_id = $1 and prefix = $2 and revoked_at is null",
        account_id,
        prefix,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
