//! Tries grants out that nothing else proves, so that one that died in silence (revoked, out of rights, unpaid) is known
//! within a day although no order flows.
//!
//! Reads are metered, so traffic comes first: a portal that was read or an order that was posted proves the grant and
//! moves its probe away. A renewal proves nothing here, for it works on after the rights are gone. What a probe finds is
//! judged like any other reply; this module knows no rule of its own. The invariant: nothing but a provider's exact word
//! about the very tokens that are stored ends a connection, and a provider that is out is not asked.

mod asking;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use serde::Serialize;
use tracing::{error, info};
use uuid::Uuid;

pub use self::asking::{Answer, Finding, Outcome};
use super::Keeper;
use crate::{
    crew::Crew,
    outage::{Evidence, OutageWatch},
    provider::{Endpoint, Failure, Provider},
    retry::later,
    store::{
        self, connections,
        probes::{self, Claim, Proof},
    },
};

/// How often a grant is tried out where the configuration says "off": only the spacing of what traffic proves.
const USUAL_INTERVAL: Duration = Duration::from_secs(86_400);
/// A random share of the interval by which a probe comes early, so that what connected together spreads.
const EARLY: f64 = 0.2;
/// When a probe that found nothing out is made again; for as long a claim keeps others away.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);
/// Probes of one provider that run side by side.
const AT_ONCE: usize = 4;
/// Connections claimed at once.
const BATCH: i64 = 32;
/// Longest sleep: an outage may be over, and something may have connected.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// What a round found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Grants that work.
    pub verified: u32,
    /// Grants that only their owners can repair.
    pub lapsed: u32,
    /// Verdicts on tokens that had been replaced meanwhile.
    pub void: u32,
    /// Our own deployment at fault.
    pub operator_fault: u32,
    /// Nothing found out; tried again.
    pub transient: u32,
}

impl Report {
    fn count(&mut self, outcome: Outcome) {
        let field = match outcome {
            Outcome::Verified => &mut self.verified,
            Outcome::Lapsed => &mut self.lapsed,
            Outcome::Void => &mut self.void,
            Outcome::OperatorFault => &mut self.operator_fault,
            Outcome::Transient => &mut self.transient,
        };
        *field += 1;
    }

    fn and(self, other: Self) -> Self {
        Self {
            verified: self.verified + other.verified,
            lapsed: self.lapsed + other.lapsed,
            void: self.void + other.void,
            operator_fault: self.operator_fault + other.operator_fault,
            transient: self.transient + other.transient,
        }
    }
}

/// Tries grants out. Cheap to clone.
#[derive(Clone)]
pub struct Prober {
    keeper: Keeper,
    outages: OutageWatch,
}

impl Prober {
    /// Puts it together.
    pub fn new(keeper: Keeper, outages: OutageWatch) -> Self {
        Self { keeper, outages }
    }

    /// Tries out every grant that is due.
    ///
    /// # Errors
    /// Database trouble: what was claimed is tried again later.
    pub async fn round(&self) -> Result<Report, store::Error> {
        if self.keeper.config.probe_interval.is_none() {
            return Ok(Report::default());
        }
        let [quickbooks, hubspot] = Provider::ALL.map(|provider| self.provider_round(provider).boxed());
        let (quickbooks, hubspot) = tokio::join!(quickbooks, hubspot);
        let report = quickbooks?.and(hubspot?);
        if report != Report::default() {
            info!(
                verified = report.verified,
                lapsed = report.lapsed,
                void = report.void,
                operator_faults = report.operator_fault,
                transient = report.transient,
                "grants tried out"
            );
        }
        Ok(report)
    }

    /// A slow provider does not hold up the other one.
    async fn provider_round(&self, provider: Provider) -> Result<Report, store::Error> {
        let mut report = Report::default();
        while !self.keeper.stopping.is_cancelled() && self.may_ask(provider).await? {
            let claims = {
                let mut conn = self.keeper.pool.acquire().await?;
                let now = self.keeper.clock.now();
                probes::claim_due(&mut conn, provider, now, later(now, self.again_after()), BATCH).await?
            };
            if claims.is_empty() {
                break;
            }
            self.batch(provider, claims, &mut report).await?;
        }
        Ok(report)
    }

