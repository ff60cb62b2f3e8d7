//! Tells services of the operator's own what happened, in the convention of Standard Webhooks. A message was written in the
//! transaction of its cause; here it is signed and sent, again and again with growing pauses, under the one id that it has
//! for good: a copy that was taken just before a crash can be recognised by whoever receives it.
//!
//! Knows nothing of what the events mean. An endpoint that fails delays no other; one that says that it is gone is switched
//! off; and what could not be handed over for days is given up, and the operator is told so once.

/// One message on its way.
mod delivery;

/// The secret of an endpoint, and what it signs.
pub mod signing;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use self::delivery::Outcome;
pub use self::delivery::Refused;

use crate::{
    clock::Clock,
    crew::Crew,
    fence::Fence,
    provider::hook::HookClient,
    store::{
        self,
        webhook_deliveries::{self as deliveries, Claim},
        webhooks,
    },
    telemetry::Metrics,
    vault::{Place, Vault},
};

/// Messages under way in one daemon, and how many of one endpoint.
const AT_ONCE: usize = 16;
const EACH: i64 = 4;
/// Longer than one try with its deadline can take.
const LEASE: Duration = Duration::from_secs(60);
/// How long a message is kept that has ended.
const KEEP: TimeDelta = TimeDelta::days(30);
const FORGET_AT_ONCE: i64 = 1_000;

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
}

/// Where the secret of an endpoint is sealed.
pub fn secret_place(webhook_id: Uuid) -> Place {
    Place { table: "webhooks", row: webhook_id, field: "secret" }
}
