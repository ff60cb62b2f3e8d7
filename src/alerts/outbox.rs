//! From the outbox to the SMTP server. A server that is away or refuses loses nothing: the mail stays and is tried again
//! with growing pauses. A mail's Message-ID is fixed when it is queued, so a copy that was handed over just before a crash
//! can be recognised by whoever receives it.

use std::{sync::Arc, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor, message::Mailbox,
    transport::smtp::authentication::Credentials,
};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, error, field::Empty, info, info_span, warn};

use super::{
    delivery,
    envelope::Envelope,
    storm,
    telling::{self, Tale, Told},
};
use crate::{
    clock::Clock,
    config::{self, SmtpSecurity},
    fence::Fence,
    links::ReconnectLinks,
    retry::{Backoff, later},
    store::{self, alerts, mails},
    telemetry::Metrics,
};

const AT_ONCE: i64 = 10;

/// Sends what waits in the outbox. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    pool: PgPool,
    clock: Clock,
    alerts: config::Alerts,
    smtp: config::Smtp,
    transport: AsyncSmtpTransport<Tokio1Executor>,
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

/// Why a mail did not go out.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the mail cannot be built: {0}")]
    Build(String),
    #[error("the SMTP server did not take it")]
    Smtp(#[from] lettre::transport::smtp::Error),
    #[error("the SMTP server said nothing within smtp.timeout")]
    Silent,
}

impl Failed {
    /// The word in spans.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Build(_) => "unbuildable",
            Self::Smtp(_) => "refused",
            Self::Silent => "silent",
        }
    }
}

impl Outbox {
    /// Puts it together; nothing is connected yet.
    ///
    /// # Errors
    /// When the TLS settings of the SMTP server cannot be made.
    pub fn new(parts: Parts) -> Result<Self, lettre::transport::smtp::Error> {
        let Parts { pool, clock, alerts, smtp, links, fence, daemon, metrics, stopping } = parts;
        let transport = transport(&smtp)?;
        Ok(Self { pool, clock, alerts, smtp, transport, links, fence, daemon, metrics, stopping, wake: Arc::default() })
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
                // Long enough for a slow server to take all of them, each within its deadline.
                let lease = self.smtp.timeout * (AT_ONCE as u32 + 1);
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
        match tokio::time::timeout(self.smtp.timeout, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it does not answer to NOOP".to_owned()),
            Ok(Err(error)) => Err(crate::telemetry::chain(&error)),
            Err(_) => Err(Failed::Silent.to_string()),
        }
    }

    fn span(&self, claim: &mails::Claim) -> Span {
        info_span!("mail.send", mail_id = %claim.id, alert_id = %claim.alert_id, attempt = claim.attempts,
            host = self.smtp.host, port = self.smtp.port, outcome = Empty, error_type = Empty)
    }

    /// Sends one mail: whether it went out, or nothing if it comes too late or too early to be of use.
    async fn one(&self, claim: &mails::Claim) -> Result<Option<bool>, store::Error> {
        let now = self.clock.now();
        let told = {
            let mut conn = self.pool.acquire().await?;
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
                let backoff = Backoff { min: self.alerts.retry_min, max: self.alerts.retry_max };
                let attempts = u32::try_from(claim.attempts).unwrap_or(1);
                let retry_at = later(self.clock.now(), backoff.pause(attempts, rand::random(), None));
                // Servers quote the address they refuse; it belongs neither in a log nor in the table of errors.
                let words = crate::telemetry::chain(&failed).replace(&claim.recipient, "the recipient");
                let mut conn = self.pool.acquire().await?;
                mails::retry(&mut conn, claim, &words, retry_at).await?;
                let refused = matches!(&failed, Failed::Smtp(error) if delivery::refuses_recipient(error));
                delivery::failed(&mut conn, claim, &self.alerts, refused, &words, self.clock.now()).await?;
                self.metrics.count_mail("failed");
                Span::current().record("outcome", "failed").record("error_type", failed.as_str());
                warn!(mail_id = %claim.id, error = words, %retry_at, "mail not handed over, tried again: check [smtp] \
                    with `lamplighter doctor`");
                Ok(Some(false))
            }
        }
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
        let address =
            claim.recipient.parse().map_err(|error| Failed::Build(format!("the recipient's address: {error}")))?;
        let envelope = Envelope {
            from: &self.smtp.from,
            to: Mailbox::new(told.recipient_name, address),
            reply_to: self.alerts.reply_to.as_ref(),
            id: claim.id,
            date: self.clock.now(),
        };
        let built = envelope.message(told.rendered).map_err(Failed::Build)?;
        // The transport's own timeout ends with the connect; a server that then says nothing must not hold up the rest.
        match tokio::time::timeout(self.smtp.timeout, self.transport.send(built)).await {
            Ok(answer) => {
                answer?;
                Ok(())
            }
            Err(_) => Err(Failed::Silent),
        }
    }
}

/// The way to the configured server; nothing is connected yet.
pub(super) fn transport(
    smtp: &config::Smtp,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    let builder = match smtp.security {
        SmtpSecurity::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host),
        SmtpSecurity::StartTls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&smtp.host)?,
        SmtpSecurity::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(&smtp.host)?,
    };
    let mut builder = builder.port(smtp.port).timeout(Some(smtp.timeout));
    if let (Some(username), Some(password)) = (&smtp.username, &smtp.password) {
        builder = builder.credentials(Credentials::new(username.clone(), password.expose_secret().to_owned()));
    }
    Ok(builder.build())
}
