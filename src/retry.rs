//! How long to wait before the next try. Pure: the dice are thrown by the caller.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Between which pauses a retry grows.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The pause after the first failure.
    pub min: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row (from 1), doubled each time up to the longest, of which `dice`
    /// (0 to 1) takes off up to a half so that many do not come back at once. A longer wait that the provider asked for
    /// (`retry_after`) wins: it can only delay.
    pub fn pause(self, failures: u32, dice: f64, retry_after: Option<Duration>) -> Duration {
        let doubled = self.min.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(24)));
        let pause = doubled.min(self.max).mul_f64(1.0 - 0.5 * dice.clamp(0.0, 1.0));
        pause.max(retry_after.unwrap_or_default())
    }
}

/// `at + by`, at the end of time if it is beyond.
pub fn later(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by).ok().and_then(|by| at.checked_add_signed(by)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_stays_between_half_the_least_and_the_most(
            min in 1_u64..10_000, extra in 0_u64..1_000_000, failures in 0_u32..u32::MAX, dice in 0.0..=1.0_f64,
        ) {
            let backoff = Backoff { min: Duration::from_millis(min), max: Duration::from_millis(min + extra) };
            let pause = backoff.pause(failures, dice, None);
            prop_assert!(pause >= backoff.min.mul_f64(0.49));
            prop_assert!(pause <= backoff.max);
        }

        #[test]
        fn what_the_provider_asks_for_only_delays(
            failures in 0_u32..100, dice in 0.0..=1.0_f64, asked in 0_u64..100_000,
        ) {
            let backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) };
            let asked = Duration::from_secs(asked);
            let pause = backoff.pause(failures, dice, Some(asked));
            prop_assert!(pause >= asked && pause >= backoff.pause(failures, dice, None));
        }

        #[test]
        fn more_failures_never_shorten_it(failures in 0_u32..100, dice in 0.0..=1.0_f64) {
            let backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(600) };
            prop_assert!(backoff.pause(failures + 1, dice, None) >= backoff.pause(failures, dice, None));
        }
    }
}
