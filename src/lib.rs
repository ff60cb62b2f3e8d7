//! Lamplighter keeps OAuth grants alive and orders flowing: the table of contents, in the order in which data flows.

/// The only source of the current time.
pub mod clock;

/// How long to wait before the next try.
pub mod retry;

/// The work of one round, side by side.
pub mod crew;

/// How times, counts and names are said to people.
pub mod words;

/// TOML, environment and secret files become one typed configuration.
pub mod config;

/// Places where a test lets the process die.
pub mod failpoint;

/// Seals and opens secrets at rest, signs links.
pub mod vault;

/// The only SQL.
pub mod store;

/// The only outgoing HTTP, and the verdict on every reply.
pub mod provider;

/// Logs and metrics.
pub mod telemetry;

/// Signals, supervised loops, systemd.
pub mod lifecycle;

/// What a data directory remembers about its databases.
pub mod installation;

/// Which daemons are there.
pub mod presence;

/// Holds everything back on a restored or copied database.
pub mod fence;

/// Provider-wide failures: evidence, canary, ramp.
pub mod outage;

/// Keeps every token alive.
pub mod keeper;

/// HubSpot's orders become QuickBooks' documents.
pub mod orders;

/// Keys with which programs use the API.
pub mod api_keys;

/// Who may come in to the dashboard.
pub mod operators;

/// Reconnect links: signed, expiring, no login.
pub mod links;

/// Tells people, by mail.
pub mod alerts;

/// Why things stand as they do, in words.
pub mod explain;

/// Tells services of the operator's own, by webhook.
pub mod webhooks;

/// The checks behind `doctor`, `/readyz` and the dashboard.
pub mod health;

/// Callbacks, links, pages, health, metrics.
pub mod web;

/// A simulated Intuit, HubSpot and mailbox.
#[cfg(feature = "sandbox")]
pub mod sandbox;

/// Vault keys in use: who has them, how one gives way to the next.
pub mod keys;

/// Builds everything; lists what runs by itself.
pub mod app;

/// The command line.
pub mod cli;
