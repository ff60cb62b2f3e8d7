//! The authorization server that both providers share underneath their dialects.
//!
//! A family is one grant: everything that descends from one consent. Codes are spent once. A refresh token value is
//! current, replaced or dead, and how long each lasts is a switch. This file knows rules and times; it knows nothing
//! of HTTP, and every refusal is a word (`Refusal`) that a dialect turns into that provider's body.

mod lookup;
mod replacing;
mod seeding;
mod spending;

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

pub(super) use self::{
    lookup::{Closed, Sight},
    spending::{Arrival, take_one},
};
use super::{
    ledger::{Ending, TokenCall},
    switches::{Rotation, Switches},
};
use crate::{provider::Provider, vault};

/// How long a code can wait to be exchanged.
const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// One provider's grants, and what happened to them.
pub(super) struct Grants {
    pub(super) provider: Provider,
    pub(super) switches: Switches,
    /// The company that the next automatic consent picks.
    pub(super) chosen: Option<String>,
    pub(super) deny_next: bool,
    pub(super) calls: Vec<TokenCall>,
    pub(super) concurrent_spends: u64,
    pub(super) api_calls: u64,
    pub(super) oauth_calls: u64,
    /// Refresh token values on their way right now.
    spending: u64,
    codes: HashMap<String, Code>,
    /// Which refresh token value has which fingerprint.
    fingerprints: HashMap<String, String>,
    families: Vec<Family>,
    refresh: HashMap<String, Refresh>,
    access: HashMap<String, Access>,
}

struct Code {
    company: String,
    redirect_uri: String,
    scopes: Vec<String>,
    issued_at: DateTime<Utc>,
    /// The family that the first exchange started.
    spent: Option<usize>,
}

struct Family {
    company: String,
    scopes: Vec<String>,
    started_at: DateTime<Utc>,
    current: String,
    /// No refresh works any more.
    refresh_dead: bool,
    /// No access token works any more either.
    access_dead: bool,
    ending: Option<Ending>,
}

struct Refresh {
    family: usize,
    issued_at: DateTime<Utc>,
    replaced_at: Option<DateTime<Utc>>,
    /// Replaced on behalf of somebody else: refused from then on, and nothing more.
    taken_over: bool,
    in_flight: u32,
    fingerprint: String,
}

struct Access {
    family: usize,
    expires_at: DateTime<Utc>,
}

/// What a code or a refresh token bought.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) company: String,
    pub(super) scopes: Vec<String>,
    pub(super) access: String,
    /// `None` when the switch leaves it out.
    pub(super) refresh: Option<String>,
    pub(super) rotated: bool,
    pub(super) access_left: Duration,
    pub(super) refresh_left: Option<Duration>,
    pub(super) hard_left: Option<Duration>,
}

/// Why a token call got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Unknown, or of a grant that is dead.
    Unknown,
    /// Its lifetime or its grant's is over.
    Expired,
    /// A newer value took its place.
    Replaced,
    /// An access token was sent where a refresh token belongs.
    WrongKind,
    /// The code is unknown, too old, or was spent before.
    Code,
    /// The code was issued for another redirect address.
    Redirect,
    /// The company itself was deleted.
    CompanyGone,
}

impl Grants {
    pub(super) fn new(provider: Provider) -> Self {
        Self {
            provider,
            switches: Switches::of(provider),
            chosen: None,
            deny_next: false,
            calls: Vec::new(),
            concurrent_spends: 0,
            api_calls: 0,
            oauth_calls: 0,
            spending: 0,
            codes: HashMap::new(),
            fingerprints: HashMap::new(),
            families: Vec::new(),
            refresh: HashMap::new(),
            access: HashMap::new(),
        }
    }

    /// Consent was given for `company`.
    pub(super) fn issue_code(
        &mut self,
        company: &str,
        redirect_uri: &str,
        scopes: Vec<String>,
        now: DateTime<Utc>,
    ) -> String {
        let value = match self.provider {
            Provider::Quickbooks => format!("AB11{}", random_text(34)),
            Provider::Hubspot => uuid::Uuid::new_v4().to_string(),
        };
        let code = Code {
            company: company.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            scopes,
            issued_at: now,
            spent: None,
        };
        self.codes.insert(value.clone(), code);
        value
    }

    /// Spends a code. At Intuit a second exchange also kills what the first one bought.
    pub(super) fn exchange(&mut self, code: &str, redirect_uri: &str, now: DateTime<Utc>) -> Result<Issued, Refusal> {
        let found = self.codes.get(code).ok_or(Refusal::Code)?;
        if let Some(family) = found.spent {
            if self.provider == Provider::Quickbooks {
                self.kill(family, Ending::Reused);
            }
            return Err(Refusal::Code);
        }
        if found.redirect_uri != redirect_uri {
            return Err(Refusal::Redirect);
        }
        if now - found.issued_at >= CODE_LIFETIME {
            return Err(Refusal::Code);
        }
        let (company, scopes) = (found.company.clone(), found.scopes.clone());
        if self.switches.reconnect_revokes_previous {
            self.revoke_company(&company);
        }
        let family = self.families.len();
        self.families.push(Family {
            company,
            scopes,
            started_at: now,
            current: String::new(),
            refresh_dead: false,
            access_dead: false,
            ending: None,
        });
        if let Some(code) = self.codes.get_mut(code) {
            code.spent = Some(family);
        }
        self.rotate(family, now);
        Ok(self.hand_out(family, true, now))
    }

