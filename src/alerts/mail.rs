//! The mails people get: what happened, what it means, what to do, what happens next.
//!
//! One struct per mail, one file each; `render()` turns it into a subject, a text part and an HTML part. The words live
//! in the struct's file and are said once: both parts are laid out from the same `Letter`, so they cannot
//! drift apart. This module knows nothing of the database, of SMTP or of when a mail is due.
//!
//! Invariant: nothing that somebody typed (a name, a provider's message) can add a header, a line or a tag.

mod fresh_link;
mod lapse_storm;
mod lapsed;
mod letter;
mod operator_fault;
mod operator_fault_resolved;
mod orders_for_owner;
mod orders_parked;
mod outage_closed;
mod outage_opened;
mod parked_orders;
mod recipient_refused;
mod recovered;
mod restore_fence;
mod running_out;
mod running_out_resolved;
mod spool_trouble;
mod tokens_open_again;
mod tokens_set_aside;
mod trial;
mod webhook;
mod window_near;
mod window_near_resolved;
mod wrapping;

pub use fresh_link::FreshLink;
pub use lapse_storm::{LapseStorm, LapseStormResolved};
pub use lapsed::{Lapsed, Reminder, what_happened};
pub use letter::OwnersPage;
pub use operator_fault::OperatorFault;
pub use operator_fault_resolved::OperatorFaultResolved;
pub use orders_for_owner::{OrdersForOwner, OrdersForOwnerResolved, owners_remedy};
pub use orders_parked::{OrdersParked, OrdersParkedResolved};
pub use outage_closed::OutageClosed;
pub use outage_opened::OutageOpened;
pub use parked_orders::ParkedOrder;
pub use recipient_refused::{RecipientRefused, RecipientRefusedResolved};
pub use recovered::Recovered;
pub use restore_fence::{RestoreFence, RestoreFenceOpened};
pub use running_out::{Call, RunningOut};
pub use running_out_resolved::RunningOutResolved;
pub use spool_trouble::{SpoolTrouble, SpoolWell};
pub use tokens_open_again::TokensOpenAgain;
pub use tokens_set_aside::TokensSetAside;
pub use trial::Trial;
pub use webhook::{WebhookGivenUp, WebhookTakes};
pub use window_near::{Reason, WindowNear};
pub use window_near_resolved::WindowNearResolved;

/// A mail, ready to be put into an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The `text/plain` part.
    pub text: String,
    /// The `text/html` part: no images, nothing remote.
    pub html: String,
}

/// Every kind of mail with invented contents.
pub mod samples;
