//! Queue to QuickBooks, lane by lane. A lane flows only while its connection is `connected` and QuickBooks has no outage;
//! otherwise its orders wait, as long as it takes, and nothing counts against them. A failure that concerns the company
//! stops the lane, so that its order is kept; a rejection that concerns one order parks that order.
//!
//! A round claims the lanes that wait longest, as many as may be worked at once, and gives each one turn: a bounded batch.
//! A lane with more in it goes to the end of the row, so a long queue delays nobody else, and is claimed again at once when
//! nobody else waits. What a turn does is in `turn`; who delivers is a `Poster`.

/// What a turn asks of whoever delivers.
mod poster;

/// Several orders with one call.
mod together;

/// How many orders are begun together.
mod pace;

/// One turn of a lane.
mod turn;

/// Orders that fail for a reason of their own.
mod stuck;

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, field::Empty, info, info_span};

pub use self::poster::{Poster, Session, ToQuickbooks};
pub use super::posting::{Posted, Trouble};

use self::{pace::Pace, turn::Turn};
use super::{Parts, posting::REPLACED};
use crate::{
    config,
    crew::Crew,
    keeper::Keeper,
    outage::{Evidence, Flow, OutageWatch},
    provider::{Endpoint, Provider, Providers},
    store::{
        self, connections,
        lanes::{self, Leave},
        orders::{self, Status, Waiting},
    },
    telemetry::Metrics,
};

/// Posts orders. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch<P = ToQuickbooks> {
    pool: PgPool,
    keeper: Keeper,
    providers: Providers,
    outages: OutageWatch,
    config: config::Orders,
    daemon: Arc<str>,
    metrics: Metrics,
    stopping: CancellationToken,
    wake: Arc<Notify>,
    pace: Arc<Pace>,
    poster: P,
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

/// How much of a lane may be worked off in one turn.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    batch: usize,
    /// The turn is the one call that finds out whether an outage is over.
    canary: bool,
}

impl Dispatch {
    /// Puts it together.
    pub fn new(parts: Parts) -> Self {
        let poster = ToQuickbooks::new(&parts);
        Self::with(parts, poster)
    }
}

impl<P: Poster> Dispatch<P> {
    /// The same machinery with somebody else who delivers.
    pub fn with(parts: Parts, poster: P) -> Self {
        let Parts { pool, keeper, providers, outages, config, daemon, metrics, stopping } = parts;
        let (wake, pace) = (Arc::default(), Arc::default());
        Self { pool, keeper, providers, outages, config, daemon, metrics, stopping, wake, pace, poster }
    }

    /// Posts what waits, until no lane can go on now.
    ///
    /// # Errors
    /// Database trouble: open attempts are settled by the next worker of their lane.
    pub async fn round(&self) -> Result<Report, store::Error> {
        let mut report = Report::default();
        if self.providers.quickbooks().is_none() {
            return Ok(report);
        }
        let mut under_way = Crew::default();
        let mut trouble = None;
        loop {
            if trouble.is_none() && !self.stopping.is_cancelled() {
                match self.claim(under_way.len()).await {
                    Ok((claims, allowance)) => {
                        for claim in claims {
                            let dispatch = self.clone();
                            under_way.begin(async move { dispatch.lane(claim, allowance).await });
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
    async fn claim(&self, under_way: usize) -> Result<(Vec<lanes::Claim>, Allowance), store::Error> {
        let none = (Vec::new(), Allowance { batch: 0, canary: false });
        let fenced = {
            let mut conn = self.pool.acquire().await?;
            self.keeper.fence.pass(&mut conn).await?.is_none()
        };
        if fenced {
            return Ok(none);
        }
        let flow = self.outages.flow(Provider::Quickbooks, Endpoint::Api, self.config.concurrency).await?;
        let (at_once, allowance) = match flow {
            Flow::Open(at_once) => {
                (at_once, Allowance { batch: usize::try_from(self.config.batch).unwrap_or(1), canary: false })
            }
            Flow::Canary => (under_way + 1, Allowance { batch: 1, canary: true }),
            Flow::Closed(until) => {
                debug!(%until, "QuickBooks is down: orders wait");
                return Ok(none);
            }
        };
        let free = i64::try_from(at_once.saturating_sub(under_way)).unwrap_or(i64::MAX);
        if free == 0 {
            return Ok(none);
        }
        let claims = {
            let mut conn = self.pool.acquire().await?;
            let (now, lease) = (self.keeper.clock.now(), self.config.lease);
            if allowance.canary {
                lanes::claim_pausing(&mut conn, now, &self.daemon, lease, free).await?
            } else {
                lanes::claim_due(&mut conn, now, &self.daemon, lease, free).await?
            }
        };
        if claims.is_empty() && allowance.canary {
            self.probe().await?;
        }
        Ok((claims, allowance))
    }

    /// The canary of an outage during which no order can fly: a cheap question for any company that is connected.
    async fn probe(&self) -> Result<(), store::Error> {
        let Some(api) = self.providers.quickbooks() else { return Ok(()) };
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

    async fn lane(&self, lane: lanes::Claim, allowance: Allowance) -> Result<Report, store::Error> {
        let started_at = self.keeper.clock.now();
        let span = info_span!("lane.deliver", connection_id = %lane.connection_id, account_id = %lane.account_id,
            posted = Empty, parked = Empty, held = Empty, error_type = Empty);
        let mut turn = Turn::new(self, lane);
        let worked = turn.work(allowance.batch).instrument(span.clone()).await;
        let Report { posted, parked, held } = turn.report;
        span.record("posted", posted).record("parked", parked).record("held", held);
        if worked.is_err() {
            span.record("error_type", "database");
        }
        let leave = worked?;
        let Turn { lane, mut report, evidence, asked, .. } = turn;
        self.outages.weigh(Provider::Quickbooks, Endpoint::Api, lane.connection_id, &evidence).await?;
        if report.posted > 0 {
            self.keeper.proven(lane.connection_id, lane.verified_at, started_at).await?;
        }
        if let Some(leave) = leave {
            let mut conn = self.pool.acquire().await?;
            lanes::release(&mut conn, &lane, leave, self.keeper.clock.now()).await?;
            report.held = u32::from(matches!(leave, Leave::Pause { .. }));
        }
        // Nothing was sent: the canary has yet to fly.
        if allowance.canary && !asked {
            self.probe().await?;
        }
        if report.posted + report.parked > 0 {
            info!(connection_id = %lane.connection_id, posted = report.posted, parked = report.parked, "orders worked off");
        }
        Ok(report)
    }

    /// An order that need not be sent: replaced by a later revision.
    async fn settle_without_a_try(&self, order: &Waiting) -> Result<bool, store::Error> {
        if !order.replaced || order.unsettled {
            return Ok(false);
        }
        let mut conn = self.pool.acquire().await?;
        orders::settle(&mut conn, order.id, Status::Superseded, REPLACED, None).await?;
        Ok(true)
    }
}
