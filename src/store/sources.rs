//! Where an account's orders come from: a HubSpot portal, or whatever sends them through the API or in a file. The source
//! of a portal has the id of its connection.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// Makes the source of a HubSpot connection, or hands it to the account that the connection belongs to now.
///
/// # Errors
/// Database trouble.
pub async fn open_portal(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "insert into sources (id, account_id, kind, name, created_at)
         select id, account_id, 'hubspot',
                'HubSpot ' || company_id || case environment when 'sandbox' then ' (sandbox)' else '' end, $2
         from connections where id = $1
         on conflict (id) do update set account_id = excluded.account_id",
        connection_id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The source with this name, made when the account has none.
///
/// # Errors
/// Database trouble.
pub async fn named(conn: &mut PgConnection, account_id: Uuid, name: &str, now: DateTime<Utc>) -> Result<Uuid, Error> {
    sqlx::query!(
        "insert into sources (id, account_id, kind, name, created_at) values ($1, $2, 'api', $3, $4)
         on conflict (account_id, name) do nothing",
        Uuid::now_v7(),
        account_id,
        name,
        now
    )
    .execute(&mut *conn)
    .await?;
    let id = sqlx::query_scalar!("select id from sources where account_id = $1 and name = $2", account_id, name);
    Ok(id.fetch_one(conn).await?)
}

/// Keeps others from storing orders of this source until the transaction ends: of two revisions that come at the same time
/// one is the later.
///
/// # Errors
/// Database trouble.
pub async fn hold(conn: &mut PgConnection, id: Uuid) -> Result<(), Error> {
    sqlx::query!("select id from sources where id = $1 for update", id).fetch_one(conn).await?;
    Ok(())
}
