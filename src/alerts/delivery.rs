//! What a failed or successful delivery says about mail itself: an address that mail does not reach, or a server that cannot
//! be used. Both are incidents; the second cannot be mailed, so it is only shown.
//!
//! Whose fault it is, is told by what else goes on: a mail that fails again and again while others go through is its
//! recipient's trouble, whatever code the server gives.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use tracing::warn;
use uuid::Uuid;

use super::post::{Failed, Stage};
use crate::{
    config,
    store::{
        self,
        alerts::{self, Kind, NewAlert},
        mails::{self, outcomes},
        recipients,
    },
    telemetry, words,
};

/// The incident of a mail server that cannot be used.
const SMTP_AWAY: &str = "smtp_away";
/// How often a mail fails before that is somebody's fault and not a moment's.
const PATIENCE: i32 = 4;
/// The most characters of a server's words that are kept.
const WORDS: usize = 300;

/// Whether this address is refused for good. A server's words about our own right to send (5.7) or about the sender are not
/// about the address.
fn refuses_recipient(failed: &Failed) -> bool {
    match failed {
        Failed::Address(_) | Failed::NeedsUtf8(Stage::Recipient) => true,
        Failed::Refused(Stage::Recipient | Stage::Content, error) => {
            let said = telemetry::chain(error);
            let ours = ["5.7.", "5.1.7", "5.1.8"].iter().any(|code| said.contains(code));
            error.status().map(u16::from).is_some_and(|code| matches!(code, 550..=553 | 556)) && !ours
        }
        _ => false,
    }
}

/// Notes a mail that was not taken.
///
/// # Errors
/// Database trouble.
pub(super) async fn failed(
    conn: &mut PgConnection,
    mail: &mails::Claim,
    config: &config::Alerts,
    failed: &Failed,
    said: &str,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    if refuses_recipient(failed) {
        return unreached(conn, mail.id, &mail.recipient, config, said, now).await;
    }
    if mail.attempts < PATIENCE {
        return Ok(());
    }
    // No server has seen a mail that cannot be built.
    if matches!(failed, Failed::Build(_)) || outcomes::others_went_through(conn, mail).await? {
        return unreached(conn, mail.id, &mail.recipient, config, said, now).await;
    }
    server_away(conn, said, now).await
}

/// Notes a mail that was sent again and again and never answered.
///
/// # Errors
/// Database trouble.
pub(super) async fn never_answered(
    conn: &mut PgConnection,
    times: i32,
    said: &str,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    server_away(conn, &format!("a mail was sent {times} times, and each time {said}"), now).await
}

/// Opens the incident of an address that mail does not reach.
///
/// # Errors
/// Database trouble.
pub(super) async fn unreached(
    conn: &mut PgConnection,
    mail_id: Uuid,
    address: &str,
    config: &config::Alerts,
    said: &str,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let operator = config.operator_email.as_ref().map(|mailbox| mailbox.email.to_string());
    let whose = recipients::of_mail(conn, mail_id).await?;
    let alert = NewAlert {
        incident: &whose.incident,
        kind: Kind::RecipientRefused,
        connection_id: whose.connection_id,
        provider: None,
        detail: &json!({ "message": words::line(said, WORDS), "about": "the operator's address" }),
        // Whose own address is refused cannot be told by mail.
        recipient: operator.as_deref().filter(|operator| *operator != address),
    };
    if alerts::open(conn, &alert, now).await? {
        warn!(mail_id = %mail_id, "mail does not reach an address: see `lamplighter alert list`");
    }
    Ok(())
}

async fn server_away(conn: &mut PgConnection, said: &str, now: DateTime<Utc>) -> Result<(), store::Error> {
    let alert = NewAlert {
        incident: SMTP_AWAY,
        kind: Kind::SmtpAway,
        connection_id: None,
        provider: None,
        detail: &json!({ "message": words::line(said, WORDS), "about": "the SMTP server" }),
        recipient: None,
    };
    alerts::open(conn, &alert, now).await?;
    Ok(())
}

/// Notes a mail that was taken: whatever was wrong with the server is over, and what was wrong with its address, unless that
/// is known to be wrong otherwise: a server that takes everything takes what will come back, too.
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
        if !outcomes::still_wrong(conn, mail, &whose.incident).await? {
            alerts::resolve(conn, &whose.incident, &json!({}), now).await?;
        }
        alerts::resolve(conn, SMTP_AWAY, &json!({}), now).await?;
    }
    Ok(())
}
