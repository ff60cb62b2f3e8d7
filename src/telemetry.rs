//! Logs and metrics. A log line reads alone, its ids are fields; tokens, mail addresses and bodies never get here.

use std::{
    fmt::Write as _,
    io::IsTerminal as _,
    sync::{Arc, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    config::LogFormat,
    provider::{Endpoint, Provider},
    store::{orders, spends},
};

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SpendLabels {
    provider: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConnectionLabels {
    provider: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OrderLabels {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndpointLabels {
    provider: &'static str,
    endpoint: &'static str,
}

/// What is counted, in Prometheus' names. Clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    spends: Family<SpendLabels, Counter>,
    probes: Family<SpendLabels, Counter>,
    attempts: Family<OutcomeLabels, Counter>,
    mails: Family<OutcomeLabels, Counter>,
    lateness: Gauge<f64, AtomicU64>,
    connections: Family<ConnectionLabels, Gauge>,
    orders: Family<OrderLabels, Gauge>,
    outages: Family<EndpointLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("lamplighter");
        let (spends, attempts, mails) = (Family::default(), Family::default(), Family::default());
        let lateness = Gauge::default();
        let (connections, orders, outages) = (Family::default(), Family::default(), Family::default());
        registry.register("spends", "Refresh tokens spent, by what came back", spends.clone());
        let probes = Family::default();
        registry.register("probes", "Grants tried out, by what came of it", probes.clone());
        registry.register("order_attempts", "Attempts to post an order, by outcome", attempts.clone());
        registry.register("mails", "Attempts to hand a mail over, by outcome", mails.clone());
        registry.register_with_unit(
            "keeper_lateness",
            "By how much the most overdue token is late",
            Unit::Seconds,
            lateness.clone(),
        );
        registry.register("connections", "Connections, by status", connections.clone());
        registry.register("orders", "Orders that wait or need a person, by status", orders.clone());
        registry.register(
            "outage_open",
            "Whether an outage of the provider's token endpoint or API is open",
            outages.clone(),
        );
        Self { registry: Arc::new(registry), spends, probes, attempts, mails, lateness, connections, orders, outages }
    }
}

impl Metrics {
    /// A refresh token was spent.
    pub fn count_spend(&self, provider: Provider, outcome: spends::Outcome) {
        self.spends.get_or_create(&SpendLabels { provider: provider.as_str(), outcome: outcome.as_str() }).inc();
    }

    /// A grant was tried out.
    pub fn count_probe(&self, provider: Provider, outcome: &'static str) {
        self.probes.get_or_create(&SpendLabels { provider: provider.as_str(), outcome }).inc();
    }

    /// An order was tried.
    pub fn count_attempt(&self, outcome: &'static str) {
        self.attempts.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// A mail was tried.
    pub fn count_mail(&self, outcome: &'static str) {
        self.mails.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// By how many seconds the most overdue token is late.
    pub fn set_keeper_lateness(&self, seconds: f64) {
        self.lateness.set(seconds);
    }

    /// What the tables say now.
    pub fn set_levels(
        &self,
        connections: &[(Provider, crate::store::connections::Status, i64)],
        orders: &[(orders::Status, i64)],
        open_outages: &[(Provider, Endpoint)],
    ) {
        self.connections.clear();
        for (provider, status, count) in connections {
            let labels = ConnectionLabels { provider: provider.as_str(), status: status.as_str() };
            self.connections.get_or_create(&labels).set(*count);
        }
        // These two are watched by alert rules: none is a zero, not a silence.
        for status in [orders::Status::Queued, orders::Status::Parked] {
            let count = orders.iter().find(|(of, _)| *of == status).map_or(0, |(_, count)| *count);
            self.orders.get_or_create(&OrderLabels { status: status.as_str() }).set(count);
        }
        for (provider, endpoint) in Provider::ALL.into_iter().flat_map(|one| Endpoint::ALL.map(|half| (one, half))) {
            let labels = EndpointLabels { provider: provider.as_str(), endpoint: endpoint.as_str() };
            self.outages.get_or_create(&labels).set(i64::from(open_outages.contains(&(provider, endpoint))));
        }
    }

    /// Everything, as `OpenMetrics` text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => "# EOF\n".to_owned(),
        }
    }
}
