//! The overview: everything the operator looks at first, on one page.

use askama::Template;
use chrono::{DateTime, Utc};

use super::rows::Shown as _;
use super::{
    AlertRow, Chart, ConnectionCounts, ConnectionRow, Frame, Listing, Needs, OrderRow, OutageRow, ParkedRow,
    ProviderRow, TokenClock, Tone, When,
};
use crate::{
    health::{Check, State},
    words,
};

/// The state of the whole deployment at one moment.
#[derive(Clone, Debug, Template)]
#[template(path = "status.html")]
pub struct StatusPage {
    /// The moment that every relative time refers to.
    pub generated_at: DateTime<Utc>,
    /// Ours.
    pub version: String,
    /// Lets the browser fetch the page again by itself.
    pub refresh_seconds: Option<u32>,
    /// What `doctor` checks.
    pub checks: Vec<Check>,
    /// All connections, shown or not, by status.
    pub connection_counts: ConnectionCounts,
    /// Connections, those in need first.
    pub connections: Listing<ConnectionRow>,
    /// Whether anybody is there to connect.
    pub has_accounts: bool,
    /// A status that is not the end, and how many orders have it.
    pub unsettled: Vec<(String, u64)>,
    /// Orders for a person, the latest first.
    pub parked: Listing<ParkedRow>,
    /// How the providers stand, as we see them.
    pub providers: Vec<ProviderRow>,
    /// Orders, the latest first.
    pub orders: Vec<OrderRow>,
    /// What is open and wants a person.
    pub needs: Needs,
    /// Open alerts, those first that the operator is told of.
    pub open_alerts: Listing<AlertRow>,
    /// Alerts that are over, the latest first.
    pub past_alerts: Vec<AlertRow>,
    /// Outages that last.
    pub outages: Vec<OutageRow>,
    /// The last day.
    pub charts: Vec<Chart>,
    /// What is around it.
    pub frame: Frame,
}

impl StatusPage {
    /// The page as HTML.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }

    /// The worst thing to be said, and how bad it is: first what only the operator can put right.
    fn headline(&self) -> (Tone, String) {
        let well = || match self.connection_counts.connected {
            0 => (Tone::Quiet, "Nothing is connected yet".to_owned()),
            1 => (Tone::Good, "The one lamp is lit".to_owned()),
            n => (Tone::Good, format!("All {} lamps are lit", words::number(n))),
        };
        self.wants_a_hand()
            .map(|said| (Tone::Bad, said))
            .or_else(|| self.wants_an_eye().map(|said| (Tone::Warn, said)))
            .unwrap_or_else(well)
    }

    /// What stays wrong until somebody does something.
    fn wants_a_hand(&self) -> Option<String> {
        let failed = self.checks.iter().filter(|check| check.state == State::Fail).count() as u64;
        if failed > 0 {
            return Some(counted(failed, "check", ["fails", "fail"]));
        }
        match (self.needs.pressing, &self.needs.first) {
            (0, _) => {}
            (1, Some(first)) => return Some(first.clone()),
            (n, _) => return Some(counted(n, "alert", ["needs you", "need you"])),
        }
        if self.needs.held > 0 {
            let held = counted(self.needs.held, "mail", ["to an owner is held", "to owners are held"]);
            return Some(format!("{held} until you decide"));
        }
        if self.connection_counts.lapsed > 0 {
            let verbs = ["waits for its owner", "wait for their owners"];
            return Some(counted(self.connection_counts.lapsed, "connection", verbs));
        }
        (self.parked.total > 0)
            .then(|| counted(self.parked.total, "order", ["waits for a person", "wait for a person"]))
    }

    /// What may pass by itself, or what somebody is at.
    fn wants_an_eye(&self) -> Option<String> {
        if let Some(outage) = self.outages.first() {
            return Some(format!("Outage of {}; what needs it waits", outage.name));
        }
        if self.connection_counts.failing > 0 {
            let verbs = ["fails to renew", "fail to renew"];
            return Some(counted(self.connection_counts.failing, "connection", verbs));
        }
        let known = self.needs.known;
        (known > 0).then(|| counted(known, "alert", ["is open, and somebody knows", "are open, and somebody knows"]))
    }

    /// Templates pass every argument by reference.
    fn number(&self, n: &u64) -> String {
        words::number(*n)
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.generated_at)
    }

    /// Checks, the worst first; equal ones stay as they came.
    fn checks_by_need(&self) -> Vec<&Check> {
        let mut checks: Vec<&Check> = self.checks.iter().collect();
        checks.sort_by_key(|check| match check.state {
            State::Fail => 0,
            State::Warn => 1,
            State::Ok => 2,
        });
        checks
    }

    fn clocks<'a>(&self, row: &'a ConnectionRow) -> [(&'static str, &'a TokenClock); 3] {
        [("Access", &row.access), ("Refresh", &row.refresh), ("Hard cap", &row.hard_cap)]
    }
}

fn counted(n: u64, noun: &str, [one, many]: [&str; 2]) -> String {
    format!("{} {}", words::count(n, noun), if n == 1 { one } else { many })
}
