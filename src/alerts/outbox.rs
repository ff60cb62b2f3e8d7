//! From the outbox to the SMTP server. A server that is away or refuses loses nothing: the mail stays and is tried again
//! with growing pauses. A mail's Message-ID is fixed when it is queued, so a copy that was handed over just before a crash
//! can be recognised by whoever receives it.
//!
//! Invariant: a mail that was probably taken, because its content was sent and no answer came, is sent again a few times at
//! most, with long pauses; and no mail is sent on a lease that another daemon has taken over.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use lettre::message::Mailbox;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, error, field::Empty, info, info_span, warn};

use super::{
    bounce, delivery,
    envelope::{self, Envelope},
    post::{Failed, Post},
    storm,
    telling::{self, Tale, Told},
};
use crate::{
    clock::Clock,
    config,
    fence::Fence,
    links::ReconnectLinks,
    retry::{Backoff, later},
    store::{
        self, alerts,
        audit_log::Actor,
        mails::{
            self,
            outcomes::{self, Returned},
        },
    },
    telemetry::Metrics,
};

const AT_ONCE: i64 = 10;

/// How often a mail is sent whose taking is never confirmed.
const UNANSWERED: i32 = 3;
/// How long such a mail rests: whoever got it should not get it again soon.
const UNANSWERED_PAUSE: TimeDelta = TimeDelta::hours(4);

/// Sends what waits in the outbox. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    pool: PgPool,
    clock: Clock,
    alerts: config::Alerts,
    smtp: config::Smtp,
    post: Post,
    links: ReconnectLinks,
    fence: Fence,
    daemon: Arc<str>,
    metrics: Metrics,
    stopping: CancellationToken,
    wake: Arc<Notify>,
}

/// Everything an outbox is made of.
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// What time it is.
    pub clock: Clock,
    /// How mails are retried, and whom owners may ask.
    pub alerts: config::Alerts,
    /// The server.
    pub smtp: config::Smtp,
    /// Makes the links in mails.
    pub links: ReconnectLinks,
    /// Lets only the mail about itself through while it is closed.
    pub fence: Fence,
    /// Who we are in leases.
    pub daemon: Arc<str>,
    /// What is counted.
    pub metrics: Metrics,
    /// Cancelled when nothing new may be begun.
    pub stopping: CancellationToken,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Mails handed over.
    pub sent: u32,
    /// Mails to be tried again.
    pub failed: u32,
}

impl Outbox {
    /// Puts it together; nothing is connected yet.
    ///
    /// # Errors
    /// When the TLS settings of the SMTP server cannot be made.
    pub fn new(parts: Parts) -> Result<Self, lettre::transport::smtp::Error> {
        let Parts { pool, clock, alerts, smtp, links, fence, daemon, metrics, stopping } = parts;
        let post = Post::new(&smtp)?;
        Ok(Self { pool, clock, alerts, smtp, post, links, fence, daemon, metrics, stopping, wake: Arc::default() })
    }

    /// Sends every mail that is due.
    ///
    /// # Errors
    /// Database trouble: a claimed mail is due again when its lease runs out.
    pub async fn round(&self) -> Result<Report, store::Error> {
        let mut report = Report::default();
        loop {
            if self.stopping.is_cancelled() {
                return Ok(report);
            }
            let claims = {
                let mut conn = self.pool.acquire().await?;
                // Of all of them, at a server that is not slow; each gets one of its own when its turn comes.
                let lease = self.post.usual() * (AT_ONCE as u32 + 1);
                // Mails that a copied database holds may have been sent from the original.
                let fenced = self.fence.pass(&mut conn).await?.is_none();
                let only = fenced.then_some(alerts::Kind::RestoreFence);
                if !fenced {
                    storm::brake(&mut conn, &self.alerts, self.clock.now()).await?;
                }
                mails::claim_due(&mut conn, self.clock.now(), &self.daemon, lease, AT_ONCE, only).await?
            };
            if claims.is_empty() {
                return Ok(report);
            }
            for claim in &claims {
                match self.one(claim).instrument(self.span(claim)).await {
                    Ok(Some(true)) => report.sent += 1,
                    Ok(Some(false)) => report.failed += 1,
                    Ok(None) => {}
                    Err(cause) if cause.is_away() => return Err(cause),
                    // Its lease runs out; the other mails go on.
                    Err(cause) => error!(mail_id = %claim.id, error = crate::telemetry::chain(&cause), "a mail failed"),
                }
            }
        }
    }

