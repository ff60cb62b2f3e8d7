//! Reconnect links: signed, expiring, for one account at one provider. Whoever holds one may start that authorization and
//! nothing else, so the owner needs no login. Nothing is stored for a link.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use url::Url;
use uuid::Uuid;

use crate::{provider::Provider, retry::later, vault::Vault};

const PURPOSE: &str = "reconnect link";
const SIGNATURE_LENGTH: usize = 32;

/// Makes and reads reconnect links. Cheap to clone.
#[derive(Clone)]
pub struct ReconnectLinks {
    vault: Arc<Vault>,
    public_url: Url,
    lifetime: Duration,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The account to connect.
    pub account_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Why a link is not honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its time is over.
    Expired(Link),
    /// Cut off, changed, or never made here.
    Invalid,
}

impl ReconnectLinks {
    /// Links below `public_url` that hold for `lifetime`.
    pub fn new(vault: Arc<Vault>, public_url: Url, lifetime: Duration) -> Self {
        Self { vault, public_url, lifetime }
    }

    /// A fresh link.
    pub fn make(&self, account_id: Uuid, provider: Provider, now: DateTime<Utc>) -> (Url, Link) {
        let expires_at = later(now, self.lifetime);
        let expires_at = DateTime::from_timestamp(expires_at.timestamp(), 0).unwrap_or(expires_at);
        let link = Link { account_id, provider, expires_at };
        let content = format!("{account_id}.{provider}.{}", expires_at.timestamp());
        let (key_id, signature) = self.vault.sign(PURPOSE, content.as_bytes());
        let token = URL_SAFE_NO_PAD.encode([&signature, format!("{key_id}.{content}").as_bytes()].concat());
        let mut url = self.public_url.clone();
        url.set_path(&format!("/connect/{token}"));
        (url, link)
    }

    /// Reads the part of a link behind `/connect/`.
    ///
    /// # Errors
    /// [`Refused`]; the signature is checked before anything else is believed.
    pub fn read(&self, token: &str, now: DateTime<Utc>) -> Result<Link, Refused> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Refused::Invalid)?;
        let (signature, rest) = bytes.split_at_checked(SIGNATURE_LENGTH).ok_or(Refused::Invalid)?;
        let rest = std::str::from_utf8(rest).map_err(|_| Refused::Invalid)?;
        let (key_id, content) = rest.split_once('.').ok_or(Refused::Invalid)?;
        if !self.vault.verify(PURPOSE, content.as_bytes(), key_id, signature) {
            return Err(Refused::Invalid);
        }
        let link = parse(content).ok_or(Refused::Invalid)?;
        if link.expires_at <= now { Err(Refused::Expired(link)) } else { Ok(link) }
    }
}

fn parse(content: &str) -> Option<Link> {
    let mut parts = content.split('.');
    let account_id = parts.next()?.parse().ok()?;
    let provider = parts.next()?;
    let provider = Provider::ALL.into_iter().find(|known| known.as_str() == provider)?;
    let expires_at = DateTime::from_timestamp(parts.next()?.parse().ok()?, 0)?;
    Some(Link { account_id, provider, expires_at })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn links() -> ReconnectLinks {
        let url = Url::parse("https://keeper.example/").unwrap();
        ReconnectLinks::new(Arc::new(Vault::ephemeral()), url, Duration::from_secs(60))
    }

    #[test]
    fn a_link_holds_until_it_expires_and_only_unchanged() {
        let (links, now) = (links(), DateTime::UNIX_EPOCH);
        let (url, made) = links.make(Uuid::from_u128(9), Provider::Hubspot, now);
        let token = url.path().strip_prefix("/connect/").unwrap();
        assert_eq!(links.read(token, now), Ok(made));
        assert_eq!(links.read(token, now + TimeDelta::seconds(60)), Err(Refused::Expired(made)));
        let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        for position in 0..bytes.len() {
            bytes[position] ^= 1;
            assert_eq!(links.read(&URL_SAFE_NO_PAD.encode(&bytes), now), Err(Refused::Invalid), "byte {position}");
            bytes[position] ^= 1;
        }
        for nonsense in ["", "a", "%%%", &token[..20]] {
            assert_eq!(links.read(nonsense, now), Err(Refused::Invalid));
        }
    }

    #[test]
    fn another_deployments_link_is_not_ours() {
        let (url, _) = links().make(Uuid::from_u128(9), Provider::Hubspot, DateTime::UNIX_EPOCH);
        let token = url.path().strip_prefix("/connect/").unwrap();
        assert_eq!(links().read(token, DateTime::UNIX_EPOCH), Err(Refused::Invalid));
    }
}
