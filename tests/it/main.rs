//! One binary for all integration tests: the app as `app.rs` builds it, on a real Postgres, against the sandbox as a real
//! HTTP and SMTP server.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helper fails by panicking")]

mod harness;

mod alerts;
mod api;
mod by_hand;
mod causes;
mod config;
mod conformance;
mod connect;
mod dashboard;
mod fence;
mod keeper;
mod keys;
mod orders;
mod outage;
mod owner;
mod pages;
mod presence;
mod probe;
mod process;
mod provider;
mod readme;
mod sandbox;
mod secrets;
mod simulate;
mod torture;
mod warnings;
mod webhooks;
