//! The rows about what went wrong: alerts and outages, as plain values.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// One thing a person was told.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// Our id of it.
    pub id: Uuid,
    /// Whether it is acknowledged or snoozed: by whom or until when.
    pub quiet: Option<String>,
    /// What.
    pub title: String,
    /// About whom.
    pub subject: String,
    /// `owner` or `operator`.
    pub audience: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Until when; open when absent.
    pub closed_at: Option<DateTime<Utc>>,
    /// How its mails stand, such as `2 sent` or `1 waiting: connection refused`.
    pub mail: String,
}

/// What is open, and what of it wants a person, for the headline.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Of which the operator is told and nobody has said that they know.
    pub pressing: u64,
    /// What the latest of them is.
    pub first: Option<String>,
    /// Those of which somebody knows.
    pub known: u64,
    /// Mails to owners that are held until somebody decides.
    pub held: u64,
}

/// One provider-wide failure.
#[derive(Clone, Debug)]
pub struct OutageRow {
    /// What is or was out, such as `QuickBooks` or `the token endpoint of HubSpot`.
    pub name: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Until when; open when absent.
    pub closed_at: Option<DateTime<Utc>>,
    /// Why we think so.
    pub evidence: String,
    /// How often it was probed.
    pub probes: u64,
    /// When it is probed next.
    pub next_probe_at: Option<DateTime<Utc>>,
}
