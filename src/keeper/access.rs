//! Live access tokens for callers inside the daemon. One that is about to end, or that an API refused, is renewed once,
//! whoever asks: the claim on its row is the single flight, across processes too.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use uuid::Uuid;

use super::{
    Keeper,
    renewal::access_place,
    round::{Taken, Turn},
};
use crate::{
    provider::{Endpoint, Failure},
    retry::later,
    store::{
        self,
        spends::Outcome,
        tokens::{self, Claim},
    },
    vault,
};

/// A token that ends within this time is renewed before it is handed out.
const MARGIN: Duration = Duration::from_secs(2);
/// How long to wait for somebody else's renewal, and how often to look.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(10);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An access token that works now.
#[derive(Debug)]
pub struct LiveToken {
    /// Opens the API.
    pub token: SecretString,
    /// The generation it belongs to.
    pub generation: i64,
    /// Its end.
    pub expires_at: DateTime<Utc>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Its connection has lapsed or is disconnected.
    #[error("the connection needs its owner")]
    Lapsed,
    /// It cannot be renewed right now.
    #[error("the token cannot be renewed right now")]
    NotNow,
    /// The database looks restored or copied.
    #[error("tokens of a restored or copied database are not spent: see `lamplighter resume`")]
    Fenced,
    /// It does not open.
    #[error("the stored token does not open")]
    Vault(#[from] vault::Error),
    /// The database did not answer.
    #[error("the token cannot be read")]
    Store(#[from] store::Error),
}

/// What asking for one token came to.
pub(super) enum Claimed {
    Ours(Box<Claim>, Taken),
    /// Somebody else got ahead.
    Lost,
    /// The database looks restored or copied.
    Fenced,
}

impl From<sqlx::Error> for Unavailable {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Keeper {
    /// A live access token of a connection, renewed first if it must be.
    ///
    /// # Errors
    /// [`Unavailable`] says whether to wait or to stop.
    pub async fn access_token(&self, connection_id: Uuid) -> Result<LiveToken, Unavailable> {
        let stored = self.stored(connection_id).await?;
        if stored.access_expires_at > later(self.clock.now(), MARGIN) {
            return self.open(connection_id, &stored);
        }
        self.renew_generation(connection_id, stored.generation).await
    }

    /// One that lasts for at least so long, renewed first if it must be; a shorter one only while none can be renewed.
    ///
    /// # Errors
    /// [`Unavailable`] says whether to wait or to stop.
    pub async fn access_token_lasting(&self, connection_id: Uuid, least: Duration) -> Result<LiveToken, Unavailable> {
        let stored = self.stored(connection_id).await?;
        if stored.access_expires_at > later(self.clock.now(), least) {
            return self.open(connection_id, &stored);
        }
        match self.renew_generation(connection_id, stored.generation).await {
            Err(Unavailable::NotNow) => self.token_at_hand(connection_id).await,
            done => done,
        }
    }

    /// The access token of a connection if it works as it is; nothing is renewed and nothing written.
    ///
    /// # Errors
    /// [`Unavailable`], also when it would have to be renewed.
    pub async fn token_at_hand(&self, connection_id: Uuid) -> Result<LiveToken, Unavailable> {
        let stored = self.stored(connection_id).await?;
        if stored.access_expires_at > later(self.clock.now(), MARGIN) {
            return self.open(connection_id, &stored);
        }
        Err(Unavailable::NotNow)
    }

    /// A newer access token than `generation`, which an API refused. Renews at most once per generation.
    ///
    /// # Errors
    /// [`Unavailable`] says whether to wait or to stop.
    pub async fn renew_generation(&self, connection_id: Uuid, generation: i64) -> Result<LiveToken, Unavailable> {
        let stored = self.stored(connection_id).await?;
        if stored.generation > generation {
            return self.open(connection_id, &stored);
        }
        self.replay_spool(Some(stored.provider)).await?;
        // The keeper's canary finds out when the provider is back; until then nothing else is spent there.
        if self.outages.is_out(stored.provider, Endpoint::Tokens).await? {
            return Err(Unavailable::NotNow);
        }
        let quiet_since = self.clock.now() - TimeDelta::from_std(self.config.retry_min).unwrap_or_default();
        let (claim, taken) = match self.claim_generation(connection_id, generation, quiet_since).await? {
            Claimed::Ours(claim, taken) => (*claim, taken),
            Claimed::Lost => return self.wait_for_others(connection_id, generation).await,
            Claimed::Fenced => return Err(Unavailable::Fenced),
        };
        match self.renew_and_weigh(claim, taken).await? {
            Some(Outcome::Renewed | Outcome::Adopted | Outcome::Discarded) => {
                let stored = self.stored(connection_id).await?;
                self.open(connection_id, &stored)
            }
            Some(Outcome::DeadGrant) => Err(Unavailable::Lapsed),
            _ => Err(Unavailable::NotNow),
        }
    }

    /// Claims a token of somebody who needs it now, unless its generation moved on, somebody works on it, or it failed
    /// after `quiet_since`.
    pub(super) async fn claim_generation(
        &self,
        connection_id: Uuid,
        generation: i64,
        quiet_since: DateTime<Utc>,
    ) -> Result<Claimed, store::Error> {
        let taken = Taken::now(Turn::Own);
        let mut conn = self.pool.acquire().await?;
        let Some(pass) = self.fence.pass(&mut conn).await? else { return Ok(Claimed::Fenced) };
        let (now, lease) = (self.clock.now(), self.config.lease);
        let claim =
            tokens::claim_one(&mut conn, now, &self.daemon, lease, connection_id, generation, quiet_since).await?;
        let admitted = self.fence.admit(&mut conn, &pass, claim.into_iter().collect()).await?.pop();
        Ok(admitted.map_or(Claimed::Lost, |claim| Claimed::Ours(Box::new(claim), taken)))
    }

    /// Spends one claimed token and tells the outage watch of it. `None` when the outcome could not be written.
    pub(super) async fn renew_and_weigh(&self, claim: Claim, taken: Taken) -> Result<Option<Outcome>, store::Error> {
        let provider = claim.provider;
        let Some(ended) = self.renew(claim, taken).await else { return Ok(None) };
        let outcome = ended.outcome;
        self.weigh(provider, &[ended]).await?;
        Ok(Some(outcome))
    }

    /// Lets a connection lapse because an API said that only its owner can help.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn lapse(
        &self,
        connection_id: Uuid,
        generation: i64,
        cause: crate::provider::Cause,
        failure: &Failure,
    ) -> Result<(), store::Error> {
        let mut tx = self.pool.begin().await?;
        let grounds = super::lapse::Grounds { connection_id, generation, fence: None, cause, failure };
        super::lapse::declare(&mut tx, &grounds, self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    async fn wait_for_others(&self, connection_id: Uuid, generation: i64) -> Result<LiveToken, Unavailable> {
        let deadline = tokio::time::Instant::now() + WAIT_FOR_OTHERS;
        let mut alone = 0;
        while tokio::time::Instant::now() < deadline {
            let stored = self.stored(connection_id).await?;
            if stored.generation > generation {
                return self.open(connection_id, &stored);
            }
            // Nobody is at it: it failed a moment ago and rests. One look may fall between a claim and its commit.
            alone = if stored.leased { 0 } else { alone + 1 };
            if alone > 1 {
                return Err(Unavailable::NotNow);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Unavailable::NotNow)
    }

    async fn stored(&self, connection_id: Uuid) -> Result<tokens::Access, Unavailable> {
        let mut conn = self.pool.acquire().await?;
        let stored = tokens::access(&mut conn, connection_id).await?;
        let stored = stored.filter(|stored| stored.renewable).ok_or(Unavailable::Lapsed)?;
        match self.issued_to_another(stored.provider, &stored.issued_to) {
            // The keeper tells the operator when the token's turn comes.
            Some(_) => Err(Unavailable::NotNow),
            None => Ok(stored),
        }
    }

    fn open(&self, connection_id: Uuid, stored: &tokens::Access) -> Result<LiveToken, Unavailable> {
        let token = self.vault.open(access_place(connection_id), &stored.access_sealed)?;
        Ok(LiveToken { token, generation: stored.generation, expires_at: stored.access_expires_at })
    }
}
