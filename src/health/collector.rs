//! Whether the collector of spans takes some. One that does not is no reason to be unready: nothing but spans is lost.

use super::{Check, State};
use crate::{config, telemetry::collector};

/// Asks the collector, if there is one.
pub(super) async fn check(config: &config::Telemetry) -> Option<Check> {
    Some(match collector::probe(config).await? {
        Ok(host) => Check::ok("telemetry", format!("the collector at {host} takes spans")),
        Err(cause) => Check::new(
            "telemetry",
            State::Warn,
            format!("the collector of spans: {cause}"),
            "start it, or correct telemetry.otlp_endpoint and telemetry.otlp_headers; meanwhile only spans are lost",
        ),
    })
}
