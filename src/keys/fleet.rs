//! Which live daemons have a key at hand, or seal with it; and waiting until all of them do. A daemon reads its own keys
//! file, perhaps on another machine: whoever waits is told which file to copy where.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Serialize;
use sqlx::PgPool;

use super::Error;
use crate::{
    presence::LIVE_WITHIN,
    store::{self, daemons},
};

pub(super) use daemons::Daemon;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What every daemon must have done before the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Must {
    /// Have the key at hand.
    Know,
    /// Seal with it.
    Use,
}

impl Must {
    fn is_done_by(self, daemon: &Daemon, key_id: &str) -> bool {
        match self {
            Self::Know => daemon.vault_key_ids.iter().any(|known| known == key_id),
            Self::Use => daemon.active_vault_key == key_id,
        }
    }
}

/// Who is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The new key.
    pub key_id: String,
    /// What they must do.
    pub must: Must,
    /// Each daemon, with its host.
    pub daemons: Vec<String>,
    /// The file that has what they lack.
    pub keys_file: PathBuf,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, names, key_id) = (self.keys_file.display(), self.daemons.join(", "), &self.key_id);
        match self.must {
            Must::Know => write!(f, "the new key {key_id} is not known yet to {names}")?,
            Must::Use => write!(f, "the new key {key_id} is not used yet by {names}")?,
        }
        write!(
            f,
            ". Where that daemon uses {path} itself, it notices within seconds; to a host with a file of its own, copy \
             {path} now, over the vault.keys_file there"
        )
    }
}

/// A daemon as people look for it.
pub(super) fn name_of(daemon: &Daemon) -> String {
    format!("{} on {}", daemon.name, daemon.host)
}

/// Waits until every live daemon has done what it must; `tell` hears who is waited for whenever that changes. One that
/// ended, or that was not heard of for a minute, is not waited for: it reads the file when it starts.
pub(super) async fn wait(
    pool: &PgPool,
    mut waiting: Waiting,
    timeout: Duration,
    mut tell: impl FnMut(&Waiting) -> Result<(), Error>,
) -> Result<(), Error> {
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        let behind = live(pool).await?.into_iter().filter(|daemon| !waiting.must.is_done_by(daemon, &waiting.key_id));
        let behind: Vec<_> = behind.map(|daemon| name_of(&daemon)).collect();
        if behind.is_empty() {
            return Ok(());
        }
        if behind != waiting.daemons {
            waiting.daemons = behind;
            tell(&waiting)?;
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(Error::TimedOut { waiting });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The daemons that are there now.
pub(super) async fn live(pool: &PgPool) -> Result<Vec<Daemon>, store::Error> {
    let mut conn = pool.acquire().await?;
    daemons::live(&mut conn, LIVE_WITHIN).await
}
