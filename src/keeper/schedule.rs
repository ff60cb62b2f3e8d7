//! When a token is renewed, and the clocks of what a provider handed out. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    provider::{Grant, KeepAlive, Provider},
    retry::later,
};

/// A refresh token is not renewed more often than if it lived this long, or as long as its access token.
const LEAST_LIFE: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(86_400);

/// The life of an access token when the provider does not report one: Intuit's documented hour, HubSpot's present half
/// hour.
pub fn assumed_access_life(provider: Provider) -> Duration {
    match provider {
        Provider::Quickbooks => Duration::from_secs(3600),
        Provider::Hubspot => Duration::from_secs(1800),
    }
}

/// How long a refresh token may rest when the provider does not report its life: Intuit's documented hundred days; HubSpot
/// documents no end, so a month bounds how long a silent death stays unknown.
pub fn assumed_refresh_life(provider: Provider) -> Duration {
    match provider {
        Provider::Quickbooks => DAY * 100,
        Provider::Hubspot => DAY * 30,
    }
}

/// After which part of a life a token is renewed.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The latest, 0 to 1.
    pub fraction: f64,
    /// Which part of that is drawn by lot, 0 to 1.
    pub jitter: f64,
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

/// Reads the clocks of a grant that arrived at `now`. It is renewed after a share of the shortest life that is to be kept
/// alive, less what the lot takes off (`dice`, 0 to 1), so that what was connected together does not come back together.
pub fn clocks(
    provider: Provider,
    keep_alive: KeepAlive,
    grant: &Grant,
    now: DateTime<Utc>,
    share: Share,
    dice: f64,
) -> Clocks {
    let access_life = grant.access_expires_in.unwrap_or_else(|| assumed_access_life(provider));
    let refresh_life = grant.refresh_expires_in.unwrap_or_else(|| assumed_refresh_life(provider));
    let shortest = match keep_alive {
        KeepAlive::Access => refresh_life.min(access_life),
        KeepAlive::Refresh => refresh_life,
    };
    let share = share.fraction.clamp(0.0, 1.0) * (1.0 - share.jitter.clamp(0.0, 1.0) * dice.clamp(0.0, 1.0));
    Clocks {
        access_expires_at: later(now, access_life),
        refresh_expires_at: grant.refresh_expires_in.map(|life| later(now, life)),
        refresh_hard_expires_at: grant.refresh_hard_expires_in.map(|life| later(now, life)),
        // What is left of a refresh token shrinks towards the hard cap: the last moments must not become a storm.
        renew_at: later(now, shortest.max(access_life.min(LEAST_LIFE)).mul_f64(share)),
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

    fn share_of(life: Duration, fraction: f64, jitter: f64) -> Duration {
        life.mul_f64(fraction * (1.0 - jitter) * 0.99)
    }

    #[test]
    fn what_the_provider_reports_beats_what_is_assumed() {
        let now = DateTime::UNIX_EPOCH;
        let half = Share { fraction: 0.5, jitter: 0.0 };
        let renewed_after = |keep_alive, grant| {
            (clocks(Provider::Hubspot, keep_alive, &grant, now, half, 0.0).renew_at - now).num_seconds()
        };
        assert_eq!(renewed_after(KeepAlive::Access, grant(Some(21_600), None)), 10_800);
        assert_eq!(renewed_after(KeepAlive::Access, grant(None, None)), 900);
        assert_eq!(renewed_after(KeepAlive::Refresh, grant(Some(21_600), Some(8_640_000))), 4_320_000);
        assert_eq!(renewed_after(KeepAlive::Refresh, grant(None, None)), 15 * 86_400);
    }

    proptest! {
        #[test]
        fn a_token_is_taken_up_before_any_of_its_windows_ends(
            access in 1_u64..100_000, refresh in proptest::option::of(1_u64..10_000_000),
            fraction in 0.1..=0.95_f64, jitter in 0.0..=0.5_f64, dice in 0.0..=1.0_f64, hot in proptest::bool::ANY,
        ) {
            let now = DateTime::UNIX_EPOCH;
            let keep_alive = if hot { KeepAlive::Access } else { KeepAlive::Refresh };
            let (share, grant) = (Share { fraction, jitter }, grant(Some(access), refresh));
            let clocks = clocks(Provider::Quickbooks, keep_alive, &grant, now, share, dice);
            prop_assert!(clocks.renew_at >= now);
            prop_assert!(!hot || clocks.renew_at < clocks.access_expires_at);
            let lasting = clocks.refresh_expires_at.filter(|end| *end >= now + LEAST_LIFE);
            prop_assert!(lasting.is_none_or(|end| clocks.renew_at < end));
            prop_assert!(clocks.renew_at >= now + share_of(LEAST_LIFE.min(Duration::from_secs(access)), fraction, jitter));
        }
    }
}
