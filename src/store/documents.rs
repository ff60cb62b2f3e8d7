//! What we last wrote into QuickBooks for an order: its sale, and its refunds. All are found by any revision of the order.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, one_row};
use crate::provider::quickbooks::DocumentKind;

/// One document of an order.
#[derive(Clone, Debug)]
pub struct Document {
    /// 0 for the sale, then its refunds.
    pub part: i16,
    /// The QuickBooks connection of the company that it stands in.
    pub connection_id: Uuid,
    /// What it is.
    pub kind: DocumentKind,
    /// Its number.
    pub document_number: String,
    /// Sent with every try to make it.
    pub request_id: Uuid,
    /// The revision whose content stands there, or that asked for the refund.
    pub order_id: Option<Uuid>,
    /// QuickBooks' id, once it is made.
    pub document_id: Option<String>,
    /// Its revision there after our last write, if we know it.
    pub sync_token: Option<String>,
    /// A hash over its content after our last write, if we know it.
    pub fingerprint: Option<String>,
    /// What it comes to; of a refund that is not made yet, what it is to come to.
    pub total: Option<Decimal>,
    /// When we last wrote it.
    pub written_at: Option<DateTime<Utc>>,
    /// Sent with every try to void it.
    pub void_request_id: Option<Uuid>,
    /// When we voided it.
    pub voided_at: Option<DateTime<Utc>>,
}

/// What stands in QuickBooks after a write.
#[derive(Clone, Debug)]
pub struct Written<'a> {
    /// QuickBooks' id.
    pub document_id: &'a str,
    /// Its revision there; `None` when somebody else may have changed it since.
    pub sync_token: Option<&'a str>,
    /// A hash over its content; `None` as above.
    pub fingerprint: Option<&'a str>,
    /// What it comes to.
    pub total: Decimal,
    /// When that was.
    pub at: DateTime<Utc>,
}

/// All documents of the order that this is a revision of, the sale first.
///
/// # Errors
/// Database trouble.
pub async fn of_order(conn: &mut PgConnection, order_id: Uuid) -> Result<Vec<Document>, Error> {
    Ok(sqlx::query_as!(
        Document,
        r#"select d.part, d.connection_id, d.kind as "kind: DocumentKind", d.document_number, d.request_id, d.order_id,
                  d.document_id, d.sync_token, d.fingerprint, d.total, d.written_at, d.void_request_id, d.voided_at
           from orders o join documents d on d.source_id = o.source_id and d.external_id = o.external_id
           where o.id = $1 order by d.part"#,
        order_id
    )
    .fetch_all(conn)
    .await?)
}

/// What a revision says.
#[derive(Debug)]
pub struct Said {
    /// Its content, as long as it is kept.
    pub content: Value,
    /// The hash over it, which stays.
    pub revision: String,
}

/// What a revision of an order says.
///
/// # Errors
/// Database trouble.
pub async fn said(conn: &mut PgConnection, order_id: Uuid) -> Result<Option<Said>, Error> {
    Ok(sqlx::query_as!(Said, "select content, revision from orders where id = $1", order_id)
        .fetch_optional(conn)
        .await?)
}

/// The revision of the same order whose request id stands in this note.
///
/// # Errors
/// Database trouble.
pub async fn marked(conn: &mut PgConnection, order_id: Uuid, note: &str) -> Result<Option<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        "select r.id from orders o join orders r on r.source_id = o.source_id and r.external_id = o.external_id
         where o.id = $1 and strpos($2, r.request_id::text) > 0 order by r.position desc limit 1",
        order_id,
        note
    )
    .fetch_optional(conn)
    .await?)
}

/// Keeps that the order's sale now has the content of this revision.
///
/// # Errors
/// Database trouble.
pub async fn keep_sale(
    conn: &mut PgConnection,
    order_id: Uuid,
    connection_id: Uuid,
    kind: DocumentKind,
    written: &Written<'_>,
) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into documents (source_id, external_id, part, connection_id, kind, document_number, request_id, order_id,
                                document_id, sync_token, fingerprint, total, written_at)
         select o.source_id, o.external_id, 0, $2, $3, o.document_number, o.request_id, o.id, $4, $5, $6, $7, $8
         from orders o where o.id = $1
         on conflict (source_id, external_id, part) do update
             set order_id = excluded.order_id, request_id = excluded.request_id, document_id = $4, sync_token = $5,
                 fingerprint = $6, total = $7, written_at = $8",
        order_id,
        connection_id,
        kind as DocumentKind,
        written.document_id,
        written.sync_token,
        written.fingerprint,
        written.total,
        written.at
    )
    .execute(conn)
    .await?;
    one_row("document of order", order_id, done.rows_affected())
}

