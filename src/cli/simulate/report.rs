//! What a simulation found, for people and for scripts.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;

use super::plan::{Keep, Plan};
use crate::{
    cli::output::{say, table},
    provider::Cause,
};

/// What a simulation did and what its audit found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was asked for.
    pub plan: Plan,
    /// Connections at the end.
    pub connections: usize,
    /// Turns of the daemon's rounds.
    pub rounds: u64,
    /// Spends of refresh tokens, by what came of them.
    pub spends: BTreeMap<String, i64>,
    /// Calls that reached the providers, by provider and half.
    pub calls: BTreeMap<String, u64>,
    /// Grants that died, by cause.
    pub lapses: Vec<Lapses>,
    /// Connections that were reconnected by their owners.
    pub reconnects: u64,
    /// Mails that arrived, by kind and moment.
    pub mails: BTreeMap<String, u64>,
    /// How often a refresh token value was spent while it was being spent.
    pub concurrent_spends: u64,
    /// The longest that a token was overdue while nothing was wrong, in virtual seconds.
    pub longest_overdue_seconds: i64,
    /// Where the keeper and the truth disagree: empty when the audit passed.
    pub disagreements: Vec<String>,
    /// How long it took.
    pub wall_seconds: f64,
    /// Virtual time by real time.
    pub ratio: f64,
}

/// What became of the grants that died of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lapses {
    /// What really happened.
    pub cause: Cause,
    /// How many must have been noticed by now.
    pub expected: u64,
    /// How many were noticed.
    pub seen: u64,
    /// How many died so recently that they may still be unnoticed.
    pub pending: u64,
    /// The middle delay between the death and its lapse, in virtual seconds.
    pub median_delay_seconds: Option<i64>,
    /// The longest.
    pub longest_delay_seconds: Option<i64>,
}

impl Report {
    /// Whether keeper and truth agree.
    pub fn passed(&self) -> bool {
        self.disagreements.is_empty()
    }

    /// How often spends ended like this.
    pub fn spent(&self, outcome: &str) -> i64 {
        self.spends.get(outcome).copied().unwrap_or(0)
    }

    /// How many mails of this kind arrived.
    pub fn mailed(&self, kind: &str) -> u64 {
        self.mails.get(kind).copied().unwrap_or(0)
    }

    /// What became of the grants that died of `cause`.
    pub fn lapses_of(&self, cause: Cause) -> Option<&Lapses> {
        self.lapses.iter().find(|lapses| lapses.cause == cause)
    }

    /// Prints it for a person.
    pub(super) fn print(&self) {
        say(&format!(
            "{} days with {} connections, seed {}, keep-alive \"{}\": {:.1} s, {:.0} times as fast as life.",
            self.plan.days, self.connections, self.plan.seed, self.plan.keep, self.wall_seconds, self.ratio
        ));
        if self.plan.keep == Keep::Refresh {
            say(
                "Only refresh windows were kept alive; `--keep access` keeps every access token live, which is far more.",
            );
        }
        let mut rows = vec![row("rounds", self.rounds)];
        rows.extend(self.spends.iter().map(|(outcome, count)| row(&format!("spends: {outcome}"), count)));
        rows.extend(self.calls.iter().map(|(half, count)| row(&format!("calls: {half}"), count)));
        rows.push(row("reconnects by owners", self.reconnects));
        rows.extend(self.mails.iter().map(|(kind, count)| row(&format!("mails: {kind}"), count)));
        rows.push(row("values spent twice at once", self.concurrent_spends));
        rows.push(row("longest overdue", span(self.longest_overdue_seconds)));
        table(&["what", "count"], rows, "");
        let lapses = self.lapses.iter().map(|of| {
            let cause = of.cause.as_str().to_owned();
            let delay = |seconds: Option<i64>| seconds.map_or_else(|| "-".to_owned(), span);
            let counts = [of.expected, of.seen, of.pending].map(|count| count.to_string());
            [vec![cause], counts.to_vec(), vec![delay(of.median_delay_seconds), delay(of.longest_delay_seconds)]]
                .concat()
        });
        let headers = ["why a grant died", "must be noticed", "noticed", "not yet", "median delay", "longest delay"];
        table(&headers, lapses.collect(), "No grant died.");
        if self.passed() {
            say(
                "Audit passed: lapsed exactly those that should, each owner was told once, and every other grant works.",
            );
        } else {
            say(&format!("Audit FAILED: {} disagreements.", self.disagreements.len()));
            self.disagreements.iter().for_each(|sentence| say(&format!("- {sentence}")));
        }
    }
}

fn row(what: &str, count: impl ToString) -> Vec<String> {
    vec![what.to_owned(), count.to_string()]
}

/// Days and hours, or minutes where that says more.
fn span(seconds: i64) -> String {
    let span = TimeDelta::seconds(seconds);
    match (span.num_days(), span.num_hours() % 24, span.num_minutes() % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
