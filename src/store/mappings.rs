//! An account's own settings of how its orders become documents, and the orders that a person wants to see as documents.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, orders::Status};

/// An account's own settings.
///
/// # Errors
/// Database trouble.
pub async fn of_account(conn: &mut PgConnection, account_id: Uuid) -> Result<BTreeMap<String, String>, Error> {
    let rows = sqlx::query!("select key, value from account_settings where account_id = $1", account_id);
    Ok(rows.fetch_all(conn).await?.into_iter().map(|row| (row.key, row.value)).collect())
}

/// Sets one of them.
///
/// # Errors
/// Database trouble.
pub async fn set(
    conn: &mut PgConnection,
    account_id: Uuid,
    key: &str,
    value: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into account_settings (account_id, key, value, changed_at) values ($1, $2, $3, $4)
         on conflict (account_id, key) do update set value = $3, changed_at = $4",
        account_id,
        key,
        value,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes one of them back, so that the default is in force again.
///
/// # Errors
/// Database trouble.
pub async fn unset(conn: &mut PgConnection, account_id: Uuid, key: &str) -> Result<(), Error> {
    sqlx::query!("delete from account_settings where account_id = $1 and key = $2", account_id, key)
        .execute(conn)
        .await?;
    Ok(())
}

/// An order that a person wants to see as a document.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account_id: Uuid,
    /// Its account's name.
    pub account: String,
    /// Its id at its source.
    pub external_id: String,
    /// What people call it.
    pub name: String,
    /// The state.
    pub status: Status,
    /// Everything the document is made of.
    pub content: Value,
    /// Sent with every try.
    pub request_id: Uuid,
    /// The document's number.
    pub document_number: String,
    /// The company that it goes to, if one was ever connected.
    pub connection_id: Option<Uuid>,
    /// Its realm.
    pub company_id: Option<String>,
}

/// One revision of an order, with the company that it goes to.
///
/// # Errors
/// Database trouble.
pub async fn shown(conn: &mut PgConnection, order_id: Uuid) -> Result<Option<Shown>, Error> {
    Ok(sqlx::query_as!(
        Shown,
        r#"select o.id, o.account_id, a.name as account, o.external_id, o.name, o.status as "status: Status", o.content,
                  o.request_id, o.document_number, c.id as "connection_id?", c.company_id as "company_id?"
           from orders o join accounts a on a.id = o.account_id
           left join connections c on c.account_id = o.account_id and c.provider = 'quickbooks'
           where o.id = $1 order by (c.status = 'disconnected'), c.connected_at desc limit 1"#,
        order_id
    )
    .fetch_optional(conn)
    .await?)
}
