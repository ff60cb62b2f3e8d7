//! One spend: open the token, post it once, keep the reply, judge a failure. The claim has written the ledger's row
//! already; no transaction is open while the provider thinks.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;
use tracing::{Instrument as _, Span, debug, error, field::Empty, info_span, warn};
use uuid::Uuid;

use super::{
    Keeper,
    cause::refine,
    lapse::{self, Grounds, Lapse},
    round::{Taken, Turn},
    schedule,
    second_look::SecondLook,
    spool::SpooledReply,
};
use crate::{
    failpoint,
    outage::Evidence,
    provider::{Failure, Grant, KeepAlive, Provider, Verdict},
    retry::later,
    store::{
        self, alerts,
        connections::{self, Status},
        spends::{self, Outcome, Reply},
        tokens::{self, Claim, SealedTokens},
    },
    vault::{self, Place},
};

/// What became of a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    InTime,
    /// The lease had run out, but nothing newer was stored.
    Late,
    /// Something newer was stored.
    Void,
}

/// A spend whose outcome is written.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) connection_id: Uuid,
    pub(super) outcome: Outcome,
    /// What it says of the provider.
    pub(super) evidence: Evidence,
}

impl Keeper {
    /// Renews a claimed token and records what became of it. `None` when the database went away before the outcome could
    /// be written: the lease and the open spend tell the next one, and a reply in hand waits in the spool.
    pub(super) async fn renew(&self, claim: Claim, taken: Taken) -> Option<Ended> {
        let span = info_span!("connection.renew", connection_id = %claim.connection_id, provider = %claim.provider,
            generation = claim.generation, spend_id = claim.spend_id, outcome = Empty, error_type = Empty);
        let outcome = async {
            let mut evidence = Evidence::default();
            match self.spend(&claim, taken, &mut evidence).await {
                Ok(outcome) => {
                    self.metrics.count_spend(claim.provider, outcome);
                    let span = Span::current();
                    span.record("outcome", outcome.as_str());
                    if !matches!(outcome, Outcome::Renewed | Outcome::Adopted | Outcome::Discarded) {
                        span.record("error_type", outcome.as_str());
                    }
                    debug!(outcome = outcome.as_str(), "spend finished");
                    Some(Ended { connection_id: claim.connection_id, outcome, evidence })
                }
                Err(cause) => {
                    Span::current().record("error_type", "database");
                    warn!(error = %crate::telemetry::chain(&cause),
                        "the outcome of a spend could not be written; it is settled when the database is back");
                    None
                }
            }
        };
        outcome.instrument(span).await
    }

    async fn spend(&self, claim: &Claim, taken: Taken, evidence: &mut Evidence) -> Result<Outcome, store::Error> {
        failpoint::reach("claimed");
        if let Some(fault) = self.issued_to_another(claim.provider, &claim.issued_to) {
            return self.judge(claim, taken.turn, &fault).await;
        }
        let place = refresh_place(claim.connection_id);
        let refresh_token = match self.vault.open(place, &claim.refresh_sealed) {
            Ok(token) => token,
            Err(cause) => return self.set_aside(claim, &cause).await,
        };
        failpoint::reach("opened");
        // A process that was stopped for a while between claim and spend may have lost its lease without knowing.
        if taken.since.elapsed() + self.config.deadline + self.config.commit_budget >= self.config.lease {
            let words = "the claim grew too old before it was spent; it is tried again by itself";
            let old = Failure::without_reply(claim.provider, "refresh", Verdict::Transient, "claim_grew_old", words);
            return self.judge(claim, taken.turn, &old).await;
        }
        match self.providers.refresh(claim.provider, &refresh_token).await {
            Ok(grant) => {
                evidence.answered();
                self.keep(claim, &grant, &refresh_token).await
            }
            Err(failure) => {
                evidence.failed(&failure);
                self.judge(claim, taken.turn, &failure).await
            }
        }
    }

    /// A token of another app or environment would be refused in the very words of a dead grant. That is a mistake in our
    /// configuration, or a copied database: it must not reach the provider, and no customer may pay for it.
    pub(super) fn issued_to_another(&self, provider: Provider, issued_to: &str) -> Option<Failure> {
        let ours = self.providers.settings(provider)?.identity();
        (ours != issued_to).then(|| {
            let message = format!(
                "the tokens were issued to {issued_to}, but {ours} is configured: set the old client id and environment \
                 again, or let the owners reconnect"
            );
            Failure::without_reply(provider, "refresh", Verdict::OperatorFault, "issued_to_another_app", message)
        })
    }

