//! Keeps every grant alive: takes due refresh tokens up by earliest deadline, spends each of them alone, keeps what comes
//! back before anything else happens, and judges what does not. Each provider is served by itself, so that one that hangs
//! or is out delays no other; while its token endpoint is out, one canary at a time is all that is spent there.
//!
//! The invariants, whatever crashes: no refresh token is spent by two at the same time (a lease); a late holder cannot
//! overwrite newer tokens (a generation and a fence); a reply in hand is not lost when Postgres is away (the spool); only
//! a named rule with stored evidence lets a connection lapse. The keeper posts no orders and sends no mails:
//! whoever needs a live access token asks `Keeper::access_token`, and a lapse is an alert that the outbox takes from there.

/// When a token is renewed: pure.
pub mod schedule;

/// What is due at one provider.
mod round;

/// Replies that wait for Postgres, on disk.
pub mod spool;

/// From the disk into Postgres.
mod replay;

/// One spend, from claim to verdict.
pub mod renewal;

/// What our own clocks and ledger add to a refusal: pure.
pub mod cause;

/// One cheap look before an owner is told that a grant was ended.
pub mod second_look;

/// Declaring that only the owner can repair a connection.
pub mod lapse;

/// Live access tokens for callers inside the daemon.
pub mod access;

/// Trying out grants that nothing else proves.
pub mod probe;

/// Early warnings of what runs out.
pub mod warnings;

/// Tokens that do not open rest, and the operator is told once.
mod set_aside;

/// A renewal that a person asks for.
pub mod by_hand;

/// Giving a grant back.
pub mod farewell;

use std::{ops::Deref, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    clock::Clock,
    config,
    fence::Fence,
    outage::OutageWatch,
    provider::{Provider, Providers},
    retry::{Backoff, later},
    store::{self, alerts, spends::Outcome, tokens},
    telemetry::Metrics,
    vault::Vault,
};

/// Keeps tokens alive. Cheap to clone.
#[derive(Clone)]
pub struct Keeper {
    parts: Arc<Parts>,
    wake: Arc<Notify>,
}

impl Deref for Keeper {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Everything a keeper is made of.
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// Opens and seals tokens.
    pub vault: Arc<Vault>,
    /// Where tokens are spent.
    pub providers: Providers,
    /// Whether anything may be spent there.
    pub outages: OutageWatch,
    /// What time it is.
    pub clock: Clock,
    /// How it works.
    pub config: config::Keeper,
    /// Where replies wait for Postgres.
    pub spool: spool::Spool,
    /// Lets nothing be spent on a restored or copied database.
    pub fence: Fence,
    /// Who we are in leases and in the ledger.
    pub daemon: Arc<str>,
    /// Who is told of our own faults.
    pub operator_email: Option<Arc<str>>,
    /// What is counted.
    pub metrics: Metrics,
    /// Cancelled when nothing new may be begun.
    pub stopping: CancellationToken,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Replies that waited on disk and are stored now.
    pub replayed: u32,
    /// Tokens renewed.
    pub renewed: u32,
    /// Refused, but renewed by somebody else meanwhile.
    pub adopted: u32,
    /// To be tried again.
    pub transient: u32,
    /// Sent and not answered.
    pub unknown: u32,
    /// Our own deployment at fault.
    pub operator_fault: u32,
    /// Connections that only their owners can repair.
    pub lapsed: u32,
    /// Tokens that do not open.
    pub set_aside: u32,
    /// Replies for generations that had been replaced.
    pub discarded: u32,
}

impl Report {
    fn count(&mut self, outcome: Outcome) {
        let field = match outcome {
            Outcome::Renewed => &mut self.renewed,
            Outcome::Adopted => &mut self.adopted,
            Outcome::Transient => &mut self.transient,
            Outcome::Unknown => &mut self.unknown,
            Outcome::OperatorFault => &mut self.operator_fault,
            Outcome::DeadGrant => &mut self.lapsed,
            Outcome::SetAside => &mut self.set_aside,
            Outcome::Discarded => &mut self.discarded,
        };
        *field += 1;
    }

    fn add(&mut self, other: Self) {
        self.replayed += other.replayed;
        self.renewed += other.renewed;
        self.adopted += other.adopted;
        self.transient += other.transient;
        self.unknown += other.unknown;
        self.operator_fault += other.operator_fault;
        self.lapsed += other.lapsed;
        self.set_aside += other.set_aside;
        self.discarded += other.discarded;
    }

