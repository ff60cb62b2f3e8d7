//! Replies that waited on disk while Postgres was away go into it before anything is claimed: they are newer than the rows.

use tracing::{error, warn};

use super::{Keeper, lapse, spool::SpooledReply};
use crate::{
    failpoint,
    provider::Provider,
    store::{
        self,
        spends::{self, Outcome},
        tokens,
    },
    telemetry::chain,
};

impl Keeper {
    /// Stores the replies of a provider, or of all, and says how many of them were new.
    ///
    /// # Errors
    /// The database is away (still); the replies stay on disk.
    pub(super) async fn replay_spool(&self, of: Option<Provider>) -> Result<u32, store::Error> {
        let mut replayed = 0;
        if self.spool.is_empty() || !self.may_work().await? {
            return Ok(replayed);
        }
        for entry in self.spool.entries() {
            let reply = &entry.reply;
            if of.is_some_and(|provider| provider != reply.provider) {
                continue;
            }
            match self.replay(reply).await {
                Ok(outcome) => {
                    failpoint::reach("replayed");
                    self.spool.remove(&entry);
                    self.metrics.count_spend(reply.provider, outcome);
                    replayed += u32::from(outcome == Outcome::Renewed);
                    warn!(connection_id = %reply.connection_id, generation = reply.generation,
                        outcome = outcome.as_str(), "a reply that had waited on disk for the database was replayed");
                }
                Err(cause) if cause.is_away() => return Err(cause),
                // It stays on disk and must not hold up the others.
                Err(cause) => error!(connection_id = %reply.connection_id, error = chain(&cause),
                    "a reply that waits on disk cannot be replayed: is this the database that it belongs to?"),
            }
        }
        Ok(replayed)
    }

    async fn may_work(&self) -> Result<bool, store::Error> {
        let mut conn = self.pool.acquire().await?;
        Ok(self.fence.pass(&mut conn).await?.is_some())
    }

    async fn replay(&self, reply: &SpooledReply) -> Result<Outcome, store::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let kept = tokens::keep(&mut tx, reply.connection_id, reply.generation, None, &reply.tokens).await?;
        let stored = kept || tokens::holds(&mut tx, reply.connection_id, &reply.tokens).await?;
        let outcome = if stored { Outcome::Renewed } else { Outcome::Discarded };
        match spends::finish(&mut tx, reply.spend_id, outcome, &reply.ledger(), now).await {
            // Replayed before, or a ledger without this row, such as a restored one: no reason to lose the token.
            Ok(()) | Err(store::Error::RowCount { .. }) => {}
            Err(cause) => return Err(cause),
        }
        if kept {
            lapse::reconsider(&mut tx, reply.connection_id, now).await?;
        }
        tx.commit().await?;
        if !stored {
            self.give_back_spooled(reply).await;
        }
        Ok(outcome)
    }
}
