//! Mails that were taken and came back. Most servers take everything and find out later; what they found out comes as a
//! delivery status notification (RFC 3464) to `smtp.from`, or as a call of a mail service.
//!
//! Only what failed for good is noted, and only about a mail of ours. It opens the same incident as an address that is
//! refused at once. It does not end one: a server that takes everything takes the next mail, too.

/// What a notification says.
mod notification;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

pub use self::notification::{Notification, Unreadable};
use super::delivery;
use crate::{
    config,
    store::{
        self,
        audit_log::{self, Actor, Deed},
        mails::outcomes::{self, Returned},
    },
    words,
};

/// The most characters of a reason that are kept.
const REASON: usize = 300;

/// What became of a report that a mail came back.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is written down, and the operator is told.
    Noted(Returned),
    /// It was written down before.
    Known(Returned),
    /// That mail was not handed over yet, or goes out again already.
    NotSent(Returned),
    /// The mail may still arrive, or has arrived.
    NotFinal,
    /// It is not about a mail of ours.
    Foreign,
}

/// Notes what a notification says.
///
/// # Errors
/// Database trouble.
pub async fn read(
    conn: &mut PgConnection,
    notification: &Notification,
    config: &config::Alerts,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Outcome, store::Error> {
    let Some(failure) = &notification.failure else { return Ok(Outcome::NotFinal) };
    let mut found = outcomes::by_id(conn, &notification.ids).await?;
    // The address alone names a mail only where nothing else does: many a notification of others names it, too.
    if let (None, true, Some(address)) = (&found, notification.names_nothing(), &failure.recipient) {
        found = outcomes::latest_to(conn, address, now).await?;
    }
    match found {
        Some(mail) => note(conn, mail, &failure.reason, config, actor, now).await,
        None => Ok(Outcome::Foreign),
    }
}

/// Notes that a mail came back, as `reason` says.
///
/// # Errors
/// Database trouble.
pub async fn note(
    conn: &mut PgConnection,
    mail: Returned,
    reason: &str,
    config: &config::Alerts,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Outcome, store::Error> {
    if mail.bounced_at.is_some() {
        return Ok(Outcome::Known(mail));
    }
    let said = format!("it came back: {}", words::line(&super::envelope::masked(reason, &mail.recipient), REASON));
    let mut tx = conn.begin().await?;
    if !outcomes::bounced(&mut tx, mail.id, &said, now).await? {
        return Ok(Outcome::NotSent(mail));
    }
    delivery::unreached(&mut tx, mail.id, &mail.recipient, config, &said, now).await?;
    let subject = mail.account.as_deref().unwrap_or("the operator");
    let detail = json!({ "mail_id": mail.id, "reason": said });
    let deed = Deed { action: "mail.bounced", account_id: mail.account_id, subject, detail };
    audit_log::record(&mut tx, actor, &deed, now).await?;
    tx.commit().await?;
    Ok(Outcome::Noted(mail))
}

/// The mail that a Message-ID of ours names, with or without its brackets and its domain.
pub fn mail_id(message_id: &str) -> Option<Uuid> {
    let text = message_id.trim().trim_start_matches('<').trim_end_matches('>');
    let local = text.split('@').next().unwrap_or_default();
    Uuid::try_parse(local.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_names_a_mail_in_every_spelling() {
        let id = Uuid::from_u128(7);
        for text in [
            "<00000000-0000-0000-0000-000000000007@lamps.example>",
            " 00000000-0000-0000-0000-000000000007@lamps.example",
            "00000000-0000-0000-0000-000000000007",
        ] {
            assert_eq!(mail_id(text), Some(id), "{text}");
        }
        for text in ["", "<>", "<1234@lamps.example>", "@"] {
            assert_eq!(mail_id(text), None, "{text}");
        }
    }
}