    async fn keep(&self, claim: &Claim, grant: &Grant, spent: &SecretString) -> Result<Outcome, store::Error> {
        failpoint::reach("replied");
        let now = self.clock.now();
        let new = self.seal(claim.connection_id, claim.provider, grant, spent, now);
        let stored = async {
            let mut conn = self.pool.acquire().await?;
            if tokens::keep(&mut conn, claim.connection_id, claim.generation, Some(claim.fence), &new).await? {
                return Ok(Kept::InTime);
            }
            // The fence was passed, but while the generation stands nothing newer is stored than this reply.
            if tokens::keep(&mut conn, claim.connection_id, claim.generation, None, &new).await? {
                return Ok(Kept::Late);
            }
            Ok(Kept::Void)
        };
        // A connection that hangs must not outlast the lease with the reply only in memory.
        let stored = tokio::time::timeout(self.config.commit_budget, stored).await;
        let kept = match stored.unwrap_or(Err(store::Error::Sql(sqlx::Error::PoolTimedOut))) {
            Ok(kept) => kept,
            Err(cause) => {
                self.spool_reply(claim, grant, new, &cause).await;
                return Err(cause);
            }
        };
        failpoint::reach("kept");
        let reply = Reply { status: Some(200), correlation_id: grant.correlation_id.clone(), ..Reply::default() };
        let outcome = if kept == Kept::Void { Outcome::Discarded } else { Outcome::Renewed };
        // Nothing was wrong and nothing is to be mended: the ledger is all that is left to write.
        if kept == Kept::InTime && claim.status == Status::Connected {
            let mut conn = self.pool.acquire().await?;
            spends::finish(&mut conn, claim.spend_id, outcome, &reply, now).await?;
            failpoint::reach("finished");
            return Ok(outcome);
        }
        let mut tx = self.pool.begin().await?;
        spends::finish(&mut tx, claim.spend_id, outcome, &reply, now).await?;
        match kept {
            Kept::Void => {}
            Kept::InTime => lapse::revive(&mut tx, claim.connection_id, now).await?,
            Kept::Late => lapse::reconsider(&mut tx, claim.connection_id, now).await?,
        }
        tx.commit().await?;
        failpoint::reach("finished");
        if kept == Kept::Void {
            let refresh = grant.refresh_token.as_ref().unwrap_or(spent);
            self.give_back_stray(claim.connection_id, claim.provider, refresh).await;
        }
        Ok(outcome)
    }

    /// Seals what a grant brought and winds its clocks. A provider that leaves the refresh token out lets the one that was
    /// spent live on.
    pub(crate) fn seal(
        &self,
        connection_id: Uuid,
        provider: Provider,
        grant: &Grant,
        spent: &SecretString,
        now: DateTime<Utc>,
    ) -> SealedTokens {
        let share = schedule::Share { fraction: self.config.renew_at, jitter: self.config.jitter };
        let keep_alive = self.providers.settings(provider).map_or(KeepAlive::Access, |settings| settings.keep_alive);
        let clocks = schedule::clocks(provider, keep_alive, grant, now, share, rand::random());
        let refresh = grant.refresh_token.as_ref().unwrap_or(spent);
        SealedTokens {
            access_sealed: self.vault.seal(access_place(connection_id), &grant.access_token),
            refresh_sealed: self.vault.seal(refresh_place(connection_id), refresh),
            refresh_fingerprint: vault::fingerprint(refresh),
            access_expires_at: clocks.access_expires_at,
            refresh_expires_at: clocks.refresh_expires_at,
            refresh_hard_expires_at: clocks.refresh_hard_expires_at,
            renewed_at: now,
            renew_at: clocks.renew_at,
        }
    }

