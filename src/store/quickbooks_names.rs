//! Customers, items and accounts once found or created in a company: reads of QuickBooks are metered.

use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// What a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// Who bought.
    Customer,
    /// What was bought.
    Item,
    /// Where an item's income goes.
    Account,
    /// The company's own currency.
    HomeCurrency,
}

/// The remembered id of a name.
///
/// # Errors
/// Database trouble.
pub async fn recall(
    conn: &mut PgConnection,
    connection_id: Uuid,
    kind: Kind,
    name_key: &str,
) -> Result<Option<String>, Error> {
    Ok(sqlx::query_scalar!(
        "select reference_id from quickbooks_names where connection_id = $1 and kind = $2 and name_key = $3",
        connection_id,
        kind as Kind,
        name_key
    )
    .fetch_optional(conn)
    .await?)
}

/// Remembers it.
///
/// # Errors
/// Database trouble.
pub async fn remember(
    conn: &mut PgConnection,
    connection_id: Uuid,
    kind: Kind,
    name_key: &str,
    reference_id: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into quickbooks_names (connection_id, kind, name_key, reference_id) values ($1, $2, $3, $4)
         on conflict (connection_id, kind, name_key) do update set reference_id = $4",
        connection_id,
        kind as Kind,
        name_key,
        reference_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets everything remembered of a company, because a reference turned out to be stale.
///
/// # Errors
/// Database trouble.
pub async fn forget(conn: &mut PgConnection, connection_id: Uuid) -> Result<(), Error> {
    sqlx::query!("delete from quickbooks_names where connection_id = $1", connection_id).execute(conn).await?;
    Ok(())
}
