//! Customers of the operator, each with an owner who is told when something needs them.

/// They are added and changed by a person's decision.
pub mod by_hand;

/// Pages of them, for programs.
pub mod listing;

/// Pages of them, for people.
pub mod search;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, connections::Status};
use crate::provider::Provider;

/// A customer of the operator.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique.
    pub name: String,
    /// The person who is told.
    pub owner_name: String,
    /// Where.
    pub owner_email: String,
    /// Since when we know it.
    pub created_at: DateTime<Utc>,
}

/// An account, and what people call it.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: &'a str,
}

impl Account {
    /// It, for what is written down of it.
    pub fn whose(&self) -> Whose<'_> {
        Whose { id: self.id, name: &self.name }
    }
}

/// Adds an account; `None` when the name is taken.
///
/// # Errors
/// Database trouble.
pub async fn add(conn: &mut PgConnection, account: &Account) -> Result<Option<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        "insert into accounts (id, name, owner_name, owner_email, created_at) values ($1, $2, $3, $4, $5)
         on conflict (name) do nothing returning id",
        account.id,
        account.name,
        account.owner_name,
        account.owner_email,
        account.created_at
    )
    .fetch_optional(conn)
    .await?)
}

/// Finds an account by id, or by name: what reads as an id is one.
///
/// # Errors
/// Database trouble.
pub async fn find(conn: &mut PgConnection, id_or_name: &str) -> Result<Option<Account>, Error> {
    let id = Uuid::parse_str(id_or_name).ok();
    Ok(sqlx::query_as!(
        Account,
        "select id, name, owner_name, owner_email, created_at from accounts
         where case when $1::uuid is null then name = $2 else id = $1 end",
        id,
        id_or_name
    )
    .fetch_optional(conn)
    .await?)
}

/// The account of a connection.
///
/// # Errors
/// Database trouble, or no such connection.
pub async fn of_connection(conn: &mut PgConnection, connection_id: Uuid) -> Result<Account, Error> {
    Ok(sqlx::query_as!(
        Account,
        "select a.id, a.name, a.owner_name, a.owner_email, a.created_at
         from accounts a join connections c on c.account_id = a.id where c.id = $1",
        connection_id
    )
    .fetch_one(conn)
    .await?)
}

/// Makes all links void that were made for an account up to now.
///
/// # Errors
/// Database trouble.
pub async fn revoke_links(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!("update accounts set links_revoked_at = $2 where id = $1", id, now).execute(conn).await?;
    Ok(())
}

/// Whether a link of an account is void that was made then; one without a moment is, once any are.
///
/// # Errors
/// Database trouble.
pub async fn are_revoked(conn: &mut PgConnection, id: Uuid, made_at: Option<DateTime<Utc>>) -> Result<bool, Error> {
    let revoked_at = sqlx::query_scalar!("select links_revoked_at from accounts where id = $1", id)
        .fetch_optional(conn)
        .await?
        .flatten();
    Ok(revoked_at.is_some_and(|revoked_at| made_at.is_none_or(|made_at| made_at <= revoked_at)))
}

/// An account with its connections and what waits, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The person who is told.
    pub owner_name: String,
    /// Where.
    pub owner_email: String,
    /// Since when we know it.
    pub created_at: DateTime<Utc>,
    /// Its connections.
    pub connections: Vec<(Provider, Status)>,
    /// Orders on their way.
    pub waiting_orders: i64,
}

/// Whether there is any.
///
/// # Errors
/// Database trouble.
pub async fn any(conn: &mut PgConnection) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(r#"select exists (select from accounts) as "any!""#).fetch_one(conn).await?)
}
