//! Logs and metrics. A log line reads alone, its ids are fields; tokens, mail addresses and bodies never get here.

/// What is counted.
mod counters;

/// What the tables say at the moment of a scrape.
mod gauges;

use std::{fmt::Write as _, io::IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use self::counters::Metrics;
use crate::config::LogFormat;

/// Starts logging to standard error. A second call changes nothing.
pub fn start(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let terminal = std::io::stderr().is_terminal();
    let for_people = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let started = match for_people {
        false => registry
            .with(fmt::layer().json().flatten_event(true).with_current_span(true).with_writer(std::io::stderr))
            .try_init(),
        true => {
            registry.with(fmt::layer().with_ansi(terminal).with_target(false).with_writer(std::io::stderr)).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// An error with everything that caused it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Writing to a string cannot fail.
        _ = write!(text, ": {next}").is_ok();
        cause = next.source();
    }
    text
}
