//! Keys with which a cart sends orders for one account: random, shown once, kept as a hash. The first characters are no
//! secret: people and the lookup recognise a key by them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::store::{self, api_keys};

const MARK: &str = "lamp_";
/// The mark and eight hex digits.
const PREFIX_LENGTH: usize = 13;
/// With a dash and 32 bytes in base64.
const LENGTH: usize = PREFIX_LENGTH + 1 + 43;

/// Makes a key for an account; returns it and the part that is shown later.
///
/// # Errors
/// Database trouble.
pub async fn create(
    conn: &mut PgConnection,
    account_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(SecretString, String), store::Error> {
    let (mut secret, name): ([u8; 32], u32) = ([0; 32], rand::random());
    rand::fill(&mut secret);
    let prefix = format!("{MARK}{name:08x}");
    let key = format!("{prefix}-{}", URL_SAFE_NO_PAD.encode(secret));
    api_keys::add(conn, account_id, &prefix, &hash(&key), now).await?;
    Ok((key.into(), prefix))
}

/// The account that a key is for; `None` when it is no key of ours, or was revoked.
///
/// # Errors
/// Database trouble.
pub async fn account(
    conn: &mut PgConnection,
    key: &SecretString,
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, store::Error> {
    let key = key.expose_secret();
    let Some(prefix) = key.get(..PREFIX_LENGTH).filter(|prefix| prefix.starts_with(MARK) && key.len() == LENGTH) else {
        return Ok(None);
    };
    let Some(candidate) = api_keys::find(conn, prefix).await? else { return Ok(None) };
    if !bool::from(candidate.key_hash.as_slice().ct_eq(&hash(key))) {
        return Ok(None);
    }
    api_keys::used(conn, candidate.id, now).await?;
    Ok(Some(candidate.account_id))
}

/// The key has 256 random bits, so one round is enough: nobody can try them out.
fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
