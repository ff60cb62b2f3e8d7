//! Outages as programs read them, the latest first, a page at a time by id.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, Outage};
use crate::provider::{Endpoint, Provider};

/// The latest outages before `before`, at most `limit`; of a provider or of all, open ones or all.
///
/// # Errors
/// Database trouble.
pub async fn page(
    conn: &mut PgConnection,
    provider: Option<Provider>,
    open: Option<bool>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Outage>, Error> {
    Ok(sqlx::query_as!(
        Outage,
        r#"select id, provider as "provider: Provider", endpoint as "endpoint: Endpoint", opened_at, evidence,
                  canary_at, canaries, closed_at
           from outages
           where ($1::text is null or provider = $1) and ($2::bool is null or (closed_at is null) = $2)
             and ($3::uuid is null or id < $3)
           order by id desc limit $4"#,
        provider as Option<Provider>,
        open,
        before,
        limit
    )
    .fetch_all(conn)
    .await?)
}
