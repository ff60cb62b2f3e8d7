//! The ladder of an incident that its owner does not repair: which rung is due, and the mail of a rung.
//!
//! An alert says which rung was taken last. A rung is taken under the alert's lock and its mail has the rung's number, so
//! however many ask, each is mailed at most once.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// An alert whose next rung is due.
#[derive(Debug)]
pub struct Due {
    /// The alert.
    pub alert_id: Uuid,
    /// Since when it is open.
    pub opened_at: DateTime<Utc>,
    /// The owner's address.
    pub recipient: String,
    /// The first mail still waits: it says what there is to say.
    pub untold: bool,
}

/// Lapses that are open and of which nobody said that they know, whose next rung of `ladder` (seconds after the lapse) has
/// come. They stay locked until the transaction ends.
///
/// # Errors
/// Database trouble.
pub async fn due(conn: &mut PgConnection, ladder: &[f64], now: DateTime<Utc>, limit: i64) -> Result<Vec<Due>, Error> {
    Ok(sqlx::query_as!(
        Due,
        r#"select l.id as alert_id, l.opened_at, a.owner_email as recipient,
                  exists (select from mails m where m.alert_id = l.id and m.step = 'opened' and m.sent_at is null)
                      as "untold!"
           from alerts l join connections c on c.id = l.connection_id join accounts a on a.id = c.account_id
           where l.kind = 'connection_lapsed' and l.resolved_at is null and l.acknowledged_at is null
             and (l.snoozed_until is null or l.snoozed_until <= $1)
             and l.opened_at + make_interval(secs => ($2::float8[])[l.reminded + 1]) <= $1
           order by l.opened_at limit $3 for update of l skip locked"#,
        now,
        ladder,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// Takes a rung and queues its mail, unless the first one still waits; an earlier reminder that was not sent yet is
/// dropped. Whether a mail was queued.
///
/// # Errors
/// Database trouble.
pub async fn take(conn: &mut PgConnection, due: &Due, rung: i32, now: DateTime<Utc>) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"with alert as (
               update alerts set reminded = $2 where id = $1 returning id
           ), dropped as (
               delete from mails m using alert
               where m.alert_id = alert.id and m.step = 'reminder' and m.sent_at is null
                 and (m.lease_until is null or m.lease_until < clock_timestamp())
           ), queued as (
               insert into mails (id, alert_id, step, number, recipient, send_at)
               select $3, id, 'reminder', $2, $4, $5 from alert where not $6
               on conflict (alert_id, step, number) do nothing
               returning id
           )
           select exists (select from queued) as "queued!""#,
        due.alert_id,
        rung,
        Uuid::now_v7(),
        due.recipient,
        now,
        due.untold
    )
    .fetch_one(conn)
    .await?)
}
