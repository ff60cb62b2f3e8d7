//! Telling people. An alert and its mails are written by whoever finds the incident, in the transaction of the verdict;
//! this module renders them when they are sent and sees to it that they arrive.
//!
//! It alone uses lettre. It decides neither what an incident is nor when it is over.

/// What mails say.
pub mod mail;

/// From the outbox to the SMTP server.
pub mod outbox;

/// From an alert in the tables to the mail that tells of it.
mod telling;
