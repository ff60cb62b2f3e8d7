//! Brings HubSpot's orders into QuickBooks, exactly once each.
//!
//! Two rounds share one queue in Postgres. [`intake::Intake`] reads what changed in HubSpot and stores every revision of
//! an order once; the cursor moves in the same transaction. [`dispatch::Dispatch`] works lane by lane (a lane is one
//! QuickBooks company): leased, in order, each order under a request id and a document number that were fixed when it was
//! stored. Neither renews tokens nor writes mails: the keeper does the one, the verdict's alert the other.

/// What becomes part of a document, and its revision.
pub mod content;

/// From an order's content to a sales receipt: pure.
pub mod mapping;

/// HubSpot to queue.
pub mod intake;

/// Queue to QuickBooks.
pub mod dispatch;

/// One order's way to its document.
mod posting;

/// Customers and items in QuickBooks: recalled, found or created.
mod names;
