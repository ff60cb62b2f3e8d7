//! Telling people. An alert and its mails are written by whoever finds the incident, in the transaction of the verdict;
//! this module renders them when they are sent and sees to it that they arrive.
//!
//! It alone uses lettre. It decides neither what an incident is nor when it is over.

/// What mails say.
pub mod mail;

/// From the outbox to the SMTP server.
pub mod outbox;

/// What an incident needs after it was opened.
pub mod watch;

/// What people do about an incident.
pub mod by_hand;

/// Mails to owners wait when very many connections lapse at once.
pub mod storm;

/// What a delivery says about mail itself.
pub mod delivery;

/// From a rendered mail to the message on the wire.
pub mod envelope;

/// A mail that was taken and came back.
pub mod bounce;

/// One mail over SMTP, stage by stage.
mod post;

/// One mail to try the way.
pub mod trial;

/// From an alert in the tables to the mail that tells of it.
mod telling;
