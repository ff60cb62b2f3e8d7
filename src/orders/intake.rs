//! HubSpot to queue. Polls by modification time with an overlap, because HubSpot's index runs behind; what comes again is
//! recognised by its revision. The cursor moves in the transaction that stores the orders, so a gap of any length is read
//! from where it began.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use super::content::Content;
use crate::{
    config,
    keeper::{
        Keeper,
        access::{LiveToken, Unavailable},
    },
    provider::{
        Failure, Providers, Verdict,
        hubspot::{self, Contact, LineItem, MAX_PAGE, OrderRecord, Related},
    },
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
    config: config::Orders,
    daemon: Arc<str>,
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
    pub fn new(pool: PgPool, keeper: Keeper, providers: Providers, config: config::Orders, daemon: Arc<str>) -> Self {
        Self { pool, keeper, providers, config, daemon, wake: Arc::default() }
    }

    /// Reads every portal that is due.
    ///
    /// # Errors
    /// Database trouble; cursors stand where the last stored order is.
    pub async fn round(&self) -> Result<Report, store::Error> {
        let mut report = Report::default();
        loop {
            let claims = {
                let mut conn = self.pool.acquire().await?;
                let (now, limit) = (self.keeper.clock().now(), PORTALS_AT_ONCE as i64);
                intakes::claim_due(&mut conn, now, &self.daemon, self.config.lease, limit).await?
            };
            if claims.is_empty() {
                break;
            }
            let portals: Vec<_> = claims.iter().map(|claim| self.portal(claim)).collect();
            for result in join_all(portals).await {
                match result? {
                    Some(received) => {
                        report.portals += 1;
                        report.received += received;
                    }
                    None => report.failed += 1,
                }
            }
        }
        Ok(report)
    }

    /// How long nothing is due.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn idle_for(&self) -> Result<Duration, store::Error> {
        let mut conn = self.pool.acquire().await?;
        let due = intakes::next_due(&mut conn).await?;
        let until = due.map(|at| (at - self.keeper.clock().now()).to_std().unwrap_or(Duration::ZERO));
        // A portal under another daemon's lease is due in the past: do not spin on it.
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
    async fn portal(&self, claim: &Claim) -> Result<Option<u64>, store::Error> {
        let started_at = self.keeper.clock().now();
        match self.read_all(claim, started_at).await {
            Ok(received) => {
                let mut conn = self.pool.acquire().await?;
                intakes::release(&mut conn, claim, later(started_at, self.config.poll_interval), false).await?;
                if received > 0 {
                    info!(connection_id = %claim.connection_id, received, "orders taken in from HubSpot");
                }
                Ok(Some(received))
            }
            Err(Trouble::Store(error)) => Err(error),
            Err(trouble) => {
                let mut retry_after = None;
                match &trouble {
                    Trouble::Provider(failure) => {
                        warn!(connection_id = %claim.connection_id, %failure, "HubSpot cannot be read now");
                        retry_after = failure.retry_after;
                    }
                    Trouble::Token(reason) => {
                        debug!(connection_id = %claim.connection_id, %reason, "HubSpot cannot be read now");
                    }
                    Trouble::LostLease | Trouble::Store(_) => return Ok(None),
                }
                let backoff = Backoff { min: self.config.retry_min, max: self.config.retry_max };
                let failures = u32::try_from(claim.failures).unwrap_or(0).saturating_add(1);
                let pause = backoff.pause(failures, rand::random(), retry_after);
                let mut conn = self.pool.acquire().await?;
                intakes::release(&mut conn, claim, later(self.keeper.clock().now(), pause), true).await?;
                Ok(None)
            }
        }
    }

    async fn read_all(&self, claim: &Claim, started_at: DateTime<Utc>) -> Result<u64, Trouble> {
        let mut live = self.keeper.access_token(claim.connection_id).await.map_err(Trouble::Token)?;
        let overlap = TimeDelta::from_std(self.config.overlap).unwrap_or_default();
        let mut from = claim.modified_to - overlap;
        let mut seen = HashSet::new();
        let mut received = 0;
        loop {
            let (page, full) = match self.page(&live, from).await {
                Err(failure) => {
                    live = self.another_token(claim, &live, failure).await?;
                    continue;
                }
                Ok(page) => page,
            };
            let last = page.last().map(|order| order.modified_at);
            let fresh: Vec<_> = page.into_iter().filter(|order| seen.insert(order.id.clone())).collect();
            let new = loop {
                match self.contents(&live, &fresh).await {
                    Ok(new) => break new,
                    Err(failure) => live = self.another_token(claim, &live, failure).await?,
                }
            };
            // Only the last page proves that nothing older than now is missing.
            let modified_to = if full { last.unwrap_or(from) } else { started_at };
            received += self.store(claim, &new, modified_to).await?;
            if !full {
                return Ok(received);
            }
            from = last.unwrap_or(from);
        }
    }

    /// A page of changed orders, and whether there may be more. A page that does not get past one millisecond is
    /// completed by walking that millisecond by id.
    async fn page(&self, live: &LiveToken, from: DateTime<Utc>) -> Result<(Vec<OrderRecord>, bool), Failure> {
        let api = self.api(live)?;
        let mut orders = api.search_orders(&live.token, from, MAX_PAGE).await?.orders;
        let full = orders.len() >= MAX_PAGE;
        let last = orders.last().map(|order| order.modified_at);
        if let (true, Some(instant)) = (full, last)
            && orders.first().is_some_and(|first| first.modified_at == instant)
        {
            let mut after: Option<String> = None;
            loop {
                let more = api.search_orders_at(&live.token, instant, after.as_deref(), MAX_PAGE).await?.orders;
                let done = more.len() < MAX_PAGE;
                after = more.last().map(|order| order.id.clone());
                orders.extend(more);
                if done {
                    break;
                }
            }
            // Everything of this millisecond is here: the next page starts after it.
            if let Some(order) = orders.last_mut() {
                order.modified_at = instant + TimeDelta::milliseconds(1);
            }
        }
        Ok((orders, full))
    }

    async fn contents(&self, live: &LiveToken, orders: &[OrderRecord]) -> Result<Vec<orders::NewOrder>, Failure> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let api = self.api(live)?;
        let ids: Vec<_> = orders.iter().map(|order| order.id.clone()).collect();
        let line_ids = api.associated(&live.token, &ids, Related::LineItems).await?;
        let contact_ids = api.associated(&live.token, &ids, Related::Contacts).await?;
        let lines = api.line_items(&live.token, &flat(&line_ids)).await?.found;
        let lines: HashMap<&str, &LineItem> = lines.iter().map(|line| (line.id.as_str(), line)).collect();
        let contacts = api.contacts(&live.token, &flat(&contact_ids)).await?.found;
        let contacts: HashMap<&str, &Contact> = contacts.iter().map(|contact| (contact.id.as_str(), contact)).collect();
        let new = orders.iter().filter_map(|order| {
            let mut ids = line_ids.get(&order.id).cloned().unwrap_or_default();
            // Any fixed order will do: the revision must not depend on how HubSpot sorts today.
            ids.sort_by_key(|id| (id.len(), id.clone()));
            let lines: Vec<_> = ids.iter().filter_map(|id| lines.get(id.as_str()).copied()).collect();
            let contact =
                contact_ids.get(&order.id).and_then(|ids| ids.iter().min()).and_then(|id| contacts.get(id.as_str()));
            let content = Content::read(order, &lines, contact.copied());
            content.into_new_order(order).ok()
        });
        Ok(new.collect())
    }

    async fn store(&self, claim: &Claim, new: &[orders::NewOrder], modified_to: DateTime<Utc>) -> Result<u64, Trouble> {
        let now = self.keeper.clock().now();
        let mut tx = self.pool.begin().await?;
        let received = orders::receive(&mut tx, claim.account_id, claim.connection_id, new, now).await?;
        if received > 0 {
            lanes::wake(&mut tx, claim.account_id, now).await?;
        }
        if !intakes::advance(&mut tx, claim, modified_to, self.config.lease).await? {
            return Err(Trouble::LostLease);
        }
        tx.commit().await?;
        Ok(received)
    }

    /// After a refused token: a newer one. Any other failure is passed on, a lapse after it was declared.
    async fn another_token(&self, claim: &Claim, live: &LiveToken, failure: Failure) -> Result<LiveToken, Trouble> {
        let (id, generation) = (claim.connection_id, live.generation);
        match failure.verdict {
            // A token that was renewed at most once already in this round is not renewed for ever.
            Verdict::TokenRefused => {
                let newer = self.keeper.renew_generation(id, generation).await.map_err(Trouble::Token)?;
                if newer.generation > generation + 1 { Err(failure.into()) } else { Ok(newer) }
            }
            Verdict::Lapsed(cause) => {
                self.keeper.lapse(id, generation, cause, &failure).await?;
                Err(failure.into())
            }
            _ => Err(failure.into()),
        }
    }

    fn api(&self, _live: &LiveToken) -> Result<hubspot::Api<'_>, Failure> {
        self.providers.hubspot().ok_or_else(|| Failure {
            provider: crate::provider::Provider::Hubspot,
            operation: "read orders",
            verdict: Verdict::OperatorFault,
            rule: "not_configured",
            status: None,
            code: None,
            message: "providers.hubspot is not configured any more".to_owned(),
            correlation_id: None,
            retry_after: None,
        })
    }
}

fn flat(related: &HashMap<String, Vec<String>>) -> Vec<String> {
    let mut ids: Vec<_> = related.values().flatten().cloned().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
