//! The rows of the overview, as plain values. Who fills them decides their order: what needs attention first.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Tone;
use crate::{
    health::State,
    provider::Provider,
    store::{connections::Status, orders},
    words,
};

/// Rows of a table, and how many there are beyond those shown.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// The rows shown.
    pub rows: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

impl<T> Listing<T> {
    /// `rows` out of `total`.
    pub fn of(rows: Vec<T>, total: u64) -> Self {
        Self { rows, total }
    }

    /// `showing 20 of 312`, when some are left out.
    pub(super) fn note(&self) -> Option<String> {
        let shown = self.rows.len() as u64;
        (shown < self.total).then(|| format!("showing {} of {}", words::number(shown), words::number(self.total)))
    }
}

impl<T> From<Vec<T>> for Listing<T> {
    /// All there are.
    fn from(rows: Vec<T>) -> Self {
        let total = rows.len() as u64;
        Self { rows, total }
    }
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

/// How a state of another module looks on a page.
pub(in super::super) trait Shown {
    /// Its colour and shape.
    fn tone(&self) -> Tone;
    /// Its word.
    fn label(&self) -> &'static str;
}

impl Shown for State {
    fn tone(&self) -> Tone {
        match self {
            State::Ok => Tone::Good,
            State::Warn => Tone::Warn,
            State::Fail => Tone::Bad,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warning",
            State::Fail => "failed",
        }
    }
}

impl Shown for Status {
    fn tone(&self) -> Tone {
        match self {
            Status::Connected => Tone::Good,
            Status::Failing => Tone::Warn,
            Status::Lapsed => Tone::Bad,
            Status::Disconnected => Tone::Quiet,
        }
    }

    fn label(&self) -> &'static str {
        self.as_str()
    }
}

impl Shown for orders::Status {
    fn tone(&self) -> Tone {
        match self {
            orders::Status::Posted => Tone::Good,
            orders::Status::Parked => Tone::Bad,
            orders::Status::Queued => Tone::Warn,
            orders::Status::Superseded | orders::Status::Skipped => Tone::Quiet,
        }
    }

    fn label(&self) -> &'static str {
        self.as_str()
    }
}

/// How many connections there are in each status, shown or not.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionCounts {
    /// Working.
    pub connected: u64,
    /// Failing to renew.
    pub failing: u64,
    /// Waiting for their owner.
    pub lapsed: u64,
    /// Switched off on purpose.
    pub disconnected: u64,
}

/// One of the three clocks of a connection.
#[derive(Clone, Copy, Debug)]
pub enum TokenClock {
    /// It runs out.
    Runs {
        /// When it was wound.
        from: DateTime<Utc>,
        /// When it runs out.
        until: DateTime<Utc>,
    },
    /// The provider sets no end.
    Endless,
    /// The provider does not say.
    Unknown,
    /// The grant is dead: what its tokens would have lasted means nothing.
    Void,
}

impl TokenClock {
    /// Of a connection that stands like this.
    pub fn of(status: Status, provider: Provider, from: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Self {
        match (status, until, provider) {
            (Status::Lapsed | Status::Disconnected, ..) => Self::Void,
            (_, Some(until), _) => Self::Runs { from, until },
            // HubSpot's refresh tokens have no end; Intuit's hard cap is there, but only reported when asked for.
            (_, None, Provider::Hubspot) => Self::Endless,
            (_, None, Provider::Quickbooks) => Self::Unknown,
        }
    }

    /// When it runs out.
    pub(in super::super) fn end(&self) -> Option<DateTime<Utc>> {
        match self {
            TokenClock::Runs { until, .. } => Some(*until),
            TokenClock::Endless | TokenClock::Unknown | TokenClock::Void => None,
        }
    }

    /// What is left, in hundredths of the whole.
    pub(in super::super) fn left(&self, now: DateTime<Utc>) -> i64 {
        let TokenClock::Runs { from, until } = self else {
            return 0;
        };
        let whole = (*until - *from).num_seconds();
        if whole <= 0 {
            return 0;
        }
        ((*until - now).num_seconds().clamp(0, whole) * 100) / whole
    }

    /// Colours the bar: little left is worth an eye, nothing left a hand.
    pub(in super::super) fn tone(&self, now: DateTime<Utc>) -> Tone {
        match self.left(now) {
            0 => Tone::Bad,
            1..=15 => Tone::Warn,
            _ => Tone::Good,
        }
    }

    /// What is said when it does not run.
    pub(in super::super) fn idle(&self) -> &'static str {
        match self {
            TokenClock::Endless => "no end",
            TokenClock::Void => "void",
            TokenClock::Runs { .. } | TokenClock::Unknown => "none",
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct ConnectionRow {
    /// Our id of it.
    pub id: Uuid,
    /// Whose it is.
    pub account: String,
    /// Where.
    pub provider: Provider,
    /// The company or portal, as the provider names it.
    pub company: String,
    /// How it stands.
    pub status: Status,
    /// Why it does not stand at `connected`, with the remedy.
    pub reason: Option<String>,
    /// Until when the access token opens the API.
    pub access: TokenClock,
    /// Until when the refresh token can be spent.
    pub refresh: TokenClock,
    /// The end that no renewal moves.
    pub hard_cap: TokenClock,
    /// How many times its tokens were replaced.
    pub generation: i64,
    /// When it is renewed next.
    pub renew_at: Option<DateTime<Utc>>,
    /// When the grant was last seen to work.
    pub verified_at: Option<DateTime<Utc>>,
}

/// One order.
#[derive(Clone, Debug)]
pub struct OrderRow {
    /// Our id of it.
    pub id: Uuid,
    /// Whose it is.
    pub account: String,
    /// Its number or id in HubSpot.
    pub number: String,
    /// With its currency, such as `129.00 USD`.
    pub amount: Option<String>,
    /// How it stands.
    pub status: String,
    /// How good that is.
    pub tone: Tone,
    /// Tries so far.
    pub attempts: u64,
    /// Its document in QuickBooks, once there is one.
    pub document: Option<String>,
    /// Why it does not flow, with the remedy.
    pub reason: Option<String>,
    /// When it last moved.
    pub updated_at: DateTime<Utc>,
}

/// One order that a person must look at.
#[derive(Clone, Debug)]
pub struct ParkedRow {
    /// Our id of it.
    pub id: Uuid,
    /// Whose it is.
    pub account: String,
    /// What people call it.
    pub number: String,
    /// With its currency.
    pub amount: Option<String>,
    /// The provider's code for its refusal.
    pub code: Option<String>,
    /// Why it is parked.
    pub words: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// When it came in.
    pub received_at: DateTime<Utc>,
}

/// How one half of a provider stands, as we see it.
#[derive(Clone, Debug)]
pub struct ProviderRow {
    /// Which, such as `QuickBooks` or `the token endpoint of HubSpot`.
    pub name: String,
    /// How good that is.
    pub tone: Tone,
    /// In a word: `answers`, `doubtful` or `out`.
    pub state: String,
    /// Since when, if it is or was not well.
    pub since: Option<DateTime<Utc>>,
    /// What that moment was.
    pub note: String,
}

/// One use of a refresh token.
#[derive(Clone, Debug)]
pub struct SpendRow {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose connection.
    pub account: String,
    /// Where.
    pub provider: Provider,
    /// Which generation was spent.
    pub generation: i64,
    /// What came back, such as `kept` or `invalid_grant`.
    pub outcome: String,
    /// How good that is.
    pub tone: Tone,
    /// Which daemon spent it.
    pub holder: String,
    /// The provider's own id of the call.
    pub correlation_id: Option<String>,
}
