//! Keys with which programs use the API: random, shown once, kept as a hash. A key is for one account or for all, does what
//! its scopes say and nothing else, and may run out. The first characters are no secret: people and the lookup recognise a
//! key by them.
//!
//! Knows nothing of HTTP. Invariant: what is stored opens nothing.

mod scope;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

pub use self::scope::Scope;
use crate::store::{self, api_keys, audit_log::Actor};

const MARK: &str = "lamp_";
/// The mark and eight hex digits.
const PREFIX_LENGTH: usize = 13;
/// With a dash and 32 bytes in base64.
const LENGTH: usize = PREFIX_LENGTH + 1 + 43;

/// What a key is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What people call it.
    pub name: String,
    /// The only account that it is for; all when absent.
    pub account_id: Option<Uuid>,
    /// What it may do; one at least.
    pub scopes: Vec<Scope>,
    /// When it runs out, if ever.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key that works.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Its first characters.
    pub prefix: String,
    /// The only account that it is for; all when absent.
    pub account_id: Option<Uuid>,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Holder {
    /// Whoever holds it, for the audit log.
    pub fn actor(&self) -> Actor {
        Actor::ApiKey(self.prefix.clone())
    }

    /// Whether it may concern itself with an account.
    pub fn is_for(&self, account_id: Uuid) -> bool {
        self.account_id.is_none_or(|own| own == account_id)
    }
}

/// Why a key opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No key of ours.
    Unknown,
    /// Somebody revoked it.
    Revoked(DateTime<Utc>),
    /// Its time is over.
    Expired(DateTime<Utc>),
}

/// Makes a key; returns it and the part that is shown later.
///
/// # Errors
/// Database trouble.
pub async fn create(
    conn: &mut PgConnection,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<(SecretString, String), store::Error> {
    let (mut secret, name): ([u8; 32], u32) = ([0; 32], rand::random());
    rand::fill(&mut secret);
    let prefix = format!("{MARK}{name:08x}");
    let key = format!("{prefix}-{}", URL_SAFE_NO_PAD.encode(secret));
    let scopes: Vec<_> = wanted.scopes.iter().map(|scope| scope.as_str()).collect();
    let new = api_keys::New {
        name: &wanted.name,
        account_id: wanted.account_id,
        prefix: &prefix,
        key_hash: &hash(&key),
        scopes: &scopes,
        expires_at: wanted.expires_at,
    };
    api_keys::add(conn, &new, now).await?;
    Ok((key.into(), prefix))
}

/// Who holds a key, if it works. Only who has the whole of it hears why it does not.
///
/// # Errors
/// Database trouble.
pub async fn open(
    conn: &mut PgConnection,
    key: &SecretString,
    now: DateTime<Utc>,
) -> Result<Result<Holder, Refused>, store::Error> {
    let key = key.expose_secret();
    let Some(prefix) = key.get(..PREFIX_LENGTH).filter(|prefix| prefix.starts_with(MARK) && key.len() == LENGTH) else {
        return Ok(Err(Refused::Unknown));
    };
    let Some(candidate) = api_keys::find(conn, prefix).await? else { return Ok(Err(Refused::Unknown)) };
    if !bool::from(candidate.key_hash.as_slice().ct_eq(&hash(key))) {
        return Ok(Err(Refused::Unknown));
    }
    if let Some(at) = candidate.revoked_at {
        return Ok(Err(Refused::Revoked(at)));
    }
    if let Some(at) = candidate.expires_at.filter(|at| *at <= now) {
        return Ok(Err(Refused::Expired(at)));
    }
    api_keys::used(conn, candidate.id, now).await?;
    Ok(Ok(Holder {
        prefix: prefix.to_owned(),
        account_id: candidate.account_id,
        scopes: candidate.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
    }))
}

/// The key has 256 random bits, so one round is enough: nobody can try them out.
fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
