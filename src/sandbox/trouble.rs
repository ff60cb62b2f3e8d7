//! Trouble at a token endpoint, call by call: how likely each kind is, and the draw that picks one.
//!
//! The weather is the same for everybody until somebody changes it; this hits single calls, as a bad network does. What
//! came of each call stands in the ledger, so an audit can tell a reply that died on the way from one that arrived.

use std::time::Duration;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::switches::span;

/// How many of a thousand token calls meet which trouble; the rest go well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenTrouble {
    /// Nothing is done and nothing is answered.
    pub hung_before: u16,
    /// It is carried out and nothing is answered.
    pub hung_after: u16,
    /// It is carried out, half of the reply is sent and the connection is cut.
    pub truncated: u16,
    /// It is carried out and the connection is cut without a reply.
    pub lost: u16,
    /// Nothing is done: 503 with a page of HTML from the gateway.
    pub unavailable: u16,
    /// Nothing is done: 429.
    pub throttled: u16,
    /// Nothing is done: 200 with a maintenance page of HTML.
    pub html: u16,
    /// Answers take up to this much longer than the `latency` switch says.
    #[serde(with = "span")]
    pub slower_by: Duration,
}

/// What happened to one token call on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Nothing was done and nothing was answered.
    HungBefore,
    /// It was carried out and nothing was answered.
    HungAfter,
    /// It was carried out and half of the reply was sent.
    Truncated,
    /// It was carried out and the connection was cut without a reply.
    Lost,
    /// 503.
    Unavailable,
    /// 429.
    Throttled,
    /// 200 with a page of HTML.
    Html,
}

impl Trouble {
    /// Whether the provider did what it was asked, for all that.
    pub(super) fn after_the_work(self) -> bool {
        matches!(self, Self::HungAfter | Self::Truncated | Self::Lost)
    }

    /// Whether the caller waits in vain.
    pub(super) fn hangs(self) -> bool {
        matches!(self, Self::HungBefore | Self::HungAfter)
    }
}

impl TokenTrouble {
    /// Draws what happens to the next call, and how much longer than usual its answer takes.
    pub(super) fn draw(&self, dice: &mut impl rand::Rng) -> (Option<Trouble>, Duration) {
        let chances = [
            (Trouble::HungBefore, self.hung_before),
            (Trouble::HungAfter, self.hung_after),
            (Trouble::Truncated, self.truncated),
            (Trouble::Lost, self.lost),
            (Trouble::Unavailable, self.unavailable),
            (Trouble::Throttled, self.throttled),
            (Trouble::Html, self.html),
        ];
        let mut left: u16 = dice.random_range(0..1_000);
        let slower = self.slower_by.mul_f64(dice.random_range(0.0..1.0));
        for (trouble, chance) in chances {
            if left < chance {
                return (Some(trouble), slower);
            }
            left -= chance;
        }
        (None, slower)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn each_trouble_comes_about_as_often_as_it_should_and_a_seed_repeats_it() {
        let odds = TokenTrouble { lost: 100, html: 300, ..TokenTrouble::default() };
        let draws = |seed| {
            let mut dice = StdRng::seed_from_u64(seed);
            (0..10_000).map(|_| odds.draw(&mut dice).0).collect::<Vec<_>>()
        };
        let mut counts = BTreeMap::new();
        for drawn in draws(7) {
            *counts.entry(drawn).or_insert(0) += 1;
        }
        let about = |drawn, expected: i32| (counts[&drawn] - expected).abs() < 300;
        assert!(about(Some(Trouble::Lost), 1_000) && about(Some(Trouble::Html), 3_000), "{counts:?}");
        assert_eq!(counts.len(), 3, "{counts:?}");
        assert_eq!(draws(7), draws(7));
    }
}
