//! The ledger as programs read it, the latest first, a page at a time by number.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Error, Outcome};
use crate::provider::Provider;

/// A row of the ledger.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LedgerRow)]
pub struct Row {
    /// Its number.
    pub id: i64,
    /// Whose token.
    pub connection_id: Uuid,
    /// Whose account, by id.
    pub account_id: Uuid,
    /// Whose account, by name.
    pub account: String,
    /// With whom.
    pub provider: Provider,
    /// The company.
    pub company_name: String,
    /// The generation that was spent.
    pub generation: i64,
    /// Tells token values apart; nothing can be done with it.
    pub fingerprint: String,
    /// Which daemon spent it.
    pub daemon: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Until when; open while absent.
    pub finished_at: Option<DateTime<Utc>>,
    /// What came back.
    pub outcome: Option<Outcome>,
    /// The rule that judged it.
    pub rule: Option<String>,
    /// HTTP status.
    pub status: Option<i32>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's correlation id.
    pub correlation_id: Option<String>,
}

/// Which spends are asked for: those that meet all that is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Of this connection.
    pub connection_id: Option<Uuid>,
    /// Of this account.
    pub account_id: Option<Uuid>,
}

/// The latest spends before number `before`, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn page(conn: &mut PgConnection, filter: Filter, before: Option<i64>, limit: i64) -> Result<Vec<Row>, Error> {
    let mut tx = conn.begin().await?;
    // Planned anew each time: a plan for whatever conditions may come would have to read the whole ledger.
    sqlx::query!("set local plan_cache_mode = force_custom_plan").execute(&mut *tx).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select s.id, s.connection_id, c.account_id, a.name as account, c.provider as "provider: Provider",
                  c.company_name, s.generation, s.fingerprint, s.daemon, s.started_at, s.finished_at,
                  s.outcome as "outcome: Outcome", s.rule, s.status, s.code, s.correlation_id
           from spends s join connections c on c.id = s.connection_id join accounts a on a.id = c.account_id
           where ($1::uuid is null or s.connection_id = $1) and ($2::uuid is null or c.account_id = $2)
             and ($3::bigint is null or s.id < $3)
           order by s.id desc limit $4"#,
        filter.connection_id,
        filter.account_id,
        before,
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows)
}
