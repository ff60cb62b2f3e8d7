//! Tells services of the operator's own what happened, in the convention of Standard Webhooks. A message was written in the
//! transaction of its cause; here it is signed and sent, again and again with growing pauses, under the one id that it has
//! for good: a copy that was taken just before a crash can be recognised by whoever receives it.
//!
//! Knows nothing of what the events mean. An endpoint that fails delays no other; one that says that it is gone is switched
//! off; and what could not be handed over for days is given up, and the operator is told so once.

/// The secret of an endpoint, and what it signs.
pub mod signing;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use url::Url;
use uuid::Uuid;

use crate::{
    clock::Clock,
    crew::Crew,
    failpoint,
    fence::Fence,
    provider::hook::{Answer, HookClient, NoAnswer},
    retry::{Backoff, later},
    store::{
        self, alerts,
        webhook_deliveries::{self as deliveries, Claim},
        webhooks,
    },
    telemetry::Metrics,
    vault::{self, Place, Vault},
};

/// Messages under way in one daemon, and how many of one endpoint.
const AT_ONCE: usize = 16;
const EACH: i64 = 4;
/// Longer than one try with its deadline can take.
const LEASE: Duration = Duration::from_secs(60);
const BACKOFF: Backoff = Backoff { min: Duration::from_secs(10), max: Duration::from_secs(6 * 3600) };
/// A message that did not arrive for so long is given up.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(5);
/// How long a message is kept that has ended.
const KEEP: TimeDelta = TimeDelta::days(30);
const FORGET_AT_ONCE: i64 = 1_000;
/// The endpoint says that it is gone for good.
const GONE: u16 = 410;

/// Delivers messages. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Parts>, Arc<Notify>);

/// Everything that it is made of.
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// Opens the secrets.
    pub vault: Arc<Vault>,
    /// What time it is.
    pub clock: Clock,
    /// Lets nothing through while it is closed: what a copied database holds may have been told from the original.
    pub fence: Fence,
    /// Who we are in leases.
    pub daemon: Arc<str>,
    /// Who hears of what could not be delivered.
    pub operator_email: Option<Arc<str>>,
    /// What is counted.
    pub metrics: Metrics,
    /// Cancelled when nothing new may be begun.
    pub stopping: CancellationToken,
    /// The wire.
    pub client: HookClient,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Messages that were taken.
    pub delivered: u32,
    /// Messages to be tried again.
    pub failed: u32,
    /// Messages that nobody tries again.
    pub given_up: u32,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It answered, but not with a 2xx.
    #[error("it answered {0}")]
    Status(u16),
    /// It did not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// Its secret does not open.
    #[error("its secret does not open: {0}")]
    Secret(#[from] vault::Error),
    /// Its secret or its address is none.
    #[error("its secret or its address cannot be used: remove it and add it again")]
    Unusable,
}

impl Refused {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(*status),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Delivered,
    Failed,
    GivenUp,
}

