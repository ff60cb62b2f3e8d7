//! Grants that were not given in a browser, and what a provider would say of a token without spending it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Grants, Issued};

impl Grants {
    /// Starts a grant as if consent had been given at `started_at`; its token values are of now.
    pub(in crate::sandbox) fn seed(
        &mut self,
        company: &str,
        scopes: Vec<String>,
        started_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Issued {
        let family = self.families.len();
        self.families.push(super::Family {
            company: company.to_owned(),
            scopes,
            started_at,
            current: String::new(),
            refresh_dead: false,
            access_dead: false,
            ending: None,
        });
        self.rotate(family, now);
        self.hand_out(family, true, now)
    }

    /// When the latest grant of a company ends if nobody renews it; `None` when it is dead or has no end.
    pub(in crate::sandbox) fn runs_out_at(&self, company: &str) -> Option<DateTime<Utc>> {
        let latest = self.families.iter().rposition(|family| family.company == company && !family.refresh_dead)?;
        self.end_of(latest)
    }

    /// Forgets access tokens that have expired and calls that were noted, so that a long run does not fill the memory.
    pub(in crate::sandbox) fn forget_past(&mut self, now: DateTime<Utc>) {
        self.access.retain(|_, token| token.expires_at > now);
        self.calls.clear();
    }

    fn end_of(&self, family: usize) -> Option<DateTime<Utc>> {
        let grant = &self.families[family];
        let value_since = self.refresh.get(&grant.current).map(|token| token.issued_at);
        let end =
            |since: DateTime<Utc>, life| TimeDelta::from_std(life).ok().and_then(|by| since.checked_add_signed(by));
        let of_value = self.switches.refresh_lifetime.zip(value_since).and_then(|(life, since)| end(since, life));
        let of_grant = self.switches.hard_lifetime.and_then(|life| end(grant.started_at, life));
        [of_value, of_grant].into_iter().flatten().min()
    }
}
