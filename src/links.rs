//! Links for owners: signed, expiring, revocable, so that an owner needs no login. A reconnect link starts one authorization, for
//! one account at one provider, and nothing else. An owner's link opens the page of one account. Nothing is stored for a link;
//! all links of an account that were made up to some moment can be revoked.

/// Some are made by a person's decision, and all of an account's made void.
pub mod by_hand;

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use url::Url;
use uuid::Uuid;

use crate::{provider::Provider, retry::later, vault::Vault};

const RECONNECT: &str = "reconnect link";
const OWNER: &str = "owner link";
const SIGNATURE_LENGTH: usize = 32;

/// Makes and reads links. Cheap to clone.
#[derive(Clone)]
pub struct ReconnectLinks {
    vault: Arc<Vault>,
    public_url: Url,
    lifetime: Duration,
}

/// What a reconnect link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The account to connect.
    pub account_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// Since when; absent in links of versions that did not write it down.
    pub made_at: Option<DateTime<Utc>>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Whose page an owner's link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerLink {
    /// The account.
    pub account_id: Uuid,
    /// Since when.
    pub made_at: DateTime<Utc>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Why a link is not honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused<L = Link> {
    /// Its time is over.
    Expired(L),
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
        let (made_at, expires_at) = (whole(now), whole(later(now, self.lifetime)));
        let link = Link { account_id, provider, made_at: Some(made_at), expires_at };
        let content = format!("{account_id}.{provider}.{}.{}", expires_at.timestamp(), made_at.timestamp());
        (self.url("connect", RECONNECT, &content), link)
    }

    /// Reads the part of a link behind `/connect/`.
    ///
    /// # Errors
    /// [`Refused`]; the signature is checked before anything else is believed.
    pub fn read(&self, token: &str, now: DateTime<Utc>) -> Result<Link, Refused> {
        let content = self.signed(RECONNECT, token).ok_or(Refused::Invalid)?;
        let link = parse(&content).ok_or(Refused::Invalid)?;
        if link.expires_at <= now { Err(Refused::Expired(link)) } else { Ok(link) }
    }

    /// A fresh link to an owner's page.
    pub fn make_owners(&self, account_id: Uuid, now: DateTime<Utc>) -> (Url, OwnerLink) {
        let link = OwnerLink { account_id, made_at: whole(now), expires_at: whole(later(now, self.lifetime)) };
        let content = format!("{account_id}.{}.{}", link.expires_at.timestamp(), link.made_at.timestamp());
        (self.url("owner", OWNER, &content), link)
    }

    /// Reads the part of a link behind `/owner/`.
    ///
    /// # Errors
    /// [`Refused`], as for a reconnect link: the one is no use as the other.
    pub fn read_owners(&self, token: &str, now: DateTime<Utc>) -> Result<OwnerLink, Refused<OwnerLink>> {
        let content = self.signed(OWNER, token).ok_or(Refused::Invalid)?;
        let mut parts = content.split('.');
        let mut parse = || {
            let account_id = parts.next()?.parse().ok()?;
            let expires_at = moment(parts.next()?)?;
            Some(OwnerLink { account_id, made_at: moment(parts.next()?)?, expires_at })
        };
        let link = parse().ok_or(Refused::Invalid)?;
        if link.expires_at <= now { Err(Refused::Expired(link)) } else { Ok(link) }
    }

    fn url(&self, place: &str, purpose: &str, content: &str) -> Url {
        let (key_id, signature) = self.vault.sign(purpose, content.as_bytes());
        let token = URL_SAFE_NO_PAD.encode([&signature, format!("{key_id}.{content}").as_bytes()].concat());
        let mut url = self.public_url.clone();
        url.set_path(&format!("/{place}/{token}"));
        url
    }

    /// What a token says, if we said it.
    fn signed(&self, purpose: &str, token: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signature, rest) = bytes.split_at_checked(SIGNATURE_LENGTH)?;
        let (key_id, content) = std::str::from_utf8(rest).ok()?.split_once('.')?;
        self.vault.verify(purpose, content.as_bytes(), key_id, signature).then(|| content.to_owned())
    }
}

fn parse(content: &str) -> Option<Link> {
    let mut parts = content.split('.');
    let account_id = parts.next()?.parse().ok()?;
    let provider = parts.next()?;
    let provider = Provider::ALL.into_iter().find(|known| known.as_str() == provider)?;
    let expires_at = moment(parts.next()?)?;
    Some(Link { account_id, provider, made_at: parts.next().and_then(moment), expires_at })
}

fn moment(seconds: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds.parse().ok()?, 0)
}

/// Links count in whole seconds.
fn whole(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
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
    fn an_owners_link_opens_a_page_and_starts_nothing() {
        let (links, now) = (links(), DateTime::UNIX_EPOCH);
        let (url, made) = links.make_owners(Uuid::from_u128(9), now);
        let token = url.path().strip_prefix("/owner/").unwrap();
        assert_eq!(links.read_owners(token, now), Ok(made));
        assert_eq!(links.read_owners(token, now + TimeDelta::seconds(60)), Err(Refused::Expired(made)));
        assert_eq!(links.read(token, now), Err(Refused::Invalid));
        let (url, _) = links.make(Uuid::from_u128(9), Provider::Hubspot, now);
        let token = url.path().strip_prefix("/connect/").unwrap();
        assert_eq!(links.read_owners(token, now), Err(Refused::Invalid));
    }

    #[test]
    fn another_deployments_link_is_not_ours() {
        let (url, _) = links().make(Uuid::from_u128(9), Provider::Hubspot, DateTime::UNIX_EPOCH);
        let token = url.path().strip_prefix("/connect/").unwrap();
        assert_eq!(links().read(token, DateTime::UNIX_EPOCH), Err(Refused::Invalid));
    }
}
