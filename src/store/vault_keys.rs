//! The vault keys that this database depends on, so that a daemon that lacks one of them notices before it does anything;
//! and how far each has come: announced, used, retired, pruned.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::Error;

/// Held by whoever changes keys; any number will do that nobody else uses on this database.
const LOCK: i64 = 0x6c61_6d70_6b65_7973;

/// A key that sealed something here, or will.
#[derive(Clone, Debug, Serialize)]
pub struct VaultKey {
    /// Its id.
    pub id: String,
    /// A known text sealed with it.
    #[serde(skip)]
    pub canary_sealed: String,
    /// When a rotation announced it.
    pub announced_at: Option<DateTime<Utc>>,
    /// When it was first used; nothing is sealed under it before.
    pub first_used_at: Option<DateTime<Utc>>,
    /// When the last daemon stopped sealing and signing with it.
    pub retired_at: Option<DateTime<Utc>>,
    /// When nothing needed it any more and it was taken out of the keys file.
    pub pruned_at: Option<DateTime<Utc>>,
}

impl VaultKey {
    /// Whether something here may be sealed under it.
    pub fn is_needed(&self) -> bool {
        self.first_used_at.is_some() && self.pruned_at.is_none()
    }
}

/// All keys ever used or announced here, the oldest first.
///
/// # Errors
/// Database trouble.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<VaultKey>, Error> {
    Ok(sqlx::query_as!(
        VaultKey,
        "select id, canary_sealed, announced_at, first_used_at, retired_at, pruned_at from vault_keys
         order by coalesce(first_used_at, announced_at), id"
    )
    .fetch_all(conn)
    .await?)
}

/// Notes that somebody seals with a key from now on, whatever became of it before.
///
/// # Errors
/// Database trouble.
pub async fn put_to_use(
    conn: &mut PgConnection,
    id: &str,
    canary_sealed: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into vault_keys as k (id, canary_sealed, first_used_at) values ($1, $2, $3)
         on conflict (id) do update
             set first_used_at = coalesce(k.first_used_at, $3), retired_at = null, pruned_at = null
             where k.first_used_at is null or k.retired_at is not null",
        id,
        canary_sealed,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes a new key that nothing may be sealed under yet.
///
/// # Errors
/// Database trouble.
pub async fn announce(conn: &mut PgConnection, id: &str, canary_sealed: &str, now: DateTime<Utc>) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into vault_keys (id, canary_sealed, announced_at) values ($1, $2, $3)",
        id,
        canary_sealed,
        now
    )
    .execute(conn)
    .await?;
    super::one_row("vault key", id, done.rows_affected())
}

/// Forgets a key that was announced and never used.
///
/// # Errors
/// Database trouble.
pub async fn forget_announced(conn: &mut PgConnection, id: &str) -> Result<(), Error> {
    sqlx::query!("delete from vault_keys where id = $1 and first_used_at is null", id).execute(conn).await?;
    Ok(())
}

/// Notes that nobody seals or signs with any other key than these.
///
/// # Errors
/// Database trouble.
pub async fn retire_all_but(conn: &mut PgConnection, in_use: &[String], now: DateTime<Utc>) -> Result<u64, Error> {
    let done = sqlx::query!(
        "update vault_keys set retired_at = $2
         where first_used_at is not null and retired_at is null and id <> all($1)",
        in_use,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Notes that a retired key is gone for good. `false` when it came into use meanwhile.
///
/// # Errors
/// Database trouble.
pub async fn prune(conn: &mut PgConnection, id: &str, now: DateTime<Utc>) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update vault_keys set pruned_at = coalesce(pruned_at, $2) where id = $1 and retired_at is not null",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The right to change keys, on a connection of its own: nobody else has it until that is closed. Nothing when somebody
/// has it.
///
/// # Errors
/// Database trouble.
pub async fn lock(pool: &PgPool) -> Result<Option<Lock>, Error> {
    let mut conn = pool.acquire().await?;
    let locked =
        sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "locked!""#, LOCK).fetch_one(&mut *conn).await?;
    Ok(locked.then_some(Lock(conn)))
}

/// The right to change keys. A process that is killed loses it with its connection.
#[derive(Debug)]
pub struct Lock(PoolConnection<Postgres>);

impl Lock {
    /// Lets the next one in.
    ///
    /// # Errors
    /// Database trouble: the server lets go by itself.
    pub async fn release(mut self) -> Result<(), Error> {
        sqlx::query_scalar!("select pg_advisory_unlock($1)", LOCK).fetch_one(&mut *self.0).await?;
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not back into the pool with the lock on it.
        self.0.close_on_drop();
    }
}