    /// How long nothing is due.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn idle_for(&self) -> Result<Duration, store::Error> {
        let mut conn = self.pool.acquire().await?;
        let due = mails::next_due(&mut conn).await?;
        let until = due.map(|at| (at - self.clock.now()).to_std().unwrap_or_default());
        // While the fence is closed most of what is due stays where it is.
        let least = Duration::from_millis(if self.fence.is_open() { 500 } else { 5_000 });
        let most = Duration::from_secs(30);
        Ok(until.unwrap_or(most).clamp(least, most))
    }

    /// Waits for as long as there is nothing to do; a new alert ends the wait.
    pub async fn idle(&self, at_most: Duration) {
        let _woken = tokio::time::timeout(at_most, self.wake.notified()).await;
    }

    /// Ends the wait, because an alert was written.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ends the wait if something may have written an alert.
    pub fn wake_if(&self, condition: bool) {
        if condition {
            self.wake();
        }
    }

    /// Whether the SMTP server answers and lets us in.
    ///
    /// # Errors
    /// What it says.
    pub async fn probe(&self) -> Result<(), String> {
        self.post.probe().await.map_err(|failed| crate::telemetry::chain(&failed))
    }

    /// Notes that a mail came back, as `reason` says.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn bounced(
        &self,
        conn: &mut PgConnection,
        mail: Returned,
        reason: &str,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<bounce::Outcome, store::Error> {
        let outcome = bounce::note(conn, mail, reason, &self.alerts, actor, now).await?;
        self.wake_if(matches!(outcome, bounce::Outcome::Noted(_)));
        Ok(outcome)
    }

    fn span(&self, claim: &mails::Claim) -> Span {
        let (host, port) = self.post.at();
        info_span!("mail.send", mail_id = %claim.id, alert_id = %claim.alert_id, attempt = claim.attempts,
            host, port, outcome = Empty, error_type = Empty)
    }

    /// Sends one mail: whether it went out, or nothing if it comes too late or too early to be of use.
    async fn one(&self, claim: &mails::Claim) -> Result<Option<bool>, store::Error> {
        let now = self.clock.now();
        let told = {
            let mut conn = self.pool.acquire().await?;
            // The mails before it may have taken long: by now it may be another daemon's.
            if !mails::keep(&mut conn, claim, &self.daemon, self.lease()).await? {
                Span::current().record("outcome", "taken_over");
                return Ok(None);
            }
            telling::tell(&mut conn, claim, &self.links, &self.alerts, now).await?
        };
        let sent = match told {
            Ok(Tale::Send(told)) => self.send(claim, told).await,
            Ok(Tale::Drop) => {
                let mut conn = self.pool.acquire().await?;
                mails::drop_late(&mut conn, claim).await?;
                return Ok(None);
            }
            Ok(Tale::Wait(until)) => {
                let mut conn = self.pool.acquire().await?;
                mails::postpone(&mut conn, claim, until).await?;
                return Ok(None);
            }
            Err(unrendered) => Err(Failed::Build(unrendered)),
        };
        match sent {
            Ok(()) => {
                crate::failpoint::reach("mail_sent");
                self.note_sent(claim).await?;
                self.metrics.count_mail("sent");
                Span::current().record("outcome", "sent");
                info!(mail_id = %claim.id, alert_id = %claim.alert_id, step = ?claim.step, "mail handed over");
                Ok(Some(true))
            }
            Err(failed) => {
                self.metrics.count_mail("failed");
                Span::current().record("outcome", "failed").record("error_type", failed.as_str());
                self.note_failed(claim, &failed).await?;
                Ok(Some(false))
            }
        }
    }

    async fn note_failed(&self, claim: &mails::Claim, failed: &Failed) -> Result<(), store::Error> {
        let now = self.clock.now();
        // Servers quote the address they refuse; it belongs neither in a log nor in the table of errors.
        let words = envelope::masked(&crate::telemetry::chain(failed), &claim.recipient);
        let mut conn = self.pool.acquire().await?;
        if let Failed::Unanswered(_) = failed {
            let again = now + UNANSWERED_PAUSE;
            if outcomes::unanswered(&mut conn, claim, &words, UNANSWERED, again, now).await? {
                delivery::never_answered(&mut conn, UNANSWERED, &words, now).await?;
                warn!(mail_id = %claim.id, error = words, "mail sent for the last time without an answer: it counts as \
                    handed over");
            } else {
                warn!(mail_id = %claim.id, error = words, retry_at = %again, "mail sent, but nobody said that it was taken: \
                    the server may be slow or the way to it cut");
            }
            return Ok(());
        }
        let backoff = Backoff { min: self.alerts.retry_min, max: self.alerts.retry_max };
        let attempts = u32::try_from(claim.attempts).unwrap_or(1);
        let retry_at = later(now, backoff.pause(attempts, rand::random(), None));
        mails::retry(&mut conn, claim, &words, retry_at, now).await?;
        delivery::failed(&mut conn, claim, &self.alerts, failed, &words, now).await?;
        warn!(mail_id = %claim.id, error = words, %retry_at, "mail not handed over, tried again: check [smtp] with \
            `lamplighter doctor`");
        Ok(())
    }

    /// The server has taken the mail: that must not be forgotten because of one bad moment of the database.
    async fn note_sent(&self, claim: &mails::Claim) -> Result<(), store::Error> {
        let note = async || -> Result<(), store::Error> {
            let mut conn = self.pool.acquire().await?;
            mails::sent(&mut conn, claim, self.clock.now()).await?;
            delivery::delivered(&mut conn, claim, self.clock.now()).await
        };
        for _ in 0..3 {
            match note().await {
                Err(cause) if cause.is_away() => tokio::time::sleep(Duration::from_millis(500)).await,
                other => return other,
            }
        }
        note().await
    }

    async fn send(&self, claim: &mails::Claim, told: Told) -> Result<(), Failed> {
        let address = claim
            .recipient
            .parse()
            .map_err(|error: lettre::address::AddressError| Failed::Address(error.to_string()))?;
        let envelope = Envelope {
            from: &self.smtp.from,
            to: Mailbox::new(told.recipient_name, address),
            reply_to: self.alerts.reply_to.as_ref(),
            id: claim.id,
            date: self.clock.now(),
        };
        let built = envelope.message(told.rendered).map_err(Failed::Build)?;
        let mut sending = std::pin::pin!(self.post.send(&built, &self.stopping));
        loop {
            tokio::select! {
                sent = &mut sending => return sent.map(drop),
                () = tokio::time::sleep(self.post.usual()) => self.hold(claim).await,
            }
        }
    }

    /// Of one mail: short, so that what a dead daemon had begun is soon taken over, and made longer while it is being sent.
    fn lease(&self) -> Duration {
        self.post.usual() * 3
    }

    /// Goes on owning a mail whose answer takes long. If the database is away, the next time may do.
    async fn hold(&self, claim: &mails::Claim) {
        if let Ok(mut conn) = self.pool.acquire().await
            && let Err(error) = mails::keep(&mut conn, claim, &self.daemon, self.lease()).await
        {
            warn!(mail_id = %claim.id, error = crate::telemetry::chain(&error), "the lease on a mail that is being sent \
                could not be made longer");
        }
    }
}
