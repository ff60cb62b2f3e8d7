//! How it stands, in a few numbers: for a scraper every few seconds and for the screen of whoever is on call.
//!
//! A handful of statements, each by an index: they read what is due, waits or fails, never all that is stored. Only
//! the connections themselves are counted, from an index that holds nothing but their status.

/// What is named one by one.
pub mod lists;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::{Error, connections, orders, outages};
use crate::provider::Provider;

/// How it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Levels {
    /// Connections by status.
    pub connections: Vec<(Provider, connections::Status, i64)>,
    /// Tokens, by provider.
    pub tokens: Vec<Tokens>,
    /// The refresh window that ends first.
    pub window: Option<Nearest>,
    /// The hard cap that ends first.
    pub hard_cap: Option<Nearest>,
    /// Orders that are queued or parked.
    pub orders: Vec<Orders>,
    /// Open alerts, by kind.
    pub alerts: Vec<(String, i64)>,
    /// The outbox.
    pub mails: Mails,
    /// Outages that are open.
    pub outages: Vec<outages::Outage>,
    /// Connections whose tokens do not open.
    pub set_aside: i64,
    /// Messages that wait for endpoints.
    pub webhooks: Webhooks,
}

/// Tokens of a provider.
#[derive(Clone, Debug, Serialize)]
pub struct Tokens {
    /// Whose.
    pub provider: Provider,
    /// How many are due for renewal.
    pub due: i64,
    /// When the next is, or the most overdue was.
    pub renew_at: Option<DateTime<Utc>>,
    /// When the access token of that one ends.
    pub access_expires_at: Option<DateTime<Utc>>,
}

/// A clock that runs out before all others of its kind.
#[derive(Clone, Debug, Serialize)]
pub struct Nearest {
    /// With whom.
    pub provider: Provider,
    /// Whose.
    pub account: String,
    /// When.
    pub ends_at: DateTime<Utc>,
}

/// Orders in one state.
#[derive(Clone, Debug, Serialize)]
pub struct Orders {
    /// The state.
    pub status: orders::Status,
    /// How many.
    pub count: i64,
    /// When the first of them came in.
    pub oldest_at: Option<DateTime<Utc>>,
}

/// Mails that wait.
#[derive(Clone, Debug, Serialize)]
pub struct Mails {
    /// How many.
    pub waiting: i64,
    /// How many of these were tried in vain.
    pub failing: i64,
    /// What went wrong with one.
    pub last_error: Option<String>,
}

/// Messages that wait for endpoints.
#[derive(Clone, Debug, Serialize)]
pub struct Webhooks {
    /// How many.
    pub waiting: i64,
    /// How many of these were tried in vain.
    pub failing: i64,
    /// Endpoints that were switched off because they said that they are gone.
    pub switched_off: i64,
}

