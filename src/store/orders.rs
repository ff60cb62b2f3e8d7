//! Orders on their way to one QuickBooks document each.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::Error;

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = OrderStatus)]
pub enum Status {
    /// Waits for its turn; also while its lane is held.
    Queued,
    /// Has its document.
    Posted,
    /// A person must look.
    Parked,
    /// A later revision took its place, or its order was cancelled before it had a document.
    Superseded,
    /// A person decided that it is not to be posted.
    Skipped,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Posted, Self::Parked, Self::Superseded, Self::Skipped];

    /// The word in tables, metrics and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Posted => "posted",
            Self::Parked => "parked",
            Self::Superseded => "superseded",
            Self::Skipped => "skipped",
        }
    }
}

/// An order revision as it comes in.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewOrder {
    /// Its id with us.
    pub id: Uuid,
    /// Its id at its source.
    pub external_id: String,
    /// A hash over what becomes part of the document.
    pub revision: String,
    /// What people call it.
    pub name: String,
    /// What it comes to.
    pub total: Option<Decimal>,
    /// In which money.
    pub currency: Option<String>,
    /// Everything the document is made of.
    pub content: Value,
    /// When it was last changed at its source.
    pub modified_at: DateTime<Utc>,
    /// Sent with every try.
    pub request_id: Uuid,
    /// The document's number.
    pub document_number: String,
}

/// A revision that came into the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The order's id at its source.
    pub external_id: String,
    /// Another revision of it was there before.
    pub changed: bool,
}

/// Stores the revisions that are new, in their order, in one statement; returns those that came into the queue. A revision
/// that was superseded or parked, or is about to be superseded, and is the order's content again, by a later change, goes
/// back into the queue, at its end. What is older than a stored revision was read too late and is left out.
///
/// # Errors
/// Database trouble.
pub async fn receive(
    conn: &mut PgConnection,
    account_id: Uuid,
    source_id: Uuid,
    orders: &[NewOrder],
    now: DateTime<Utc>,
) -> Result<Vec<Received>, Error> {
    // What comes back into the queue gets a new place at its end; an attempt that may have made the document, or that may
    // be on its way right now, keeps its request id, so that the next one is recognisably the same.
    let received = sqlx::query_as!(
        Received,
        r#"with r as materialized (
               select * from jsonb_to_recordset($1) as r (id uuid, external_id text, revision text, name text, total numeric,
                    currency text, content jsonb, modified_at timestamptz, request_id uuid, document_number text)
           ), known as materialized (
               -- Found one by one by their whole key: a join may come out as a walk through everything of the source.
               select o.id, r.modified_at, r.request_id, r.content from r cross join lateral (
                   select o.id from orders o
                   where o.source_id = $3 and o.external_id = r.external_id and o.revision = r.revision
                     and o.modified_at < r.modified_at limit 1) o
           ), stored as (
               insert into orders (id, account_id, source_id, external_id, revision, name, total, currency, content,
                                   modified_at, received_at, request_id, document_number, status)
               select r.id, $2, $3, r.external_id, r.revision, r.name, r.total, r.currency, r.content,
                      r.modified_at, $4, r.request_id, r.document_number, 'queued'
               from r
               where (select bool_or(l.modified_at > r.modified_at) from orders l
                      where l.source_id = $3 and l.external_id = r.external_id) is not true
               order by r.modified_at, r.external_id
               on conflict (source_id, external_id, revision) do nothing
               returning external_id, revision
           ), again as (
               update orders o
               set status = 'queued', position = default, modified_at = r.modified_at, received_at = $4,
                   content = r.content, pruned_at = null,
                   request_id = case when o.status = 'queued'
                                          or exists (select from order_attempts t where t.order_id = o.id
                                                     and (t.outcome is null or t.outcome = 'unknown'))
                                     then o.request_id else r.request_id end,
                   last_message = null, remedy = null
               from known r
               where o.id = r.id and o.id = any(array(select id from known)) and r.modified_at > o.modified_at
                 and (o.status in ('superseded', 'parked')
                      or o.status = 'queued' and exists (
                          select from orders l where l.source_id = o.source_id and l.external_id = o.external_id
                          and l.position > o.position))
               returning o.external_id, o.revision
           ), seen as (
               -- What is not part of a revision may still come into a document that is not made yet.
               update orders o set modified_at = r.modified_at,
                                   content = case when o.status = 'queued' then r.content else o.content end
               from known r
               where o.id = r.id and o.id = any(array(select id from known)) and r.modified_at > o.modified_at
                 and (o.status = 'posted'
                      or o.status = 'queued' and not exists (
                          select from orders l where l.source_id = o.source_id and l.external_id = o.external_id
                          and l.position > o.position))
           )
           select c.external_id as "external_id!",
                  -- As the rows were before this statement.
                  exists (select from orders l where l.source_id = $3 and l.external_id = c.external_id
                          and l.revision <> c.revision) as "changed!"
           from (select * from stored union all select * from again) c"#,
        Json(orders) as _,
        account_id,
        source_id,
        now
    )
    .fetch_all(&mut *conn)
    .await?;
    // A parked revision was refused for good, so a later one takes its place.
    let external_ids: Vec<_> = orders.iter().map(|order| order.external_id.clone()).collect();
    sqlx::query!(
        "update orders p
         set status = 'superseded', last_message = 'a later revision of this order took its place', remedy = null
         where p.status = 'parked'
           and p.id = any(array(
               select p.id from unnest($2::text[]) e (external_id) cross join lateral (
                   select p.id from orders p
                   where p.source_id = $1 and p.external_id = e.external_id and p.status = 'parked' offset 0) p))
           and (select max(n.position) from orders n
                where n.source_id = p.source_id and n.external_id = p.external_id) > p.position",
        source_id,
        &external_ids
    )
    .execute(conn)
    .await?;
    Ok(received)
}

