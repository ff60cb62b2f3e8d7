//! Seals rows anew under the active key, batch by batch, while daemons renew them.
//!
//! A row is replaced only if its texts are still those that were opened; one that a renewal changed meanwhile is looked at
//! in the next pass, as is a reply that had waited on disk. The passes end when one of them finds nothing left to do. A
//! row that does not open is set down in the report and delays no other.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::Error;
use crate::{
    keeper::renewal::{access_place, refresh_place},
    store::{
        sealed::{self, Sealed},
        webhooks,
    },
    vault::{self, Vault},
    webhooks::secret_place,
};

/// Rows that are replaced in one statement.
pub const BATCH: usize = 500;
/// How many rows that do not open are named one by one.
const NAMED: usize = 100;

/// A row that does not open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Whose tokens, or which webhook's secret.
    pub connection_id: Uuid,
    /// Why, without any of it.
    pub why: String,
}

/// What was done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Rows under older keys when it began.
    pub expected: u64,
    /// Rows sealed anew.
    pub resealed: u64,
    /// Rows that somebody else changed in that moment; they are looked at again.
    pub changed_meanwhile: u64,
    /// How often the table was gone through.
    pub passes: u32,
    /// Rows that do not open, in the last pass.
    pub unreadable: u64,
    /// The first of them.
    pub unreadable_rows: Vec<Unreadable>,
}

/// Goes through the table once; `tell` hears of every batch. `true` when there was nothing left to do.
pub(super) async fn pass(
    pool: &PgPool,
    vault: &Vault,
    progress: &mut Progress,
    mut tell: impl FnMut(&Progress) -> Result<(), Error>,
) -> Result<bool, Error> {
    let active = vault.active_key_id();
    progress.passes += 1;
    (progress.unreadable, progress.unreadable_rows) = (0, Vec::new());
    let (mut after, mut clean) = (Uuid::nil(), progress.webhooks(pool, vault, &active).await?);
    loop {
        let mut conn = pool.acquire().await?;
        let rows = sealed::under_other_keys(&mut conn, &active, after, BATCH as i64).await?;
        let Some(last) = rows.last() else { return Ok(clean) };
        after = last.connection_id;
        let (old, new) = progress.anew(vault, rows);
        if !old.is_empty() {
            clean = false;
            let replaced = sealed::replace(&mut conn, &old, &new).await?;
            progress.resealed += replaced;
            progress.changed_meanwhile += (old.len() as u64).saturating_sub(replaced);
        }
        drop(conn);
        tell(progress)?;
    }
}

impl Progress {
    /// The rows that open, as they are and as they will be.
    fn anew(&mut self, vault: &Vault, rows: Vec<Sealed>) -> (Vec<Sealed>, Vec<Sealed>) {
        let (mut old, mut new) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in rows {
            match anew(vault, &row) {
                Ok(sealed) => {
                    old.push(row);
                    new.push(sealed);
                }
                Err(cause) => self.set_down(row.connection_id, cause.to_string()),
            }
        }
        (old, new)
    }

    /// The secrets of webhooks, which are few; `true` when there was nothing left to do.
    async fn webhooks(&mut self, pool: &PgPool, vault: &Vault, active: &str) -> Result<bool, Error> {
        let mut conn = pool.acquire().await?;
        let mut clean = true;
        for row in webhooks::under_other_keys(&mut conn, active).await? {
            let place = secret_place(row.id);
            match vault.open(place, &row.secret_sealed) {
                Ok(secret) => {
                    clean = false;
                    let replaced = webhooks::reseal(&mut conn, &row, &vault.seal(place, &secret)).await?;
                    self.resealed += u64::from(replaced);
                    self.changed_meanwhile += u64::from(!replaced);
                }
                Err(cause) => self.set_down(row.id, format!("the secret of a webhook: {cause}")),
            }
        }
        Ok(clean)
    }

    fn set_down(&mut self, connection_id: Uuid, why: String) {
        self.unreadable += 1;
        if self.unreadable_rows.len() < NAMED {
            self.unreadable_rows.push(Unreadable { connection_id, why });
        }
    }
}

fn anew(vault: &Vault, row: &Sealed) -> Result<Sealed, vault::Error> {
    let seal = |place, sealed: &str| Ok(vault.seal(place, &vault.open(place, sealed)?));
    Ok(Sealed {
        connection_id: row.connection_id,
        access_sealed: seal(access_place(row.connection_id), &row.access_sealed)?,
        refresh_sealed: seal(refresh_place(row.connection_id), &row.refresh_sealed)?,
    })
}

/// Rows by the key that sealed them.
pub(super) async fn by_key(pool: &PgPool) -> Result<BTreeMap<String, u64>, Error> {
    let mut conn = pool.acquire().await?;
    Ok(sealed::count_by_key(&mut conn).await?.into_iter().collect())
}

/// How many of these rows are under keys of the file that are not the active one.
pub(super) fn outstanding(by_key: &BTreeMap<String, u64>, key_ids: &[String]) -> u64 {
    key_ids.iter().skip(1).filter_map(|id| by_key.get(id)).sum()
}
