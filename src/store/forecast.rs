//! The reconnects to come: what is known today of the ends that only an owner can move.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, mails::Step};
use crate::provider::{Cause, Provider};

/// The hard caps that fall into one month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Month {
    /// Such as `2027-02`, in UTC.
    pub month: String,
    /// With whom.
    pub provider: Provider,
    /// How many connections.
    pub reconnects: i64,
}

/// The hard caps before `until`, by month and provider. One that has passed already counts in its own month.
///
/// # Errors
/// Database trouble.
pub async fn months(conn: &mut PgConnection, until: DateTime<Utc>) -> Result<Vec<Month>, Error> {
    Ok(sqlx::query_as!(
        Month,
        r#"select to_char(t.refresh_hard_expires_at at time zone 'UTC', 'YYYY-MM') as "month!",
                  c.provider as "provider!: Provider", count(*) as "reconnects!"
           from tokens t join connections c on c.id = t.connection_id
           where t.renew_at is not null and t.refresh_hard_expires_at < $1
           group by 1, 2 order by 1, 2 desc"#,
        until
    )
    .fetch_all(conn)
    .await?)
}

/// A connection whose hard cap is near.
#[derive(Clone, Debug, Serialize)]
pub struct Due {
    /// The connection.
    pub connection_id: Uuid,
    /// Whose.
    pub account: String,
    /// With whom.
    pub provider: Provider,
    /// The company.
    pub company_name: String,
    /// The hard cap.
    pub ends_at: DateTime<Utc>,
    /// The last mail that its owner got of it.
    pub told_step: Option<Step>,
    /// When.
    pub told_at: Option<DateTime<Utc>>,
}

/// The connections whose hard cap comes before `until`, the earliest first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn due(conn: &mut PgConnection, until: DateTime<Utc>, limit: i64) -> Result<Vec<Due>, Error> {
    Ok(sqlx::query_as!(
        Due,
        r#"select c.id as connection_id, a.name as account, c.provider as "provider: Provider", c.company_name,
                  t.refresh_hard_expires_at as "ends_at!", m.step as "told_step?: Step", m.sent_at as "told_at?"
           from tokens t join connections c on c.id = t.connection_id join accounts a on a.id = c.account_id
                left join alerts l on l.connection_id = c.id and l.kind = 'hard_cap_near' and l.resolved_at is null
                left join lateral (select step, sent_at from mails where alert_id = l.id and sent_at is not null
                                   order by sent_at desc limit 1) m on true
           where t.renew_at is not null and t.refresh_hard_expires_at < $1
           order by t.refresh_hard_expires_at limit $2"#,
        until,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// A connection that waits for its owner now.
#[derive(Clone, Debug, Serialize)]
pub struct Lapsed {
    /// The connection.
    pub connection_id: Uuid,
    /// Whose.
    pub account: String,
    /// With whom.
    pub provider: Provider,
    /// The company.
    pub company_name: String,
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When its owner was mailed.
    pub told_at: Option<DateTime<Utc>>,
}

/// The connections that lapsed, the longest ago first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn lapsed(conn: &mut PgConnection, limit: i64) -> Result<Vec<Lapsed>, Error> {
    Ok(sqlx::query_as!(
        Lapsed,
        r#"select c.id as connection_id, a.name as account, c.provider as "provider: Provider", c.company_name,
                  c.cause as "cause!: Cause", c.status_changed_at as since,
                  (select max(m.sent_at) from alerts l join mails m on m.alert_id = l.id
                   where l.incident = 'connection_lapsed/' || c.id and l.resolved_at is null) as told_at
           from connections c join accounts a on a.id = c.account_id
           where c.status = 'lapsed' order by c.status_changed_at limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?)
}
