//! Whether an all-clear has anything to clear: it must not come before the mail that it answers, nor without one.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Error, mails::Claim};

/// What is known of the other mails of an alert.
#[derive(Clone, Copy, Debug)]
pub struct Others {
    /// This mail is still to be sent: nobody took it back.
    pub wanted: bool,
    /// Somebody is about to send, or to drop, an earlier one.
    pub under_way: bool,
    /// An earlier one was handed over.
    pub told: bool,
}

/// How the other mails of a mail's alert stand.
///
/// # Errors
/// Database trouble.
pub async fn others(conn: &mut PgConnection, mail: &Claim) -> Result<Others, Error> {
    Ok(sqlx::query_as!(
        Others,
        r#"select coalesce(bool_or(id = $2), false) as "wanted!",
                  coalesce(bool_or(id <> $2 and sent_at is null and lease_until >= clock_timestamp()), false)
                      as "under_way!",
                  coalesce(bool_or(id <> $2 and sent_at is not null), false) as "told!"
           from mails where alert_id = $1"#,
        mail.alert_id,
        mail.id
    )
    .fetch_one(conn)
    .await?)
}

/// Takes back the all-clear of an alert whose first mail is dropped before it was ever handed over: it was queued because
/// that mail might have arrived.
///
/// # Errors
/// Database trouble.
pub async fn withdraw(conn: &mut PgConnection, dropped: &Claim) -> Result<(), Error> {
    sqlx::query!(
        "delete from mails m
         where m.alert_id = $1 and m.step = 'resolved' and m.sent_at is null and $3 <= 1
           and not exists (select from mails o where o.alert_id = $1 and o.id not in (m.id, $2)
                           and (o.sent_at is not null or o.attempts > 0))",
        dropped.alert_id,
        dropped.id,
        dropped.attempts
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When an incident was last over, if it is not open again.
///
/// # Errors
/// Database trouble.
pub async fn last(conn: &mut PgConnection, incident: &str) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!(
        "select resolved_at from alerts where incident = $1 order by opened_at desc limit 1",
        incident
    )
    .fetch_optional(conn)
    .await?
    .flatten())
}
