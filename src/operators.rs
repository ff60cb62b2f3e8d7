//! Who may come in: passwords, sessions, and the proof that a form is one of ours.
//!
//! A password is kept as an Argon2id hash, a session's token as a SHA-256 hash; both checks take the same time whoever is
//! named. Tries are slowed down by address and by name, in each process; whoever tries from elsewhere
//! does not keep the right person out. It knows nothing of HTTP.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use governor::{
    Quota, RateLimiter, clock::MonotonicClock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore,
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::{
    retry::later,
    store::{
        self,
        operators::{self, Operator, Session},
    },
    vault::Vault,
};

/// The least characters of a password.
pub const SHORTEST_PASSWORD: usize = 12;
/// Longer ones are refused before they are hashed: hashing is meant to be slow.
const LONGEST_PASSWORD: usize = 1024;
/// How long a form may stay open in a browser.
const FORM_LIFETIME: TimeDelta = TimeDelta::hours(12);
const FORM_PURPOSE: &str = "form";
const SIGNATURE_LENGTH: usize = 32;
/// Passwords that are checked at once; each takes 19 MiB and some tens of milliseconds of a core.
const HASHING_AT_ONCE: usize = 2;
/// What an unknown name is checked against, so that it takes as long as a known one.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LW5vYm9keS0h$\
                            8YB1GdQK8g1pxEUcC1vUkqj5D5dYXK0wH7pR0W6O2Xk";

type Limiter = RateLimiter<String, HashMapStateStore<String>, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// Lets people in. Cheap to clone.
#[derive(Clone)]
pub struct Doorkeeper {
    pool: PgPool,
    vault: Arc<Vault>,
    session_lifetime: Duration,
    hashing: Arc<Semaphore>,
    by_address: Arc<Limiter>,
    /// Of one name from one network.
    by_both: Arc<Limiter>,
    /// Of one name from anywhere: looser, so that a stranger's tries do not keep its holder out.
    by_name: Arc<Limiter>,
}

/// What became of a try to sign in.
#[derive(Debug)]
pub enum SignIn {
    /// In, with the token that the browser keeps.
    Welcome(SecretString, Operator),
    /// The name or the password is wrong; it is not said which.
    Refused,
    /// Too many tries: this one was not looked at.
    TooMany,
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too short.
    #[error("the password is too short: take at least {SHORTEST_PASSWORD} characters, such as four random words")]
    Short,
    /// Too long.
    #[error("the password is too long: take at most {LONGEST_PASSWORD} bytes")]
    Long,
    /// It cannot be hashed.
    #[error("the password cannot be hashed: there is too little memory")]
    Unhashable,
}

impl Doorkeeper {
    /// Nobody is in yet.
    pub fn new(pool: PgPool, vault: Arc<Vault>, session_lifetime: Duration) -> Self {
        let limiter = |burst, every| {
            let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::with_period(every).unwrap_or_else(|| Quota::per_minute(burst)).allow_burst(burst);
            Arc::new(RateLimiter::hashmap_with_clock(quota, MonotonicClock))
        };
        Self {
            pool,
            vault,
            session_lifetime,
            hashing: Arc::new(Semaphore::new(HASHING_AT_ONCE)),
            by_address: limiter(10, Duration::from_secs(6)),
            by_both: limiter(5, Duration::from_secs(20)),
            by_name: limiter(60, Duration::from_secs(2)),
        }
    }

