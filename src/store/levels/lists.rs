//! What the screen of whoever is on call names one by one: the few that do not work, and the last day.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    provider::{Cause, Provider},
    store::{Error, connections::Status},
};

/// A connection that does not work.
#[derive(Clone, Debug, Serialize)]
pub struct Broken {
    /// Whose.
    pub account: String,
    /// With whom.
    pub provider: Provider,
    /// How it does not.
    pub status: Status,
    /// Why, when it lapsed.
    pub cause: Option<Cause>,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// The connections of one status that have had it for the least time, by index.
///
/// # Errors
/// Database trouble.
pub async fn lapsed(conn: &mut PgConnection, limit: i64) -> Result<Vec<Broken>, Error> {
    Ok(sqlx::query_as!(
        Broken,
        r#"select a.name as account, c.provider as "provider: Provider", c.status as "status: Status",
                  c.cause as "cause: Cause", c.status_changed_at as since
           from connections c join accounts a on a.id = c.account_id where c.status = 'lapsed'
           order by c.status_changed_at desc limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// The connections whose renewal has been failing for the longest time, by index.
///
/// # Errors
/// Database trouble.
pub async fn failing(conn: &mut PgConnection, limit: i64) -> Result<Vec<Broken>, Error> {
    Ok(sqlx::query_as!(
        Broken,
        r#"select a.name as account, c.provider as "provider: Provider", c.status as "status: Status",
                  c.cause as "cause: Cause", c.status_changed_at as since
           from connections c join accounts a on a.id = c.account_id where c.status = 'failing'
           order by c.status_changed_at limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// A fault of our own.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// Its kind.
    pub kind: String,
    /// At whom, if at somebody.
    pub provider: Option<Provider>,
    /// What is known of it.
    pub detail: Value,
    /// Since when.
    pub opened_at: DateTime<Utc>,
}

/// Open alerts about our own deployment, the oldest first.
///
/// # Errors
/// Database trouble.
pub async fn faults(conn: &mut PgConnection, limit: i64) -> Result<Vec<Fault>, Error> {
    Ok(sqlx::query_as!(
        Fault,
        r#"select kind, provider as "provider: Provider", detail, opened_at from alerts
           where resolved_at is null and kind in ('operator_fault', 'restore_fence')
           order by opened_at limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// An address that takes no mail.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// Whose owner's it is; absent for the operator's own.
    pub account: Option<String>,
    /// What the mail server said, with what else is known.
    pub detail: Value,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Addresses of which an open alert says that they take no mail, the oldest first.
///
/// # Errors
/// Database trouble.
pub async fn refused(conn: &mut PgConnection, limit: i64) -> Result<Vec<Refused>, Error> {
    Ok(sqlx::query_as!(
        Refused,
        r#"select a.name as "account?", l.detail, l.opened_at as since
           from alerts l left join connections c on c.id = l.connection_id left join accounts a on a.id = c.account_id
           where l.resolved_at is null and l.kind = 'recipient_refused' order by l.opened_at limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// What became of the orders that came in lately.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Day {
    /// How many came in.
    pub received: i64,
    /// How many of these are queued.
    pub queued: i64,
    /// How many of these are parked.
    pub parked: i64,
    /// How many of these need no document: replaced, or skipped by a person.
    pub settled: i64,
}

impl Day {
    /// How many of these have their document.
    pub fn posted(&self) -> i64 {
        self.received - self.queued - self.parked - self.settled
    }
}

/// What became of the orders that came in since then. Those that have their document are nobody's row: they are the rest.
///
/// # Errors
/// Database trouble.
pub async fn since(conn: &mut PgConnection, since: DateTime<Utc>) -> Result<Day, Error> {
    Ok(sqlx::query_as!(
        Day,
        r#"select (select count(*) from orders o where o.received_at >= $1) as "received!",
                  count(*) filter (where u.status = 'queued') as "queued!",
                  count(*) filter (where u.status = 'parked') as "parked!",
                  count(*) filter (where u.status in ('superseded', 'skipped')) as "settled!"
           from unposted u
           where u.status in ('queued', 'parked', 'superseded', 'skipped') and u.received_at >= $1"#,
        since
    )
    .fetch_one(conn)
    .await?)
}

/// Clocks that run out within a while.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Ending {
    /// Refresh windows that end within a week.
    pub windows_7_days: i64,
    /// Within thirty days, those counted.
    pub windows_30_days: i64,
    /// Hard caps that end within thirty days.
    pub caps_30_days: i64,
    /// Within ninety days, those counted.
    pub caps_90_days: i64,
}

/// Counts them, by index: healthy windows end later.
///
/// # Errors
/// Database trouble.
pub async fn ending(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Ending, Error> {
    let within = |days| now + TimeDelta::days(days);
    let windows = sqlx::query!(
        r#"select count(*) filter (where refresh_expires_at <= $1) as "soon!", count(*) as "later!" from tokens
           where renew_at is not null and refresh_expires_at is not null
             and (refresh_hard_expires_at is null or refresh_hard_expires_at - refresh_expires_at > interval '1 day')
             and refresh_expires_at <= $2"#,
        within(7),
        within(30)
    )
    .fetch_one(&mut *conn)
    .await?;
    let caps = sqlx::query!(
        r#"select count(*) filter (where refresh_hard_expires_at <= $1) as "soon!", count(*) as "later!" from tokens
           where renew_at is not null and refresh_hard_expires_at <= $2"#,
        within(30),
        within(90)
    )
    .fetch_one(conn)
    .await?;
    Ok(Ending {
        windows_7_days: windows.soon,
        windows_30_days: windows.later,
        caps_30_days: caps.soon,
        caps_90_days: caps.later,
    })
}
