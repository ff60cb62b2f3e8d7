//! What an incident needs after it was opened: reminders of what is not repaired, and digests of what goes on.
//!
//! A round reads the open alerts and queues mails; it sends none. Invariant: each step is queued at most once, by any
//! number of daemons, and whoever comes late takes the latest step only.

/// Orders that wait for a person.
mod digests;

/// Where renewed tokens wait for the database.
pub mod spool;

use std::{ops::Deref, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use self::digests::OWNERS_CODES;
use super::storm;
use crate::{
    clock::Clock,
    config,
    fence::Fence,
    store::{self, reminders},
};

const AT_ONCE: i64 = 100;
/// How long between two looks. Nothing here is due to the second.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Looks after open incidents. Cheap to clone.
#[derive(Clone)]
pub struct Watch(Arc<Parts>);

impl Deref for Watch {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Everything a watch is made of.
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// What time it is.
    pub clock: Clock,
    /// When somebody is reminded, and who hears of what.
    pub config: config::Alerts,
    /// Keeps a copied database from writing to anybody.
    pub fence: Fence,
    /// This host's spool.
    pub spool: spool::Watched,
    /// Cancelled when nothing new may be begun.
    pub stopping: CancellationToken,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Reminders queued.
    pub reminded: u32,
    /// Mails about parked orders queued, all-clears among them.
    pub digests: u32,
    /// Storms that passed.
    pub passed: u32,
    /// Whether this host's spool came into trouble or out of it.
    pub spool: bool,
}

impl Report {
    /// Whether there may be a mail to send.
    pub fn is_news(&self) -> bool {
        *self != Self::default()
    }
}

impl Watch {
    /// Puts it together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Looks at everything that is open, once.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn round(&self) -> Result<Report, store::Error> {
        let done = self.look_at_all().await;
        if done.is_err() {
            self.spool.forgive();
        }
        done
    }

    async fn look_at_all(&self) -> Result<Report, store::Error> {
        let mut report = Report::default();
        {
            let mut conn = self.pool.acquire().await?;
            if self.fence.pass(&mut conn).await?.is_none() {
                return Ok(report);
            }
        }
        while !self.stopping.is_cancelled() && self.remind(&mut report).await? {}
        self.digest(&mut report).await?;
        let mut tx = self.pool.begin().await?;
        report.passed = storm::end_spent(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        report.spool = self.look_after_spool().await?;
        if report.is_news() {
            info!(reminded = report.reminded, digests = report.digests, "open incidents were looked at");
        }
        Ok(report)
    }

    /// How long it may rest.
    pub fn idle_for() -> Duration {
        LOOK_EVERY
    }

    /// Reminds owners of what they have not repaired; `true` when there may be more.
    async fn remind(&self, report: &mut Report) -> Result<bool, store::Error> {
        let now = self.clock.now();
        let ladder = &self.config.reminders;
        let seconds: Vec<f64> = ladder.iter().map(Duration::as_secs_f64).collect();
        let mut tx = self.pool.begin().await?;
        let due = reminders::due(&mut tx, &seconds, now, AT_ONCE).await?;
        for one in &due {
            report.reminded += u32::from(reminders::take(&mut tx, one, rung(ladder, one.opened_at, now), now).await?);
        }
        tx.commit().await?;
        Ok(due.len() as i64 == AT_ONCE)
    }
}

/// How many rungs of a ladder are behind us: the number of the latest one.
fn rung(ladder: &[Duration], opened_at: DateTime<Utc>, now: DateTime<Utc>) -> i32 {
    let open_for = now - opened_at;
    let behind = ladder.iter().filter(|after| TimeDelta::from_std(**after).is_ok_and(|after| after <= open_for));
    i32::try_from(behind.count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_late_takes_the_latest_rung() {
        let ladder = [3_u64, 7, 14].map(|days| Duration::from_secs(days * 86_400));
        let at = |hours| rung(&ladder, DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::hours(hours));
        assert_eq!([at(0), at(71), at(72), at(7 * 24 - 1), at(7 * 24), at(14 * 24), at(10_000)], [0, 0, 1, 1, 2, 3, 3]);
    }
}
