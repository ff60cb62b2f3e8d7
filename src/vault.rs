//! Seals and opens secrets at rest, and signs what leaves the house as a link.
//!
//! Secrets are sealed with XChaCha20-Poly1305. The sealed text names its key and is bound to the table, row and field it
//! belongs to, so that a value copied into another row does not open there. Key ids are derived from the keys: a wrong
//! key is therefore always an *unknown* key, never a garbled secret. This module knows neither files' places nor tables'
//! meanings; the store registers which key ids a database depends on.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

const VERSION: &str = "1";
const NONCE_LENGTH: usize = 24;

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

struct Key {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl Key {
    fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"lamplighter vault key id");
        hash.update(bytes.as_slice());
        let id = hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { id, bytes }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes.as_slice().try_into().unwrap_or(&Default::default()))
    }
}

/// The keys: one active, any number that only open.
pub struct Vault {
    active: Key,
    others: Vec<Key>,
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
        let file_error = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing(path.to_owned()),
            _ => Error::File { path: path.to_owned(), source },
        };
        let mode = fs::metadata(path).map_err(file_error)?.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(Error::TooOpen(path.to_owned()));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(file_error)?);
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = parse_key(line).ok_or_else(|| Error::Malformed { path: path.to_owned(), line: index + 1 })?;
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let active = keys.next().ok_or_else(|| Error::Missing(path.to_owned()))?;
        Ok(Self { active, others: keys.collect() })
    }

    /// Writes a new keys file with one fresh key, readable by its owner only, and returns the key's id.
    ///
    /// # Errors
    /// [`Error::Exists`] when the file is there: it is never overwritten.
    pub fn generate(path: &Path) -> Result<String, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut_slice());
        let key = Key::new(bytes);
        let encoded = Zeroizing::new(STANDARD.encode(key.bytes.as_slice()));
        let text = Zeroizing::new(format!(
            "# Lamplighter's vault keys: the first one seals, all of them open. Keep a copy in a safe place: without\n\
             # its key a stored token is lost.\n{} {}\n",
            key.id, *encoded
        ));
        let write = || -> std::io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        match write() {
            Ok(()) => Ok(key.id),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Error::Exists(path.to_owned())),
            Err(source) => Err(Error::File { path: path.to_owned(), source }),
        }
    }

    /// A vault with one random key that is written nowhere.
    pub fn ephemeral() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut_slice());
        Self { active: Key::new(bytes), others: Vec::new() }
    }

    /// The ids of all keys, the active one first.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys().map(|key| key.id.as_str())
    }

    /// Seals a secret for its place, with the active key.
    pub fn seal(&self, place: Place, secret: &SecretString) -> String {
        let key = &self.active;
        let mut nonce = [0; NONCE_LENGTH];
        rand::fill(&mut nonce);
        let associated = place.associated_data(&key.id);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: associated.as_bytes() };
        // The cipher fails only on texts beyond 256 GiB.
        let sealed = key.cipher().encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let body = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat());
        format!("{VERSION}.{}.{body}", key.id)
    }

    /// Opens what [`Vault::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] or [`Error::Damaged`]; neither says anything about the content.
    pub fn open(&self, place: Place, sealed: &str) -> Result<SecretString, Error> {
        let damaged = || Error::Damaged(format!("{}.{} of {}", place.table, place.field, place.row));
        let mut parts = sealed.splitn(3, '.');
        let (Some(VERSION), Some(key_id), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(damaged());
        };
        let key = self.key(key_id).ok_or_else(|| Error::UnknownKey(key_id.to_owned()))?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| damaged())?;
        let (nonce, text) = body.split_first_chunk::<NONCE_LENGTH>().ok_or_else(damaged)?;
        let associated = place.associated_data(key_id);
        let payload = Payload { msg: text, aad: associated.as_bytes() };
        let opened = key.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())?;
        Ok(SecretString::from(String::from_utf8(opened).map_err(|_| damaged())?))
    }

    /// Signs a message for one purpose: the active key's id and a tag that only a holder of that key can make.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> (String, [u8; 32]) {
        (self.active.id.clone(), tag(&self.active, purpose, message).finalize().into_bytes().into())
    }

    /// Whether `signature` was made by [`Vault::sign`] with the named key, compared in constant time.
    pub fn verify(&self, purpose: &str, message: &[u8], key_id: &str, signature: &[u8]) -> bool {
        self.key(key_id).is_some_and(|key| tag(key, purpose, message).verify_slice(signature).is_ok())
    }

    fn key(&self, id: &str) -> Option<&Key> {
        self.keys().find(|key| key.id == id)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.active).chain(&self.others)
    }
}