impl Webhooks {
    /// Puts it together; nothing is sent yet.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts), Arc::default())
    }

    /// Sends every message that is due.
    ///
    /// # Errors
    /// Database trouble: a claimed message is due again when its lease runs out.
    pub async fn round(&self) -> Result<Report, store::Error> {
        let (mut report, mut trouble) = (Report::default(), None);
        let mut under_way = Crew::default();
        loop {
            if trouble.is_none() && !self.0.stopping.is_cancelled() {
                match self.claim(AT_ONCE.saturating_sub(under_way.len())).await {
                    Ok(claims) => {
                        for claim in claims {
                            let webhooks = self.clone();
                            under_way.begin(async move { webhooks.one(&claim).await });
                        }
                    }
                    Err(cause) => trouble = Some(cause),
                }
            }
            if under_way.is_empty() {
                break;
            }
            for ended in under_way.ended().await {
                match ended {
                    Ok(Outcome::Delivered) => report.delivered += 1,
                    Ok(Outcome::Failed) => report.failed += 1,
                    Ok(Outcome::GivenUp) => report.given_up += 1,
                    Err(cause) if cause.is_away() => trouble = Some(cause),
                    // Its lease runs out; the other messages go on.
                    Err(cause) => error!(error = crate::telemetry::chain(&cause), "the end of a message was not noted"),
                }
            }
        }
        if let Some(cause) = trouble {
            return Err(cause);
        }
        let mut conn = self.0.pool.acquire().await?;
        deliveries::forget(&mut conn, self.0.clock.now() - KEEP, FORGET_AT_ONCE).await?;
        Ok(report)
    }

    async fn claim(&self, free: usize) -> Result<Vec<Claim>, store::Error> {
        if free == 0 {
            return Ok(Vec::new());
        }
        let mut conn = self.0.pool.acquire().await?;
        if self.0.fence.pass(&mut conn).await?.is_none() {
            return Ok(Vec::new());
        }
        let (now, free) = (self.0.clock.now(), i64::try_from(free).unwrap_or(1));
        deliveries::claim_due(&mut conn, now, &self.0.daemon, LEASE, free, EACH).await
    }

    /// How long nothing is due.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn idle_for(&self) -> Result<Duration, store::Error> {
        let mut conn = self.0.pool.acquire().await?;
        let due = deliveries::next_due(&mut conn).await?;
        let until = due.map(|at| (at - self.0.clock.now()).to_std().unwrap_or_default());
        let most = Duration::from_secs(15);
        Ok(until.unwrap_or(most).clamp(Duration::from_millis(500), most))
    }

    /// Waits for as long as there is nothing to do; a new message ends the wait.
    pub async fn idle(&self, at_most: Duration) {
        let _woken = tokio::time::timeout(at_most, self.1.notified()).await;
    }

    /// Ends the wait if something may have written a message.
    pub fn wake_if(&self, condition: bool) {
        if condition {
            self.1.notify_one();
        }
    }

    /// Makes a secret for an endpoint and seals it: shown once, then never again.
    pub fn new_secret(&self, webhook_id: Uuid) -> (SecretString, String) {
        let secret = signing::random_secret();
        let sealed = self.0.vault.seal(secret_place(webhook_id), &secret);
        (secret, sealed)
    }

    /// Sends one message to an endpoint now, outside of the queue: a test. `None` when there is no such endpoint.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn test(&self, webhook_id: Uuid) -> Result<Option<Result<u16, Refused>>, store::Error> {
        let found = {
            let mut conn = self.0.pool.acquire().await?;
            webhooks::secret(&mut conn, webhook_id).await?
        };
        let Some((url, sealed)) = found else { return Ok(None) };
        let now = self.0.clock.now();
        let payload = json!({ "type": "webhook.test", "timestamp": now, "data": { "webhook_id": webhook_id } });
        let sent = self.send(webhook_id, &url, &sealed, Uuid::new_v4(), payload.to_string()).await;
        Ok(Some(sent.map(|answer| answer.status).map_err(|(refused, _)| refused)))
    }

    async fn one(&self, claim: &Claim) -> Result<Outcome, store::Error> {
        let (id, at) = (claim.webhook_id, claim.url.as_str());
        match self.send(id, at, &claim.secret_sealed, claim.id, claim.payload.clone()).await {
            Ok(answer) => {
                failpoint::reach("webhook_sent");
                self.note_delivered(claim, answer.status).await?;
                self.0.metrics.count_webhook("delivered");
                debug!(delivery_id = %claim.id, webhook_id = %id, event = claim.event, "webhook delivered");
                Ok(Outcome::Delivered)
            }
            Err((refused, retry_after)) => self.refused(claim, &refused, retry_after).await,
        }
    }

    async fn send(
        &self,
        webhook_id: Uuid,
        url: &str,
        sealed: &str,
        message_id: Uuid,
        payload: String,
    ) -> Result<Answer, (Refused, Option<Duration>)> {
        let secret = self.0.vault.open(secret_place(webhook_id), sealed).map_err(|cause| (cause.into(), None))?;
        let unusable = || (Refused::Unusable, None);
        let url = Url::parse(url).map_err(|_| unusable())?;
        let headers = signing::headers(&secret, message_id, self.0.clock.now(), &payload).ok_or_else(unusable)?;
        let answer = self.0.client.post(url, &headers, payload).await.map_err(|cause| (cause.into(), None))?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        Err((Refused::Status(answer.status), answer.retry_after))
    }

    async fn refused(
        &self,
        claim: &Claim,
        refused: &Refused,
        retry_after: Option<Duration>,
    ) -> Result<Outcome, store::Error> {
        let now = self.0.clock.now();
        let mut tx = self.0.pool.begin().await?;
        if refused.status() == Some(GONE) {
            let words = "it answered 410: it is gone";
            deliveries::failed(&mut tx, claim, Some(GONE), words, None, now).await?;
            webhooks::switch_off(&mut tx, claim.webhook_id, now).await?;
            tx.commit().await?;
            self.0.metrics.count_webhook("given_up");
            warn!(webhook_id = %claim.webhook_id, host = host(&claim.url), "a webhook's endpoint says that it is gone and \
                was switched off: `lamplighter webhook enable` switches it on again, `webhook remove` forgets it");
            return Ok(Outcome::GivenUp);
        }
        let tries = u32::try_from(claim.attempts).unwrap_or(1);
        let again_at = Some(later(now, BACKOFF.pause(tries, rand::random(), retry_after)))
            .filter(|_| now - claim.created_at < GIVE_UP_AFTER);
        let words = refused.to_string();
        deliveries::failed(&mut tx, claim, refused.status(), &words, again_at, now).await?;
        if again_at.is_none() {
            self.alert(&mut tx, claim, &words, now).await?;
        }
        tx.commit().await?;
        let outcome = if again_at.is_some() { "failed" } else { "given_up" };
        self.0.metrics.count_webhook(outcome);
        info!(delivery_id = %claim.id, webhook_id = %claim.webhook_id, host = host(&claim.url), event = claim.event,
            attempts = claim.attempts, error = words, outcome, "webhook not delivered");
        Ok(if again_at.is_some() { Outcome::Failed } else { Outcome::GivenUp })
    }

    /// Tells the operator, once for as long as the endpoint takes nothing.
    async fn alert(
        &self,
        conn: &mut sqlx::PgConnection,
        claim: &Claim,
        words: &str,
        now: DateTime<Utc>,
    ) -> Result<(), store::Error> {
        let alert = alerts::NewAlert {
            incident: &webhooks::incident(claim.webhook_id),
            kind: alerts::Kind::OperatorFault,
            connection_id: None,
            provider: None,
            // The address may hold a secret; its host does not.
            detail: &json!({
                "webhook_id": claim.webhook_id, "webhook_host": host(&claim.url), "rule": "webhook_given_up",
                "message": words, "event": claim.event,
            }),
            recipient: self.0.operator_email.as_deref(),
        };
        alerts::open(conn, &alert, now).await?;
        webhooks::set_alerted(conn, claim.webhook_id, true).await?;
        error!(webhook_id = %claim.webhook_id, host = host(&claim.url), error = words, "a webhook's message was given up \
            after days: see `lamplighter webhook deliveries --open`");
        Ok(())
    }

    /// The endpoint has taken the message: that must not be forgotten because of one bad moment of the database.
    async fn note_delivered(&self, claim: &Claim, status: u16) -> Result<(), store::Error> {
        let note = async || -> Result<(), store::Error> {
            let now = self.0.clock.now();
            let mut tx = self.0.pool.begin().await?;
            deliveries::delivered(&mut tx, claim, status, now).await?;
            if claim.alerted && webhooks::set_alerted(&mut tx, claim.webhook_id, false).await? {
                alerts::resolve(&mut tx, &webhooks::incident(claim.webhook_id), &json!({}), now).await?;
            }
            tx.commit().await?;
            Ok(())
        };
        for _ in 0..3 {
            match note().await {
                Err(cause) if cause.is_away() => tokio::time::sleep(Duration::from_millis(500)).await,
                other => return other,
            }
        }
        note().await
    }
}

/// Where the secret of an endpoint is sealed.
pub fn secret_place(webhook_id: Uuid) -> Place {
    Place { table: "webhooks", row: webhook_id, field: "secret" }
}

/// As much of an address as may stand in a log.
fn host(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
