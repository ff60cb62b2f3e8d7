//! Queue to QuickBooks, lane by lane. A lane flows only while its connection is `connected` and QuickBooks has no outage;
//! otherwise its orders wait, as long as it takes, and nothing counts against them. A failure that concerns the company
//! stops the lane, so that its order is kept; a rejection that concerns one order parks that order.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    Parts,
    posting::{Post, Posted, Trouble},
};
use crate::{
    config,
    crew::Crew,
    keeper::{
        Keeper,
        access::{LiveToken, Unavailable},
    },
    outage::{Evidence, Flow, OutageWatch},
    provider::{Endpoint, Failure, Provider, Providers, Verdict, quickbooks},
    retry::{Backoff, later},
    store::{
        self,
        attempts::{self, Ending, Outcome},
        connections,
        lanes::{self, Leave},
        orders::{self, Status, Waiting},
    },
    telemetry::Metrics,
};

/// What is said of an order that was edited before it had a document.
const REPLACED: &str = "a later revision of this order took its place";

/// Posts orders. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    pool: PgPool,
    keeper: Keeper,
    providers: Providers,
    outages: OutageWatch,
    config: config::Orders,
    daemon: Arc<str>,
    metrics: Metrics,
    stopping: CancellationToken,
    wake: Arc<Notify>,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Documents made or found.
    pub posted: u32,
    /// Orders for a person.
    pub parked: u32,
    /// Lanes that stopped with orders left, to go on later.
    pub held: u32,
}

/// How one order ended.
enum Step {
    Next,
    Leave(Leave),
    /// Somebody else works this lane now.
    Lost,
}

impl Dispatch {
    /// Puts it together.
    pub fn new(parts: Parts) -> Self {
        let Parts { pool, keeper, providers, outages, config, daemon, metrics, stopping } = parts;
        Self { pool, keeper, providers, outages, config, daemon, metrics, stopping, wake: Arc::default() }
    }

    /// Posts what waits, until no lane can go on now.
    ///
    /// # Errors
    /// Database trouble: open attempts are settled by the next worker of their lane.
    pub async fn round(&self) -> Result<Report, store::Error> {
        let mut report = Report::default();
        let Some(api) = self.providers.quickbooks() else { return Ok(report) };
        let mut under_way = Crew::default();
        let mut trouble = None;
        loop {
            if trouble.is_none() && !self.stopping.is_cancelled() {
                match self.claim(api, under_way.len()).await {
                    Ok((claims, batch)) => {
                        for claim in claims {
                            let dispatch = self.clone();
                            under_way.begin(async move { dispatch.lane(claim, batch).await });
                        }
                    }
                    Err(cause) => trouble = Some(cause),
                }
            }
            // A lane that is done makes room for the next at once: a slow company holds up nobody else. After trouble too
            // those under way are waited for: to abandon one would leave an outcome unknown.
            if under_way.is_empty() {
                return trouble.map_or(Ok(report), Err);
            }
            for ended in under_way.ended().await {
                match ended {
                    Ok(done) => {
                        report.posted += done.posted;
                        report.parked += done.parked;
                        report.held += done.held;
                    }
                    Err(cause) if cause.is_away() => trouble = Some(cause),
                    // Its lease runs out; the other lanes go on.
                    Err(cause) => error!(error = crate::telemetry::chain(&cause), "a lane failed and is tried again"),
                }
            }
        }
    }