/// Reads them all.
///
/// # Errors
/// Database trouble.
pub async fn read(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Levels, Error> {
    let (window, hard_cap) = (window(conn).await?, hard_cap(conn).await?);
    Ok(Levels {
        connections: connections::count_by_status(conn).await?,
        tokens: tokens(conn, now).await?,
        window,
        hard_cap,
        orders: orders(conn).await?,
        alerts: alerts(conn).await?,
        mails: mails(conn).await?,
        outages: outages(conn).await?,
        set_aside: set_aside(conn).await?,
        webhooks: webhooks(conn).await?,
    })
}

async fn tokens(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Tokens>, Error> {
    Ok(sqlx::query_as!(
        Tokens,
        r#"select p.provider as "provider!: Provider", d.due as "due!", n.renew_at as "renew_at?",
                  n.access_expires_at as "access_expires_at?"
           from (values (1, 'quickbooks'), (2, 'hubspot')) as p (nth, provider)
           cross join lateral (select count(*) as due from tokens t
                               where t.provider = p.provider and t.renew_at <= $1) d
           left join lateral (select t.renew_at, t.access_expires_at from tokens t
                              where t.provider = p.provider and t.renew_at is not null
                              order by t.renew_at limit 1) n on true
           order by p.nth"#,
        now
    )
    .fetch_all(conn)
    .await?)
}

async fn window(conn: &mut PgConnection) -> Result<Option<Nearest>, Error> {
    Ok(sqlx::query_as!(
        Nearest,
        r#"select t.provider as "provider!: Provider", a.name as account, t.refresh_expires_at as "ends_at!"
           from (select provider, connection_id, refresh_expires_at from tokens
                 where renew_at is not null and refresh_expires_at is not null
                   and (refresh_hard_expires_at is null or refresh_hard_expires_at - refresh_expires_at > interval '1 day')
                 order by refresh_expires_at limit 1) t
           join connections c on c.id = t.connection_id join accounts a on a.id = c.account_id"#
    )
    .fetch_optional(conn)
    .await?)
}

async fn hard_cap(conn: &mut PgConnection) -> Result<Option<Nearest>, Error> {
    Ok(sqlx::query_as!(
        Nearest,
        r#"select t.provider as "provider!: Provider", a.name as account, t.refresh_hard_expires_at as "ends_at!"
           from (select provider, connection_id, refresh_hard_expires_at from tokens
                 where renew_at is not null and refresh_hard_expires_at is not null
                 order by refresh_hard_expires_at limit 1) t
           join connections c on c.id = t.connection_id join accounts a on a.id = c.account_id"#
    )
    .fetch_optional(conn)
    .await?)
}

async fn orders(conn: &mut PgConnection) -> Result<Vec<Orders>, Error> {
    Ok(sqlx::query_as!(
        Orders,
        r#"select s.status as "status!: orders::Status",
                  (select count(*) from unposted u where u.status = s.status) as "count!",
                  (select min(u.received_at) from unposted u where u.status = s.status) as oldest_at
           from (values ('queued'), ('parked')) as s (status)"#
    )
    .fetch_all(conn)
    .await?)
}

async fn alerts(conn: &mut PgConnection) -> Result<Vec<(String, i64)>, Error> {
    let rows = sqlx::query!(
        r#"select kind, count(*) as "count!" from alerts where resolved_at is null group by kind order by kind"#
    );
    Ok(rows.fetch_all(conn).await?.into_iter().map(|row| (row.kind, row.count)).collect())
}

async fn mails(conn: &mut PgConnection) -> Result<Mails, Error> {
    Ok(sqlx::query_as!(
        Mails,
        r#"select count(*) as "waiting!", count(last_error) as "failing!", max(last_error) as last_error
           from mails where sent_at is null"#
    )
    .fetch_one(conn)
    .await?)
}

async fn outages(conn: &mut PgConnection) -> Result<Vec<outages::Outage>, Error> {
    Ok(sqlx::query_as!(
        outages::Outage,
        r#"select id, provider as "provider: Provider", endpoint as "endpoint: crate::provider::Endpoint", opened_at,
                  evidence, canary_at, canaries, closed_at
           from outages where closed_at is null order by opened_at"#
    )
    .fetch_all(conn)
    .await?)
}

async fn set_aside(conn: &mut PgConnection) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!" from set_asides where returned_at is null"#);
    Ok(count.fetch_one(conn).await?)
}

async fn webhooks(conn: &mut PgConnection) -> Result<Webhooks, Error> {
    Ok(sqlx::query_as!(
        Webhooks,
        r#"select coalesce(sum(q.waiting), 0)::bigint as "waiting!", coalesce(sum(q.failing), 0)::bigint as "failing!",
                  count(w.switched_off_at) as "switched_off!"
           from webhooks w
           cross join lateral (select count(*) as waiting, count(d.last_error) as failing from webhook_deliveries d
                               where d.webhook_id = w.id and d.delivered_at is null and d.given_up_at is null) q"#
    )
    .fetch_one(conn)
    .await?)
}