    /// How many tokens were taken up.
    pub fn spent(&self) -> u32 {
        self.renewed
            + self.adopted
            + self.transient
            + self.unknown
            + self.operator_fault
            + self.lapsed
            + self.set_aside
            + self.discarded
    }
}

impl Keeper {
    /// Puts a keeper together.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), wake: Arc::default() }
    }

    /// Takes up everything that is due, and returns when none of it is left or the process is to stop: nothing is claimed
    /// after that, and what was claimed is finished.
    ///
    /// # Errors
    /// Database trouble. Nothing is lost then: open claims run out, replies wait in the spool.
    pub async fn round(&self) -> Result<Report, store::Error> {
        let taken_over = {
            let mut conn = self.pool.acquire().await?;
            if self.fence.pass(&mut conn).await?.is_none() {
                return Ok(Report::default());
            }
            tokens::announce_takeovers(&mut conn, self.config.takeover).await?
        };
        if taken_over {
            info!(after = ?self.config.takeover, "leases ran out: their renewals are taken over, unless a reply turns up");
        }
        let (quickbooks, hubspot) = tokio::join!(self.round_at(Provider::Quickbooks), self.round_at(Provider::Hubspot));
        let mut report = quickbooks?;
        report.add(hubspot?);
        if report != Report::default() {
            info!(
                renewed = report.renewed,
                transient = report.transient,
                unknown = report.unknown,
                lapsed = report.lapsed,
                operator_faults = report.operator_fault,
                set_aside = report.set_aside,
                replayed = report.replayed,
                "keeper round done"
            );
        }
        Ok(report)
    }

    /// How long the keeper may sleep now: until the next deadline, the end of somebody's lease, the next canary or the
    /// check interval, whichever comes first.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn idle_for(&self) -> Result<Duration, store::Error> {
        let now = self.clock.now();
        let ahead = {
            let mut conn = self.pool.acquire().await?;
            tokens::ahead(&mut conn, now).await?
        };
        self.metrics.set_keeper_lateness(tokens::late_since(&ahead).map_or(0.0, |since| seconds_between(since, now)));
        let waits = ahead.iter().flat_map(|one| {
            // During an outage nobody takes over what a lease leaves behind.
            let lease_ends_in = one.lease_ends_in.filter(|_| one.canary_at.is_none());
            let left = lease_ends_in.and_then(|left| Duration::try_from_secs_f64(left.max(0.0)).ok());
            [one.spend_at(), left.map(|left| later(now, left))]
        });
        let first = waits.flatten().min().map(|at| (at - now).to_std().unwrap_or(Duration::ZERO));
        Ok(first.unwrap_or(Duration::MAX).min(self.config.check_interval))
    }

    /// Waits for as long as there is nothing to do; a new connection ends the wait.
    pub async fn idle(&self, at_most: Duration) {
        // A wake-up that came during the round is kept by `Notify` and ends this at once.
        let _woken = tokio::time::timeout(at_most, self.wake.notified()).await;
    }

    /// Ends the keeper's sleep, because something connected.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    fn retry_at(&self, failures: i32, retry_after: Option<Duration>) -> DateTime<Utc> {
        let failures = u32::try_from(failures).unwrap_or(0).saturating_add(1);
        let backoff = Backoff { min: self.config.retry_min, max: self.config.retry_max };
        later(self.clock.now(), backoff.pause(failures, rand::random(), retry_after))
    }

    async fn resolve_operator_faults(&self, provider: Provider) -> Result<(), store::Error> {
        let mut conn = self.pool.acquire().await?;
        // Another daemon may still be wrong where this one is right: the fault is over when nobody has met it for a while.
        let quiet_since = self.clock.now() - TimeDelta::from_std(self.config.retry_max / 2).unwrap_or_default();
        for incident in alerts::quiet_incidents(&mut conn, alerts::Kind::OperatorFault, provider, quiet_since).await? {
            let detail = serde_json::json!({});
            if alerts::resolve(&mut conn, &incident, &detail, self.clock.now()).await? {
                info!(%incident, "operator fault is over: tokens are renewed again");
            }
        }
        Ok(())
    }
}

fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).to_std().unwrap_or_default().as_secs_f64()
}
