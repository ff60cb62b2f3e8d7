//! How many orders are begun in one statement. What is begun and not written down when a worker dies must be looked up
//! one by one, and what is posted is seen only when it is written down; so no more is begun than is posted in a moment.
//! Over the Internet that is one order; a poster that takes microseconds gets hundreds, and then the statements, not the
//! posting, are what costs.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The moment.
const MOMENT: Duration = Duration::from_millis(20);

/// How fast orders were posted lately, by all lanes of this process.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Zero when nothing was posted yet.
    nanos_per_order: AtomicU64,
}

impl Pace {
    /// How many orders are posted in a moment; at least one.
    pub(super) fn handful(&self) -> usize {
        match u128::from(self.nanos_per_order.load(Ordering::Relaxed)) {
            0 => 1,
            nanos => usize::try_from(MOMENT.as_nanos() / nanos).unwrap_or(usize::MAX).max(1),
        }
    }

    /// Whether a handful has outlived its moment by far: the poster became slow, and what was posted must be written down.
    pub(super) fn is_over(begun_ago: Duration) -> bool {
        begun_ago > MOMENT * 5
    }

    /// Learns from a handful. Slower is believed at once, faster bit by bit.
    pub(super) fn learn(&self, orders: usize, took: Duration) {
        let Ok(orders @ 1..) = u64::try_from(orders) else { return };
        let new = (u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / orders).max(1);
        let old = self.nanos_per_order.load(Ordering::Relaxed);
        let learnt = if old == 0 || new > old { new } else { (old - old / 4).saturating_add(new / 4).max(1) };
        self.nanos_per_order.store(learnt, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_until_the_poster_proves_fast() {
        let pace = Pace::default();
        assert_eq!(pace.handful(), 1);
        pace.learn(0, Duration::from_secs(9));
        assert_eq!(pace.handful(), 1);
        pace.learn(1, Duration::from_millis(2));
        assert_eq!(pace.handful(), 10);
        for _ in 0..50 {
            pace.learn(10, Duration::from_micros(10));
        }
        assert!(pace.handful() > 1_000, "{}", pace.handful());
        pace.learn(10, Duration::from_secs(2));
        assert_eq!(pace.handful(), 1, "and at once when it is slow");
        assert!(Pace::is_over(Duration::from_secs(1)) && !Pace::is_over(MOMENT));
    }
}
