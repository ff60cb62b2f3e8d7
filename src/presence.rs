//! Tells the other daemons on the same database that this one is there, and which vault keys it has at hand. A copy of a
//! database holds rows of daemons too, so only a row that goes on changing is a sign of life.
//!
//! It beats by the database's clock, knows nothing of tokens, and takes its row away when the daemon has ended in peace.

use std::{sync::Arc, time::Duration};

use sqlx::{PgConnection, PgPool};
use tracing::warn;
use uuid::Uuid;

use crate::{
    store::{
        self,
        daemons::{self, Beat, Daemon},
    },
    vault::Vault,
};

/// Often enough that whoever waits for a sign of life does not wait long; seldom enough to cost nothing.
pub const BEAT_EVERY: Duration = Duration::from_secs(20);
/// A daemon is there while it beat within this time: two beats may be lost.
pub const LIVE_WITHIN: Duration = Duration::from_secs(65);
/// A daemon that was not heard of for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);
/// A stop must not hang on a database that is away: the row grows old by itself.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// This daemon, as the others see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Presence(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    name: Arc<str>,
    host: String,
    installation_id: Uuid,
    vault: Arc<Vault>,
}

impl Presence {
    /// Puts it together; nobody is told yet.
    pub fn new(pool: PgPool, name: Arc<str>, host: String, installation_id: Uuid, vault: Arc<Vault>) -> Self {
        Self(Arc::new(Inner { pool, name, host, installation_id, vault }))
    }

    /// Who this daemon is in leases and in the ledger.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// One beat; `works` is false while this daemon holds back.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn beat(&self, works: bool) -> Result<(), store::Error> {
        let mut conn = self.0.pool.acquire().await?;
        self.0.vault.look();
        let vault_key_ids = self.0.vault.key_ids();
        let beat = Beat {
            name: &self.0.name,
            installation_id: self.0.installation_id,
            host: &self.0.host,
            vault_key_ids: &vault_key_ids,
            // A vault never loads without a key.
            active_vault_key: vault_key_ids.first().map_or("", String::as_str),
            version: env!("CARGO_PKG_VERSION"),
            works,
        };
        daemons::beat(&mut conn, &beat).await?;
        daemons::forget(&mut conn, FORGET_AFTER).await?;
        Ok(())
    }

    /// Tells of keys that have changed, without waiting for the next beat: somebody may wait for it.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn report_keys(&self, conn: &mut PgConnection, vault_key_ids: &[String]) -> Result<(), store::Error> {
        let active = vault_key_ids.first().map_or("", String::as_str);
        daemons::report_keys(conn, &self.0.name, vault_key_ids, active).await
    }

    /// The daemons that are there now, by the database's clock, this one among them.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn live(&self) -> Result<Vec<Daemon>, store::Error> {
        let mut conn = self.0.pool.acquire().await?;
        daemons::live(&mut conn, LIVE_WITHIN).await
    }

    /// Takes this daemon off the list, once all it had begun is finished.
    pub async fn leave(&self) {
        let leave = async {
            let mut conn = self.0.pool.acquire().await?;
            daemons::leave(&mut conn, &self.0.name).await
        };
        let left = tokio::time::timeout(LEAVE_WITHIN, leave).await;
        if !matches!(left, Ok(Ok(()))) {
            warn!("this daemon could not be taken off the list of daemons; the others see it end within a minute");
        }
    }
}
