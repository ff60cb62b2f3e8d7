//! What became of mails that were on their way: the server said nothing, others went through meanwhile, or they came back.
//!
//! An address is compared without regard to case, because whoever returns a mail may write it otherwise.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Claim;
use crate::store::Error;

/// For how long a mail may come back that is known by its recipient only.
const COMES_BACK_FOR: TimeDelta = TimeDelta::days(14);

/// Notes that the content was sent and no answer came. The mail rests until `send_at`; when that was the last of `most` times,
/// it counts as handed over, and that is the answer.
///
/// # Errors
/// Database trouble: the lease runs out by itself.
pub async fn unanswered(
    conn: &mut PgConnection,
    claim: &Claim,
    error: &str,
    most: i32,
    send_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let ended = sqlx::query_scalar!(
        r#"update mails set unanswered = unanswered + 1, send_at = $5, last_error = $3, failed_at = $6,
               failing_since = case when unanswered + 1 >= $4 then null else coalesce(failing_since, $6) end,
               sent_at = case when unanswered + 1 >= $4 then $6 end, lease_until = null, leased_by = null
           where id = $1 and fence = $2 returning sent_at is not null as "ended!""#,
        claim.id,
        claim.fence,
        error,
        most,
        send_at,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(ended.unwrap_or(false))
}

/// Whether a mail to somebody else was handed over since then.
///
/// # Errors
/// Database trouble.
pub async fn others_went_through(conn: &mut PgConnection, claim: &Claim) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from mails o, mails m
                          where m.id = $1 and o.sent_at >= m.failing_since and o.unanswered = 0
                            and lower(o.recipient) <> lower($2)) as "exists!""#,
        claim.id,
        claim.recipient
    )
    .fetch_one(conn)
    .await?)
}

/// Whether something else is wrong with this address than what one mail that was taken can end: another mail to it fails, or
/// one came back since the incident opened.
///
/// # Errors
/// Database trouble.
pub async fn still_wrong(conn: &mut PgConnection, claim: &Claim, incident: &str) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (
               select from mails m
               where lower(m.recipient) = lower($2) and m.id <> $1
                 and (m.sent_at is null and m.failing_since is not null
                      or m.bounced_at >= (select opened_at from alerts where incident = $3 and resolved_at is null))
           ) as "exists!""#,
        claim.id,
        claim.recipient,
        incident
    )
    .fetch_one(conn)
    .await?)
}

/// A mail that is said to have come back.
#[derive(Clone, Debug)]
pub struct Returned {
    /// Its id, and its Message-ID.
    pub id: Uuid,
    /// Where it went.
    pub recipient: String,
    /// Whose account it is about, if one.
    pub account_id: Option<Uuid>,
    /// What that is called.
    pub account: Option<String>,
    /// When it was handed over.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it came back before.
    pub bounced_at: Option<DateTime<Utc>>,
}

/// The mail with one of these ids.
///
/// # Errors
/// Database trouble.
pub async fn by_id(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Option<Returned>, Error> {
    Ok(sqlx::query_as!(
        Returned,
        r#"select m.id, m.recipient, a.id as "account_id?", a.name as "account?", m.sent_at, m.bounced_at
           from mails m join alerts l on l.id = m.alert_id left join connections c on c.id = l.connection_id
                left join accounts a on a.id = c.account_id
           where m.id = any($1) limit 1"#,
        ids
    )
    .fetch_optional(conn)
    .await?)
}

/// The latest mail that was handed over for this address not long ago.
///
/// # Errors
/// Database trouble.
pub async fn latest_to(conn: &mut PgConnection, address: &str, now: DateTime<Utc>) -> Result<Option<Returned>, Error> {
    let id = sqlx::query_scalar!(
        "select id from mails where lower(recipient) = lower($1) and sent_at > $2 order by sent_at desc limit 1",
        address,
        now - COMES_BACK_FOR
    )
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => by_id(conn, &[id]).await,
        None => Ok(None),
    }
}

/// Notes that a mail came back, as `reason` says; `false` when that was noted before, or it was never handed over.
///
/// # Errors
/// Database trouble.
pub async fn bounced(conn: &mut PgConnection, id: Uuid, reason: &str, now: DateTime<Utc>) -> Result<bool, Error> {
    let noted = sqlx::query!(
        "update mails set bounced_at = $3, last_error = $2, failed_at = $3
         where id = $1 and bounced_at is null and sent_at is not null",
        id,
        reason,
        now
    )
    .execute(conn)
    .await?;
    Ok(noted.rows_affected() == 1)
}
