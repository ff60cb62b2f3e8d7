//! Keys with which programs use the API. What is stored cannot be used: a hash, and the first characters, by which a key is
//! recognised.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, one_row};

/// A key as it is made.
#[derive(Debug)]
pub struct New<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The only account that it is for.
    pub account_id: Option<Uuid>,
    /// Its first characters.
    pub prefix: &'a str,
    /// SHA-256 over the whole key.
    pub key_hash: &'a [u8],
    /// What it may do.
    pub scopes: &'a [&'a str],
    /// When it runs out.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key that may be the one that was shown.
#[derive(Debug)]
pub struct Candidate {
    /// Its id.
    pub id: Uuid,
    /// The only account that it is for.
    pub account_id: Option<Uuid>,
    /// SHA-256 over the whole key.
    pub key_hash: Vec<u8>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it runs out.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is refused.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// What people call it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// The only account that it is for; all when absent.
    pub account: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it runs out.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it last brought something, to the hour.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is refused.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Stores a key that was just made.
///
/// # Errors
/// Database trouble.
pub async fn add(conn: &mut PgConnection, key: &New<'_>, now: DateTime<Utc>) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into api_keys (id, account_id, prefix, key_hash, created_at, name, scopes, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        key.account_id,
        key.prefix,
        key.key_hash,
        now,
        key.name,
        key.scopes as _,
        key.expires_at
    )
    .execute(conn)
    .await?;
    one_row("API key", key.prefix, done.rows_affected())
}

/// The key with these first characters, whether it still works or not.
///
/// # Errors
/// Database trouble.
pub async fn find(conn: &mut PgConnection, prefix: &str) -> Result<Option<Candidate>, Error> {
    Ok(sqlx::query_as!(
        Candidate,
        "select id, account_id, key_hash, scopes, expires_at, revoked_at from api_keys where prefix = $1",
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

/// All keys, the latest first.
///
/// # Errors
/// Database trouble.
pub async fn overview(conn: &mut PgConnection) -> Result<Vec<Overview>, Error> {
    Ok(sqlx::query_as!(
        Overview,
        r#"select k.name, k.prefix, a.name as "account?", k.scopes, k.created_at, k.expires_at, k.last_used_at,
                  k.revoked_at
           from api_keys k left join accounts a on a.id = k.account_id order by k.created_at desc, k.prefix"#
    )
    .fetch_all(conn)
    .await?)
}

/// A key that was revoked just now.
#[derive(Debug)]
pub struct Revoked {
    /// What people called it.
    pub name: String,
    /// The only account that it was for.
    pub account_id: Option<Uuid>,
}

/// Revokes a key; nothing when there is none with these first characters that was not revoked before.
///
/// # Errors
/// Database trouble.
pub async fn revoke(conn: &mut PgConnection, prefix: &str, now: DateTime<Utc>) -> Result<Option<Revoked>, Error> {
    Ok(sqlx::query_as!(
        Revoked,
        "update api_keys set revoked_at = $2 where prefix = $1 and revoked_at is null returning name, account_id",
        prefix,
        now
    )
    .fetch_optional(conn)
    .await?)
}
