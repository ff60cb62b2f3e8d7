//! What every page of the dashboard has around it: where one is, who one is, and what came of the last deed.

use askama::Template;
use chrono::{DateTime, Utc};

use super::Tone;
use crate::words;

/// A place in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// What needs attention.
    Overview,
    /// Customers.
    Accounts,
    /// Authorizations.
    Connections,
    /// Orders.
    Orders,
    /// What people were told.
    Alerts,
    /// Provider-wide failures.
    Outages,
    /// Uses of refresh tokens.
    Ledger,
    /// What people did.
    Audit,
    /// The configuration.
    Settings,
    /// None of them.
    Elsewhere,
}

impl Here {
    /// All that are shown, in their order: address and words.
    pub const ALL: [(Self, &'static str, &'static str); 9] = [
        (Self::Overview, "/", "Overview"),
        (Self::Accounts, "/accounts", "Accounts"),
        (Self::Connections, "/connections", "Connections"),
        (Self::Orders, "/orders", "Orders"),
        (Self::Alerts, "/alerts", "Alerts"),
        (Self::Outages, "/outages", "Outages"),
        (Self::Ledger, "/ledger", "Token ledger"),
        (Self::Audit, "/audit", "Audit log"),
        (Self::Settings, "/settings", "Settings"),
    ];
}

/// What is around a page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Where one is.
    pub here: Here,
    /// Who one is; nobody in particular when absent.
    pub visitor: Option<String>,
    /// Whether forms are shown.
    pub may_act: bool,
    /// What a form carries as proof that it is ours.
    pub form_token: String,
    /// What came of the last deed.
    pub said: Option<(Tone, String)>,
    /// The moment that every relative time refers to.
    pub now: DateTime<Utc>,
    /// Label and address of other places, such as the demo's mailbox.
    pub links: Vec<(String, String)>,
}

impl Frame {
    /// A moment on this page.
    pub fn when(&self, at: &DateTime<Utc>) -> When {
        When { at: *at, now: self.now }
    }

    /// Places in the navigation.
    pub fn places(&self) -> [(Here, &'static str, &'static str); 9] {
        Here::ALL
    }
}

/// A time as it stands on the page: how far it is, with the moment itself behind it.
#[derive(Template)]
#[template(path = "when.html")]
pub struct When {
    at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl When {
    /// `at`, seen from `now`.
    pub fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { at, now }
    }
}

/// The template escaped what is in it.
impl askama::filters::HtmlSafe for When {}

/// One bar of a chart, in hundredths of its height.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What went well.
    pub good: i64,
    /// What did not, above it.
    pub bad: i64,
    /// What it stands for.
    pub words: String,
}

/// A small chart with its sum in words: nobody needs to see it to know what it says.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Of what.
    pub title: &'static str,
    /// The sum.
    pub said: String,
    /// What stands at both ends of its foot.
    pub ends: [&'static str; 2],
    /// From left to right.
    pub bars: Vec<Bar>,
}

impl Chart {
    /// The drawing's width.
    pub fn width(&self) -> usize {
        self.bars.len() * 10
    }

    /// Where a bar stands.
    pub fn left(&self, n: &usize) -> usize {
        n * 10 + 1
    }
}