    /// The database is away and a reply is in hand: the disk takes it. If the disk refuses too, the database is tried
    /// again for as long as the commit budget allows.
    async fn spool_reply(&self, claim: &Claim, grant: &Grant, new: SealedTokens, cause: &store::Error) {
        let reply = SpooledReply {
            connection_id: claim.connection_id,
            provider: claim.provider,
            spend_id: claim.spend_id,
            generation: claim.generation,
            correlation_id: grant.correlation_id.clone(),
            tokens: new,
        };
        let refused = match self.spool.add(&reply) {
            Ok(()) => {
                failpoint::reach("spooled");
                warn!(error = %crate::telemetry::chain(cause),
                    "renewed, but the database is away: the reply waits on disk and is stored when it is back");
                return;
            }
            Err(refused) => refused,
        };
        error!(error = %refused, "neither the database nor the spool takes a renewed token: free disk space under \
            data_dir now; trying the database again");
        let deadline = tokio::time::Instant::now() + self.config.commit_budget;
        while tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let stored = async {
                let mut conn = self.pool.acquire().await?;
                tokens::keep(&mut conn, reply.connection_id, reply.generation, None, &reply.tokens).await
            };
            if self.spool.add(&reply).is_ok() || stored.await.is_ok() {
                return;
            }
        }
        error!("a renewed token could not be stored anywhere: if the provider rotated it, the owner must reconnect");
    }

    async fn judge(&self, claim: &Claim, turn: Turn, failure: &Failure) -> Result<Outcome, store::Error> {
        let look = self.second_look(claim, failure).await;
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let outcome = match failure.verdict {
            Verdict::Transient | Verdict::OutcomeUnknown => {
                // A canary only asked for all others: that the provider is out is not this connection's failure.
                let own = turn == Turn::Own;
                let failures = if own { claim.failures } else { 0 };
                let retry_at = self.retry_at(failures, failure.retry_after);
                if tokens::release(&mut tx, claim, retry_at, own).await? && own {
                    connections::fail(&mut tx, claim.connection_id, now).await?;
                }
                warn!(%failure, retry_at = %retry_at, "renewal failed and is tried again");
                if failure.verdict == Verdict::Transient { Outcome::Transient } else { Outcome::Unknown }
            }
            // A refresh is never answered by the last two; should a table ever say so, it is ours to look at.
            Verdict::OperatorFault | Verdict::Rejected | Verdict::TokenRefused => {
                let retry_at = later(now, self.config.retry_max.min(self.config.check_interval));
                tokens::release(&mut tx, claim, retry_at, false).await?;
                self.page_operator(&mut tx, claim.provider, failure, now).await?;
                Outcome::OperatorFault
            }
            Verdict::Lapsed(cause) => {
                let grounds = Grounds {
                    connection_id: claim.connection_id,
                    generation: claim.generation,
                    fence: Some(claim.fence),
                    cause: look.as_ref().map_or_else(|| refine(cause, claim, now), SecondLook::cause),
                    failure,
                };
                match lapse::declare_after(&mut tx, &grounds, look.as_ref(), now).await? {
                    Lapse::Declared => Outcome::DeadGrant,
                    Lapse::Moved => Outcome::Adopted,
                }
            }
        };
        let reply = Reply {
            status: failure.status.map(i32::from),
            code: failure.code.clone(),
            rule: Some(failure.rule.to_owned()),
            correlation_id: failure.correlation_id.clone(),
        };
        spends::finish(&mut tx, claim.spend_id, outcome, &reply, now).await?;
        failpoint::reach("judged");
        tx.commit().await?;
        Ok(outcome)
    }

    /// Tells the operator of a fault of our own deployment that somebody else met.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn report_operator_fault(&self, failure: &Failure) -> Result<(), store::Error> {
        let mut conn = self.pool.acquire().await?;
        self.page_operator(&mut conn, failure.provider, failure, self.clock.now()).await
    }

    /// Opens the operator's alert for a fault of our own deployment: once, whatever the number of connections it touches.
    async fn page_operator(
        &self,
        conn: &mut sqlx::PgConnection,
        provider: Provider,
        failure: &Failure,
        now: DateTime<Utc>,
    ) -> Result<(), store::Error> {
        let alert = alerts::NewAlert {
            incident: &format!("operator_fault/{provider}/{}", failure.rule),
            kind: alerts::Kind::OperatorFault,
            connection_id: None,
            provider: Some(provider),
            detail: &json!({
                "rule": failure.rule, "status": failure.status, "code": failure.code, "message": failure.message,
                "correlation_id": failure.correlation_id,
            }),
            recipient: self.operator_email.as_deref(),
        };
        if alerts::open(conn, &alert, now).await? {
            error!(%failure, "our own deployment is at fault; no connection's state was changed: check the client id and \
                secret, the redirect URI, TLS and DNS of this provider, then run `lamplighter doctor`");
        }
        Ok(())
    }
}

/// Where a connection's refresh token is sealed.
pub fn refresh_place(connection_id: Uuid) -> Place {
    Place { table: "tokens", row: connection_id, field: "refresh_sealed" }
}

/// Where a connection's access token is sealed.
pub fn access_place(connection_id: Uuid) -> Place {
    Place { table: "tokens", row: connection_id, field: "access_sealed" }
}
