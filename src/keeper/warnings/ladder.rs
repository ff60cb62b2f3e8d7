//! When somebody is warned of an end that comes near. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::mails::Step;

/// The steps of a warning and how long before the end each is due.
const STEPS: [(Step, TimeDelta); 3] =
    [(Step::Opened, TimeDelta::days(60)), (Step::Reminder, TimeDelta::days(30)), (Step::LastCall, TimeDelta::days(7))];

/// An end that moved by less than this is the same end: a provider says what is left, and that wobbles.
const SAME_END: TimeDelta = TimeDelta::days(1);

/// How long before an end people begin to be warned of it.
pub const EARLIEST: TimeDelta = STEPS[0].1;

/// Where an end stands on the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The step that is due: the latest one, however late one comes.
    pub step: Step,
    /// When to look again: at the next step, or a day after the end, when something else should have told of it.
    pub next_at: DateTime<Utc>,
}

/// Where an end stands now; nowhere while it is far away.
pub fn rung(ends_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Rung> {
    let at = |before: TimeDelta| ends_at - before;
    let step = STEPS.iter().rev().find(|(_, before)| at(*before) <= now)?.0;
    let next = STEPS.iter().map(|(_, before)| at(*before)).find(|at| *at > now);
    Some(Rung { step, next_at: next.unwrap_or_else(|| ends_at.max(now) + TimeDelta::days(1)) })
}

/// Whether two readings of an end are the same end.
pub fn is_same(one: DateTime<Utc>, other: DateTime<Utc>) -> bool {
    (one - other).abs() < SAME_END
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end() -> DateTime<Utc> {
        "2027-02-21T22:30:00Z".parse().unwrap()
    }

    fn before(days: i64) -> DateTime<Utc> {
        end() - TimeDelta::days(days)
    }

    #[test]
    fn each_step_begins_at_its_instant() {
        let tick = TimeDelta::microseconds(1);
        let step = |now| rung(end(), now).map(|rung| rung.step);
        assert_eq!(step(before(60) - tick), None);
        assert_eq!(step(before(60)), Some(Step::Opened));
        assert_eq!(step(before(30) - tick), Some(Step::Opened));
        assert_eq!(step(before(30)), Some(Step::Reminder));
        assert_eq!(step(before(7) - tick), Some(Step::Reminder));
        assert_eq!(step(before(7)), Some(Step::LastCall));
        assert_eq!(step(before(-400)), Some(Step::LastCall));
        let next = |now| rung(end(), now).unwrap().next_at;
        assert_eq!([next(before(60)), next(before(30)), next(before(7))], [before(30), before(7), before(-1)]);
        assert_eq!(next(before(-400)), before(-401), "afterwards it is looked at once a day");
    }

    proptest! {
        #[test]
        fn whoever_follows_the_ladder_takes_each_remaining_step_once_and_in_order(left in 1_i64..200 * 86_400) {
            let mut now = end() - TimeDelta::seconds(left);
            let mut taken = Vec::new();
            while now < end() {
                match rung(end(), now) {
                    None => now = end() - EARLIEST,
                    Some(rung) => {
                        prop_assert!(rung.next_at > now, "it never looks back");
                        taken.push(rung.step);
                        now = rung.next_at;
                    }
                }
            }
            let days = left.min(60 * 86_400);
            let expected: Vec<_> = [(30, Step::Opened), (7, Step::Reminder), (0, Step::LastCall)]
                .into_iter()
                .filter(|(beyond, _)| days > beyond * 86_400)
                .map(|(_, step)| step)
                .collect();
            prop_assert_eq!(taken, expected);
        }

        #[test]
        fn a_step_is_never_taken_back_as_time_goes_by(a in 0_i64..100 * 86_400, b in 0_i64..100 * 86_400) {
            let order = |left: i64| match rung(end(), end() - TimeDelta::seconds(left)).map(|rung| rung.step) {
                None => 0,
                Some(Step::Opened) => 1,
                Some(Step::Reminder) => 2,
                Some(_) => 3,
            };
            prop_assert!(order(a.min(b)) >= order(a.max(b)));
        }

        #[test]
        fn an_end_that_wobbles_by_less_than_a_day_is_the_same(seconds in -200_000_i64..200_000) {
            let moved = end() + TimeDelta::seconds(seconds);
            prop_assert_eq!(is_same(end(), moved), seconds.abs() < 86_400);
            prop_assert_eq!(is_same(end(), moved), is_same(moved, end()));
        }
    }
}
