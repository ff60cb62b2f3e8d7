//! The only source of the current time.
//!
//! Everything that asks "what time is it?" is handed a `Clock`, so a test can drive days of token life in
//! milliseconds. Leases are the one exception: they use the database's clock, because several daemons share them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the time: the machine's, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    hands: Option<Arc<AtomicI64>>,
    /// How wrong the machine's clock is made to be, for tests.
    skew: TimeDelta,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The machine's clock, wrong by `skew`.
    #[cfg(feature = "failpoints")]
    pub fn skewed(skew: TimeDelta) -> Self {
        Self { hands: None, skew }
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it. Clones share the hands.
    pub fn fixed(start: DateTime<Utc>) -> Self {
        Self { hands: Some(Arc::new(AtomicI64::new(start.timestamp_micros()))), ..Self::default() }
    }

    /// The current time, in whole microseconds as Postgres stores them.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the clock's home")]
        let micros = match &self.hands {
            None => (Utc::now() + self.skew).timestamp_micros(),
            Some(hands) => hands.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Moves a fixed clock forward by `by`. The machine's clock is not ours to move: there it does nothing.
    pub fn advance(&self, by: TimeDelta) {
        if let Some(hands) = &self.hands {
            hands.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }
}
