//! Accounts for people, page by page, by name.

use sqlx::PgConnection;

use super::{Error, Overview};
use crate::{provider::Provider, store::connections::Status};

/// The accounts after the one named `after` whose name, owner or address has `search` in it, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn page(
    conn: &mut PgConnection,
    search: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Overview>, Error> {
    let rows = sqlx::query!(
        r#"select a.id, a.name, a.owner_name, a.owner_email, a.created_at,
                  array(select c.provider from connections c where c.account_id = a.id order by c.provider, c.id)
                      as "providers!: Vec<Provider>",
                  array(select c.status from connections c where c.account_id = a.id order by c.provider, c.id)
                      as "statuses!: Vec<Status>",
                  (select count(*) from unposted o where o.account_id = a.id and o.status = 'queued') as "waiting!"
           from accounts a
           where ($1::text is null or strpos(lower(a.name), lower($1)) > 0 or strpos(lower(a.owner_name), lower($1)) > 0
                  or strpos(lower(a.owner_email), lower($1)) > 0)
             and ($2::text is null or a.name > $2)
           order by a.name limit $3"#,
        search,
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| Overview {
        id: row.id,
        name: row.name,
        owner_name: row.owner_name,
        owner_email: row.owner_email,
        created_at: row.created_at,
        connections: row.providers.into_iter().zip(row.statuses).collect(),
        waiting_orders: row.waiting,
    });
    Ok(rows.collect())
}
