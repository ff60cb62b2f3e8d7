//! Brings HubSpot's orders into QuickBooks, exactly once each.
//!
//! Two rounds share one queue in Postgres. `intake::Intake` reads what changed in HubSpot and stores every revision of
//! an order once; the cursor moves in the same transaction. What other carts send comes through `incoming`.
//! `dispatch::Dispatch` works lane by lane (a lane is one QuickBooks company): leased, in order, each order under a request
//! id and a document number that were fixed when it was stored. Neither renews tokens nor writes mails: the keeper does the one, the verdict's alert the other.

/// What becomes part of a document, and its revision.
pub mod content;

/// From an order's content to a document: pure.
pub mod mapping;

/// HubSpot to queue.
pub mod intake;

/// Any other cart to queue.
pub mod incoming;

/// Queue to QuickBooks.
pub mod dispatch;

/// One order's way to its document.
mod posting;

/// What an edit, a cancellation or a refund does to a document.
pub mod changes;

/// What is kept of settled orders, and for how long.
pub mod retention;

/// Customers and items in QuickBooks: recalled, found or created.
mod names;

/// From content to the very document that is sent.
pub mod drafting;

/// An account's own settings, shown and changed.
pub mod settings;

/// What would be sent, for a person; nothing is.
pub mod preview;

use std::sync::Arc;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{config, keeper::Keeper, outage::OutageWatch, provider::Providers, telemetry::Metrics};

/// Everything that intake and dispatch are made of.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// Has live tokens.
    pub keeper: Keeper,
    /// Where orders come from and go to.
    pub providers: Providers,
    /// Knows whether a provider is there.
    pub outages: OutageWatch,
    /// How they work.
    pub config: config::Orders,
    /// Who we are in leases.
    pub daemon: Arc<str>,
    /// What is counted.
    pub metrics: Metrics,
    /// Cancelled when nothing new may be begun.
    pub stopping: CancellationToken,
}