    /// Claims as many lanes as may flow beside those under way, and says how many orders of each.
    async fn claim(
        &self,
        api: quickbooks::Api<'_>,
        under_way: usize,
    ) -> Result<(Vec<lanes::Claim>, i64), store::Error> {
        let fenced = {
            let mut conn = self.pool.acquire().await?;
            self.keeper.fence.pass(&mut conn).await?.is_none()
        };
        if fenced {
            return Ok((Vec::new(), 0));
        }
        let flow = self.outages.flow(Provider::Quickbooks, Endpoint::Api, self.config.concurrency).await?;
        let (at_once, batch, due_by) = match flow {
            Flow::Open(at_once) => (at_once, i64::from(self.config.batch), self.keeper.clock.now()),
            // A canary may come from a lane that still pauses.
            Flow::Canary => (under_way + 1, 1, DateTime::<Utc>::MAX_UTC),
            Flow::Closed(until) => {
                debug!(%until, "QuickBooks is down: orders wait");
                return Ok((Vec::new(), 0));
            }
        };
        let free = i64::try_from(at_once.saturating_sub(under_way)).unwrap_or(i64::MAX);
        if free == 0 {
            return Ok((Vec::new(), 0));
        }
        let claims = {
            let mut conn = self.pool.acquire().await?;
            lanes::claim_due(&mut conn, due_by, &self.daemon, self.config.lease, free).await?
        };
        if claims.is_empty() && flow == Flow::Canary {
            self.probe(api).await?;
        }
        Ok((claims, batch))
    }

    /// The canary of an outage during which no order can fly: a cheap question for any company that is connected.
    async fn probe(&self, api: quickbooks::Api<'_>) -> Result<(), store::Error> {
        let connection = {
            let mut conn = self.pool.acquire().await?;
            connections::any_connected(&mut conn, Provider::Quickbooks).await?
        };
        let Some(connection) = connection else { return Ok(()) };
        let Ok(live) = self.keeper.access_token(connection.id).await else { return Ok(()) };
        let mut evidence = Evidence::default();
        match api.company_info(&live.token, &connection.company_id).await {
            Ok(_) => evidence.answered(),
            Err(failure) => evidence.failed(&failure),
        }
        self.outages.weigh(Provider::Quickbooks, Endpoint::Api, connection.id, &evidence).await
    }

