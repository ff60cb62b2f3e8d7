//! Alerts as programs read them, the latest first, a page at a time by id.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Error, Kind};
use crate::provider::Provider;

/// An alert.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Names the incident: one open alert for each.
    pub incident: String,
    /// Its kind.
    pub kind: Kind,
    /// Whose account it concerns, if one.
    pub account_id: Option<Uuid>,
    /// The connection it is about.
    pub connection_id: Option<Uuid>,
    /// The provider it is about.
    pub provider: Option<Provider>,
    /// The company it is about, by name.
    pub company_name: Option<String>,
    /// What its mails say beside what the tables say.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Until when; open while absent.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who ended it by hand; absent when it ended by itself.
    pub resolved_by: Option<String>,
    /// When somebody said that they know.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// Until when nobody is reminded of it.
    pub snoozed_until: Option<DateTime<Utc>>,
    /// Whose wish that was.
    pub snoozed_by: Option<String>,
}

/// Which alerts are asked for: those that meet all that is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// This one.
    pub id: Option<Uuid>,
    /// About a connection of this account.
    pub account_id: Option<Uuid>,
    /// About this connection.
    pub connection_id: Option<Uuid>,
    /// Open or not.
    pub open: Option<bool>,
}

/// The latest alerts before `before`, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn page(
    conn: &mut PgConnection,
    filter: Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    Ok(sqlx::query_as!(
        Row,
        r#"select l.id, l.incident, l.kind as "kind: Kind", c.account_id as "account_id?", l.connection_id,
                  l.provider as "provider: Provider", c.company_name as "company_name?", l.detail, l.opened_at,
                  l.resolved_at, l.resolved_by, l.acknowledged_at, l.acknowledged_by, l.snoozed_until, l.snoozed_by
           from alerts l left join connections c on c.id = l.connection_id
           where ($1::uuid is null or l.id = $1) and ($2::uuid is null or c.account_id = $2)
             and ($3::uuid is null or l.connection_id = $3) and ($4::bool is null or (l.resolved_at is null) = $4)
             and ($5::uuid is null or l.id < $5)
           order by l.id desc limit $6"#,
        filter.id,
        filter.account_id,
        filter.connection_id,
        filter.open,
        before,
        limit
    )
    .fetch_all(conn)
    .await?)
}
