//! Accounts as programs read them, a page at a time by name; and what programs change of them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Whose;
use crate::{
    provider::Provider,
    store::{Error, connections::Status},
};

/// An account with its connections and what waits.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Account, example = json!({
    "id": "019aa7b2-5c1e-7cc0-8a51-0d5f6f6f1a11", "name": "Harbor Books", "owner_name": "Ada Harbor",
    "owner_email": "ada@harborbooks.example", "created_at": "2026-11-20T14:00:00Z",
    "connections": [{"id": "019aa7b3-21b0-7f00-9c11-7f2a4f3c0b22", "provider": "quickbooks", "status": "connected"}],
    "waiting_orders": 0,
}))]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique.
    pub name: String,
    /// The person who is told when something needs them.
    pub owner_name: String,
    /// Where.
    pub owner_email: String,
    /// Since when it is known.
    pub created_at: DateTime<Utc>,
    /// Its connections.
    pub connections: Vec<Connected>,
    /// Orders on their way.
    pub waiting_orders: i64,
}

impl Row {
    /// It, for what is written down of it.
    pub fn whose(&self) -> Whose<'_> {
        Whose { id: self.id, name: &self.name }
    }
}

/// A connection of an account, in short.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AccountConnection)]
pub struct Connected {
    /// Its id.
    pub id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// Its status.
    pub status: Status,
}

/// Accounts by name from behind `after` on, at most `limit`; or only one of them, or those whose name, owner or address has
/// `search` in it, in capitals or not.
///
/// # Errors
/// Database trouble.
pub async fn page(
    conn: &mut PgConnection,
    only: Option<Uuid>,
    search: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query!(
        r#"select a.id, a.name, a.owner_name, a.owner_email, a.created_at,
                  array(select c.id from connections c where c.account_id = a.id order by c.provider, c.id) as "ids!",
                  array(select c.provider from connections c where c.account_id = a.id order by c.provider, c.id)
                      as "providers!: Vec<Provider>",
                  array(select c.status from connections c where c.account_id = a.id order by c.provider, c.id)
                      as "statuses!: Vec<Status>",
                  (select count(*) from unposted o where o.account_id = a.id and o.status = 'queued') as "waiting!"
           from accounts a
           where ($1::uuid is null or a.id = $1) and ($2::text is null or a.name > $2)
             and ($4::text is null or strpos(lower(a.name), lower($4)) > 0 or strpos(lower(a.owner_name), lower($4)) > 0
                  or strpos(lower(a.owner_email), lower($4)) > 0)
           order by a.name limit $3"#,
        only,
        after,
        limit,
        search
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| Row {
        id: row.id,
        name: row.name,
        owner_name: row.owner_name,
        owner_email: row.owner_email,
        created_at: row.created_at,
        connections: std::iter::zip(row.ids, std::iter::zip(row.providers, row.statuses))
            .map(|(id, (provider, status))| Connected { id, provider, status })
            .collect(),
        waiting_orders: row.waiting,
    });
    Ok(rows.collect())
}