    /// Spends a refresh token value while `peers` other calls are spending the same one.
    pub(super) fn renew(&mut self, value: &str, peers: u32, now: DateTime<Utc>) -> Result<Issued, Refusal> {
        let Some(token) = self.refresh.get(value) else {
            let access = self.access.contains_key(value);
            return Err(if access { Refusal::WrongKind } else { Refusal::Unknown });
        };
        let (family, issued_at, replaced_at) = (token.family, token.issued_at, token.replaced_at);
        if self.families[family].refresh_dead {
            return Err(Refusal::Unknown);
        }
        if token.taken_over {
            return Err(Refusal::Replaced);
        }
        let left = |lifetime: Option<Duration>, since| lifetime.map(|life| remaining(since, life, now));
        let switches = &self.switches;
        let hard_left = left(switches.hard_lifetime, self.families[family].started_at);
        if [left(switches.refresh_lifetime, issued_at), hard_left].contains(&Some(Duration::ZERO)) {
            return Err(Refusal::Expired);
        }
        let in_grace = self.in_grace(replaced_at, now);
        if !in_grace || (peers > 0 && switches.reuse_revokes_family) {
            if switches.reuse_revokes_family {
                self.kill(family, Ending::Reused);
            }
            return Err(Refusal::Replaced);
        }
        let due = match switches.rotation {
            Rotation::Never => false,
            Rotation::EveryCall => true,
            Rotation::Daily { period, .. } => remaining(issued_at, period, now).is_zero(),
        };
        let rotated = due && replaced_at.is_none() && !switches.omit_refresh_token;
        if rotated {
            self.rotate(family, now);
        }
        Ok(self.hand_out(family, rotated, now))
    }

    /// Whether a value is current, or was replaced so lately that it still works.
    fn in_grace(&self, replaced_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        replaced_at.is_none_or(|at| match self.switches.rotation {
            Rotation::Daily { grace, .. } => !remaining(at, grace, now).is_zero(),
            _ => false,
        })
    }

    /// Makes a new refresh token value the family's current one.
    fn rotate(&mut self, family: usize, now: DateTime<Utc>) {
        let value = match self.provider {
            Provider::Quickbooks => {
                let ends = self.switches.refresh_lifetime.unwrap_or_default().as_secs();
                let ends = now.timestamp().saturating_add_unsigned(ends);
                format!("RT1-{}-H0-{ends}{}", self.refresh.len() + 1, random_text(20))
            }
            Provider::Hubspot => format!("na1-{}", uuid::Uuid::new_v4()),
        };
        let former = std::mem::replace(&mut self.families[family].current, value.clone());
        if let Some(former) = self.refresh.get_mut(&former) {
            former.replaced_at = Some(now);
        }
        let fingerprint = vault::fingerprint(&SecretString::from(value.as_str()));
        self.fingerprints.insert(fingerprint.clone(), value.clone());
        self.refresh.insert(
            value,
            Refresh { family, issued_at: now, replaced_at: None, taken_over: false, in_flight: 0, fingerprint },
        );
    }

    fn hand_out(&mut self, family: usize, rotated: bool, now: DateTime<Utc>) -> Issued {
        let access = match self.provider {
            Provider::Quickbooks => format!("eyJ{}", random_text(900)),
            Provider::Hubspot => format!("CN{}", random_text(240)),
        };
        let access_left = self.switches.access_lifetime;
        let expires_at = now + TimeDelta::from_std(access_left).unwrap_or(TimeDelta::MAX);
        self.access.insert(access.clone(), Access { family, expires_at });
        let grant = &self.families[family];
        let issued_at = self.refresh.get(&grant.current).map_or(now, |token| token.issued_at);
        let hard_left = self.switches.hard_lifetime.map(|life| remaining(grant.started_at, life, now));
        let value_left = self.switches.refresh_lifetime.map(|life| remaining(issued_at, life, now));
        let omitted = self.switches.omit_refresh_token && !rotated;
        Issued {
            company: grant.company.clone(),
            scopes: grant.scopes.clone(),
            access,
            refresh: (!omitted).then(|| grant.current.clone()),
            rotated,
            access_left,
            refresh_left: value_left.map(|left| hard_left.map_or(left, |hard| left.min(hard))),
            hard_left,
        }
    }

    /// The app gives a grant back. Says whether the token was one of ours.
    pub(super) fn give_back(&mut self, token: &str) -> bool {
        let refresh = self.refresh.get(token).map(|t| t.family);
        let Some(family) = refresh.or_else(|| self.access.get(token).map(|t| t.family)) else {
            return false;
        };
        match self.provider {
            Provider::Quickbooks => self.kill(family, Ending::GivenBack),
            // HubSpot's access tokens outlive the refresh token.
            Provider::Hubspot => {
                self.families[family].refresh_dead = true;
                self.families[family].ending.get_or_insert(Ending::GivenBack);
            }
        }
        true
    }

    /// The customer disconnects the app. Says whether a live grant was there to kill.
    pub(super) fn revoke_company(&mut self, company: &str) -> bool {
        let alive = |f: &Family| f.company == company && !(f.refresh_dead && f.access_dead);
        let doomed: Vec<_> = (0..self.families.len()).filter(|&i| alive(&self.families[i])).collect();
        doomed.iter().for_each(|&family| self.kill(family, Ending::Revoked));
        !doomed.is_empty()
    }

    fn kill(&mut self, family: usize, how: Ending) {
        self.families[family].ending.get_or_insert(how);
        self.families[family].refresh_dead = true;
        self.families[family].access_dead = true;
    }
}

/// What is left of a life that began at `since`.
fn remaining(since: DateTime<Utc>, life: Duration, now: DateTime<Utc>) -> Duration {
    life.saturating_sub((now - since).to_std().unwrap_or_default())
}

/// Random letters and digits.
pub(super) fn random_text(length: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..length).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}
