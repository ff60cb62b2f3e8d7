//! The orders that a person may mean. Each way of naming one is answered by an index of its own.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::{Error, connections::ids_beginning_with, orders::Status};

/// An order as a person named it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account: String,
    /// Its id at its source.
    pub external_id: String,
    /// What people call it.
    pub name: String,
    /// The document's number.
    pub document_number: String,
    /// The status.
    pub status: Status,
    /// When it came in.
    pub received_at: DateTime<Utc>,
}

/// Finds orders by our id or its beginning (6 characters at least), which means that revision; or by its id at its source, by
/// name or by document number, in capitals or not, which mean the latest revision of each order. At most 20, the latest
/// first.
///
/// # Errors
/// Database trouble.
pub async fn find(conn: &mut PgConnection, named: &str) -> Result<Vec<Found>, Error> {
    let between = ids_beginning_with(named);
    let (least, most) = between.map_or((None, None), |(least, most)| (Some(least), Some(most)));
    Ok(sqlx::query_as!(
        Found,
        r#"with recursive sources as (
               -- Every source once, each by one look at the key that begins with it.
               (select s.source_id from orders s order by s.source_id limit 1)
               union all
               select (select l.source_id from orders l where l.source_id > p.source_id order by l.source_id limit 1)
               from sources p where p.source_id is not null
           ), called as (
               select source_id, external_id from orders where lower(name) collate "C" = lower($3)
               union
               select source_id, external_id from orders where lower(document_number) collate "C" = lower($3)
               union
               select e.source_id, e.external_id
               from sources s join orders e on e.source_id = s.source_id and e.external_id = $3
           ), named as (
               select id from orders where id between $1 and $2
               union
               select latest.id from called c cross join lateral (
                   select o.id from orders o where o.source_id = c.source_id and o.external_id = c.external_id
                   order by o.position desc limit 1) latest
           )
           select o.id as "id!", a.name as "account!", o.external_id as "external_id!", o.name as "name!",
                  o.document_number as "document_number!", o.status as "status!: Status", o.received_at as "received_at!"
           from named n join orders o on o.id = n.id join accounts a on a.id = o.account_id
           order by o.received_at desc, o.position desc limit 20"#,
        least,
        most,
        named
    )
    .fetch_all(conn)
    .await?)
}

/// Whose an order is.
///
/// # Errors
/// Database trouble.
pub async fn whose(conn: &mut PgConnection, id: Uuid) -> Result<Option<Uuid>, Error> {
    Ok(sqlx::query_scalar!("select account_id from orders where id = $1", id).fetch_optional(conn).await?)
}
