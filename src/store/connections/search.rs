//! Connections for people, page by page, those that need attention first.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, Overview, Status};
use crate::provider::{Cause, Provider};

/// Which connections are asked for: those that meet all that is set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this account.
    pub account_id: Option<Uuid>,
    /// With this one.
    pub provider: Option<Provider>,
    /// In this state.
    pub status: Option<Status>,
    /// The account's name, the company's name or its id has this in it, in capitals or not.
    pub search: Option<String>,
}

/// The connections after `after`, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn page(
    conn: &mut PgConnection,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Overview>, Error> {
    Ok(sqlx::query_as!(
        Overview,
        r#"with listed as (
               select c.id, a.name as account, c.provider, c.environment, c.company_id, c.company_name, c.status, c.cause,
                      c.status_changed_at, c.verified_at,
                      array_position(array['lapsed', 'failing', 'connected', 'disconnected'], c.status) as need
               from connections c join accounts a on a.id = c.account_id
               where ($1::uuid is null or c.account_id = $1) and ($2::text is null or c.provider = $2)
                 and ($3::text is null or c.status = $3)
                 and ($4::text is null or strpos(lower(a.name), lower($4)) > 0
                      or strpos(lower(c.company_name), lower($4)) > 0 or strpos(c.company_id, $4) > 0)
           )
           select l.id, l.account, l.provider as "provider: Provider", l.environment, l.company_id, l.company_name,
                  l.status as "status: Status", l.cause as "cause: Cause", l.status_changed_at, l.verified_at,
                  t.generation, t.renewed_at, t.renew_at, t.failures, t.access_expires_at, t.refresh_expires_at,
                  t.refresh_hard_expires_at
           from listed l join tokens t on t.connection_id = l.id
           where $5::uuid is null
              or (l.need, l.account, l.provider, l.id)
                 > (select p.need, p.account, p.provider, p.id from listed p where p.id = $5)
           order by l.need, l.account, l.provider, l.id limit $6"#,
        filter.account_id,
        filter.provider as Option<Provider>,
        filter.status as Option<Status>,
        filter.search,
        after,
        limit
    )
    .fetch_all(conn)
    .await?)
}
