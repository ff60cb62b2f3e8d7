//! Seals and opens secrets at rest, and signs what leaves the house as a link.
//!
//! Secrets are sealed with XChaCha20-Poly1305. The sealed text names its key and is bound to the table, row and field it
//! belongs to, so that a value copied into another row does not open there. Key ids are derived from the keys: a wrong
//! key is therefore always an *unknown* key, never a garbled secret. The keys come from a file that may change while we
//! run: it is read again when it looks different or when a key is missing, and a file that cannot be read never replaces
//! keys that are in memory. This module knows no tables' meanings; the store registers which key ids a database depends on.

/// The keys file: how it is read, made and changed.
pub mod key_file;

mod keyring;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tracing::{error, info, warn};
use uuid::Uuid;

pub use keyring::Key;
use keyring::Keyring;

const VERSION: &str = "1";

/// Anybody can name a key that nobody has; the disk is not read for it more often than this.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where a sealed value lives. It opens only there.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The table.
    pub table: &'static str,
    /// The row's id.
    pub row: Uuid,
    /// The column.
    pub field: &'static str,
}

impl Place {
    fn associated_data(self, key_id: &str) -> String {
        format!("lamplighter/{VERSION}/{key_id}/{}/{}/{}", self.table, self.row, self.field)
    }
}

/// What can go wrong with keys and sealed values. No variant carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The keys file is not there.
    #[error(
        "there is no vault key at {0}: make one with `lamplighter key generate`, or, if this database already holds \
         tokens, put the keys file that sealed them back there"
    )]
    Missing(PathBuf),
    /// The keys file is there already.
    #[error(
        "{0} exists already and is never overwritten: tokens sealed with its keys would be lost. To start anew, move it \
         away first"
    )]
    Exists(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot use the vault keys file {path}: check that the user running lamplighter owns it")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be changed.
    #[error(
        "cannot change the vault keys file {path}: run this as its owner or as root, and let its directory be writable \
         (in a container, mount the directory rather than the file). Nothing was changed"
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else wrote the file in the same moment.
    #[error("{0} was changed by somebody else in this very moment: nothing was written, run it again")]
    ChangedMeanwhile(PathBuf),
    /// A line is not a key.
    #[error(
        "{path}:{line}: not a vault key: write `KEYID BASE64`, as `lamplighter key generate` does, where the id belongs \
         to the key"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Everybody may read the file.
    #[error("{0} can be read by everybody on this machine: run `chmod 600 {0}`")]
    TooOpen(PathBuf),
    /// Sealed with a key that we do not have.
    #[error("sealed with the vault key {0}, which the keys file does not hold: add that key to the file again")]
    UnknownKey(String),
    /// Not our sealed form, damaged, or moved from another row.
    #[error("a sealed value at {0} does not open: it was damaged or moved there from another row")]
    Damaged(String),
}

/// The keys: one active, any number that only open.
pub struct Vault {
    /// Swapped as a whole, and held only for as long as it takes to copy the pointer.
    keys: RwLock<Arc<Keyring>>,
    source: Option<Source>,
}

/// Where the keys come from.
struct Source {
    path: PathBuf,
    seen: Mutex<Seen>,
}

/// What the file was like when it was read last.
struct Seen {
    stamp: Option<key_file::Stamp>,
    read_at: Instant,
    trouble: Option<String>,
}

impl Seen {
    /// Whether a missing key is a reason to read the file now.
    fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.read_at) >= READ_AGAIN_AFTER
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.key_ids()).finish()
    }
}

