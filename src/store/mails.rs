//! The outbox: mails that must still reach somebody. A mail's id is its Message-ID, fixed when it is queued.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, alerts};
use crate::provider::Provider;

/// What becomes of mails that were on their way: no answer, other people's luck, the way back.
pub mod outcomes;

/// Which moment of an incident a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = MailStep)]
pub enum Step {
    /// It began.
    Opened,
    /// It is closer.
    Reminder,
    /// It is about to come true.
    LastCall,
    /// It is over.
    Resolved,
}

impl Step {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reminder => "reminder",
            Self::LastCall => "last_call",
            Self::Resolved => "resolved",
        }
    }
}

/// A mail that is ours to send until the lease runs out.
#[derive(Debug)]
pub struct Claim {
    /// Its id, and its Message-ID.
    pub id: Uuid,
    /// The alert it tells of.
    pub alert_id: Uuid,
    /// The moment.
    pub step: Step,
    /// Which of several mails of that step.
    pub number: i32,
    /// Where it goes.
    pub recipient: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Ours, until somebody claims after us.
    pub fence: i64,
}

/// Claims up to `limit` mails that are due, of all kinds of alerts or `only` of one.
///
/// # Errors
/// Database trouble.
pub async fn claim_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    daemon: &str,
    lease: Duration,
    limit: i64,
    only: Option<alerts::Kind>,
) -> Result<Vec<Claim>, Error> {
    Ok(sqlx::query_as!(
        Claim,
        r#"with picked as (
               select id from mails
               where sent_at is null and send_at <= $1 and (lease_until is null or lease_until < clock_timestamp())
                 and ($5::text is null or exists (select from alerts a where a.id = alert_id and a.kind = $5))
                 and not exists (select from held_mails h where h.id = mails.id)
               order by send_at limit $4 for update skip locked
           )
           update mails m
           set lease_until = clock_timestamp() + make_interval(secs => $3), leased_by = $2, fence = m.fence + 1,
               attempts = m.attempts + 1
           from picked where m.id = picked.id
           returning m.id, m.alert_id, m.step as "step: Step", m.number, m.recipient, m.attempts, m.fence"#,
        now,
        daemon,
        lease.as_secs_f64(),
        limit,
        only as Option<alerts::Kind>
    )
    .fetch_all(conn)
    .await?)
}

/// Makes the lease last as long from now on, if the mail is still ours; whether it is.
///
/// # Errors
/// Database trouble.
pub async fn keep(conn: &mut PgConnection, claim: &Claim, daemon: &str, lease: Duration) -> Result<bool, Error> {
    let kept = sqlx::query!(
        "update mails set lease_until = clock_timestamp() + make_interval(secs => $3), leased_by = $4
         where id = $1 and fence = $2 and sent_at is null",
        claim.id,
        claim.fence,
        lease.as_secs_f64(),
        daemon
    )
    .execute(conn)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Notes that the mail was handed over.
///
/// # Errors
/// Database trouble.
pub async fn sent(conn: &mut PgConnection, claim: &Claim, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update mails set sent_at = $3, lease_until = null, leased_by = null, last_error = null, failing_since = null
         where id = $1 and fence = $2",
        claim.id,
        claim.fence,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts the mail back, to be tried again.
///
/// # Errors
/// Database trouble: the lease runs out by itself.
pub async fn retry(
    conn: &mut PgConnection,
    claim: &Claim,
    error: &str,
    send_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "update mails set send_at = $3, last_error = $4, lease_until = null, leased_by = null,
             failing_since = coalesce(failing_since, $5), failed_at = $5
         where id = $1 and fence = $2",
        claim.id,
        claim.fence,
        send_at,
        error,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts the mail back because there will be more to say then; that was no attempt.
///
/// # Errors
/// Database trouble: the lease runs out by itself.
pub async fn postpone(conn: &mut PgConnection, claim: &Claim, send_at: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update mails set send_at = $3, attempts = attempts - 1, lease_until = null, leased_by = null
         where id = $1 and fence = $2",
        claim.id,
        claim.fence,
        send_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Drops a mail that came too late to be of use.
///
/// # Errors
/// Database trouble.
pub async fn drop_late(conn: &mut PgConnection, claim: &Claim) -> Result<(), Error> {
    sqlx::query!("delete from mails where id = $1 and fence = $2 and sent_at is null", claim.id, claim.fence)
        .execute(conn)
        .await?;
    Ok(())
}

/// When the next mail is due.
///
/// # Errors
/// Database trouble.
pub async fn next_due(conn: &mut PgConnection) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!(
        "select min(send_at) from mails
         where sent_at is null and (lease_until is null or lease_until < clock_timestamp())
           and not exists (select from held_mails h where h.id = mails.id)"
    )
    .fetch_one(conn)
    .await?)
}

/// The outbox as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct Backlog {
    /// How many mails were tried and are not through.
    pub failing: i64,
    /// How many of them go to an address of which an open alert says that mail does not arrive there.
    pub refused: i64,
    /// The latest error among the others, or among all if there are no others.
    pub last_error: Option<String>,
}

/// Mails that were tried at least once and are not through.
///
/// # Errors
/// Database trouble.
pub async fn backlog(conn: &mut PgConnection) -> Result<Backlog, Error> {
    Ok(sqlx::query_as!(
        Backlog,
        r#"with failing as (
               select m.last_error, m.failed_at,
                      exists (select from alerts r
                              where r.resolved_at is null and r.kind = 'recipient_refused'
                                and r.incident = coalesce('recipient_refused/' || a.id, 'recipient_refused/operator'))
                          as refused
               from mails m join alerts l on l.id = m.alert_id
                    left join connections c on c.id = l.connection_id
                    left join accounts a on a.id = c.account_id and a.owner_email = m.recipient
               where m.sent_at is null and m.last_error is not null
           )
           select count(*) as "failing!", count(*) filter (where refused) as "refused!",
                  (select last_error from failing order by refused, failed_at desc nulls last limit 1) as last_error
           from failing"#
    )
    .fetch_one(conn)
    .await?)
}

/// Mails to owners that are held until somebody decides, by provider.
///
/// # Errors
/// Database trouble.
pub async fn held(conn: &mut PgConnection) -> Result<Vec<(Provider, u64)>, Error> {
    let rows = sqlx::query!(
        r#"select provider as "provider!: Provider", count(*) as "count!" from held_mails group by provider order by provider"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.provider, row.count.unsigned_abs())).collect())
}

/// One mail of an alert, for people.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AlertMail)]
pub struct Sent {
    /// Its id, and its Message-ID.
    pub id: Uuid,
    /// The moment it is about.
    pub step: Step,
    /// Which of several of that step.
    pub number: i32,
    /// Where it goes.
    pub recipient: String,
    /// When it is due.
    pub send_at: DateTime<Utc>,
    /// When it was handed over.
    pub sent_at: Option<DateTime<Utc>>,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it was not handed over, or what went wrong although it was.
    pub last_error: Option<String>,
    /// When it came back.
    pub bounced_at: Option<DateTime<Utc>>,
}

/// The mails of an alert, the earliest first.
///
/// # Errors
/// Database trouble.
pub async fn of_alert(conn: &mut PgConnection, alert_id: Uuid) -> Result<Vec<Sent>, Error> {
    Ok(sqlx::query_as!(
        Sent,
        r#"select id, step as "step: Step", number, recipient, send_at, sent_at, attempts, last_error,
                  bounced_at
           from mails where alert_id = $1 order by id"#,
        alert_id
    )
    .fetch_all(conn)
    .await?)
}