/// Which of these orders were ever taken in, in whatever revision.
///
/// # Errors
/// Database trouble.
pub async fn taken(conn: &mut PgConnection, source_id: Uuid, external_ids: &[String]) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar!(
        "select distinct external_id from orders where source_id = $1 and external_id = any($2)",
        source_id,
        external_ids
    )
    .fetch_all(conn)
    .await?)
}

/// Which of these orders are stored as they are: nothing of them needs to be read again. A parked one does: what it
/// lacked may have come without moving the order's own date.
///
/// # Errors
/// Database trouble.
pub async fn known(
    conn: &mut PgConnection,
    source_id: Uuid,
    external_ids: &[String],
    modified_at: &[DateTime<Utc>],
) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar!(
        r#"select r.external_id as "external_id!" from unnest($2::text[], $3::timestamptz[]) as r (external_id, modified_at)
           where exists (select from orders o where o.source_id = $1 and o.external_id = r.external_id
                         and o.modified_at >= r.modified_at and o.status <> 'parked')"#,
        source_id,
        external_ids,
        modified_at
    )
    .fetch_all(conn)
    .await?)
}

/// An order whose turn it is.
#[derive(Debug)]
pub struct Waiting {
    /// Its id.
    pub id: Uuid,
    /// Its id at its source.
    pub external_id: String,
    /// What people call it.
    pub name: String,
    /// What it comes to.
    pub total: Option<Decimal>,
    /// In which money.
    pub currency: Option<String>,
    /// Everything the document is made of.
    pub content: Value,
    /// Sent with every try.
    pub request_id: Uuid,
    /// The document's number.
    pub document_number: String,
    /// How often it was tried.
    pub attempts: i32,
    /// An earlier try may have made the document.
    pub unsettled: bool,
    /// A later revision came in, or the one that has the document is what the order says again.
    pub replaced: bool,
    /// An earlier revision has a document, or may get one before this one's turn comes.
    pub has_earlier: bool,
}

/// The next orders of a lane, in their order.
///
/// # Errors
/// Database trouble.
pub async fn next(conn: &mut PgConnection, account_id: Uuid, limit: i64) -> Result<Vec<Waiting>, Error> {
    Ok(sqlx::query_as!(
        Waiting,
        r#"select o.id, o.external_id, o.name, o.total, o.currency, o.content, o.request_id, o.document_number, o.attempts,
                  o.attempts > 0 and exists (
                      select from order_attempts t where t.order_id = o.id
                      and (t.outcome is null or t.outcome = 'unknown')) as "unsettled!",
                  coalesce(r.later, false) as "replaced!", coalesce(r.earlier, false) as "has_earlier!"
           from unposted u join orders o on o.id = u.order_id
           -- Both questions with one look at the order's other revisions.
           cross join lateral (
               select bool_or(v.position > o.position or v.status = 'posted' and v.modified_at > o.modified_at) as later,
                      bool_or(v.position < o.position and v.status in ('posted', 'queued')) as earlier
               from orders v where v.source_id = o.source_id and v.external_id = o.external_id) r
           where u.account_id = $1 and u.status = 'queued' order by u.position limit $2"#,
        account_id,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// Settles an order without a try: superseded, or parked because of what it is. One that a person took out of the queue
/// meanwhile is left as it is.
///
/// # Errors
/// Database trouble.
pub async fn settle(
    conn: &mut PgConnection,
    order_id: Uuid,
    status: Status,
    message: &str,
    remedy: Option<&str>,
) -> Result<(), Error> {
    sqlx::query!(
        "update orders set status = $2, last_message = $3, remedy = $4 where id = $1 and status = 'queued'",
        order_id,
        status as Status,
        message,
        remedy
    )
    .execute(conn)
    .await?;
    Ok(())
}
