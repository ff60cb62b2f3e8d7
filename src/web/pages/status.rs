//! The overview: everything the operator looks at first, on one page.

use askama::Template;
use chrono::{DateTime, Utc};

use super::rows::Shown as _;
use super::{
    AlertRow, Chart, ConnectionCounts, ConnectionRow, Frame, Listing, OrderRow, OutageRow, ParkedRow, ProviderRow,
    TokenClock, Tone, When,
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
    /// Alerts, open ones first.
    pub alerts: Vec<AlertRow>,
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

    /// The worst thing to be said, and how bad it is.
    fn headline(&self) -> (Tone, String) {
        let failed = self.checks.iter().filter(|check| check.state == State::Fail).count() as u64;
        let ConnectionCounts { connected, failing, lapsed, .. } = self.connection_counts;
        if failed > 0 {
            let verb = if failed == 1 { "fails" } else { "fail" };
            return (Tone::Bad, format!("{} {verb}", words::count(failed, "check")));
        }
        if lapsed > 0 {
            let verb = if lapsed == 1 { "waits for its owner" } else { "wait for their owners" };
            return (Tone::Bad, format!("{} {verb}", words::count(lapsed, "connection")));
        }
        if let Some(outage) = self.outages.first() {
            return (Tone::Warn, format!("Outage of {}; what needs it waits", outage.name));
        }
        if failing > 0 {
            let verb = if failing == 1 { "fails" } else { "fail" };
            return (Tone::Warn, format!("{} {verb} to renew", words::count(failing, "connection")));
        }
        match connected {
            0 => (Tone::Quiet, "Nothing is connected yet".to_owned()),
            1 => (Tone::Good, "The one lamp is lit".to_owned()),
            n => (Tone::Good, format!("All {} lamps are lit", words::number(n))),
        }
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
