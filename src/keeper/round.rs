//! One provider's share of a round: claim what is due, spend side by side, and weigh what the answers say of the provider.

use std::time::Instant;

use tracing::debug;

use super::{Keeper, Report, renewal::Ended};
use crate::{
    crew::Crew,
    outage::Flow,
    provider::{Endpoint, Provider},
    store::{
        self,
        tokens::{self, Claim, Due},
    },
};

/// Why a token is spent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is due, or somebody needs it.
    Own,
    /// It asks for all others whether the provider is back.
    Canary,
}

/// How a claim came about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) turn: Turn,
    /// Right before the lease was asked for.
    pub(super) since: Instant,
}

impl Taken {
    pub(super) fn now(turn: Turn) -> Self {
        Self { turn, since: Instant::now() }
    }
}

impl Keeper {
    pub(super) async fn round_at(&self, provider: Provider) -> Result<Report, store::Error> {
        let mut report = Report::default();
        let mut under_way = Crew::default();
        let mut trouble = None;
        loop {
            if trouble.is_none() && !self.stopping.is_cancelled() {
                match self.claim(provider, under_way.len(), &mut report).await {
                    Ok((claims, taken)) => {
                        for claim in claims {
                            let keeper = self.clone();
                            under_way.begin(async move { keeper.renew(claim, taken).await });
                        }
                    }
                    Err(cause) => trouble = Some(cause),
                }
            }
            // After trouble too what is under way is waited for: it has been spent.
            if under_way.is_empty() {
                break;
            }
            let batch: Vec<_> = under_way.ended().await.into_iter().flatten().collect();
            batch.iter().for_each(|ended| report.count(ended.outcome));
            if let Err(cause) = self.weigh(provider, &batch).await {
                trouble.get_or_insert(cause);
            }
        }
        if let Some(cause) = trouble {
            return Err(cause);
        }
        // Also when the process is to stop: on its disk a reply would wait for the next start, while others take over.
        report.replayed += self.replay_spool(Some(provider)).await?;
        if report.renewed > 0 {
            self.resolve_operator_faults(provider).await?;
        }
        Ok(report)
    }

    /// Claims as many tokens as may be spent beside those under way. No more than that: a lease must not run while its
    /// token waits for its turn.
    async fn claim(
        &self,
        provider: Provider,
        under_way: usize,
        report: &mut Report,
    ) -> Result<(Vec<Claim>, Taken), store::Error> {
        // A statement for a few is better than one for each; the last ones under way may take their time.
        if under_way * 2 > self.config.concurrency {
            return Ok((Vec::new(), Taken::now(Turn::Own)));
        }
        report.replayed += self.replay_spool(Some(provider)).await?;
        let now = self.clock.now();
        let (turn, by, limit) = match self.outages.flow(provider, Endpoint::Tokens, self.config.concurrency).await? {
            Flow::Open(at_once) => (Turn::Own, now, at_once.saturating_sub(under_way)),
            // Whichever comes first, due or not.
            Flow::Canary => (Turn::Canary, chrono::DateTime::<chrono::Utc>::MAX_UTC, 1),
            Flow::Closed(until) => {
                debug!(%provider, %until, "the token endpoint is out: renewals wait");
                (Turn::Own, now, 0)
            }
        };
        let taken = Taken::now(turn);
        if limit == 0 {
            return Ok((Vec::new(), taken));
        }
        let due = Due { provider, by, limit: i64::try_from(limit).unwrap_or(i64::MAX) };
        let mut conn = self.pool.acquire().await?;
        let Some(pass) = self.fence.pass(&mut conn).await? else { return Ok((Vec::new(), taken)) };
        let claims = tokens::claim_due(&mut conn, due, now, &self.daemon, self.config.lease).await?;
        Ok((self.fence.admit(&mut conn, &pass, claims).await?, taken))
    }

    /// Tells the outage watch what spends showed.
    pub(super) async fn weigh(&self, provider: Provider, ended: &[Ended]) -> Result<(), store::Error> {
        // One that was answered says as much as all of them.
        if let Some(one) = ended.iter().find(|one| one.evidence.is_answered()) {
            self.outages.weigh(provider, Endpoint::Tokens, one.connection_id, &one.evidence).await?;
        }
        for one in ended.iter().filter(|one| !one.evidence.is_answered()) {
            self.outages.weigh(provider, Endpoint::Tokens, one.connection_id, &one.evidence).await?;
        }
        Ok(())
    }
}
