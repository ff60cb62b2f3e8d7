//! A range of dates, by hand: every order of a portal that was created or changed in it, also from before the first connect,
//! goes through the same door as the polled ones, so nothing that is there already comes again. The cursor of the polling is
//! not moved; daemons may run meanwhile, and they do the posting.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tracing::{Instrument as _, field::Empty, info_span, warn};
use uuid::Uuid;

use super::{Intake, Trouble};
use crate::{
    keeper::access::Unavailable,
    provider::{Failure, Verdict, hubspot::Within},
    retry::Backoff,
    store::{self, intakes, lanes, orders},
};

/// How often one page is asked for before the whole is given up.
const TRIES: u32 = 5;
/// No longer pause is waited out: a person sits before it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Which orders.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The account.
    pub account_id: Uuid,
    /// Its HubSpot connection.
    pub connection_id: Uuid,
    /// Created or changed from here.
    pub from: DateTime<Utc>,
    /// To here, included.
    pub to: DateTime<Utc>,
}

/// What became of the orders of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Orders that HubSpot named.
    pub seen: u64,
    /// Revisions that came into the queue.
    pub new: u64,
    /// Stored already, as they are.
    pub already_there: u64,
    /// Not let in by `orders.intake`.
    pub filtered: u64,
    /// Cannot be stored.
    pub failed: u64,
}

/// Why a range was not read to its end. What was read is stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// HubSpot did not give what was asked for.
    #[error("HubSpot cannot be read: {0}")]
    Provider(Failure),
    /// There is no token to ask with.
    #[error("HubSpot cannot be asked")]
    Token(#[source] Unavailable),
    /// Database trouble.
    #[error("what was read cannot be stored")]
    Store(#[from] store::Error),
    /// Somebody asked it to end.
    #[error("ended early, because it was asked to")]
    Stopped,
}

impl Error {
    /// The word in spans.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Provider(failure) => failure.verdict.as_str(),
            Self::Token(_) => "no_token",
            Self::Store(_) => "database",
            Self::Stopped => "stopped",
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Provider(failure) => Self::Provider(failure),
            Trouble::Token(reason) => Self::Token(reason),
            Trouble::Store(error) => Self::Store(error),
            // No lease is taken here.
            Trouble::LostLease => Self::Stopped,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Intake {
    /// Takes in every order of a range; `progress` hears of every page, with the instant that was reached.
    ///
    /// # Errors
    /// [`Error`], beside what was done until then.
    pub async fn sync(
        &self,
        range: Range,
        mut progress: impl FnMut(&Summary, DateTime<Utc>),
    ) -> (Summary, Result<(), Error>) {
        let mut summary = Summary::default();
        let span = info_span!("intake.sync", account_id = %range.account_id, connection_id = %range.connection_id,
            seen = Empty, received = Empty, filtered = Empty, error_type = Empty);
        let result = self.sync_into(range, &mut summary, &mut progress).instrument(span.clone()).await;
        span.record("seen", summary.seen).record("received", summary.new).record("filtered", summary.filtered);
        if let Err(cause) = &result {
            span.record("error_type", cause.as_str());
        }
        (summary, result)
    }

    async fn sync_into(
        &self,
        range: Range,
        summary: &mut Summary,
        progress: &mut impl FnMut(&Summary, DateTime<Utc>),
    ) -> Result<(), Error> {
        let fenced = self.keeper.fence.pass(&mut *self.pool.acquire().await?).await?.is_none();
        if fenced {
            return Err(Error::Token(Unavailable::Fenced));
        }
        let mut reading = self.reading(range.connection_id).await?;
        let within = Some(Within { from: range.from, to: range.to });
        let mut from = range.from;
        let mut seen = HashSet::new();
        loop {
            if self.stopping.is_cancelled() {
                return Err(Error::Stopped);
            }
            let mut tried = 0;
            let page = loop {
                match reading.page(from, within).await {
                    Ok(page) => break page,
                    Err(trouble) => self.wait_out(trouble, &mut tried).await?,
                }
            };
            let mut fresh = page.orders;
            fresh.retain(|order| seen.insert((order.id.clone(), order.modified_at)));
            let count = fresh.len() as u64;
            let (fresh, filtered) = self.admitted(range.connection_id, fresh).await?;
            let mut tried = 0;
            let new = loop {
                match reading.contents(&fresh).await {
                    Ok(new) => break new,
                    Err(trouble) => self.wait_out(trouble, &mut tried).await?,
                }
            };
            let came = store_beside(&self.pool, range, &new, self.keeper.clock.now()).await?;
            let failed = (fresh.len() - new.len()) as u64;
            summary.seen += count;
            summary.new += came;
            summary.already_there += new.len() as u64 - came;
            summary.filtered += filtered;
            summary.failed += failed;
            progress(summary, page.next);
            reading.next_page();
            if !page.full {
                return Ok(());
            }
            from = page.next.max(from);
        }
    }

    /// Waits until a question can be asked again after a passing failure, as HubSpot's pace for an account is shared with
    /// everything else that asks.
    async fn wait_out(&self, trouble: Trouble, tried: &mut u32) -> Result<(), Error> {
        let Trouble::Provider(failure) = trouble else { return Err(trouble.into()) };
        *tried += 1;
        let backoff = Backoff { min: Duration::from_secs(1).min(self.config.retry_min), max: LONGEST_PAUSE };
        let passing = matches!(failure.verdict, Verdict::Transient | Verdict::OutcomeUnknown);
        let pause = backoff.pause(*tried, rand::random(), failure.retry_after);
        if !passing || *tried >= TRIES || pause > LONGEST_PAUSE {
            return Err(Error::Provider(failure));
        }
        warn!(%failure, pause_seconds = pause.as_secs_f64(), "HubSpot cannot be read now; asked again");
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.stopping.cancelled() => Err(Error::Stopped),
        }
    }
}

/// Stores orders beside whoever polls the same portal; returns how many came into the queue.
async fn store_beside(pool: &PgPool, range: Range, new: &[orders::NewOrder], now: DateTime<Utc>) -> Result<u64, Error> {
    if new.is_empty() {
        return Ok(0);
    }
    let mut tx = pool.begin().await?;
    intakes::hold(&mut tx, range.connection_id).await?;
    lanes::wake(&mut tx, range.account_id, now).await?;
    let received = orders::receive(&mut tx, range.account_id, range.connection_id, new, now).await?;
    tx.commit().await?;
    Ok(received.len() as u64)
}
