//! The mails people get: what happened, what it means, what to do, what happens next.
//!
//! One struct per mail, one file each; `render()` turns it into a subject, a text part and an HTML part. The words live
//! in the struct's file and are said once: both parts are laid out from the same `Letter`, so they cannot
//! drift apart. This module knows nothing of the database, of SMTP or of when a mail is due.
//!
//! Invariant: nothing that somebody typed (a name, a provider's message) can add a header, a line or a tag.

mod lapsed;
mod letter;
mod operator_fault;
mod operator_fault_resolved;
mod outage_closed;
mod outage_opened;
mod recovered;
mod restore_fence;
mod running_out;
mod running_out_resolved;
mod tokens_open_again;
mod tokens_set_aside;
mod webhook;
mod window_near;
mod window_near_resolved;
mod wrapping;

pub use lapsed::Lapsed;
pub use operator_fault::OperatorFault;
pub use operator_fault_resolved::OperatorFaultResolved;
pub use outage_closed::OutageClosed;
pub use outage_opened::OutageOpened;
pub use recovered::Recovered;
pub use restore_fence::{RestoreFence, RestoreFenceOpened};
pub use running_out::{Call, RunningOut};
pub use running_out_resolved::RunningOutResolved;
pub use tokens_open_again::TokensOpenAgain;
pub use tokens_set_aside::TokensSetAside;
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

#[cfg(test)]
mod samples;
