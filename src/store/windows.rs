//! Refresh windows that run out while nothing renews them.
//!
//! A token is at risk when its window ends soon and either spends of its present generation have brought no other one for
//! a day or more, or it has been due for long and nobody is at it. The reason does not matter here; a healthy token is in neither
//! state however near its end it rests, and one whose window the hard cap cuts short cannot be helped by a renewal.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, spends::Outcome};
use crate::provider::Provider;

/// The bounds of what is at risk.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The present.
    pub now: DateTime<Utc>,
    /// A window that ends before this is near its end.
    pub until: DateTime<Utc>,
    /// A token that has been due since then is not being renewed.
    pub overdue_since: DateTime<Utc>,
}

// What is a little beyond the bounds is doubtful: a warning must not come and go with the clocks of several daemons, or in
// the moment of a try. No pause after a failure is longer than a day, so a token that rests for longer was renewed, and
// its ledger is not read.
macro_rules! near {
    ($row:ident, $then:tt, $bounds:expr $(, $argument:expr)*) => {
        sqlx::query_as!(
            $row,
            r#"with near as (
                   select t.connection_id, (select provider from connections c where c.id = t.connection_id),
                          t.refresh_expires_at as ends_at, t.renewed_at, s.outcome, s.rule, s.code,
                          t.refresh_expires_at <= $2
                          and (s.outcome is not null and s.tried_since <= $3
                               or t.renew_at <= $3 and (t.lease_until is null or t.lease_until < clock_timestamp()))
                              as certain
                   from tokens t
                        left join lateral (select generation, outcome, rule, code,
                                                  (select min(f.started_at) from spends f
                                                   where f.connection_id = t.connection_id
                                                     and f.generation = t.generation) as tried_since
                                           from spends
                                           where connection_id = t.connection_id and finished_at is not null
                                           order by id desc limit 1) s on s.generation = t.generation
                   where t.renew_at <= $1::timestamptz + interval '2 days'
                     and t.refresh_expires_at <= $2::timestamptz + interval '1 day'
                     and (t.refresh_hard_expires_at is null
                          or t.refresh_hard_expires_at - t.refresh_expires_at > interval '1 day')
                     and (s.tried_since <= $3::timestamptz + interval '12 hours'
                          or t.renew_at <= $3::timestamptz + interval '12 hours')
               ) "# + $then,
            $bounds.now,
            $bounds.until,
            $bounds.overdue_since
            $(, $argument)*
        )
    };
}

/// Tokens of one provider that are at risk for one reason.
#[derive(Debug)]
pub struct AtRisk {
    /// With whom.
    pub provider: Provider,
    /// What the last spend of the present token brought; nothing when none was tried.
    pub outcome: Option<Outcome>,
    /// The rule that judged it.
    pub rule: Option<String>,
    /// The provider's code.
    pub code: Option<String>,
    /// How many.
    pub connections: i64,
    /// The earliest end among them.
    pub earliest: Option<DateTime<Utc>>,
    /// How many these and the doubtful ones are.
    pub with_doubtful: i64,
}

/// What is at risk, by provider and reason, the most frequent reason first.
///
/// # Errors
/// Database trouble.
pub async fn at_risk(conn: &mut PgConnection, bounds: Bounds) -> Result<Vec<AtRisk>, Error> {
    Ok(near!(
        AtRisk,
        r#"select provider as "provider!: Provider", outcome as "outcome?: Outcome", rule as "rule?", code as "code?",
                  count(*) filter (where certain) as "connections!",
                  min(ends_at) filter (where certain) as "earliest?",
                  count(*) as "with_doubtful!"
           from near group by provider, outcome, rule, code order by 5 desc, 7 desc"#,
        bounds
    )
    .fetch_all(conn)
    .await?)
}

/// A connection whose refresh window is at risk, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Unrenewed {
    /// The connection.
    pub connection_id: Uuid,
    /// Whose.
    pub account: String,
    /// With whom.
    pub provider: Provider,
    /// The company.
    pub company_name: String,
    /// When its window ends.
    pub ends_at: DateTime<Utc>,
    /// When its tokens last changed.
    pub renewed_at: DateTime<Utc>,
    /// What the last spend of the present token brought; nothing when none was tried.
    pub outcome: Option<Outcome>,
    /// The rule that judged it.
    pub rule: Option<String>,
}

/// The connections at risk, the earliest end first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn list(conn: &mut PgConnection, bounds: Bounds, limit: i64) -> Result<Vec<Unrenewed>, Error> {
    Ok(near!(
        Unrenewed,
        r#"select n.connection_id as "connection_id!", a.name as "account!", n.provider as "provider!: Provider",
                  c.company_name as "company_name!", n.ends_at as "ends_at!", n.renewed_at as "renewed_at!",
                  n.outcome as "outcome?: Outcome", n.rule as "rule?"
           from near n join connections c on c.id = n.connection_id join accounts a on a.id = c.account_id
           where n.certain order by n.ends_at limit $4"#,
        bounds,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// How many connections of a provider lapsed since `since` because their window had run out.
///
/// # Errors
/// Database trouble.
pub async fn lost(conn: &mut PgConnection, provider: Provider, since: DateTime<Utc>) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from connections
           where status = 'lapsed' and cause = 'inactivity_expired' and provider = $1 and status_changed_at >= $2"#,
        provider as Provider,
        since
    )
    .fetch_one(conn)
    .await?)
}
