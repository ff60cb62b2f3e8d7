//! HubSpot to queue. Polls by modification time with an overlap, because HubSpot's index runs behind; what comes again is
//! recognised by its revision. The cursor moves in the transaction that stores the orders, so a gap of any length is read
//! from where it began.

/// A range of dates, because somebody asks for it.
pub mod by_hand;

/// Every order of a range of dates.
pub mod sync;

mod reading;

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, field::Empty, info, info_span, warn};

use uuid::Uuid;

use self::reading::Reading;
use super::{Parts, content};
use crate::{
    config,
    crew::Crew,
    failpoint,
    keeper::{Keeper, access::Unavailable},
    outage::{Evidence, OutageWatch},
    provider::{Endpoint, Failure, Provider, Providers, Verdict, hubspot::OrderRecord},
    retry::{Backoff, later},
    store::{
        self,
        intakes::{self, Claim},
        lanes, orders,
    },
};

/// Portals read side by side by one daemon.
const PORTALS_AT_ONCE: usize = 4;

/// Reads orders. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    pool: PgPool,
    keeper: Keeper,
    providers: Providers,
    outages: OutageWatch,
    config: config::Orders,
    daemon: Arc<str>,
    stopping: CancellationToken,
    wake: Arc<Notify>,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Portals read to their end.
    pub portals: u32,
    /// Order revisions that were new.
    pub received: u64,
    /// Portals that could not be read now.
    pub failed: u32,
}

/// Why a portal could not be read to its end.
enum Trouble {
    Provider(Failure),
    Token(Unavailable),
    Store(store::Error),
    /// Somebody else reads it now.
    LostLease,
}

impl Trouble {
    /// The word in spans.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Provider(failure) => failure.verdict.as_str(),
            Self::Token(_) => "no_token",
            Self::Store(_) => "database",
            Self::LostLease => "lost_lease",
        }
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Provider(failure)
    }
}

impl Intake {
    /// Puts it together.
    pub fn new(parts: Parts) -> Self {
        let Parts { pool, keeper, providers, outages, config, daemon, metrics: _, stopping } = parts;
        Self { pool, keeper, providers, outages, config, daemon, stopping, wake: Arc::default() }
    }

    /// Reads every portal that is due.
    ///
    /// # Errors
    /// Database trouble; cursors stand where the last stored order is.
    pub async fn round(&self) -> Result<Report, store::Error> {
        let mut report = Report::default();
        let mut under_way = Crew::default();
        let mut trouble = None;
        loop {
            let free = PORTALS_AT_ONCE.saturating_sub(under_way.len());
            if free > 0 && trouble.is_none() && !self.stopping.is_cancelled() {
                match self.claim(free).await {
                    Ok(claims) => {
                        for claim in claims {
                            let intake = self.clone();
                            under_way.begin(async move { intake.portal(claim).await });
                        }
                    }
                    Err(cause) => trouble = Some(cause),
                }
            }
            if under_way.is_empty() {
                return trouble.map_or(Ok(report), Err);
            }
            for ended in under_way.ended().await {
                match ended {
                    Ok(Some(received)) => {
                        report.portals += 1;
                        report.received += received;
                    }
                    Ok(None) => report.failed += 1,
                    Err(cause) if cause.is_away() => trouble = Some(cause),
                    // Its lease runs out; the other portals go on.
                    Err(cause) => error!(error = crate::telemetry::chain(&cause), "a portal failed and is read again"),
                }
            }
        }
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Claim>, store::Error> {
        let mut conn = self.pool.acquire().await?;
        if self.keeper.fence.pass(&mut conn).await?.is_none() {
            return Ok(Vec::new());
        }
        let (now, limit) = (self.keeper.clock.now(), i64::try_from(limit).unwrap_or(i64::MAX));
        intakes::claim_due(&mut conn, now, &self.daemon, self.config.lease, limit).await
    }

    /// How long nothing is due.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn idle_for(&self) -> Result<Duration, store::Error> {
        let mut conn = self.pool.acquire().await?;
        let due = intakes::next_due(&mut conn).await?;
        let until = due.map(|at| (at - self.keeper.clock.now()).to_std().unwrap_or(Duration::ZERO));
        Ok(until.unwrap_or(self.config.poll_interval).clamp(Duration::from_millis(200), self.config.poll_interval))
    }

    /// Waits for as long as there is nothing to do; a new connection ends the wait.
    pub async fn idle(&self, at_most: Duration) {
        let _woken = tokio::time::timeout(at_most, self.wake.notified()).await;
    }

    /// Ends the wait, because something connected.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Reads one portal; `None` when that did not work now.
    async fn portal(&self, claim: Claim) -> Result<Option<u64>, store::Error> {
        let started_at = self.keeper.clock.now();
        let mut evidence = Evidence::default();
        let span =
            info_span!("intake.read", connection_id = %claim.connection_id, received = Empty, error_type = Empty);
        let read = self.read_all(&claim).instrument(span.clone()).await;
        match &read {
            Ok(received) => span.record("received", received),
            Err(trouble) => span.record("error_type", trouble.as_str()),
        };
        let (received, poll_at) = match read {
            Ok(received) => {
                evidence.answered();
                self.keeper.proven(claim.connection_id, claim.verified_at, started_at).await?;
                if received > 0 {
                    info!(connection_id = %claim.connection_id, received, "orders taken in from HubSpot");
                }
                (Some(received), later(started_at, self.config.poll_interval))
            }
            Err(Trouble::Store(error)) => return Err(error),
            Err(Trouble::LostLease) => return Ok(None),
            Err(Trouble::Token(reason)) => {
                debug!(connection_id = %claim.connection_id, %reason, "HubSpot cannot be read now");
                (None, self.retry_at(&claim, None))
            }
            Err(Trouble::Provider(failure)) => {
                warn!(connection_id = %claim.connection_id, %failure, "HubSpot cannot be read now");
                evidence.failed(&failure);
                if failure.verdict == Verdict::OperatorFault {
                    self.keeper.report_operator_fault(&failure).await?;
                }
                (None, self.retry_at(&claim, failure.retry_after))
            }
        };
        self.outages.weigh(Provider::Hubspot, Endpoint::Api, claim.connection_id, &evidence).await?;
        let mut conn = self.pool.acquire().await?;
        // One that was stopped on its way has not come to its end.
        let read_at = received.filter(|_| !self.stopping.is_cancelled()).map(|_| started_at);
        intakes::release(&mut conn, &claim, poll_at, received.is_none(), read_at).await?;
        Ok(received)
    }

