//! Keys, and what is done with one: sealing, opening, signing. Knows nothing of files or of when keys change.
//!
//! Invariant: a key's id is derived from the key, so an id that does not belong to its key is never accepted.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Error, Place, VERSION};

const NONCE_LENGTH: usize = 24;

/// One key.
pub struct Key {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Key").field(&self.id).finish()
    }
}

impl Key {
    fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"lamplighter vault key id");
        hash.update(bytes.as_slice());
        let id = hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { id, bytes }
    }

    /// A fresh one.
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut_slice());
        Self::new(bytes)
    }

    /// Names it everywhere, and says nothing about it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a secret for its place.
    pub fn seal(&self, place: Place, secret: &SecretString) -> String {
        let mut nonce = [0; NONCE_LENGTH];
        rand::fill(&mut nonce);
        let associated = place.associated_data(&self.id);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: associated.as_bytes() };
        // The cipher fails only on texts beyond 256 GiB.
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let body = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat());
        format!("{VERSION}.{}.{body}", self.id)
    }

    /// The key as a line of a keys file.
    pub(super) fn line(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(STANDARD.encode(self.bytes.as_slice()));
        Zeroizing::new(format!("{} {}", self.id, *encoded))
    }

    fn parse(line: &str) -> Option<Self> {
        let (id, encoded) = line.split_once(char::is_whitespace)?;
        let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
        let bytes: [u8; 32] = decoded.as_slice().try_into().ok()?;
        let key = Self::new(Zeroizing::new(bytes));
        (key.id == id).then_some(key)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes.as_slice().try_into().unwrap_or(&Default::default()))
    }

    fn tag(&self, purpose: &str, message: &[u8]) -> Hmac<Sha256> {
        // A key of any length is accepted by HMAC; the fallback is never taken.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.bytes.as_slice())
            .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&Default::default()));
        mac.update(b"lamplighter signature\0");
        mac.update(purpose.as_bytes());
        mac.update(b"\0");
        mac.update(message);
        mac
    }
}

/// Why a text is not a keys file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unparsed {
    /// There is no key in it.
    Empty,
    /// This line, from 1, is not a key.
    Line(usize),
}

/// The line of a keys file that holds a key, if it does.
pub(super) fn key_id_of_line(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') { None } else { line.split_whitespace().next() }
}

/// One active key, and any number that only open.
#[derive(Debug)]
pub(super) struct Keyring {
    active: Arc<Key>,
    others: Vec<Arc<Key>>,
    /// Taken out of the file while we run. They still open: a file that lost a line must not cost a grant before anybody
    /// has looked. They neither seal nor sign.
    dropped: Vec<Arc<Key>>,
}

impl Keyring {
    pub(super) fn of(active: Key) -> Self {
        Self { active: Arc::new(active), others: Vec::new(), dropped: Vec::new() }
    }

    /// Reads a key a line, `KEYID BASE64`; empty lines and those that begin with `#` are passed over.
    pub(super) fn parse(text: &str) -> Result<Self, Unparsed> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if key_id_of_line(line).is_some() {
                keys.push(Arc::new(Key::parse(line.trim()).ok_or(Unparsed::Line(index + 1))?));
            }
        }
        let mut keys = keys.into_iter();
        let active = keys.next().ok_or(Unparsed::Empty)?;
        Ok(Self { active, others: keys.collect(), dropped: Vec::new() })
    }

    /// This ring, read anew, still opening what `before` opened.
    pub(super) fn after(mut self, before: &Self) -> Self {
        let gone = before.listed().chain(&before.dropped).filter(|key| !self.lists(&key.id)).map(Arc::clone);
        self.dropped = gone.collect();
        self
    }

    pub(super) fn active(&self) -> &Key {
        &self.active
    }

    /// The ids of the keys in the file, the active one first.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.listed().map(|key| key.id.as_str())
    }

    /// The ids of keys that were in the file earlier.
    pub(super) fn dropped(&self) -> impl Iterator<Item = &str> {
        self.dropped.iter().map(|key| key.id.as_str())
    }

    pub(super) fn lists(&self, id: &str) -> bool {
        self.ids().any(|listed| listed == id)
    }

    pub(super) fn open(&self, place: Place, sealed: &str) -> Result<SecretString, Error> {
        let damaged = || Error::Damaged(format!("{}.{} of {}", place.table, place.field, place.row));
        let mut parts = sealed.splitn(3, '.');
        let (Some(VERSION), Some(key_id), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(damaged());
        };
        let key = self.listed().chain(&self.dropped).find(|key| key.id == key_id);
        let key = key.ok_or_else(|| Error::UnknownKey(key_id.to_owned()))?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| damaged())?;
        let (nonce, text) = body.split_first_chunk::<NONCE_LENGTH>().ok_or_else(damaged)?;
        let associated = place.associated_data(key_id);
        let payload = Payload { msg: text, aad: associated.as_bytes() };
        let opened = key.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())?;
        Ok(SecretString::from(String::from_utf8(opened).map_err(|_| damaged())?))
    }

    pub(super) fn sign(&self, purpose: &str, message: &[u8]) -> (String, [u8; 32]) {
        (self.active.id.clone(), self.active.tag(purpose, message).finalize().into_bytes().into())
    }

    pub(super) fn verify(&self, purpose: &str, message: &[u8], key_id: &str, signature: &[u8]) -> bool {
        let key = self.listed().find(|key| key.id == key_id);
        key.is_some_and(|key| key.tag(purpose, message).verify_slice(signature).is_ok())
    }

    fn listed(&self) -> impl Iterator<Item = &Arc<Key>> {
        std::iter::once(&self.active).chain(&self.others)
    }
}
