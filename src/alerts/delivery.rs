//! What a failed or successful delivery says about mail itself: an address that the server refuses for good, or a server
//! that cannot be used. Both are incidents; the second cannot be mailed, so it is only shown.

use chrono::{DateTime, Utc};
use lettre::transport::smtp;
use serde_json::json;
use sqlx::PgConnection;
use tracing::warn;

use crate::{
    config,
    store::{
        self,
        alerts::{self, Kind, NewAlert},
        mails, recipients,
    },
    telemetry, words,
};

/// The incident of a mail server that cannot be used.
const SMTP_AWAY: &str = "smtp_away";
/// How often a mail fails before that is the server's fault and not a moment's.
const PATIENCE: i32 = 4;
/// The most characters of a server's words that are kept.
const WORDS: usize = 300;

/// Whether the server refuses this address for good. Its words about our own right to send (5.7) or about the sender are
/// not about the address.
pub(super) fn refuses_recipient(error: &smtp::Error) -> bool {
    let said = telemetry::chain(error);
    let ours = ["5.7.", "5.1.7", "5.1.8"].iter().any(|code| said.contains(code));
    error.status().map(u16::from).is_some_and(|code| matches!(code, 550 | 551 | 553 | 556)) && !ours
}

/// Notes a mail that was not taken.
///
/// # Errors
/// Database trouble.
pub(super) async fn failed(
    conn: &mut PgConnection,
    mail: &mails::Claim,
    config: &config::Alerts,
    refused: bool,
    said: &str,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let said = words::line(said, WORDS);
    let operator = config.operator_email.as_ref().map(|mailbox| mailbox.email.to_string());
    if refused {
        let whose = recipients::of_mail(conn, mail.id).await?;
        let alert = NewAlert {
            incident: &whose.incident,
            kind: Kind::RecipientRefused,
            connection_id: whose.connection_id,
            provider: None,
            detail: &json!({ "message": said, "about": "the operator's address" }),
            // Whose own address is refused cannot be told by mail.
            recipient: operator.as_deref().filter(|operator| *operator != mail.recipient),
        };
        if alerts::open(conn, &alert, now).await? {
            warn!(mail_id = %mail.id, "the SMTP server refuses an address: see `lamplighter alert list`");
        }
    } else if mail.attempts >= PATIENCE {
        let alert = NewAlert {
            incident: SMTP_AWAY,
            kind: Kind::SmtpAway,
            connection_id: None,
            provider: None,
            detail: &json!({ "message": said, "about": "the SMTP server" }),
            recipient: None,
        };
        alerts::open(conn, &alert, now).await?;
    }
    Ok(())
}

/// Notes a mail that was taken: whatever was wrong with its address or with the server is over.
///
/// # Errors
/// Database trouble.
pub(super) async fn delivered(
    conn: &mut PgConnection,
    mail: &mails::Claim,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    if recipients::any_trouble(conn).await? {
        let whose = recipients::of_mail(conn, mail.id).await?;
        alerts::resolve(conn, &whose.incident, &json!({}), now).await?;
        alerts::resolve(conn, SMTP_AWAY, &json!({}), now).await?;
    }
    Ok(())
}
