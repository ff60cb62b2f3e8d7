//! Logs, metrics and spans. A log line reads alone, its ids are fields; tokens, mail addresses and bodies never get here.

/// Where spans go.
pub(crate) mod collector;

/// What of a span leaves the process.
mod conventions;

/// What is counted.
mod counters;

/// What the tables say at the moment of a scrape.
mod gauges;

/// The last door before the collector.
mod outlet;

/// Spans for a collector.
mod traces;

use std::{fmt::Write as _, io::IsTerminal as _};

use tracing_subscriber::{EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use self::{counters::Metrics, traces::Traces};
use crate::config::{LogFormat, environment};

/// Whether colours are seen and wanted there: on a terminal, unless `NO_COLOR` is set or the terminal knows none.
pub fn in_colour<'a>(terminal: bool, environment: impl Fn(&str) -> Option<&'a str>) -> bool {
    let refused = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    terminal && !refused && environment("TERM") != Some("dumb")
}

/// Starts logging to standard error, and sending spans to a collector. A second call changes nothing.
pub fn start(format: LogFormat, filter: &str, traces: Option<&Traces>) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let environment = environment();
    let coloured = in_colour(terminal, |name| environment.get(name).map(String::as_str));
    let for_people = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let writer = fmt::layer().with_writer(std::io::stderr);
    // Each has a filter of its own: how much is logged decides nothing about spans.
    let lines = match for_people {
        false => writer.json().flatten_event(true).with_current_span(true).with_filter(filter).boxed(),
        true => writer.with_ansi(coloured).with_target(false).with_filter(filter).boxed(),
    };
    let started = tracing_subscriber::registry().with(lines).with(traces.map(Traces::layer)).try_init();
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
