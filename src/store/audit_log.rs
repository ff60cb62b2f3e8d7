//! What people and their programs did by hand, and who it was. Written in the transaction of the deed, never changed.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who signed in, by name.
    Operator(String),
    /// A program, by the first characters of its key.
    ApiKey(String),
    /// Somebody with a shell on this machine, as `user@host`.
    CommandLine(String),
    /// Whoever held a link that was mailed to the owner.
    Owner,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(name) => write!(f, "operator {name}"),
            Self::ApiKey(prefix) => write!(f, "api key {prefix}"),
            Self::CommandLine(user) => write!(f, "command line {user}"),
            Self::Owner => write!(f, "owner"),
        }
    }
}

/// Something that was done by hand.
#[derive(Debug)]
pub struct Deed<'a> {
    /// Noun and verb, such as `order.retry`.
    pub action: &'a str,
    /// Whose account it concerns, if one.
    pub account_id: Option<Uuid>,
    /// What it was done to, as people call it.
    pub subject: &'a str,
    /// What else is worth keeping; nothing secret.
    pub detail: Value,
}

/// Writes down what `actor` did.
///
/// # Errors
/// Database trouble.
pub async fn record(conn: &mut PgConnection, actor: &Actor, deed: &Deed<'_>, now: DateTime<Utc>) -> Result<(), Error> {
    record_all(conn, actor, std::slice::from_ref(deed), now).await
}

/// Writes down several deeds of one moment, in one statement.
///
/// # Errors
/// Database trouble.
pub async fn record_all(
    conn: &mut PgConnection,
    actor: &Actor,
    deeds: &[Deed<'_>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (actions, subjects): (Vec<_>, Vec<_>) = deeds.iter().map(|deed| (deed.action, deed.subject)).unzip();
    let (accounts, details): (Vec<_>, Vec<_>) = deeds.iter().map(|deed| (deed.account_id, &deed.detail)).unzip();
    sqlx::query!(
        "insert into audit_log (at, actor, action, account_id, subject, detail)
         select $1, $2, * from unnest($3::text[], $4::uuid[], $5::text[], $6::jsonb[])",
        now,
        actor.to_string(),
        &actions as &[&str],
        &accounts as &[Option<Uuid>],
        &subjects as &[&str],
        &details as &[&Value]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A deed, for people.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Deed)]
pub struct Entry {
    /// Its number; later deeds have higher ones.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// Noun and verb.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// What else was kept.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// The latest deeds before entry `before`, of an account or of all.
///
/// # Errors
/// Database trouble.
pub async fn recent(
    conn: &mut PgConnection,
    account_id: Option<Uuid>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    Ok(sqlx::query_as!(
        Entry,
        "select id, at, actor, action, subject, detail from audit_log
         where ($1::uuid is null or account_id = $1) and id < coalesce($2, 9223372036854775807)
         order by id desc limit $3",
        account_id,
        before,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// What was done about an alert, the latest first.
///
/// # Errors
/// Database trouble.
pub async fn of_alert(conn: &mut PgConnection, alert_id: Uuid, limit: i64) -> Result<Vec<Entry>, Error> {
    Ok(sqlx::query_as!(
        Entry,
        "select id, at, actor, action, subject, detail from audit_log
         where detail ->> 'alert_id' = $1 order by id desc limit $2",
        alert_id.to_string(),
        limit
    )
    .fetch_all(conn)
    .await?)
}
