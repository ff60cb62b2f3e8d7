//! One mail through the configured server, at once and beside the outbox, for whoever sets a deployment up.

use chrono::{DateTime, Utc};
use lettre::{message::Mailbox, transport::smtp};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    envelope::Envelope,
    mail::{Rendered, Trial},
    post::{Failed, Post},
};
use crate::{config, telemetry};

/// Why a mail did not go out, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct Undelivered {
    /// What the server said, or what hindered us.
    pub said: String,
    /// What to do.
    pub remedy: String,
}

/// Sends the test mail from this `host`, and says what the server answered.
///
/// # Errors
/// It was not taken.
pub async fn send(
    smtp: &config::Smtp,
    alerts: &config::Alerts,
    to: Mailbox,
    host: &str,
    now: DateTime<Utc>,
) -> Result<String, Undelivered> {
    let server = format!("{}:{}", smtp.host, smtp.port);
    let mail = Trial { host, server: &server, asked_at: now };
    let rendered = mail.render().map_err(|error| defect(&error))?;
    deliver(smtp, alerts, to, rendered, now).await
}

async fn deliver(
    smtp: &config::Smtp,
    alerts: &config::Alerts,
    to: Mailbox,
    rendered: Rendered,
    now: DateTime<Utc>,
) -> Result<String, Undelivered> {
    let post = Post::new(smtp).map_err(|error| undelivered(&error, smtp))?;
    let reply_to = alerts.reply_to.as_ref();
    let envelope = Envelope { from: &smtp.from, to, reply_to, id: Uuid::now_v7(), date: now };
    let message = envelope.message(rendered).map_err(|error| defect(&error))?;
    match post.send(&message, &CancellationToken::new()).await {
        Ok(answer) => {
            Ok(format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" ")).trim().to_owned())
        }
        Err(Failed::Refused(_, error)) => Err(undelivered(&error, smtp)),
        Err(Failed::Silent) => Err(Undelivered {
            said: format!("{}:{} said nothing within smtp.timeout", smtp.host, smtp.port),
            remedy:
                "check smtp.port and smtp.security: a server that waits for TLS is silent to those who do not begin it"
                    .to_owned(),
        }),
        Err(failed @ Failed::Unanswered(_)) => Err(Undelivered {
            said: telemetry::chain(&failed),
            remedy: "look whether it arrived: the server may only be slow; if so, raise smtp.answer_timeout".to_owned(),
        }),
        Err(failed @ (Failed::NeedsUtf8(_) | Failed::Address(_))) => Err(Undelivered {
            said: telemetry::chain(&failed),
            remedy: "write an address of plain letters, or use an SMTP server that knows SMTPUTF8".to_owned(),
        }),
        Err(failed @ Failed::Build(_)) => Err(defect(&failed)),
    }
}

fn undelivered(error: &smtp::Error, smtp: &config::Smtp) -> Undelivered {
    let remedy = match error.status().map(u16::from) {
        Some(530 | 534 | 535 | 538) => "correct smtp.username and smtp.password_file".to_owned(),
        Some(550..=554) => format!(
            "the server refuses the address or the sender: check the address, and whether {} may send as {}",
            smtp.username.as_deref().unwrap_or("this machine"),
            smtp.from.email
        ),
        Some(400..=499) => {
            "the server asks to try again later, perhaps for greylisting: repeat in some minutes; the outbox does that by \
             itself"
                .to_owned()
        }
        Some(_) => "read the server's words, and correct [smtp]".to_owned(),
        None if error.is_tls() => "check smtp.security (\"starttls\" on port 587, \"tls\" on 465) and that the server's \
             certificate is for smtp.host"
            .to_owned(),
        None => format!(
            "check that smtp.host {:?} and smtp.port {} are right and reachable from this machine",
            smtp.host, smtp.port
        ),
    };
    Undelivered { said: telemetry::chain(error), remedy }
}

fn defect(error: &dyn std::fmt::Display) -> Undelivered {
    Undelivered {
        said: format!("the mail cannot be built: {error}"),
        remedy: "check smtp.from and alerts.reply_to".to_owned(),
    }
}
