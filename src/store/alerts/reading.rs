//! Alerts as people see them: one, the open ones, pages of them. What is open is found by the index of what is open, so it
//! costs nothing how many there ever were.
//!
//! Their order is that of their ids, which is that of their beginnings; the open ones come first.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, Kind};
use crate::{provider::Provider, words};

/// How many characters of an id people are shown.
const SHORT: usize = 8;

/// An alert, for people and for its mails.
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    /// Its id.
    pub id: Uuid,
    /// The incident.
    pub incident: String,
    /// Its kind.
    pub kind: Kind,
    /// The connection it is about.
    pub connection_id: Option<Uuid>,
    /// The provider it is about.
    pub provider: Option<Provider>,
    /// What its mails say beside what the tables say.
    pub detail: Value,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Until when.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who ended it by hand; nobody when it ended by itself.
    pub resolved_by: Option<String>,
    /// When somebody said that they know.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// Until when nobody is reminded of it.
    pub snoozed_until: Option<DateTime<Utc>>,
    /// Whose wish that was.
    pub snoozed_by: Option<String>,
    /// The company it is about, by name.
    pub subject: Option<String>,
    /// The account it is about, by name.
    pub account: Option<String>,
}

impl Alert {
    /// Whether somebody asked not to be reminded of it for now.
    pub fn is_quiet(&self, now: DateTime<Utc>) -> bool {
        self.acknowledged_at.is_some() || self.snoozed_until.is_some_and(|until| until > now)
    }

    /// Its end by which people call it: the last characters of the id, which differ from alert to alert.
    pub fn short_id(&self) -> String {
        let id = self.id.to_string();
        id[id.len() - SHORT..].to_owned()
    }

    /// What is wrong, in a few words: what is our own fault is not always the provider's setup.
    pub fn title(&self) -> &'static str {
        match self.kind {
            Kind::OperatorFault if self.detail["webhook_host"].is_string() => "Webhook not taken",
            Kind::OperatorFault if self.detail["spool_host"].is_string() => "Spool in trouble",
            kind => kind.title(),
        }
    }

    /// Whose it is or where: the account and its company, the host, the key, the provider.
    pub fn about(&self) -> Option<String> {
        let detail = |name: &str| self.detail[name].as_str().map(words::name);
        let company = match (&self.account, &self.subject) {
            (Some(account), Some(company)) if account != company => {
                Some(format!("{}: {}", words::name(account), words::name(company)))
            }
            (account, company) => account.as_deref().or(company.as_deref()).map(words::name),
        };
        company
            .or_else(|| detail("webhook_host"))
            .or_else(|| detail("spool_host"))
            .or_else(|| detail("key_id").map(|id| format!("Vault key {id}")))
            .or_else(|| self.provider.map(|provider| provider.title().to_owned()))
            .or_else(|| detail("about"))
    }
}

/// One alert.
///
/// # Errors
/// Database trouble.
pub async fn get(conn: &mut PgConnection, id: Uuid) -> Result<Option<Alert>, Error> {
    Ok(pick(conn, &[id]).await?.pop())
}

/// The latest alerts, open ones first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn recent(conn: &mut PgConnection, limit: i64) -> Result<Vec<Alert>, Error> {
    let mut ids = open_ids(conn, None, limit).await?;
    let rest = limit.saturating_sub(i64::try_from(ids.len()).unwrap_or(limit));
    ids.extend(over_ids(conn, None, rest).await?);
    pick(conn, &ids).await
}

/// The open alerts, the latest first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn open_ones(conn: &mut PgConnection, limit: i64) -> Result<Vec<Alert>, Error> {
    open_page(conn, None, limit).await
}

/// The open alerts that began before `before`, the latest first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn open_page(conn: &mut PgConnection, before: Option<Uuid>, limit: i64) -> Result<Vec<Alert>, Error> {
    let ids = open_ids(conn, before, limit).await?;
    pick(conn, &ids).await
}

/// The alerts that are over and began before `before`, the latest first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn over_page(conn: &mut PgConnection, before: Option<Uuid>, limit: i64) -> Result<Vec<Alert>, Error> {
    let ids = over_ids(conn, before, limit).await?;
    pick(conn, &ids).await
}

/// The open alerts of which the operator is told, the latest first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn of_operator(conn: &mut PgConnection, limit: i64) -> Result<Vec<Alert>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from alerts
         where resolved_at is null and kind not in ('connection_lapsed', 'hard_cap_near', 'orders_for_owner')
         order by id desc limit $1",
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    pick(conn, &ids).await
}

/// Alerts whose id begins or ends like this, at most two.
///
/// # Errors
/// Database trouble.
pub async fn named(conn: &mut PgConnection, part: &str) -> Result<Vec<Alert>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from alerts where starts_with(id::text, $1) or right(id::text, length($1)) = $1 limit 2",
        part
    )
    .fetch_all(&mut *conn)
    .await?;
    pick(conn, &ids).await
}

async fn open_ids(conn: &mut PgConnection, before: Option<Uuid>, limit: i64) -> Result<Vec<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        "select id from alerts where resolved_at is null and id < $1 order by id desc limit $2",
        before.unwrap_or(Uuid::max()),
        limit
    )
    .fetch_all(conn)
    .await?)
}

async fn over_ids(conn: &mut PgConnection, before: Option<Uuid>, limit: i64) -> Result<Vec<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        "select id from alerts where resolved_at is not null and id < $1 order by id desc limit $2",
        before.unwrap_or(Uuid::max()),
        limit
    )
    .fetch_all(conn)
    .await?)
}

async fn pick(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Alert>, Error> {
    Ok(sqlx::query_as!(
        Alert,
        r#"select l.id, incident, kind as "kind: Kind", connection_id, l.provider as "provider: Provider", detail,
                  opened_at, resolved_at, resolved_by, acknowledged_at, acknowledged_by, snoozed_until, snoozed_by,
                  c.company_name as "subject?", a.name as "account?"
           from alerts l left join connections c on c.id = l.connection_id left join accounts a on a.id = c.account_id
           where l.id = any($1)
           order by resolved_at is null desc, l.id desc"#,
        ids
    )
    .fetch_all(conn)
    .await?)
}
