//! Which vault keys the database depends on, so that a daemon that lacks one of them notices before it does anything.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Error;

/// A key that sealed something here.
#[derive(Debug)]
pub struct VaultKey {
    /// Its id.
    pub id: String,
    /// A known text sealed with it.
    pub canary_sealed: String,
}

/// All keys ever used here.
///
/// # Errors
/// Database trouble.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<VaultKey>, Error> {
    Ok(sqlx::query_as!(VaultKey, "select id, canary_sealed from vault_keys order by first_used_at")
        .fetch_all(conn)
        .await?)
}

/// Notes that a key is used from now on.
///
/// # Errors
/// Database trouble.
pub async fn add(conn: &mut PgConnection, id: &str, canary_sealed: &str, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "insert into vault_keys (id, canary_sealed, first_used_at) values ($1, $2, $3) on conflict (id) do nothing",
        id,
        canary_sealed,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
