//! Connections as programs read them, the latest first, a page at a time by id.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Error, Status};
use crate::provider::{Cause, Provider};

/// A connection with its account and its clocks.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Whose, by id.
    pub account_id: Uuid,
    /// Whose, by name.
    pub account: String,
    /// With whom.
    pub provider: Provider,
    /// `production` or `sandbox`.
    pub environment: String,
    /// Intuit's realm id or HubSpot's hub id.
    pub company_id: String,
    /// The company.
    pub company_name: String,
    /// The status.
    pub status: Status,
    /// Why it lapsed.
    pub cause: Option<Cause>,
    /// Since when it has this status.
    pub status_changed_at: DateTime<Utc>,
    /// When its owner last agreed.
    pub connected_at: DateTime<Utc>,
    /// When the grant was last seen to work.
    pub verified_at: Option<DateTime<Utc>>,
    /// How often its tokens changed.
    pub generation: i64,
    /// When its tokens last changed.
    pub renewed_at: DateTime<Utc>,
    /// When the keeper takes it up next.
    pub renew_at: Option<DateTime<Utc>>,
    /// Failed renewals since the last good one.
    pub failures: i32,
    /// End of the access token.
    pub access_expires_at: DateTime<Utc>,
    /// End of the refresh window, if there is one.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// End of the hard cap, if it is known.
    pub refresh_hard_expires_at: Option<DateTime<Utc>>,
}

/// Which connections are asked for: those that meet all that is set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// This one.
    pub id: Option<Uuid>,
    /// Whose.
    pub account_id: Option<Uuid>,
    /// With whom.
    pub provider: Option<Provider>,
    /// One of these; any when empty.
    pub statuses: Vec<Status>,
    /// The account's name, the company's name or its id has this in it, in capitals or not.
    pub search: Option<String>,
}

/// The latest connections before `before`, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn page(
    conn: &mut PgConnection,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let statuses: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
    Ok(sqlx::query_as!(
        Row,
        r#"select c.id, c.account_id, a.name as account, c.provider as "provider: Provider", c.environment, c.company_id,
                  c.company_name, c.status as "status: Status", c.cause as "cause: Cause", c.status_changed_at,
                  c.connected_at, c.verified_at, t.generation, t.renewed_at, t.renew_at, t.failures,
                  t.access_expires_at, t.refresh_expires_at, t.refresh_hard_expires_at
           from connections c join accounts a on a.id = c.account_id join tokens t on t.connection_id = c.id
           where ($1::uuid is null or c.id = $1) and ($2::uuid is null or c.account_id = $2)
             and ($3::text is null or c.provider = $3) and (cardinality($4::text[]) = 0 or c.status = any($4))
             and ($5::uuid is null or c.id < $5)
             and ($7::text is null or strpos(lower(a.name), lower($7)) > 0
                  or strpos(lower(c.company_name), lower($7)) > 0 or strpos(c.company_id, $7) > 0)
           order by c.id desc limit $6"#,
        filter.id,
        filter.account_id,
        filter.provider as Option<Provider>,
        statuses as _,
        before,
        limit,
        filter.search
    )
    .fetch_all(conn)
    .await?)
}
