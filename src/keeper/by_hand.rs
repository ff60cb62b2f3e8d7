//! A renewal that a person asks for. It goes through the same claim, spend and verdict as the keeper's own; what the person
//! decides is only whether to wait out the pause after a failure. A live lease is always waited for. A request that was
//! never answered may still be under way at the provider, where a second one with the same token can end the grant: that
//! pause is not overridden unless it is named.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Keeper,
    access::{Claimed, LOOK_EVERY},
};
use crate::{
    fence::check::Standing,
    provider::Endpoint,
    store::{
        self,
        connections::Status,
        dossiers::{self, Dossier, Spend},
        farewells::Lease,
        spends::Outcome,
        tokens,
    },
};

/// How many spends are looked at: the pause rests on the last ones of one generation.
const SPENDS: i64 = 10;
/// How often somebody else may get ahead between a look and a claim.
const PATIENCE: u32 = 5;

/// What the person is ready to override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// Nothing.
    Patient,
    /// The pause after a failure that the provider answered.
    OverPause,
    /// The pause after a request that was never answered, too.
    OverUnanswered,
}

/// What became of it.
#[derive(Debug)]
pub enum Renewal {
    /// Spent now; nothing when the database went away before the outcome could be written.
    Spent {
        /// The ledger's row.
        spend_id: i64,
        /// What came back.
        outcome: Option<Outcome>,
    },
    /// Somebody else renewed it while we waited.
    Elsewhere,
    /// It rests after a failure.
    Resting(Pause),
    /// The provider's token endpoint is down for everybody: the keeper's canary asks when it is back.
    Out,
    /// The database looks restored or copied: nothing is spent.
    Fenced,
    /// The process is to stop, and somebody still works on the tokens: nothing was done.
    Busy(Lease),
    /// Only its owner can repair it.
    Lapsed,
    /// Somebody chose to end it.
    Disconnected,
}

/// A pause that nobody has overridden.
#[derive(Debug)]
pub struct Pause {
    /// Until when.
    pub until: DateTime<Utc>,
    /// What failed.
    pub last: Spend,
    /// It was sent and never answered.
    pub unanswered: bool,
}

impl Keeper {
    /// Renews a connection now, due or not. Waits for whoever works on its tokens; `waiting` is told of each of them.
    ///
    /// # Errors
    /// Database trouble, or no such connection.
    pub async fn renew_by_hand(
        &self,
        connection_id: Uuid,
        haste: Haste,
        waiting: impl FnMut(&Lease),
    ) -> Result<Renewal, store::Error> {
        self.replay_spool(None).await?;
        if !self.let_through().await? {
            return Ok(Renewal::Fenced);
        }
        let mut first = None;
        let mut waiting = Waiting::new(waiting);
        let mut lost = 0;
        loop {
            let (dossier, spends) = self.read(connection_id).await?;
            match dossier.status {
                Status::Lapsed => return Ok(Renewal::Lapsed),
                Status::Disconnected => return Ok(Renewal::Disconnected),
                Status::Connected | Status::Failing => {}
            }
            if *first.get_or_insert(dossier.generation) < dossier.generation {
                return Ok(Renewal::Elsewhere);
            }
            if dossier.is_abandoned() {
                let mut conn = self.pool.acquire().await?;
                tokens::announce_takeovers(&mut conn, self.config.takeover).await?;
                continue;
            }
            if let Some((by, ends_in)) = dossier.lease() {
                let lease = Lease { by: by.to_owned(), ends_in };
                if self.stopping.is_cancelled() {
                    return Ok(Renewal::Busy(lease));
                }
                waiting.a_moment(lease).await;
                continue;
            }
            if let Some(pause) = pause(&dossier, &spends, self.clock.now()) {
                let needed = if pause.unanswered { Haste::OverUnanswered } else { Haste::OverPause };
                if haste < needed || lost >= PATIENCE {
                    return Ok(Renewal::Resting(pause));
                }
            }
            // One call more does no harm to a provider that is down, but the keeper's canary asks for all.
            if haste < Haste::OverPause && self.outages.is_out(dossier.provider, Endpoint::Tokens).await? {
                return Ok(Renewal::Out);
            }
            match self.claim_by_hand(&dossier, &spends).await? {
                Claimed::Fenced => return Ok(Renewal::Fenced),
                Claimed::Ours(claim, taken) => {
                    let spend_id = claim.spend_id;
                    let outcome = self.renew_and_weigh(*claim, taken).await?;
                    return Ok(Renewal::Spent { spend_id, outcome });
                }
                Claimed::Lost => lost += 1,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn read(&self, connection_id: Uuid) -> Result<(Dossier, Vec<Spend>), store::Error> {
        let mut conn = self.pool.acquire().await?;
        let found = dossiers::with_spends(&mut conn, connection_id, SPENDS).await?;
        found.ok_or_else(|| store::Error::RowCount { what: "connection", id: connection_id.to_string(), met: 0 })
    }

    /// Whether the fence lets a person's work through. Where this data directory is new to the database, a sign of life of
    /// another daemon is waited for, as a daemon would.
    pub(super) async fn let_through(&self) -> Result<bool, store::Error> {
        while !self.fence.look().await? {
            let standing = self.fence.standing(&mut *self.pool.acquire().await?).await?;
            if standing != Standing::Watches || self.stopping.is_cancelled() {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(true)
    }

    /// Claims what was looked at: a failure that came in since then is not overridden unseen.
    async fn claim_by_hand(&self, seen: &Dossier, spends: &[Spend]) -> Result<Claimed, store::Error> {
        let last = of_generation(seen, spends).filter_map(|spend| spend.finished_at).max();
        self.claim_generation(seen.id, seen.generation, last.unwrap_or(DateTime::UNIX_EPOCH)).await
    }
}

/// Tells once of everybody who is waited for.
pub(super) struct Waiting<F> {
    tell: F,
    told: Option<String>,
}

impl<F: FnMut(&Lease)> Waiting<F> {
    pub(super) fn new(tell: F) -> Self {
        Self { tell, told: None }
    }

    /// Waits a moment for whoever holds the lease.
    pub(super) async fn a_moment(&mut self, lease: Lease) {
        if self.told.as_ref() != Some(&lease.by) {
            (self.tell)(&lease);
            self.told = Some(lease.by);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn of_generation<'a>(dossier: &Dossier, spends: &'a [Spend]) -> impl Iterator<Item = &'a Spend> {
    let generation = dossier.generation;
    spends.iter().filter(move |spend| spend.generation == generation)
}

/// Whether the connection rests: its present generation was spent before, without bringing a new one, and its next try
/// lies ahead.
fn pause(dossier: &Dossier, spends: &[Spend], now: DateTime<Utc>) -> Option<Pause> {
    let until = dossier.renew_at.filter(|at| *at > now)?;
    let last = of_generation(dossier, spends).next()?.clone();
    let unanswered = matches!(last.outcome, None | Some(Outcome::Unknown));
    Some(Pause { until, last, unanswered })
}
