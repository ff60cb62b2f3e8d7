//! What really happened at the providers, for audits.
//!
//! These are copies, made to be read by tests and shown to people. Nothing in the sandbox acts on them.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

use super::trouble::Trouble;
use crate::provider::quickbooks::DocumentKind;

/// One call of a token endpoint that named a grant type.
#[derive(Clone, Debug, Serialize)]
pub struct TokenCall {
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// `authorization_code` or `refresh_token`.
    pub grant_type: String,
    /// Whose grant it was, when the call named a token or code that worked.
    pub company_id: Option<String>,
    /// What came of it.
    pub outcome: TokenOutcome,
    /// How many other calls were spending the same refresh token at that moment.
    pub in_flight_peers: u32,
    /// It was carried out and its reply was thrown away.
    pub reply_lost: bool,
    /// The id that the reply carries, under which the daemon's own ledger knows the call.
    pub correlation_id: String,
    /// The grant that it was about: everything that descends from one consent has one number.
    pub family: Option<usize>,
    /// Fingerprint of the refresh token value that was spent.
    pub spent: Option<String>,
    /// Fingerprint of the refresh token value in the reply.
    pub handed_out: Option<String>,
    /// What happened to it on its way.
    pub trouble: Option<Trouble>,
    /// When it was answered, or its caller went away; absent while the value is being spent.
    pub ended_at: Option<DateTime<Utc>>,
    /// The whole reply was written to the caller's connection.
    pub delivered: bool,
}

/// What came of a token call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenOutcome {
    /// A new refresh token value was handed out.
    Rotated,
    /// The refresh token value stayed what it was.
    Kept,
    /// Refused, with the provider's own code, such as `invalid_grant`.
    Refused(String),
    /// Nothing was done: it hung, or something in front of the provider answered.
    NotDone,
}

/// How a grant came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The customer disconnected the app, or connected it anew.
    Revoked,
    /// The app gave it back.
    GivenBack,
    /// A replaced value was spent, or one value twice at once, or a code.
    Reused,
}

/// One document in a QuickBooks company.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// QuickBooks' id.
    pub id: String,
    /// Which kind it is.
    pub kind: DocumentKind,
    /// The number a bookkeeper sees.
    pub doc_number: Option<String>,
    /// How often it was changed.
    pub sync_token: String,
    /// What QuickBooks computed.
    pub total: Decimal,
    /// Whether it was voided.
    pub voided: bool,
    /// Display name of the customer, when there is one.
    pub customer_name: Option<String>,
    /// The memo.
    pub private_note: Option<String>,
    /// The `requestid` it was created with; in a batch, the batch's and its own place in it.
    pub request_id: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// All that was done to it, the creation first.
    pub writes: Vec<Write>,
    /// All of it, as QuickBooks would send it.
    pub raw: Value,
}

/// One thing that was done to a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub deed: Deed,
    /// Who did it.
    pub by: Writer,
    /// The `requestid` of the call.
    pub request_id: Option<String>,
}

/// What can be done to a document that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// It was made.
    Created,
    /// Its content was changed, or just touched.
    Changed,
    /// It was voided.
    Voided,
}

/// Who can write into a company's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Writer {
    /// An app, through the API.
    App,
    /// A bookkeeper, in QuickBooks itself.
    Person,
}

impl Write {
    /// A creation through the API.
    pub(super) fn by_app(at: DateTime<Utc>, request_id: Option<&str>) -> Self {
        Self { at, deed: Deed::Created, by: Writer::App, request_id: request_id.map(str::to_owned) }
    }
}
