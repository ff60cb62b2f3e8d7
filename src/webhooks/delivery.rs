//! One message on its way: signed, sent, and what became of it written down.
//!
//! Knows nothing of the other messages. What was taken is never forgotten because of a bad moment of the database, and what
//! was not taken is due again, or given up, in the same transaction as its reason. Addresses may hold a secret of the
//! receiver's: no more than their host is logged or mailed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tracing::{debug, error, info};
use url::Url;
use uuid::Uuid;

use super::{Webhooks, secret_place, signing};
use crate::{
    failpoint,
    provider::hook::{Answer, NoAnswer},
    retry::{Backoff, later},
    store::{
        self, alerts,
        webhook_deliveries::{self as deliveries, Claim},
        webhooks,
    },
    vault,
};

const BACKOFF: Backoff = Backoff { min: Duration::from_secs(10), max: Duration::from_secs(6 * 3600) };
/// A message that did not arrive for so long is given up.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(5);
/// The endpoint says that it is gone for good.
const GONE: u16 = 410;

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
pub(super) enum Outcome {
    Delivered,
    Failed,
    GivenUp,
}

impl Webhooks {
    pub(super) async fn one(&self, claim: &Claim) -> Result<Outcome, store::Error> {
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

    pub(super) async fn send(
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
            self.alert(&mut tx, claim, "webhook_gone", words, now).await?;
            tx.commit().await?;
            self.0.metrics.count_webhook("given_up");
            return Ok(Outcome::GivenUp);
        }
        let tries = u32::try_from(claim.attempts).unwrap_or(1);
        let again_at = Some(later(now, BACKOFF.pause(tries, rand::random(), retry_after)))
            .filter(|_| now - claim.created_at < GIVE_UP_AFTER);
        let words = refused.to_string();
        if !deliveries::failed(&mut tx, claim, refused.status(), &words, again_at, now).await? {
            // Our lease ran out, and somebody else has it now: what becomes of it is theirs to say.
            return Ok(Outcome::Failed);
        }
        if again_at.is_none() {
            self.alert(&mut tx, claim, "webhook_given_up", &words, now).await?;
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
        rule: &str,
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
                "webhook_id": claim.webhook_id, "webhook_host": host(&claim.url), "rule": rule,
                "message": words, "event": claim.event,
            }),
            recipient: self.0.operator_email.as_deref(),
        };
        alerts::open(conn, &alert, now).await?;
        webhooks::set_alerted(conn, claim.webhook_id, true).await?;
        error!(webhook_id = %claim.webhook_id, host = host(&claim.url), rule, error = words, "a webhook's endpoint takes \
            nothing: see `lamplighter webhook list` and `lamplighter webhook deliveries --open`");
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

/// As much of an address as may stand in a log.
fn host(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