    async fn batch(&self, provider: Provider, claims: Vec<Claim>, report: &mut Report) -> Result<(), store::Error> {
        let (mut waiting, mut under_way) = (claims.into_iter(), Crew::default());
        let (mut proofs, mut trouble, mut is_there) = (Vec::new(), None, true);
        loop {
            let going_on = is_there && trouble.is_none() && !self.keeper.stopping.is_cancelled();
            let free = if going_on { AT_ONCE.saturating_sub(under_way.len()) } else { 0 };
            for claim in waiting.by_ref().take(free) {
                let prober = self.clone();
                under_way.begin(async move { prober.look(claim).await });
            }
            if under_way.is_empty() {
                break;
            }
            for ended in under_way.ended().await {
                match ended {
                    Ok((id, finding)) => {
                        report.count(finding.outcome);
                        proofs.extend(finding.proof(id, &self.keeper));
                        if finding.outcome == Outcome::Transient {
                            is_there = self.may_ask(provider).await.unwrap_or(false);
                        }
                    }
                    Err(cause) if cause.is_away() => trouble = Some(cause),
                    // It is tried again; the others go on.
                    Err(cause) => error!(error = crate::telemetry::chain(&cause), "a probe failed and is made again"),
                }
            }
        }
        let mut conn = self.keeper.pool.acquire().await?;
        probes::prove(&mut conn, &proofs).await?;
        trouble.map_or(Ok(()), Err)
    }

    /// Tries one grant out now, due or not, because a person asks.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn one(&self, connection: &connections::Connection) -> Result<Finding, store::Error> {
        let claim = Claim {
            connection_id: connection.id,
            provider: connection.provider,
            company_id: connection.company_id.clone(),
        };
        let (id, finding) = self.look(claim).await?;
        let mut conn = self.keeper.pool.acquire().await?;
        probes::prove(&mut conn, finding.proof(id, &self.keeper).as_slice()).await?;
        Ok(finding)
    }

    /// When the next grant is tried out, by index; `None` when none may be now.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn next_due(&self) -> Result<Option<DateTime<Utc>>, store::Error> {
        let mut first = None;
        if self.keeper.config.probe_interval.is_none() {
            return Ok(first);
        }
        for provider in Provider::ALL {
            if self.may_ask(provider).await? {
                let mut conn = self.keeper.pool.acquire().await?;
                let due = probes::next_due(&mut conn, provider).await?;
                first = [first, due].into_iter().flatten().min();
            }
        }
        Ok(first)
    }

    /// How long nothing is due.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn idle_for(&self) -> Result<Duration, store::Error> {
        let until = self.next_due().await?.map(|at| (at - self.keeper.clock.now()).to_std().unwrap_or_default());
        // What is due at once was left because of some trouble: that should not make a hot loop.
        Ok(until.unwrap_or(LOOK_AGAIN).clamp(Duration::from_secs(1), LOOK_AGAIN))
    }

    /// Whether a provider is configured and not known to be out.
    async fn may_ask(&self, provider: Provider) -> Result<bool, store::Error> {
        if self.keeper.providers.settings(provider).is_none() {
            return Ok(false);
        }
        for endpoint in Endpoint::ALL {
            if self.outages.is_out(provider, endpoint).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets the watch over the provider know how its API answered.
    async fn weigh(&self, claim: &Claim, failure: Option<&Failure>) -> Result<(), store::Error> {
        let mut evidence = Evidence::default();
        match failure {
            None => evidence.answered(),
            Some(failure) => evidence.failed(failure),
        }
        self.outages.weigh(claim.provider, Endpoint::Api, claim.connection_id, &evidence).await
    }

    fn again_after(&self) -> Duration {
        AGAIN_AFTER.min(self.keeper.probe_spacing())
    }
}

impl Keeper {
    /// Notes that a call to the API that began at `at` worked, unless that is known well enough: `verified_at` is what
    /// the caller read with its claim. One statement in a quarter of the interval, however busy the connection is.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn proven(
        &self,
        connection_id: Uuid,
        verified_at: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
    ) -> Result<(), store::Error> {
        if verified_at.is_some_and(|known| later(known, self.probe_spacing() / 4) > at) {
            return Ok(());
        }
        let mut conn = self.pool.acquire().await?;
        probes::prove(&mut conn, &[self.proof(connection_id, at)]).await?;
        Ok(())
    }

    fn proof(&self, connection_id: Uuid, at: DateTime<Utc>) -> Proof {
        let pause = self.probe_spacing().mul_f64(1.0 - EARLY * rand::random::<f64>());
        Proof { connection_id, at, probe_at: later(at, pause) }
    }

    fn probe_spacing(&self) -> Duration {
        self.config.probe_interval.unwrap_or(USUAL_INTERVAL)
    }
}
