//! What this process has counted since it began, in Prometheus' names: base units, `_total` and `_seconds` where they
//! belong. Several daemons each count what they did themselves: sums over them are the whole.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::gauges::Gauges;
use crate::{
    provider::{Observed, Provider},
    store::{levels::Levels, spends},
};

/// From a quick read to the longest call that is waited for.
const SECONDS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 130.0];

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
struct CallLabels {
    provider: &'static str,
    operation: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// What is counted, in Prometheus' names. Clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    spends: Family<SpendLabels, Counter>,
    probes: Family<SpendLabels, Counter>,
    attempts: Family<OutcomeLabels, Counter>,
    mails: Family<OutcomeLabels, Counter>,
    webhooks: Family<OutcomeLabels, Counter>,
    calls: Family<CallLabels, Histogram, fn() -> Histogram>,
    lateness: Gauge<f64, AtomicU64>,
    gauges: Gauges,
    /// Held while the levels are set and written: of two scrapes at once neither sees the other's half.
    scrape: Arc<Mutex<()>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("lamplighter");
        let (spends, probes, attempts) = (Family::default(), Family::default(), Family::default());
        let (mails, webhooks, lateness) = (Family::default(), Family::default(), Gauge::default());
        let calls = Family::new_with_constructor(latency as fn() -> Histogram);
        let build: Family<BuildLabels, Gauge> = Family::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Always 1; the label says which version runs", build);
        registry.register("spends", "Renewals: refresh tokens spent, by what came back", spends.clone());
        registry.register("probes", "Grants tried out, by what came of it", probes.clone());
        registry.register("order_attempts", "Attempts to post an order, by outcome", attempts.clone());
        registry.register("mails", "Attempts to hand a mail over, by outcome", mails.clone());
        registry.register("webhooks", "Attempts to hand a webhook's message over, by outcome", webhooks.clone());
        registry.register_with_unit(
            "provider_call_duration",
            "How long calls to a provider took, by what was asked and by the verdict on the reply",
            Unit::Seconds,
            calls.clone(),
        );
        registry.register_with_unit(
            "keeper_lateness",
            "By how much the most overdue token is late that could be renewed now",
            Unit::Seconds,
            lateness.clone(),
        );
        let gauges = Gauges::register(&mut registry);
        let new = Self {
            registry: Arc::new(registry),
            spends,
            probes,
            attempts,
            mails,
            webhooks,
            calls,
            lateness,
            gauges,
            scrape: Arc::default(),
        };
        new.begin();
        new
    }
}

/// What may come of each, from the beginning: a counter that appears with its first event hides that event from `rate()`.
const SPENDS: [&str; 8] =
    ["renewed", "adopted", "transient", "unknown", "operator_fault", "dead_grant", "set_aside", "discarded"];
const PROBES: [&str; 5] = ["verified", "lapsed", "void", "operator_fault", "transient"];
const ATTEMPTS: [&str; 6] = ["posted", "adopted", "transient", "unknown", "parked", "held"];
const MAILS: [&str; 2] = ["sent", "failed"];
const WEBHOOKS: [&str; 3] = ["delivered", "failed", "given_up"];

fn latency() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    fn begin(&self) {
        for provider in Provider::ALL.map(Provider::as_str) {
            for (family, outcomes) in [(&self.spends, SPENDS.as_slice()), (&self.probes, PROBES.as_slice())] {
                for outcome in outcomes {
                    drop(family.get_or_create(&SpendLabels { provider, outcome }));
                }
            }
        }
        let rest: [(_, &[_]); 3] = [(&self.attempts, &ATTEMPTS), (&self.mails, &MAILS), (&self.webhooks, &WEBHOOKS)];
        for (family, outcomes) in rest {
            for outcome in outcomes {
                drop(family.get_or_create(&OutcomeLabels { outcome }));
            }
        }
    }

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

    /// A webhook's message was tried.
    pub fn count_webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// A call to a provider ended.
    pub fn observe_call(&self, call: &Observed) {
        let Observed { provider, operation, verdict, took } = *call;
        let labels = CallLabels { provider: provider.as_str(), operation, verdict };
        self.calls.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// By how many seconds the most overdue token is late.
    pub fn set_keeper_lateness(&self, seconds: f64) {
        self.lateness.set(seconds);
    }

    /// Everything, with what the tables say now, as `OpenMetrics` text.
    pub fn render_with(&self, levels: &Levels, now: DateTime<Utc>) -> String {
        let _scrape = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.set(levels, now);
        self.render()
    }

    /// Everything that this daemon counted, as `OpenMetrics` text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => "# EOF\n".to_owned(),
        }
    }
}
