//! A provider that is down for everybody. Failures in a row, across companies, open an outage; while it is open nothing is
//! sent but one canary at a time, with growing pauses; a canary that comes back closes it, and the flow ramps up instead
//! of stampeding. A provider's token endpoint and its API are watched apart. All of it lives in Postgres, so any number of
//! daemons agree.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgPool};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    clock::Clock,
    config,
    provider::{Endpoint, Failure, Provider, Verdict},
    retry::{Backoff, later},
    store::{self, alerts, lanes, order_log, outages},
};

/// What calls to a provider showed, within one batch of work.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    answered: bool,
    failures: i32,
    message: String,
}

impl Evidence {
    /// The provider did what it was asked, or said a reasoned no: it is up.
    pub fn answered(&mut self) {
        *self = Self { answered: true, ..Self::default() };
    }

    /// Whether the provider was heard last.
    pub fn is_answered(&self) -> bool {
        self.answered && self.failures == 0
    }

    /// A call failed. Only what a provider-wide failure looks like counts: no answer, or an answer from a broken server.
    /// Throttling is one company's.
    pub fn failed(&mut self, failure: &Failure) {
        match failure.verdict {
            Verdict::Transient | Verdict::OutcomeUnknown
                if failure.status.is_none_or(|status| status >= 500 || status == 200) =>
            {
                self.failures += 1;
                self.message = match failure.status {
                    Some(status) => format!("{} answered {status} to {}", failure.provider.title(), failure.operation),
                    None => format!("{} did not answer to {}", failure.provider.title(), failure.operation),
                };
            }
            Verdict::Transient | Verdict::OutcomeUnknown | Verdict::OperatorFault => {}
            Verdict::Lapsed(_) | Verdict::TokenRefused | Verdict::Rejected => self.answered(),
        }
    }
}

/// How much may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// This much at once.
    Open(usize),
    /// One call: it is the canary.
    Canary,
    /// Nothing until then.
    Closed(DateTime<Utc>),
}

/// Watches the providers' health. Cheap to clone.
#[derive(Clone)]
pub struct OutageWatch {
    pool: PgPool,
    clock: Clock,
    config: config::Outage,
    operator_email: Option<Arc<str>>,
}

impl OutageWatch {
    /// Puts it together.
    pub fn new(pool: PgPool, clock: Clock, config: config::Outage, operator_email: Option<Arc<str>>) -> Self {
        Self { pool, clock, config, operator_email }
    }

