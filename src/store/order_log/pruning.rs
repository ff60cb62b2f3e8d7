//! What grew old is dropped: the content of settled orders, with the buyer's name and address in it, and their attempts.
//!
//! The row itself stays for ever. It is what the next word about the order is compared with, and it names the
//! document that was made: without it an old order that comes again, after a reconnect or a manual sync, would be posted
//! a second time.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::store::Error;

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Orders that lost their content.
    pub orders: i64,
    /// Attempts.
    pub attempts: i64,
}

/// Drops content and attempts of at most `limit` orders that came in and were settled before `before`, the oldest first.
/// Other daemons may do the same at the same time.
///
/// # Errors
/// Database trouble.
pub async fn prune(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Pruned, Error> {
    Ok(sqlx::query_as!(
        Pruned,
        r#"with old as (
               select id from orders
               where pruned_at is null and status in ('posted', 'superseded', 'skipped') and received_at < $1
                 and coalesce(posted_at, skipped_at, received_at) < $1
               order by received_at limit $2 for update skip locked
           ), tries as (
               delete from order_attempts t using old where t.order_id = old.id returning t.id
           ), emptied as (
               update orders o set content = '{}', pruned_at = $3 from old where o.id = old.id returning o.id
           )
           select (select count(*) from emptied) as "orders!", (select count(*) from tries) as "attempts!""#,
        before,
        limit,
        now
    )
    .fetch_one(conn)
    .await?)
}