    /// Tries a name and a password that came from `address`.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &SecretString,
        address: IpAddr,
        now: DateTime<Utc>,
    ) -> Result<SignIn, store::Error> {
        self.by_address.retain_recent();
        self.by_both.retain_recent();
        self.by_name.retain_recent();
        let slowed = |limiter: &Limiter, key: String| limiter.check_key(&key).is_err();
        let (network, called) = (network(address), name.to_lowercase());
        if slowed(&self.by_both, format!("{network} {called}"))
            || slowed(&self.by_address, network)
            || slowed(&self.by_name, called)
        {
            return Ok(SignIn::TooMany);
        }
        let known = operators::find(&mut *self.pool.acquire().await?, name).await?;
        let (operator, hash) = match known {
            Some((operator, Some(hash))) => (Some(operator), hash),
            _ => (None, NOBODYS_HASH.to_owned()),
        };
        let fits = self.fits(password.clone(), hash).await;
        let Some(operator) = operator.filter(|_| fits) else { return Ok(SignIn::Refused) };
        let mut token = [0_u8; 32];
        rand::fill(&mut token);
        let token = SecretString::from(URL_SAFE_NO_PAD.encode(token));
        let expires_at = later(now, self.session_lifetime);
        let mut conn = self.pool.acquire().await?;
        operators::begin_session(&mut conn, operator.id, &hashed(&token), now, expires_at).await?;
        Ok(SignIn::Welcome(token, operator))
    }

    async fn fits(&self, password: SecretString, hash: String) -> bool {
        if password.expose_secret().len() > LONGEST_PASSWORD {
            return false;
        }
        let Ok(_turn) = self.hashing.acquire().await else { return false };
        let checked = tokio::task::spawn_blocking(move || {
            let hash = PasswordHash::new(&hash).ok()?;
            Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).ok()
        });
        matches!(checked.await, Ok(Some(())))
    }

    /// Whose session this token opens.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn session(&self, token: &SecretString, now: DateTime<Utc>) -> Result<Option<Session>, store::Error> {
        operators::session(&mut *self.pool.acquire().await?, &hashed(token), now).await
    }

    /// Somebody whom the proxy has signed in.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn by_name(&self, name: &str) -> Result<Option<Operator>, store::Error> {
        Ok(operators::find(&mut *self.pool.acquire().await?, name).await?.map(|(operator, _)| operator))
    }

    /// What a form for `holder`, a session or an operator, carries as proof that it came from us.
    pub fn form_token(&self, holder: &str, now: DateTime<Utc>) -> String {
        let expires = (now + FORM_LIFETIME).timestamp();
        let (key_id, signature) = self.vault.sign(FORM_PURPOSE, format!("{holder}.{expires}").as_bytes());
        URL_SAFE_NO_PAD.encode([&signature, format!("{key_id}.{expires}").as_bytes()].concat())
    }

    /// Whether a form came from us, for this holder, and not too long ago.
    pub fn is_our_form(&self, holder: &str, token: &str, now: DateTime<Utc>) -> bool {
        let parts = || {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
            let (signature, rest) = bytes.split_at_checked(SIGNATURE_LENGTH)?;
            let (key_id, expires) = std::str::from_utf8(rest).ok()?.split_once('.')?;
            let expires: i64 = expires.parse().ok()?;
            let message = format!("{holder}.{expires}");
            let ours = self.vault.verify(FORM_PURPOSE, message.as_bytes(), key_id, signature);
            Some(ours && now.timestamp() < expires)
        };
        parts().unwrap_or(false)
    }
}

/// A password as it is stored.
///
/// # Errors
/// [`Unfit`].
pub fn hash_password(password: &SecretString) -> Result<String, Unfit> {
    let password = password.expose_secret();
    if password.chars().count() < SHORTEST_PASSWORD {
        return Err(Unfit::Short);
    }
    if password.len() > LONGEST_PASSWORD {
        return Err(Unfit::Long);
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| Unfit::Unhashable)?;
    Ok(hash.to_string())
}

fn hashed(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

/// One household's addresses count as one: whoever has an IPv6 address has a whole network of them.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn a_password_is_kept_as_a_hash_that_only_it_fits() {
        let hash = hash_password(&secret("four random words here")).unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let fits = |password: &str, hash: &str| {
            let hash = PasswordHash::new(hash).unwrap();
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        };
        assert!(fits("four random words here", &hash) && !fits("four random words her", &hash));
        // What an unknown name is checked against costs as much as a real one, and fits nothing.
        assert_eq!(PasswordHash::new(NOBODYS_HASH).unwrap().params, PasswordHash::new(&hash).unwrap().params);
        assert!(!fits("", NOBODYS_HASH));
        assert_eq!(hash_password(&secret("short")), Err(Unfit::Short));
        assert_eq!(hash_password(&secret(&"x".repeat(2000))), Err(Unfit::Long));
    }

    #[test]
    fn one_household_counts_as_one() {
        let network = |text: &str| super::network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
    }
}