fn parse_key(line: &str) -> Option<Key> {
    let (id, encoded) = line.split_once(char::is_whitespace)?;
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let bytes: [u8; 32] = decoded.as_slice().try_into().ok()?;
    let key = Key::new(Zeroizing::new(bytes));
    (key.id == id).then_some(key)
}

fn tag(key: &Key, purpose: &str, message: &[u8]) -> Hmac<Sha256> {
    // A key of any length is accepted by HMAC; the fallback is never taken.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.bytes.as_slice())
        .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&Default::default()));
    mac.update(b"lamplighter signature\0");
    mac.update(purpose.as_bytes());
    mac.update(b"\0");
    mac.update(message);
    mac
}

/// A short digest of a refresh token that tells two values apart in the ledger and reveals neither.
pub fn fingerprint(secret: &SecretString) -> String {
    let mut hash = Sha256::new();
    hash.update(b"lamplighter refresh token\0");
    hash.update(secret.expose_secret().as_bytes());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Uuid = Uuid::from_u128(7);
    const PLACE: Place = Place { table: "tokens", row: ROW, field: "refresh_sealed" };

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn a_sealed_value_opens_in_its_place_and_nowhere_else() {
        let vault = Vault::ephemeral();
        let sealed = vault.seal(PLACE, &secret("RT1-1-H0"));
        assert!(!sealed.contains("RT1"));
        assert_eq!(vault.open(PLACE, &sealed).unwrap().expose_secret(), "RT1-1-H0");
        for other in [
            Place { row: Uuid::from_u128(8), ..PLACE },
            Place { field: "access_sealed", ..PLACE },
            Place { table: "others", ..PLACE },
        ] {
            assert!(matches!(vault.open(other, &sealed), Err(Error::Damaged(_))));
        }
    }

    #[test]
    fn another_vaults_value_names_the_missing_key() {
        let (ours, theirs) = (Vault::ephemeral(), Vault::ephemeral());
        let sealed = theirs.seal(PLACE, &secret("x"));
        let id = theirs.key_ids().next().unwrap();
        assert!(matches!(ours.open(PLACE, &sealed), Err(Error::UnknownKey(missing)) if missing == id));
    }

    #[test]
    fn a_flipped_bit_does_not_open() {
        let vault = Vault::ephemeral();
        let sealed = vault.seal(PLACE, &secret("abc"));
        let (head, body) = sealed.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        let broken = format!("{head}.{}", URL_SAFE_NO_PAD.encode(bytes));
        assert!(matches!(vault.open(PLACE, &broken), Err(Error::Damaged(_))));
        for nonsense in ["", "1", "1.a", "2.a.b", "1.deadbeef.!!!"] {
            assert!(vault.open(PLACE, nonsense).is_err());
        }
    }

    #[test]
    fn a_generated_file_loads_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/vault.keys");
        assert!(matches!(Vault::load(&path), Err(Error::Missing(_))));
        let id = Vault::generate(&path).unwrap();
        let before = fs::read(&path).unwrap();
        assert_eq!(Vault::load(&path).unwrap().key_ids().collect::<Vec<_>>(), [id.as_str()]);
        assert!(matches!(Vault::generate(&path), Err(Error::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Vault::load(&path), Err(Error::TooOpen(_))));
    }

    #[test]
    fn a_key_under_another_id_is_refused_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        fs::write(&path, format!("# one\n\n00000000 {}\n", STANDARD.encode([1; 32]))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Vault::load(&path), Err(Error::Malformed { line: 3, .. })));
    }

    #[test]
    fn a_signature_holds_for_its_purpose_and_message_only() {
        let vault = Vault::ephemeral();
        let (key_id, signature) = vault.sign("link", b"account 1");
        assert!(vault.verify("link", b"account 1", &key_id, &signature));
        assert!(!vault.verify("link", b"account 2", &key_id, &signature));
        assert!(!vault.verify("other", b"account 1", &key_id, &signature));
        assert!(!Vault::ephemeral().verify("link", b"account 1", &key_id, &signature));
        assert!(!vault.verify("link", b"account 1", &key_id, &signature[..31]));
    }

    #[test]
    fn fingerprints_tell_values_apart_and_hide_them() {
        assert_eq!(fingerprint(&secret("a")), fingerprint(&secret("a")));
        assert_ne!(fingerprint(&secret("a")), fingerprint(&secret("b")));
        assert_eq!(fingerprint(&secret("a")).len(), 16);
    }
}