    /// How much may be sent to a provider's half now. Answers [`Flow::Canary`] to one asker at a time.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn flow(&self, provider: Provider, endpoint: Endpoint, full: usize) -> Result<Flow, store::Error> {
        let now = self.clock.now();
        let mut conn = self.pool.acquire().await?;
        let Some(outage) = outages::latest(&mut conn, provider, endpoint).await? else { return Ok(Flow::Open(full)) };
        if let Some(closed_at) = outage.closed_at {
            return Ok(Flow::Open(ramp(closed_at, now, self.config.canary_min, full)));
        }
        if outage.canary_at > now {
            return Ok(Flow::Closed(outage.canary_at));
        }
        let backoff = Backoff { min: self.config.canary_min, max: self.config.canary_max };
        let flown = u32::try_from(outage.canaries).unwrap_or(0).saturating_add(1);
        let next_at = later(now, backoff.pause(flown, rand::random(), None));
        match outages::take_canary(&mut conn, &outage, next_at, now).await? {
            true => Ok(Flow::Canary),
            false => Ok(Flow::Closed(next_at)),
        }
    }

    /// Whether a provider's half is out: nothing but a canary should call it.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn is_out(&self, provider: Provider, endpoint: Endpoint) -> Result<bool, store::Error> {
        let mut conn = self.pool.acquire().await?;
        let latest = outages::latest(&mut conn, provider, endpoint).await?;
        Ok(latest.is_some_and(|outage| outage.closed_at.is_none()))
    }

    /// Weighs what a batch of calls for one connection showed: opens or closes the outage of a provider's half. One
    /// company's failures open none, unless it is the only one: its own trouble is not the provider's.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn weigh(
        &self,
        provider: Provider,
        endpoint: Endpoint,
        connection_id: Uuid,
        evidence: &Evidence,
    ) -> Result<(), store::Error> {
        // What was answered before the last failures ended the row before it.
        if evidence.answered {
            self.close(provider, endpoint).await?;
        }
        if evidence.failures > 0 {
            self.count(provider, endpoint, connection_id, evidence).await?;
        }
        Ok(())
    }

    async fn count(
        &self,
        provider: Provider,
        endpoint: Endpoint,
        connection_id: Uuid,
        evidence: &Evidence,
    ) -> Result<(), store::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let (count, message) = (evidence.failures, &evidence.message);
        let seen = outages::count_failures(&mut tx, provider, endpoint, connection_id, count, message, now).await?;
        let widespread = i64::from(seen.companies) >= seen.connected.min(2);
        if widespread && u32::try_from(seen.count).unwrap_or(0) >= self.config.open_after {
            let since = seen.since;
            let evidence = format!("{} failures in a row; the last: {message}", seen.count);
            let outage = outages::Outage {
                id: Uuid::now_v7(),
                provider,
                endpoint,
                opened_at: since,
                evidence: evidence.clone(),
                canary_at: later(now, self.config.canary_min),
                canaries: 0,
                closed_at: None,
            };
            if outages::open(&mut tx, &outage).await? {
                let waiting = order_log::count_waiting(&mut tx, None).await?;
                let alert = alerts::NewAlert {
                    incident: &incident(provider, endpoint),
                    kind: alerts::Kind::Outage,
                    connection_id: None,
                    provider: Some(provider),
                    detail: &json!({ "since": since, "endpoint": endpoint, "evidence": evidence, "waiting_orders": waiting }),
                    recipient: self.operator_email.as_deref(),
                };
                alerts::open(&mut tx, &alert, now).await?;
                warn!(%provider, endpoint = endpoint.as_str(), evidence,
                    "outage opened: everything waits, and one canary at a time probes the provider");
            }
        }
        Ok(tx.commit().await?)
    }

    async fn close(&self, provider: Provider, endpoint: Endpoint) -> Result<(), store::Error> {
        let now = self.clock.now();
        let mut conn = self.pool.acquire().await?;
        // Nearly every call is answered: a look is cheaper than a transaction.
        if !outages::is_doubted(&mut conn, provider, endpoint).await? {
            return Ok(());
        }
        let mut tx = conn.begin().await?;
        outages::clear_failures(&mut tx, provider, endpoint).await?;
        if let Some(outage) = outages::close(&mut tx, provider, endpoint, now).await? {
            let waiting = order_log::count_waiting(&mut tx, None).await?;
            lanes::resume_all(&mut tx, now).await?;
            let detail = json!({ "until": now, "waiting_orders_at_recovery": waiting });
            alerts::resolve(&mut tx, &incident(provider, endpoint), &detail, now).await?;
            info!(%provider, endpoint = endpoint.as_str(), since = %outage.opened_at, waiting,
                "outage closed: the flow ramps up");
        }
        Ok(tx.commit().await?)
    }
}

fn incident(provider: Provider, endpoint: Endpoint) -> String {
    format!("outage/{provider}/{}", endpoint.as_str())
}

/// How much may flow at once after an outage: one, doubled every `step`, up to `full`.
fn ramp(closed_at: DateTime<Utc>, now: DateTime<Utc>, step: Duration, full: usize) -> usize {
    let since = (now - closed_at).to_std().unwrap_or_default();
    let doublings = since.as_millis() / step.as_millis().max(1);
    u32::try_from(doublings).ok().and_then(|n| 1_usize.checked_shl(n)).unwrap_or(usize::MAX).clamp(1, full.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_doubles_until_it_is_full() {
        let closed = DateTime::UNIX_EPOCH;
        let at = |seconds| ramp(closed, closed + chrono::TimeDelta::seconds(seconds), Duration::from_secs(30), 6);
        assert_eq!([at(0), at(29), at(30), at(60), at(90), at(86_400 * 365)], [1, 1, 2, 4, 6, 6]);
        assert_eq!(at(-5), 1);
    }

    fn failure(verdict: Verdict, status: Option<u16>) -> Failure {
        Failure {
            provider: Provider::Quickbooks,
            operation: "create sales receipt",
            verdict,
            rule: "test",
            status,
            code: None,
            message: String::new(),
            correlation_id: None,
            retry_after: None,
        }
    }

    #[test]
    fn throttling_and_a_reasoned_no_are_not_an_outage() {
        let mut evidence = Evidence::default();
        evidence.failed(&failure(Verdict::Transient, Some(503)));
        evidence.failed(&failure(Verdict::OutcomeUnknown, None));
        assert_eq!(evidence.failures, 2);
        evidence.failed(&failure(Verdict::Transient, Some(429)));
        assert_eq!(evidence.failures, 2);
        evidence.failed(&failure(Verdict::Rejected, Some(400)));
        assert!(evidence.answered && evidence.failures == 0);
    }
}
