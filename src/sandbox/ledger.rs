//! What really happened at the providers, for audits.
//!
//! These are copies, made to be read by tests and shown to people. Nothing in the sandbox acts on them.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

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
}

/// One sales receipt in a QuickBooks company.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// QuickBooks' id.
    pub id: String,
    /// The number a bookkeeper sees.
    pub doc_number: Option<String>,
    /// What QuickBooks computed.
    pub total: Decimal,
    /// Display name of the customer, when there is one.
    pub customer_name: Option<String>,
    /// The memo.
    pub private_note: Option<String>,
    /// The `requestid` it was created with.
    pub request_id: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// All of it, as QuickBooks would send it.
    pub raw: Value,
}