    fn retry_at(&self, claim: &Claim, retry_after: Option<Duration>) -> DateTime<Utc> {
        let backoff = Backoff { min: self.config.retry_min, max: self.config.retry_max };
        let failures = u32::try_from(claim.failures).unwrap_or(0).saturating_add(1);
        later(self.keeper.clock.now(), backoff.pause(failures, rand::random(), retry_after))
    }

    async fn read_all(&self, claim: &Claim) -> Result<u64, Trouble> {
        let mut reading = self.reading(claim.connection_id).await?;
        let overlap = TimeDelta::from_std(self.config.overlap).unwrap_or_default();
        let mut from = claim.modified_to - overlap;
        let mut seen = HashSet::new();
        let (mut received, mut earlier, mut filtered) = (0, 0_u64, 0);
        loop {
            let page = reading.page(from, None).await?;
            let last = page.orders.last().map(|order| order.modified_at);
            let mut fresh = page.orders;
            // One that changes again while this round reads on must be read again.
            fresh.retain(|order| seen.insert((order.id.clone(), order.modified_at)));
            // An order from before the first connect may be in the books already: an edit must not book it again.
            let first = claim.opened_at - overlap;
            let all = fresh.len();
            fresh.retain(|order| content::created_at(order).is_none_or(|created| created >= first));
            earlier += (all - fresh.len()) as u64;
            let fresh = self.unknown(claim, fresh).await?;
            let (fresh, refused) = self.admitted(claim.connection_id, fresh).await?;
            filtered += refused;
            let new = reading.contents(&fresh).await?;
            // Only HubSpot's own times move the cursor: our clock may run ahead of its index.
            received += self.store(claim, &new, last.unwrap_or(claim.modified_to)).await?;
            reading.next_page();
            if !page.full || self.stopping.is_cancelled() {
                if earlier + filtered > 0 {
                    info!(connection_id = %claim.connection_id, earlier, filtered,
                          "orders left out: created before the first connect, or not let in by orders.intake");
                }
                return Ok(received);
            }
            from = page.next.max(from);
        }
    }

    async fn reading(&self, connection_id: Uuid) -> Result<Reading<'_>, Trouble> {
        let Some(api) = self.providers.hubspot() else { return Err(Trouble::Token(Unavailable::NotNow)) };
        Reading::begin(&self.keeper, api, connection_id).await
    }

    /// Orders of a page that are not stored as they are; the rest need not be read in full again.
    async fn unknown(&self, claim: &Claim, orders: Vec<OrderRecord>) -> Result<Vec<OrderRecord>, Trouble> {
        if orders.is_empty() {
            return Ok(orders);
        }
        let ids: Vec<_> = orders.iter().map(|order| order.id.clone()).collect();
        let times: Vec<_> = orders.iter().map(|order| order.modified_at).collect();
        let mut conn = self.pool.acquire().await?;
        let known: HashSet<_> =
            orders::known(&mut conn, claim.connection_id, &ids, &times).await?.into_iter().collect();
        Ok(orders.into_iter().filter(|order| !known.contains(&order.id)).collect())
    }

    /// Orders that the configured lists let in, and how many they do not. An order that is in stays: whatever becomes of it
    /// later, a cancellation too, must reach its document.
    async fn admitted(
        &self,
        source_id: Uuid,
        mut orders: Vec<OrderRecord>,
    ) -> Result<(Vec<OrderRecord>, u64), Trouble> {
        let matches = |order: &OrderRecord| {
            self.config.intake.admit(|name| order.properties.get(name).and_then(Option::as_deref))
        };
        let outside: Vec<_> = orders.iter().filter(|order| !matches(order)).map(|order| order.id.clone()).collect();
        if outside.is_empty() {
            return Ok((orders, 0));
        }
        let mut conn = self.pool.acquire().await?;
        let taken: HashSet<_> = orders::taken(&mut conn, source_id, &outside).await?.into_iter().collect();
        let refused: HashSet<_> = outside.into_iter().filter(|id| !taken.contains(id)).collect();
        orders.retain(|order| !refused.contains(&order.id));
        Ok((orders, refused.len() as u64))
    }

    async fn store(&self, claim: &Claim, new: &[orders::NewOrder], modified_to: DateTime<Utc>) -> Result<u64, Trouble> {
        let now = self.keeper.clock.now();
        let mut tx = self.pool.begin().await?;
        // First, because it keeps others from storing this portal's orders until this is done.
        if !intakes::advance(&mut tx, claim, modified_to, self.config.lease).await? {
            return Err(Trouble::LostLease);
        }
        // Lanes before orders, as the dispatch locks them.
        if !new.is_empty() {
            lanes::wake(&mut tx, claim.account_id, now).await?;
        }
        let received = orders::receive(&mut tx, claim.account_id, claim.connection_id, new, now).await?;
        tx.commit().await?;
        failpoint::reach("orders_stored");
        Ok(received.len() as u64)
    }
}
