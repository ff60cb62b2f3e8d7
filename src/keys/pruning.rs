//! Takes out keys that nothing needs any more: no row, no reply that waits on disk, no reconnect link.
//!
//! A link leaves no row behind, so a key is kept until it has been retired for as long as links live. The database notes the
//! end first and the file is changed afterwards: a run that is killed in between is finished by the next one, and a key
//! that the database still depends on is never missing from the file.

use std::{path::Path, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tracing::warn;

use super::{
    Error, fleet,
    holdings::{self, Holding, State},
};
use crate::{
    clock::Clock,
    keeper::spool::Spool,
    retry::later,
    store::vault_keys,
    vault::{Vault, key_file},
};

/// What pruning needs.
#[derive(Clone, Copy, Debug)]
pub struct Pruning<'a> {
    /// The database.
    pub pool: &'a PgPool,
    /// The keys file.
    pub keys_file: &'a Path,
    /// Replies that wait on this host.
    pub spool: &'a Spool,
    /// How long a reconnect link works.
    pub link_lifetime: Duration,
    /// What time it is.
    pub clock: &'a Clock,
}

/// Why a key stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Kept {
    /// It is the first line of the file.
    Active,
    /// A rotation to it is under way.
    Announced,
    /// Daemons seal with it.
    Used {
        /// Which.
        daemons: Vec<String>,
    },
    /// Rows are sealed under it.
    Rows {
        /// How many.
        rows: u64,
    },
    /// Replies that wait on disk are sealed under it.
    Spool {
        /// How many.
        files: usize,
    },
    /// Reconnect links that were signed with it may still be opened.
    Links {
        /// Until then.
        until: DateTime<Utc>,
    },
    /// It is in the file, and this database knows nothing of it: it may be another's.
    Foreign,
}

/// What pruning does, or would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// Keys that go.
    pub gone: Vec<String>,
    /// Keys of the file or the database that stay, and why.
    pub kept: Vec<(String, Kept)>,
}

impl Plan {
    /// Whether a key stays that is neither in use nor somebody else's.
    pub fn refuses(&self) -> bool {
        self.kept.iter().any(|(_, why)| !matches!(why, Kept::Active | Kept::Announced | Kept::Foreign))
    }
}

impl Pruning<'_> {
    /// What would be done now.
    ///
    /// # Errors
    /// The keys file cannot be read, or lacks a key in use; database trouble.
    pub async fn plan(&self) -> Result<Plan, Error> {
        let vault = Vault::load(self.keys_file)?;
        super::check_all(self.pool, &vault).await?;
        let holdings = holdings::list(self.pool, &vault).await?;
        let mut plan = Plan::default();
        for holding in holdings {
            match self.reason(&holding) {
                Some(why) => plan.kept.push((holding.id, why)),
                // A key that is in no file and long noted as gone is no news.
                None if holding.in_file || holding.state != State::Pruned => plan.gone.push(holding.id),
                None => {}
            }
        }
        Ok(plan)
    }

    /// Does it. A key that gave way by hand is retired first, and goes when its links are over.
    ///
    /// # Errors
    /// As for [`Pruning::plan`]; [`Error::Busy`]; the file cannot be changed.
    pub async fn run(&self) -> Result<Plan, Error> {
        let lock = vault_keys::lock(self.pool).await?.ok_or(Error::Busy)?;
        let result = self.locked().await;
        if let Err(cause) = lock.release().await {
            warn!(error = %crate::telemetry::chain(&cause), "the server lets go of the lock on the keys by itself");
        }
        result
    }

    async fn locked(&self) -> Result<Plan, Error> {
        let now = self.clock.now();
        let vault = Vault::load(self.keys_file)?;
        super::check_all(self.pool, &vault).await?;
        let mut in_use: Vec<_> =
            fleet::live(self.pool).await?.into_iter().map(|daemon| daemon.active_vault_key).collect();
        in_use.push(vault.active_key_id());
        let mut conn = self.pool.acquire().await?;
        vault_keys::retire_all_but(&mut conn, &in_use, now).await?;
        drop(conn);
        let mut plan = self.plan().await?;
        let mut conn = self.pool.acquire().await?;
        let mut gone = Vec::new();
        for id in plan.gone {
            // Somebody may have begun to use it since.
            if vault_keys::prune(&mut conn, &id, now).await? {
                gone.push(id);
            }
        }
        plan.gone = gone;
        key_file::remove(self.keys_file, &plan.gone)?;
        Ok(plan)
    }

    fn reason(&self, holding: &Holding) -> Option<Kept> {
        let now = self.clock.now();
        let spooled = self.spool.count_naming(&format!(".{}.", holding.id));
        let links_until = holding.retired_at.map(|at| later(at, self.link_lifetime));
        match holding.state {
            State::Active => Some(Kept::Active),
            State::Announced => Some(Kept::Announced),
            State::Foreign if holding.in_file => Some(Kept::Foreign),
            _ if holding.rows > 0 => Some(Kept::Rows { rows: holding.rows }),
            _ if spooled > 0 => Some(Kept::Spool { files: spooled }),
            _ if !holding.used_by.is_empty() => Some(Kept::Used { daemons: holding.used_by.clone() }),
            // Its links count from the moment at which it is retired: now, if this is the run that does it.
            State::Used => Some(Kept::Links { until: later(now, self.link_lifetime) }),
            State::Retired | State::Pruned => {
                links_until.filter(|until| *until > now).map(|until| Kept::Links { until })
            }
            State::Foreign => None,
        }
    }
}
