//! What the tables say at the moment of a scrape. Every daemon says the same of the database that they share: a maximum over
//! them is the whole, not a sum.

use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::{
    provider::{Endpoint, Provider},
    store::levels::Levels,
};

type Seconds = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConnectionLabels {
    provider: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProviderLabels {
    provider: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndpointLabels {
    provider: &'static str,
    endpoint: &'static str,
}

/// The gauges. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    connections: Family<ConnectionLabels, Gauge>,
    due: Family<ProviderLabels, Gauge>,
    renewal: Family<ProviderLabels, Seconds>,
    access: Family<ProviderLabels, Seconds>,
    window: Family<ProviderLabels, Seconds>,
    hard_cap: Family<ProviderLabels, Seconds>,
    set_aside: Gauge,
    orders: Family<StatusLabels, Gauge>,
    oldest_order: Family<StatusLabels, Seconds>,
    outages: Family<EndpointLabels, Gauge>,
    alerts: Family<KindLabels, Gauge>,
    mails: Family<StatusLabels, Gauge>,
    webhooks: Family<StatusLabels, Gauge>,
    webhooks_off: Gauge,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register("connections", "Connections, by status", new.connections.clone());
        registry.register("tokens_due", "Tokens that are due for renewal now", new.due.clone());
        let mut seconds = |name: &str, help: &str, family: &Family<ProviderLabels, Seconds>| {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        };
        seconds("next_renewal", "Time until the next token is due for renewal; below zero it is overdue", &new.renewal);
        seconds("access_left", "Time until the access token ends that is renewed next", &new.access);
        seconds("refresh_window_left", "Time until the first refresh window ends", &new.window);
        seconds("hard_cap_left", "Time until the first hard cap ends, which only a reconnect moves", &new.hard_cap);
        registry.register("tokens_set_aside", "Connections whose stored tokens do not open", new.set_aside.clone());
        registry.register("orders", "Orders that wait or need a person, by status", new.orders.clone());
        registry.register_with_unit(
            "oldest_order_age",
            "How long ago the oldest order came in that waits or needs a person; 0 when there is none",
            Unit::Seconds,
            new.oldest_order.clone(),
        );
        let help = "Whether an outage of the provider's token endpoint or API is open";
        registry.register("outage_open", help, new.outages.clone());
        registry.register("alerts_open", "Alerts that are open, by kind", new.alerts.clone());
        registry.register("mails_waiting", "Mails in the outbox, by whether they failed before", new.mails.clone());
        let help = "Messages that wait for webhooks, by whether they failed before";
        registry.register("webhooks_waiting", help, new.webhooks.clone());
        let help = "Webhooks that are switched off because their endpoint said that it is gone";
        registry.register("webhooks_switched_off", help, new.webhooks_off.clone());
        new
    }

    pub(super) fn set(&self, levels: &Levels, now: DateTime<Utc>) {
        let seconds = |at: DateTime<Utc>| (at - now).as_seconds_f64();
        self.connections.clear();
        for (provider, status, count) in &levels.connections {
            let labels = ConnectionLabels { provider: provider.as_str(), status: status.as_str() };
            self.connections.get_or_create(&labels).set(*count);
        }
        for family in [&self.renewal, &self.access, &self.window, &self.hard_cap] {
            family.clear();
        }
        for tokens in &levels.tokens {
            let labels = ProviderLabels { provider: tokens.provider.as_str() };
            self.due.get_or_create(&labels).set(tokens.due);
            if let Some(at) = tokens.renew_at {
                self.renewal.get_or_create(&labels).set(seconds(at));
            }
            if let Some(at) = tokens.access_expires_at {
                self.access.get_or_create(&labels).set(seconds(at));
            }
        }
        for (family, nearest) in [(&self.window, &levels.window), (&self.hard_cap, &levels.hard_cap)] {
            if let Some(nearest) = nearest {
                let labels = ProviderLabels { provider: nearest.provider.as_str() };
                family.get_or_create(&labels).set(seconds(nearest.ends_at));
            }
        }
        self.set_aside.set(levels.set_aside);
        // What alert rules watch: none is a zero, not a silence.
        for orders in &levels.orders {
            let labels = StatusLabels { status: orders.status.as_str() };
            self.orders.get_or_create(&labels).set(orders.count);
            self.oldest_order.get_or_create(&labels).set(orders.oldest_at.map_or(0.0, |at| -seconds(at)));
        }
        for (provider, endpoint) in Provider::ALL.into_iter().flat_map(|one| Endpoint::ALL.map(|half| (one, half))) {
            let open = levels.outages.iter().any(|outage| (outage.provider, outage.endpoint) == (provider, endpoint));
            let labels = EndpointLabels { provider: provider.as_str(), endpoint: endpoint.as_str() };
            self.outages.get_or_create(&labels).set(i64::from(open));
        }
        self.alerts.clear();
        for (kind, count) in &levels.alerts {
            self.alerts.get_or_create(&KindLabels { kind: kind.clone() }).set(*count);
        }
        let waiting = [
            (&self.mails, levels.mails.waiting, levels.mails.failing),
            (&self.webhooks, levels.webhooks.waiting, levels.webhooks.failing),
        ];
        for (family, waiting, failing) in waiting {
            family.get_or_create(&StatusLabels { status: "fresh" }).set(waiting - failing);
            family.get_or_create(&StatusLabels { status: "failing" }).set(failing);
        }
        self.webhooks_off.set(levels.webhooks.switched_off);
    }
}
