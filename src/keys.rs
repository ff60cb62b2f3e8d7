//! The vault keys in use: which of them the database depends on, who has them at hand, and how one gives way to the next
//! while daemons run.
//!
//! A key is announced, then known to every daemon, then used, then retired, then pruned; each step stands in the database
//! or in the keys file before the next one begins, so that whoever is killed in between leaves a state that the next run
//! reads. The invariant: nothing is sealed under a key that a live daemon lacks, and no key goes that something may need.
//! It knows nothing of how tokens are renewed.

/// One key gives way to the next.
pub mod rotation;

/// Seals rows anew.
pub mod resealing;

/// Which daemons have which keys, and waiting for those that lack one.
pub mod fleet;

/// What is known of every key.
pub mod holdings;

/// Keys that nothing needs any more go.
pub mod pruning;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::PgPool;
use tracing::info;
use uuid::Uuid;

use crate::{
    clock::Clock,
    presence::{BEAT_EVERY, LIVE_WITHIN, Presence},
    store::{self, alerts, set_asides, vault_keys},
    vault::{self, Key, Place, Vault},
};

/// The text that is sealed under every vault key, so that a key is known to be the right one.
const CANARY: &str = "lamplighter";
const CANARY_PLACE: Place = Place { table: "vault_keys", row: Uuid::nil(), field: "canary_sealed" };

/// How often the keys file is looked at; a look costs nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A row that opened again is believed in when no daemon has set it aside for this long.
const PROVEN_AFTER: Duration = Duration::from_secs(60);

/// What can go wrong with keys in use. No variant carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not carry something out.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The keys file cannot be used.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The keys file lacks a key that this database depends on.
    #[error(
        "this database holds secrets sealed with the vault key {0}, which vault.keys_file does not hold: put that key \
         back into the file (keys can stand there together), or point database.url at another database"
    )]
    Lacking(String),
    /// A key's known text does not open.
    #[error("the database's own vault check does not open: was the table vault_keys changed by hand?")]
    Canary(#[source] vault::Error),
    /// Somebody else changes keys.
    #[error(
        "another `lamplighter key` command changes keys of this database: wait until it is done, then run this again"
    )]
    Busy,
    /// A rotation was begun from another keys file.
    #[error(
        "a rotation to the key {key_id} was begun elsewhere, and {holders} has it at hand: run `lamplighter key rotate` \
         there, or copy that keys file to {path} and run it here"
    )]
    BegunElsewhere {
        /// The new key.
        key_id: String,
        /// Daemons that know it.
        holders: String,
        /// Our keys file.
        path: PathBuf,
    },
    /// Daemons did not follow in time.
    #[error("{waiting}. Nothing is lost and nothing is half done: run `lamplighter key rotate` again to go on")]
    TimedOut {
        /// Who was waited for, and what to do.
        waiting: fleet::Waiting,
    },
    /// Rows come back under old keys as fast as they are sealed anew.
    #[error(
        "{rows} are still sealed under old keys after {passes} passes: something seals with an old key; compare the keys \
         files of all daemons (`lamplighter key list` shows which key each uses), then run this again"
    )]
    NeverDone {
        /// How many rows, in words.
        rows: String,
        /// How often the table was gone through.
        passes: u32,
    },
    /// Whoever watches wanted it to end here.
    #[error("stopped on request. Run `lamplighter key rotate` again to go on")]
    Stopped,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Keeps a running daemon's keys in step with the keys file and the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    vault: Arc<Vault>,
    presence: Presence,
    clock: Clock,
    /// The keys that the others were told of.
    told: Mutex<Vec<String>>,
}

/// What a look after the keys did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Tokens that had been set aside and are due again.
    pub returned: u64,
    /// Incidents that are over.
    pub resolved: u32,
}

impl Keys {
    /// Puts it together; nobody is told yet.
    pub fn new(pool: PgPool, vault: Arc<Vault>, presence: Presence, clock: Clock) -> Self {
        Self(Arc::new(Inner { pool, vault, presence, clock, told: Mutex::default() }))
    }

    /// Follows the keys file: notes the active key, tells the other daemons, and takes tokens up again whose key is back.
    ///
    /// # Errors
    /// Database trouble; done again next time.
    pub async fn tend(&self) -> Result<Tended, store::Error> {
        let Inner { pool, vault, presence, clock, .. } = &*self.0;
        vault.look();
        let (ids, now) = (vault.key_ids(), clock.now());
        let mut conn = pool.acquire().await?;
        note_active(&mut conn, vault, clock).await?;
        presence.report_keys(&mut conn, &ids).await?;
        self.told().clone_from(&ids);
        let mut tended =
            Tended { returned: set_asides::return_to_work(&mut conn, &ids, now).await?, ..Tended::default() };
        set_asides::tidy(&mut conn, PROVEN_AFTER, now).await?;
        for incident in set_asides::over(&mut conn, LIVE_WITHIN).await? {
            tended.resolved += u32::from(alerts::resolve(&mut conn, &incident, &serde_json::json!({}), now).await?);
        }
        if tended != Tended::default() {
            info!(
                returned = tended.returned,
                resolved = tended.resolved,
                "tokens that did not open are taken up again"
            );
        }
        Ok(tended)
    }

    /// How long nothing has to be done if the keys file does not change.
    pub const fn idle_for() -> Duration {
        BEAT_EVERY
    }

    /// Waits until the keys file has changed.
    pub async fn idle(&self, at_most: Duration) {
        let changed = async {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            loop {
                ticks.tick().await;
                self.0.vault.look();
                if *self.told() != self.0.vault.key_ids() {
                    return;
                }
            }
        };
        let _changed = tokio::time::timeout(at_most, changed).await;
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks that the keys at hand are those that this database depends on, and notes the active one. Nothing is written
/// unless all is well.
///
/// # Errors
/// [`Error::Lacking`] names the key; [`Error::Canary`]; database trouble.
pub async fn unlock(pool: &PgPool, vault: &Vault, clock: &Clock) -> Result<(), Error> {
    check_all(pool, vault).await?;
    let mut conn = pool.acquire().await?;
    Ok(note_active(&mut conn, vault, clock).await?)
}

async fn check_all(pool: &PgPool, vault: &Vault) -> Result<(), Error> {
    let mut conn = pool.acquire().await?;
    let known = vault_keys::list(&mut conn).await?;
    known.iter().try_for_each(|key| check(vault, key))
}

fn check(vault: &Vault, key: &vault_keys::VaultKey) -> Result<(), Error> {
    match vault.open(CANARY_PLACE, &key.canary_sealed) {
        Ok(_) => Ok(()),
        // Nothing is sealed under it: not yet, or not any more.
        Err(vault::Error::UnknownKey(_)) if !key.is_needed() => Ok(()),
        Err(vault::Error::UnknownKey(id)) => Err(Error::Lacking(id)),
        Err(cause) => Err(Error::Canary(cause)),
    }
}

async fn note_active(conn: &mut sqlx::PgConnection, vault: &Vault, clock: &Clock) -> Result<(), store::Error> {
    let canary = vault.seal(CANARY_PLACE, &CANARY.to_owned().into());
    // The seal names its key: the active one may be another by now.
    let active = vault::key_id_of(&canary).unwrap_or_default();
    vault_keys::put_to_use(conn, active, &canary, clock.now()).await
}

fn canary_of(key: &Key) -> String {
    key.seal(CANARY_PLACE, &CANARY.to_owned().into())
}
