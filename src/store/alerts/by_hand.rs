//! What people do about an incident, as changes of its row. Whoever calls this writes down who it was.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// Somebody knows: nobody is reminded any more. `false` when the alert is over.
///
/// # Errors
/// Database trouble.
pub async fn acknowledge(conn: &mut PgConnection, id: Uuid, actor: &str, now: DateTime<Utc>) -> Result<bool, Error> {
    let done = sqlx::query!(
        "with alert as (
             update alerts set acknowledged_at = $2, acknowledged_by = $3 where id = $1 and resolved_at is null returning id
         ), dropped as (
             delete from mails m using alert
             where m.alert_id = alert.id and m.sent_at is null and m.step in ('reminder', 'last_call')
               and (m.lease_until is null or m.lease_until < clock_timestamp())
         )
         select id from alert",
        id,
        now,
        actor
    )
    .fetch_optional(conn)
    .await?;
    Ok(done.is_some())
}

/// Nobody is reminded before `until`. A reminder that was not sent yet is due again then. `false` when the alert is over.
///
/// # Errors
/// Database trouble.
pub async fn snooze(conn: &mut PgConnection, id: Uuid, until: DateTime<Utc>, actor: &str) -> Result<bool, Error> {
    let done = sqlx::query!(
        "with dropped as (
             delete from mails m using alerts a
             where m.alert_id = $1 and a.id = $1 and a.resolved_at is null and m.sent_at is null
               and m.step in ('reminder', 'last_call') and (m.lease_until is null or m.lease_until < clock_timestamp())
             returning m.number
         )
         update alerts
         set snoozed_until = $2, snoozed_by = $3, acknowledged_at = null, acknowledged_by = null,
             reminded = least(reminded, coalesce((select min(number) - 1 from dropped), reminded))
         where id = $1 and resolved_at is null returning id",
        id,
        until,
        actor
    )
    .fetch_optional(conn)
    .await?;
    Ok(done.is_some())
}

/// It is over, because somebody says so: what was not sent yet is not sent any more, and there is no all-clear. `false`
/// when it was over before.
///
/// # Errors
/// Database trouble.
pub async fn resolve(conn: &mut PgConnection, id: Uuid, actor: &str, now: DateTime<Utc>) -> Result<bool, Error> {
    let done = sqlx::query!(
        "with resolved as (
             update alerts set resolved_at = $2, resolved_by = $3 where id = $1 and resolved_at is null returning id
         ), dropped as (
             delete from mails m using resolved r
             where m.alert_id = r.id and m.sent_at is null
               and (m.lease_until is null or m.lease_until < clock_timestamp())
         )
         select id from resolved",
        id,
        now,
        actor
    )
    .fetch_optional(conn)
    .await?;
    Ok(done.is_some())
}
