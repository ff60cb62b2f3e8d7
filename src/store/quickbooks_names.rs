//! What was once found or created in a company, or found missing: reads of QuickBooks are metered.

use std::collections::HashMap;

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
    /// Whether it uses several currencies.
    MultiCurrency,
    /// Where it is.
    Country,
    /// An item that it does not have. Believed for a day, because the merchant may add it.
    UnknownItem,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Item => "item",
            Self::Account => "account",
            Self::HomeCurrency => "home_currency",
            Self::MultiCurrency => "multi_currency",
            Self::Country => "country",
            Self::UnknownItem => "unknown_item",
        }
    }
}

/// The remembered ids of names, all at once.
///
/// # Errors
/// Database trouble.
pub async fn recall(
    conn: &mut PgConnection,
    connection_id: Uuid,
    wanted: &[(Kind, String)],
) -> Result<HashMap<(Kind, String), String>, Error> {
    let kinds: Vec<_> = wanted.iter().map(|(kind, _)| kind.as_str().to_owned()).collect();
    let keys: Vec<_> = wanted.iter().map(|(_, key)| key.clone()).collect();
    let rows = sqlx::query!(
        r#"select n.kind as "kind: Kind", n.name_key, n.reference_id
           from unnest($2::text[], $3::text[]) as w (kind, name_key)
           join quickbooks_names n on n.connection_id = $1 and n.kind = w.kind and n.name_key = w.name_key
           where n.kind <> 'unknown_item' or n.remembered_at > now() - interval '1 day'"#,
        connection_id,
        &kinds,
        &keys
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.kind, row.name_key), row.reference_id)).collect())
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
         on conflict (connection_id, kind, name_key) do update set reference_id = $4, remembered_at = now()",
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
