//! What a token tells whoever holds it. Nothing here changes a grant.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{super::ledger::Ending, Grants, remaining};

/// Why an access token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Closed {
    Unknown,
    Expired(DateTime<Utc>),
    Revoked,
}

/// What is known of a live token.
pub(in crate::sandbox) struct Sight<'a> {
    pub(in crate::sandbox) company: &'a str,
    pub(in crate::sandbox) scopes: &'a [String],
    /// Only access tokens have one here.
    pub(in crate::sandbox) left: Option<Duration>,
}

impl Grants {
    /// The company behind a live access token.
    pub(in crate::sandbox) fn open(&self, access: &str, now: DateTime<Utc>) -> Result<Sight<'_>, Closed> {
        let token = self.access.get(access).ok_or(Closed::Unknown)?;
        let family = &self.families[token.family];
        if family.access_dead {
            return Err(Closed::Revoked);
        }
        if token.expires_at <= now {
            return Err(Closed::Expired(token.expires_at));
        }
        let left = (token.expires_at - now).to_std().ok();
        Ok(Sight { company: &family.company, scopes: &family.scopes, left })
    }

    /// The company behind a refresh token that could be spent.
    pub(in crate::sandbox) fn see_refresh(&self, value: &str) -> Option<Sight<'_>> {
        let token = self.refresh.get(value)?;
        let family = &self.families[token.family];
        let alive = !family.refresh_dead && token.replaced_at.is_none();
        alive.then_some(Sight { company: &family.company, scopes: &family.scopes, left: None })
    }

    /// Whether the value with this fingerprint, spent now, would bring this company's tokens.
    pub(in crate::sandbox) fn honours(&self, company: &str, fingerprint: &str, now: DateTime<Utc>) -> bool {
        let value = self.fingerprints.get(fingerprint).and_then(|value| self.refresh.get(value));
        value.is_some_and(|token| {
            let family = &self.families[token.family];
            let over = |life: Option<Duration>, since| life.is_some_and(|life| remaining(since, life, now).is_zero());
            family.company == company
                && !family.refresh_dead
                && self.in_grace(token.replaced_at, now)
                && !over(self.switches.refresh_lifetime, token.issued_at)
                && !over(self.switches.hard_lifetime, family.started_at)
        })
    }

    /// How the grant of the value with this fingerprint ended, if it has.
    pub(in crate::sandbox) fn ending_of(&self, fingerprint: &str) -> Option<Ending> {
        let token = self.refresh.get(self.fingerprints.get(fingerprint)?)?;
        self.families[token.family].ending
    }

    /// The grant that a refresh token value belongs to, and the value's fingerprint.
    pub(in crate::sandbox) fn descent_of(&self, value: &str) -> Option<(usize, &str)> {
        self.refresh.get(value).map(|token| (token.family, token.fingerprint.as_str()))
    }

    /// Companies with a grant that still works.
    pub(in crate::sandbox) fn connected(&self) -> Vec<&str> {
        let alive = self.families.iter().filter(|family| !family.refresh_dead);
        alive.map(|family| family.company.as_str()).collect()
    }

    /// Every code and every token value that was ever handed out.
    pub(in crate::sandbox) fn handed_out(&self) -> impl Iterator<Item = &str> {
        self.codes.keys().chain(self.refresh.keys()).chain(self.access.keys()).map(String::as_str)
    }

    /// The company that a code or a refresh token value was issued for, alive or not.
    pub(in crate::sandbox) fn company_of(&self, value: &str) -> Option<String> {
        let code = self.codes.get(value).map(|code| &code.company);
        let token = || self.refresh.get(value).map(|token| &self.families[token.family].company);
        code.or_else(token).cloned()
    }
}