    /// How long nothing is due.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn idle_for(&self) -> Result<Duration, store::Error> {
        if self.providers.quickbooks().is_none() {
            return Ok(self.config.dispatch_interval);
        }
        let mut conn = self.pool.acquire().await?;
        let due = lanes::next_due(&mut conn).await?;
        let canary = store::outages::latest(&mut conn, Provider::Quickbooks, Endpoint::Api).await?;
        let canary_at = canary.filter(|outage| outage.closed_at.is_none()).map(|outage| outage.canary_at);
        let now = self.keeper.clock.now();
        let until = canary_at.or(due).map(|at| (at - now).to_std().unwrap_or_default());
        Ok(until
            .unwrap_or(self.config.dispatch_interval)
            .clamp(Duration::from_millis(100), self.config.dispatch_interval))
    }

    /// Waits for as long as there is nothing to do; orders that come in, or a connection, end the wait.
    pub async fn idle(&self, at_most: Duration) {
        let _woken = tokio::time::timeout(at_most, self.wake.notified()).await;
    }

    /// Ends the wait, because orders came in or a company connected.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    async fn lane(&self, lane: lanes::Claim, batch: i64) -> Result<Report, store::Error> {
        let mut report = Report::default();
        let Some(api) = self.providers.quickbooks() else { return Ok(report) };
        let mut evidence = Evidence::default();
        let started_at = self.keeper.clock.now();
        let leave = self.work(api, &lane, batch, &mut report, &mut evidence).await?;
        self.outages.weigh(Provider::Quickbooks, Endpoint::Api, lane.connection_id, &evidence).await?;
        if report.posted > 0 {
            self.keeper.proven(lane.connection_id, lane.verified_at, started_at).await?;
        }
        if let Some(leave) = leave {
            let mut conn = self.pool.acquire().await?;
            lanes::release(&mut conn, &lane, leave, self.keeper.clock.now()).await?;
            report.held = u32::from(matches!(leave, Leave::Pause { .. }));
        }
        if report.posted + report.parked > 0 {
            info!(connection_id = %lane.connection_id, posted = report.posted, parked = report.parked, "orders worked off");
        }
        Ok(report)
    }

    /// Works a batch off; `None` when the lane went to somebody else.
    async fn work(
        &self,
        api: quickbooks::Api<'_>,
        lane: &lanes::Claim,
        batch: i64,
        report: &mut Report,
        evidence: &mut Evidence,
    ) -> Result<Option<Leave>, store::Error> {
        let waiting = {
            let mut conn = self.pool.acquire().await?;
            orders::next(&mut conn, lane.account_id, batch).await?
        };
        if waiting.is_empty() {
            return Ok(Some(Leave::Empty));
        }
        let mut live = match self.keeper.access_token(lane.connection_id).await {
            Ok(live) => live,
            Err(Unavailable::Store(error)) => return Err(error),
            Err(reason) => {
                debug!(connection_id = %lane.connection_id, %reason, "lane waits for its token");
                return Ok(Some(self.pause(lane, report, None)));
            }
        };
        for order in &waiting {
            if self.stopping.is_cancelled() {
                return Ok(Some(Leave::More));
            }
            match self.order(api, lane, order, &mut live, report, evidence).await? {
                Step::Next => {}
                Step::Leave(leave) => return Ok(Some(leave)),
                Step::Lost => return Ok(None),
            }
        }
        // A full batch says nothing about what is behind it.
        Ok(Some(if (waiting.len() as i64) < batch { Leave::Empty } else { Leave::More }))
    }

    async fn order(
        &self,
        api: quickbooks::Api<'_>,
        lane: &lanes::Claim,
        order: &Waiting,
        live: &mut LiveToken,
        report: &mut Report,
        evidence: &mut Evidence,
    ) -> Result<Step, store::Error> {
        if self.settle_without_a_try(order).await? {
            report.parked += u32::from(!order.replaced);
            return Ok(Step::Next);
        }
        let begun = {
            let mut conn = self.pool.acquire().await?;
            let now = self.keeper.clock.now();
            attempts::begin_attempt(&mut conn, lane, order.id, &self.daemon, self.config.lease, now).await?
        };
        let Some(attempt_id) = begun else { return Ok(Step::Lost) };
        let post = Post { pool: &self.pool, api, config: &self.config, lane, order };
        let result = self.within_lease(&post, live).await;
        self.finish(lane, order, attempt_id, live, result, report, evidence).await
    }

    /// An order that may not be sent: replaced by a later revision, or changed after its document was made.
    async fn settle_without_a_try(&self, order: &Waiting) -> Result<bool, store::Error> {
        let mut conn = self.pool.acquire().await?;
        if order.replaced && !order.unsettled {
            orders::settle(&mut conn, order.id, Status::Superseded, REPLACED, None).await?;
            return Ok(true);
        }
        if order.has_earlier
            && let Some(number) = orders::posted_before(&mut conn, order.id).await?
        {
            let words = format!("the order was changed in HubSpot after its document {number} was made");
            let remedy = format!("change sales receipt {number} in QuickBooks by hand");
            orders::settle(&mut conn, order.id, Status::Parked, &words, Some(&remedy)).await?;
            warn!(order_id = %order.id, document_number = number, "order parked: it changed after it was posted");
            return Ok(true);
        }
        Ok(false)
    }

    /// Half the lease is the most that one order may take, a renewal of a refused token included: the lane must still be
    /// ours when it ends.
    async fn within_lease(&self, post: &Post<'_>, live: &mut LiveToken) -> Result<Posted, Trouble> {
        match tokio::time::timeout(self.config.lease / 2, self.post(post, live)).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::Provider(Failure::without_reply(
                Provider::Quickbooks,
                "post order",
                Verdict::OutcomeUnknown,
                "took_too_long",
                "QuickBooks took longer than half of orders.lease",
            ))),
        }
    }

    async fn post(&self, post: &Post<'_>, live: &mut LiveToken) -> Result<Posted, Trouble> {
        let refused = match post.run(live).await {
            Err(Trouble::Provider(failure)) if failure.verdict == Verdict::TokenRefused => failure,
            other => return other,
        };
        match self.keeper.renew_generation(post.lane.connection_id, live.generation).await {
            Ok(newer) => {
                *live = newer;
                post.run(live).await
            }
            Err(Unavailable::Store(error)) => Err(Trouble::Store(error)),
            Err(reason) => {
                debug!(connection_id = %post.lane.connection_id, %reason, "refused token not renewed");
                Err(Trouble::Provider(refused))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the end of one order touches all that the batch keeps")]
    async fn finish(
        &self,
        lane: &lanes::Claim,
        order: &Waiting,
        attempt_id: i64,
        live: &LiveToken,
        result: Result<Posted, Trouble>,
        report: &mut Report,
        evidence: &mut Evidence,
    ) -> Result<Step, store::Error> {
        match result {
            Ok(posted) => {
                evidence.answered();
                report.posted += 1;
                let ending = Ending { document_id: Some(&posted.document_id), ..ending(posted.outcome) };
                Ok(self.write(lane, attempt_id, &ending).await?.unwrap_or(Step::Next))
            }
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Replaced) => {
                evidence.answered();
                let ending = Ending { message: Some(REPLACED), ..ending(Outcome::Transient) };
                if let Some(lost) = self.write(lane, attempt_id, &ending).await? {
                    return Ok(lost);
                }
                let mut conn = self.pool.acquire().await?;
                orders::settle(&mut conn, order.id, Status::Superseded, REPLACED, None).await?;
                Ok(Step::Next)
            }
            Err(Trouble::Parked { message, remedy, failure }) => {
                evidence.answered();
                report.parked += 1;
                let ending = Ending {
                    message: Some(&message),
                    remedy: Some(&remedy),
                    ..failure
                        .as_ref()
                        .map_or_else(|| ending(Outcome::Parked), |f| of_failure(Outcome::Parked, f.as_ref()))
                };
                warn!(order_id = %order.id, message, remedy, "order parked");
                Ok(self.write(lane, attempt_id, &ending).await?.unwrap_or(Step::Next))
            }
            Err(Trouble::Provider(failure)) => {
                evidence.failed(&failure);
                let outcome = match failure.verdict {
                    Verdict::OutcomeUnknown => Outcome::Unknown,
                    Verdict::Lapsed(cause) => {
                        self.keeper.lapse(lane.connection_id, live.generation, cause, &failure).await?;
                        Outcome::Held
                    }
                    Verdict::OperatorFault => {
                        self.keeper.report_operator_fault(&failure).await?;
                        Outcome::Transient
                    }
                    Verdict::Transient | Verdict::TokenRefused | Verdict::Rejected => Outcome::Transient,
                };
                if let Some(lost) = self.write(lane, attempt_id, &of_failure(outcome, &failure)).await? {
                    return Ok(lost);
                }
                let pause = self.pause(lane, report, failure.retry_after);
                info!(order_id = %order.id, %failure, ?pause, "order waits: QuickBooks did not take it now");
                Ok(Step::Leave(pause))
            }
        }
    }

    /// Writes down how an attempt ended; [`Step::Lost`] when the lane went to somebody else, who settles the order.
    async fn write(
        &self,
        lane: &lanes::Claim,
        attempt_id: i64,
        ending: &Ending<'_>,
    ) -> Result<Option<Step>, store::Error> {
        self.metrics.count_attempt(ending.outcome.as_str());
        let mut conn = self.pool.acquire().await?;
        let ours = attempts::finish_attempt(&mut conn, lane, attempt_id, ending, self.keeper.clock.now()).await?;
        Ok((!ours).then_some(Step::Lost))
    }

    /// Pauses grow from failure to failure, until an order went through.
    fn pause(&self, lane: &lanes::Claim, report: &Report, retry_after: Option<Duration>) -> Leave {
        let backoff = Backoff { min: self.config.retry_min, max: self.config.retry_max };
        let before = if report.posted + report.parked > 0 { 0 } else { lane.failures };
        let failures = before.saturating_add(1);
        let pause = backoff.pause(u32::try_from(failures).unwrap_or(1), rand::random(), retry_after);
        Leave::Pause { until: later(self.keeper.clock.now(), pause), failures }
    }
}

fn ending<'a>(outcome: Outcome) -> Ending<'a> {
    Ending { outcome, status: None, code: None, message: None, remedy: None, correlation_id: None, document_id: None }
}

fn of_failure(outcome: Outcome, failure: &Failure) -> Ending<'_> {
    Ending {
        status: failure.status.map(i32::from),
        code: failure.code.as_deref(),
        message: Some(&failure.message),
        correlation_id: failure.correlation_id.as_deref(),
        ..ending(outcome)
    }
}