impl Vault {
    /// Reads a keys file: a key a line, `KEYID BASE64`; the first one seals, all of them open.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::TooOpen`], [`Error::Malformed`] with the line, or [`Error::File`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        // Before it is read: what changes meanwhile is looked at again.
        let stamp = key_file::stamp(path);
        let keys = key_file::load(path)?;
        let seen = Seen { stamp, read_at: Instant::now(), trouble: None };
        let source = Source { path: path.to_owned(), seen: Mutex::new(seen) };
        Ok(Self { keys: RwLock::new(Arc::new(keys)), source: Some(source) })
    }

    /// Writes a new keys file with one fresh key, readable by its owner only, and returns the key's id.
    ///
    /// # Errors
    /// [`Error::Exists`] when the file is there: it is never overwritten.
    pub fn generate(path: &Path) -> Result<String, Error> {
        let key = Key::random();
        key_file::create(path, &key)?;
        Ok(key.id().to_owned())
    }

    /// A vault with one random key that is written nowhere.
    pub fn ephemeral() -> Self {
        Self { keys: RwLock::new(Arc::new(Keyring::of(Key::random()))), source: None }
    }

    /// The ids of the keys in the file, the active one first.
    pub fn key_ids(&self) -> Vec<String> {
        self.keys().ids().map(str::to_owned).collect()
    }

    /// The id of the key that seals and signs.
    pub fn active_key_id(&self) -> String {
        self.keys().active().id().to_owned()
    }

    /// Why the keys file, as it is now, cannot be used; the keys in memory go on.
    pub fn trouble(&self) -> Option<String> {
        self.source.as_ref().and_then(|source| source.seen().trouble.clone())
    }

    /// Reads the keys file again if it looks different; `true` when the keys are others now.
    pub fn look(&self) -> bool {
        let Some(source) = &self.source else { return false };
        let mut seen = source.seen();
        key_file::stamp(&source.path) != seen.stamp && self.read(source, &mut seen)
    }

    /// A key is missing: perhaps the file has it by now.
    fn look_for_missing(&self) {
        let Some(source) = &self.source else { return };
        let mut seen = source.seen();
        if seen.is_stale(Instant::now()) {
            self.read(source, &mut seen);
        }
    }

    fn read(&self, source: &Source, seen: &mut Seen) -> bool {
        seen.read_at = Instant::now();
        seen.stamp = key_file::stamp(&source.path);
        let new = match key_file::load(&source.path) {
            Ok(new) => new,
            Err(cause) => {
                let why = std::error::Error::source(&cause).map(|why| format!(": {why}")).unwrap_or_default();
                let trouble = format!("{cause}{why}");
                if seen.trouble.as_ref() != Some(&trouble) {
                    error!(
                        error = trouble,
                        "the vault keys file cannot be used as it is now; the keys in memory go on \
                        until this process ends: correct the file, it is read again by itself"
                    );
                }
                seen.trouble = Some(trouble);
                return false;
            }
        };
        if seen.trouble.take().is_some() {
            info!(path = %source.path.display(), "the vault keys file is in order again");
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.ids().eq(new.ids()) {
            return false;
        }
        let new = new.after(&keys);
        let (known, gone): (Vec<_>, Vec<_>) = (new.ids().collect(), new.dropped().collect());
        info!(active = new.active().id(), ?known, "the vault keys file has changed and was read again");
        if !gone.is_empty() {
            warn!(
                ?gone,
                "keys are no longer in the vault keys file: they open tokens until this process ends; if \
                `lamplighter key list` shows that tokens need them, put them back"
            );
        }
        *keys = Arc::new(new);
        true
    }

    /// Seals a secret for its place, with the active key.
    pub fn seal(&self, place: Place, secret: &SecretString) -> String {
        self.keys().active().seal(place, secret)
    }

    /// Opens what [`Vault::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] or [`Error::Damaged`]; neither says anything about the content.
    pub fn open(&self, place: Place, sealed: &str) -> Result<SecretString, Error> {
        match self.keys().open(place, sealed) {
            Err(Error::UnknownKey(_)) => {
                self.look_for_missing();
                self.keys().open(place, sealed)
            }
            other => other,
        }
    }

    /// Signs a message for one purpose: the active key's id and a tag that only a holder of that key can make.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> (String, [u8; 32]) {
        self.keys().sign(purpose, message)
    }

    /// Whether `signature` was made by [`Vault::sign`] with the named key, compared in constant time.
    pub fn verify(&self, purpose: &str, message: &[u8], key_id: &str, signature: &[u8]) -> bool {
        if !self.keys().lists(key_id) {
            self.look_for_missing();
        }
        self.keys().verify(purpose, message, key_id, signature)
    }

    fn keys(&self) -> Arc<Keyring> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of the key that a sealed text names.
pub fn key_id_of(sealed: &str) -> Option<&str> {
    let mut parts = sealed.split('.');
    (parts.next() == Some(VERSION)).then(|| parts.next()).flatten()
}

/// A short digest of a refresh token that tells two values apart in the ledger and reveals neither.
pub fn fingerprint(secret: &SecretString) -> String {
    let mut hash = Sha256::new();
    hash.update(b"lamplighter refresh token\0");
    hash.update(secret.expose_secret().as_bytes());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
