//! How often a QuickBooks company may be called: 10 times a second, 500 times a minute, its batch 40 times a minute.
//!
//! Counts what was admitted, by the sandbox's clock. Whether it matters is a switch.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

const A_SECOND: usize = 10;
const A_MINUTE: usize = 500;
const BATCHES_A_MINUTE: usize = 40;

/// When a company was called in the last minute.
#[derive(Debug, Default)]
pub(super) struct Calls {
    all: VecDeque<DateTime<Utc>>,
    batches: VecDeque<DateTime<Utc>>,
}

impl Calls {
    /// Counts a call; `false` when it is one too many.
    pub(super) fn admit(&mut self, now: DateTime<Utc>) -> bool {
        forget(&mut self.all, now);
        let second = TimeDelta::seconds(1);
        let lately = self.all.iter().rev().take_while(|at| now - **at < second).count();
        let admitted = lately < A_SECOND && self.all.len() < A_MINUTE;
        if admitted {
            self.all.push_back(now);
        }
        admitted
    }

    /// Counts a batch, which was counted as a call before.
    pub(super) fn admit_batch(&mut self, now: DateTime<Utc>) -> bool {
        forget(&mut self.batches, now);
        let admitted = self.batches.len() < BATCHES_A_MINUTE;
        if admitted {
            self.batches.push_back(now);
        }
        admitted
    }
}

fn forget(calls: &mut VecDeque<DateTime<Utc>>, now: DateTime<Utc>) {
    while calls.front().is_some_and(|at| now - *at >= TimeDelta::minutes(1)) {
        calls.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_ten_calls_and_a_minute_five_hundred() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let mut calls = Calls::default();
        assert_eq!((0..12).filter(|_| calls.admit(start)).count(), 10);
        let at = |millis: i64| start + TimeDelta::milliseconds(millis);
        assert!(!calls.admit(at(999)) && calls.admit(at(1_000)));
        let admitted = (2..60).flat_map(|second| [second; 10]).filter(|second| calls.admit(at(second * 1_000))).count();
        assert_eq!(admitted, 500 - 11);
        assert!(calls.admit(at(60_000)), "the first ten are a minute old");
    }

    #[test]
    fn a_minute_has_forty_batches() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let mut calls = Calls::default();
        assert_eq!((0..50).filter(|_| calls.admit_batch(start)).count(), 40);
        assert!(calls.admit_batch(start + TimeDelta::minutes(1)));
    }
}