/// Keeps that the sale's content is still ours at this sync token: something else about it moved.
///
/// # Errors
/// Database trouble.
pub async fn keep_token(conn: &mut PgConnection, order_id: Uuid, sync_token: &str) -> Result<(), Error> {
    let done = sqlx::query!(
        "update documents d set sync_token = $2 from orders o
         where o.id = $1 and d.source_id = o.source_id and d.external_id = o.external_id and d.part = 0",
        order_id,
        sync_token
    )
    .execute(conn)
    .await?;
    one_row("document of order", order_id, done.rows_affected())
}

/// Fixes the request id under which the sale is voided: the one that was fixed first, whatever is asked for later.
///
/// # Errors
/// Database trouble.
pub async fn plan_void(conn: &mut PgConnection, order_id: Uuid, request_id: Uuid) -> Result<Uuid, Error> {
    Ok(sqlx::query_scalar!(
        r#"update documents d set void_request_id = coalesce(d.void_request_id, $2) from orders o
           where o.id = $1 and d.source_id = o.source_id and d.external_id = o.external_id and d.part = 0
           returning d.void_request_id as "id!""#,
        order_id,
        request_id
    )
    .fetch_one(conn)
    .await?)
}

/// Keeps that the sale is void, as this revision asked.
///
/// # Errors
/// Database trouble, or no void was planned.
pub async fn keep_void(conn: &mut PgConnection, order_id: Uuid, written: &Written<'_>) -> Result<(), Error> {
    let done = sqlx::query!(
        "update documents d set voided_at = $2, order_id = $1, sync_token = $3, fingerprint = $4, total = $5, written_at = $2
         from orders o
         where o.id = $1 and d.source_id = o.source_id and d.external_id = o.external_id and d.part = 0",
        order_id,
        written.at,
        written.sync_token,
        written.fingerprint,
        written.total
    )
    .execute(conn)
    .await?;
    one_row("document of order", order_id, done.rows_affected())
}

/// Fixes number, request id and amount of a refund, before anything is sent. One that was fixed and not made keeps its
/// number and its request id.
///
/// # Errors
/// Database trouble.
pub async fn plan_refund(
    conn: &mut PgConnection,
    order_id: Uuid,
    part: i16,
    (number, request_id): (&str, Uuid),
    amount: Decimal,
) -> Result<(), Error> {
    let done = sqlx::query!(
        "insert into documents (source_id, external_id, part, connection_id, kind, document_number, request_id, order_id,
                                total)
         select s.source_id, s.external_id, $2, s.connection_id, 'refund_receipt', $3, $4, o.id, $5
         from orders o join documents s on s.source_id = o.source_id and s.external_id = o.external_id and s.part = 0
         where o.id = $1
         on conflict (source_id, external_id, part) do update set total = $5, order_id = excluded.order_id",
        order_id,
        part,
        number,
        request_id,
        amount
    )
    .execute(conn)
    .await?;
    one_row("refund of order", order_id, done.rows_affected())
}

/// Keeps that a refund is made.
///
/// # Errors
/// Database trouble, or it was not planned.
pub async fn keep_refund(
    conn: &mut PgConnection,
    order_id: Uuid,
    part: i16,
    written: &Written<'_>,
) -> Result<(), Error> {
    let done = sqlx::query!(
        "update documents d set document_id = $3, sync_token = $4, fingerprint = $5, total = $6, written_at = $7
         from orders o
         where o.id = $1 and d.source_id = o.source_id and d.external_id = o.external_id and d.part = $2",
        order_id,
        part,
        written.document_id,
        written.sync_token,
        written.fingerprint,
        written.total,
        written.at
    )
    .execute(conn)
    .await?;
    one_row("refund of order", order_id, done.rows_affected())
}

/// Makes room for a revision that is about to be posted: the one that held the document until now is superseded. Should
/// that one be what the order says again by now, it goes back into the queue instead; then the answer is `true`.
///
/// # Errors
/// Database trouble.
pub async fn hand_over(conn: &mut PgConnection, order_id: Uuid) -> Result<bool, Error> {
    sqlx::query!(
        "update orders e
         set status = 'superseded', document_id = null, remedy = null,
             last_message = 'a later revision of this order changed the document'
         from orders o
         where o.id = $1 and e.source_id = o.source_id and e.external_id = o.external_id and e.id <> o.id
           and e.status = 'posted' and e.modified_at <= o.modified_at",
        order_id
    )
    .execute(&mut *conn)
    .await?;
    let again = sqlx::query!(
        "update orders e set status = 'queued', position = default, document_id = null, remedy = null, last_message = null
         from orders o
         where o.id = $1 and e.source_id = o.source_id and e.external_id = o.external_id and e.id <> o.id
           and e.status = 'posted'",
        order_id
    )
    .execute(conn)
    .await?;
    Ok(again.rows_affected() > 0)
}
