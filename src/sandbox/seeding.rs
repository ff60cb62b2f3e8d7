//! Levers for whoever fills a whole town at once and watches it for years: grants without a browser, what a provider
//! would say without being asked, and a memory that does not grow for ever.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::state::World;
use crate::provider::Provider;

/// A grant that was made without a browser.
#[derive(Debug)]
pub struct SeededGrant {
    /// Opens the API.
    pub access_token: SecretString,
    /// What is spent to renew it.
    pub refresh_token: SecretString,
    /// Life of the access token.
    pub access_left: Duration,
    /// Life of the refresh token value, if it has an end.
    pub refresh_left: Option<Duration>,
    /// What is left of the hard cap, if there is one.
    pub hard_left: Option<Duration>,
}

impl World {
    /// Gives the app a grant for a company, as if its owner had agreed at `started_at`.
    pub fn seed_grant(
        &self,
        provider: Provider,
        company_id: &str,
        scopes: &[String],
        started_at: DateTime<Utc>,
    ) -> SeededGrant {
        let now = self.clock.now();
        let issued = self.change(|state| state.grants_mut(provider).seed(company_id, scopes.to_vec(), started_at, now));
        SeededGrant {
            access_token: issued.access.into(),
            refresh_token: issued.refresh.unwrap_or_default().into(),
            access_left: issued.access_left,
            refresh_left: issued.refresh_left,
            hard_left: issued.hard_left,
        }
    }

    /// When a company's grant ends if nobody renews it; `None` when it is dead or has no end.
    pub fn runs_out_at(&self, provider: Provider, company_id: &str) -> Option<DateTime<Utc>> {
        self.see(|state| state.grants(provider).runs_out_at(company_id))
    }

    /// Forgets expired access tokens and noted calls.
    pub fn forget_past(&self) {
        let now = self.clock.now();
        for provider in Provider::ALL {
            self.change(|state| state.grants_mut(provider).forget_past(now));
        }
    }
}
