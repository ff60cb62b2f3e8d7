//! When a token is renewed, and the clocks of what a provider handed out. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    provider::{Grant, Provider},
    retry::later,
};

/// The life of an access token when the provider does not report one: Intuit's documented hour, HubSpot's present half
/// hour.
pub fn assumed_access_life(provider: Provider) -> Duration {
    match provider {
        Provider::Quickbooks => Duration::from_secs(3600),
        Provider::Hubspot => Duration::from_secs(1800),
    }
}

/// The ends of what was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// End of the access token.
    pub access_expires_at: DateTime<Utc>,
    /// End of the refresh window, if it has one.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// End of the hard cap, if it was reported.
    pub refresh_hard_expires_at: Option<DateTime<Utc>>,
    /// When to renew.
    pub renew_at: DateTime<Utc>,
}

/// Reads the clocks of a grant that arrived at `now`. It is renewed after `fraction` of the shortest life that a renewal
/// prolongs, less up to `jitter` of that (`dice`, 0 to 1, says how much), so that what was connected together does not
/// come back together.
pub fn clocks(provider: Provider, grant: &Grant, now: DateTime<Utc>, fraction: f64, jitter: f64, dice: f64) -> Clocks {
    let access_life = grant.access_expires_in.unwrap_or_else(|| assumed_access_life(provider));
    let shortest = grant.refresh_expires_in.map_or(access_life, |refresh_life| refresh_life.min(access_life));
    let share = fraction.clamp(0.0, 1.0) * (1.0 - jitter.clamp(0.0, 1.0) * dice.clamp(0.0, 1.0));
    Clocks {
        access_expires_at: later(now, access_life),
        refresh_expires_at: grant.refresh_expires_in.map(|life| later(now, life)),
        refresh_hard_expires_at: grant.refresh_hard_expires_in.map(|life| later(now, life)),
        renew_at: later(now, shortest.mul_f64(share)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn grant(access: Option<u64>, refresh: Option<u64>) -> Grant {
        Grant {
            access_token: SecretString::from("a"),
            refresh_token: None,
            access_expires_in: access.map(Duration::from_secs),
            refresh_expires_in: refresh.map(Duration::from_secs),
            refresh_hard_expires_in: None,
            hub_id: None,
            correlation_id: None,
        }
    }

    #[test]
    fn what_the_provider_reports_beats_what_is_assumed() {
        let now = DateTime::UNIX_EPOCH;
        let reported = clocks(Provider::Hubspot, &grant(Some(21_600), None), now, 0.5, 0.0, 0.0);
        assert_eq!((reported.renew_at - now).num_seconds(), 10_800);
        let silent = clocks(Provider::Hubspot, &grant(None, None), now, 0.5, 0.0, 0.0);
        assert_eq!((silent.renew_at - now).num_seconds(), 900);
    }

    proptest! {
        #[test]
        fn a_token_is_taken_up_before_any_of_its_windows_ends(
            access in 1_u64..100_000, refresh in proptest::option::of(1_u64..10_000_000),
            fraction in 0.1..=0.95_f64, jitter in 0.0..=0.5_f64, dice in 0.0..=1.0_f64,
        ) {
            let now = DateTime::UNIX_EPOCH;
            let clocks = clocks(Provider::Quickbooks, &grant(Some(access), refresh), now, fraction, jitter, dice);
            prop_assert!(clocks.renew_at >= now);
            prop_assert!(clocks.renew_at < clocks.access_expires_at);
            prop_assert!(clocks.refresh_expires_at.is_none_or(|end| clocks.renew_at < end));
        }
    }
}
