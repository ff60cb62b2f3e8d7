//! Orders as people ask for them: lists by arrival, counts, and what else a log is for.
//!
//! Knows nothing of how orders come in or are posted. A list costs what is printed, whatever is stored: it is read by
//! arrival, by status, by account, by name or by code, each from an index of its own, a page at a time by key.

/// All about one order.
pub mod dossier;

/// Which order a person means.
pub mod naming;

/// Parked orders go back into the queue; others are left out, by a person's decision.
pub mod by_hand;

/// Old content is dropped.
pub mod pruning;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{Error, orders::Status};

/// Sorts behind every text that it is added to.
const LAST: &str = "\u{10ffff}";

/// An order, for people.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Order)]
pub struct Overview {
    /// Its id.
    pub id: Uuid,
    /// Its place in the order of arrival.
    pub position: i64,
    /// Whose.
    pub account: String,
    /// Its id at its source.
    pub external_id: String,
    /// What people call it.
    pub name: String,
    /// What it comes to.
    pub total: Option<Decimal>,
    /// In which money.
    pub currency: Option<String>,
    /// The state.
    pub status: Status,
    /// How often it was tried.
    pub attempts: i32,
    /// The provider's code for the last attempt.
    pub code: Option<String>,
    /// The document's number.
    pub document_number: String,
    /// The document's id in QuickBooks.
    pub document_id: Option<String>,
    /// The last words about it.
    pub last_message: Option<String>,
    /// What a person can do.
    pub remedy: Option<String>,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// When its document was made.
    pub posted_at: Option<DateTime<Utc>>,
}

impl Overview {
    /// The place after which the next page begins.
    pub fn cursor(&self) -> Cursor {
        Cursor { received_at: self.received_at, position: self.position }
    }
}

/// A place in the list; a page holds what came in before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    received_at: DateTime<Utc>,
    position: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.received_at.timestamp_micros(), self.position)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (micros, position) = text.trim().split_once('.')?;
            let received_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
            Some(Self { received_at, position: position.parse().ok()? })
        };
        parse().ok_or("copy it from the hint below an earlier page, such as 1795300200000000.42")
    }
}

/// Which orders are asked for: those that meet all that is set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One of these; any when empty.
    pub statuses: Vec<Status>,
    /// Whose.
    pub account_id: Option<Uuid>,
    /// Came in then or later.
    pub since: Option<DateTime<Utc>>,
    /// Came in before.
    pub until: Option<DateTime<Utc>>,
    /// Its document has this number.
    pub document: Option<String>,
    /// Its name or its document's number begins with this, in capitals or not, or it is its id at its source.
    pub search: Option<String>,
    /// The provider answered the last attempt with this code.
    pub code: Option<String>,
}

/// The list with one way of finding its orders; every way keeps all conditions. `$arrival` names the table whose status and
/// time of arrival decide, so that an index of that table brings the rows in their order.
macro_rules! page {
    ($conn:expr, $filter:expr, $before:expr, $limit:expr, $from:tt, $arrival:tt, $ways:tt, [$($more:expr),*]) => {{
        let (filter, before): (&Filter, Option<Cursor>) = ($filter, $before);
        let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
        sqlx::query_as!(
            Overview,
            r#"select o.id, o.position as "position!", a.name as account, o.external_id, o.name, o.total, o.currency,
                      o.status as "status: Status", o.attempts, last.code as "code?", o.document_number, o.document_id,
                      o.last_message, o.remedy, o.received_at, o.posted_at
               from "#
                + $from
                + r#" join accounts a on a.id = o.account_id
               left join lateral (
                   select t.code from order_attempts t where t.order_id = o.id order by t.id desc limit 1) last on true
               where (cardinality($1::text[]) = 0 or "#
                + $arrival
                + r#".status = any($1))
                 and ($2::uuid is null or o.account_id = $2)
                 and ($3::timestamptz is null or o.received_at >= $3)
                 and ($4::timestamptz is null or o.received_at < $4)
                 and ($5::text is null or lower(o.document_number) collate "C" = lower($5))
                 and ($6::text is null or last.code = $6)
                 and ($7::timestamptz is null or ("#
                + $arrival
                + ".received_at, "
                + $arrival
                + ".position) < ($7, $8::bigint))"
                + $ways
                + " order by "
                + $arrival
                + ".received_at desc, "
                + $arrival
                + ".position desc limit $9",
            statuses as _,
            filter.account_id,
            filter.since,
            filter.until,
            filter.document,
            filter.code,
            before.map(|before| before.received_at),
            before.map(|before| before.position),
            $limit
            $(, $more)*
        )
        .fetch_all($conn)
        .await?
    }};
}

/// The latest of the orders that are asked for, at most `limit`, from `before` on.
///
/// # Errors
/// Database trouble.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    before: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Overview>, Error> {
    let mut tx = conn.begin().await?;
    // Planned anew each time: a plan for whatever conditions may come would have to read everything.
    sqlx::query!("set local plan_cache_mode = force_custom_plan").execute(&mut *tx).await?;
    let conn = &mut *tx;
    let search = filter.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let orders = match (search, &filter.code) {
        (Some(text), _) => page!(
            conn,
            filter,
            before,
            limit,
            "orders o",
            "o",
            r#" and o.id in (
                select n.id from orders n
                where lower(n.name) collate "C" >= lower($10) and lower(n.name) collate "C" < lower($10) || $11
                union all
                select d.id from orders d
                where lower(d.document_number) collate "C" >= lower($10)
                  and lower(d.document_number) collate "C" < lower($10) || $11
                union all
                select e.id from (
                    -- Every source once, each by one look at the key that begins with it.
                    with recursive sources as (
                        (select s.source_id from orders s order by s.source_id limit 1)
                        union all
                        select (select l.source_id from orders l where l.source_id > p.source_id
                                order by l.source_id limit 1)
                        from sources p where p.source_id is not null
                    ) select source_id from sources) s
                join orders e on e.source_id = s.source_id and e.external_id = $10)"#,
            [text, LAST]
        ),
        // A code is rare: its attempts lead to its orders, and the condition above keeps those whose last one it was. As an
        // array they are looked up one by one: joined, they would be looked for in everything, the latest first.
        (None, Some(code)) => page!(
            conn,
            filter,
            before,
            limit,
            "orders o",
            "o",
            " and o.id = any(array(select c.order_id from order_attempts c where c.code = $10))",
            [code]
        ),
        // Those that are not posted stand together, by status.
        (None, None) => match filter.statuses.as_slice() {
            [only] if *only != Status::Posted => page!(
                conn,
                filter,
                before,
                limit,
                "unposted u join orders o on o.id = u.order_id",
                "u",
                " and u.status = $10",
                [only.as_str()]
            ),
            _ => page!(conn, filter, before, limit, "orders o", "o", "", []),
        },
    };
    tx.commit().await?;
    Ok(orders)
}

/// How many orders are queued and how many parked: by index, whatever is stored.
///
/// # Errors
/// Database trouble.
pub async fn count_unsettled(conn: &mut PgConnection) -> Result<Vec<(Status, i64)>, Error> {
    let rows = sqlx::query!(
        r#"select status as "status: Status", count(*) as "count!" from unposted
           where status in ('queued', 'parked') group by status"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.status, row.count)).collect())
}

/// How many revisions of orders came in for an account since then, and how many of them have their document.
///
/// # Errors
/// Database trouble.
pub async fn came_and_posted(
    conn: &mut PgConnection,
    account_id: Uuid,
    since: DateTime<Utc>,
) -> Result<(i64, i64), Error> {
    let row = sqlx::query!(
        r#"select count(*) filter (where status <> 'superseded') as "came!",
                  count(*) filter (where status = 'posted') as "posted!"
           from orders where account_id = $1 and received_at >= $2"#,
        account_id,
        since
    )
    .fetch_one(conn)
    .await?;
    Ok((row.came, row.posted))
}

/// How many orders wait in an account, or in all.
///
/// # Errors
/// Database trouble.
pub async fn count_waiting(conn: &mut PgConnection, account_id: Option<Uuid>) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from unposted where status = 'queued' and account_id = coalesce($1, account_id)"#,
        account_id
    )
    .fetch_one(conn)
    .await?)
}

/// How many orders of an account are parked.
///
/// # Errors
/// Database trouble.
pub async fn count_parked(conn: &mut PgConnection, account_id: Uuid) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from unposted where status = 'parked' and account_id = $1"#,
        account_id
    )
    .fetch_one(conn)
    .await?)
}

/// The parked orders of an account whose last attempt was answered with one of these codes, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn parked_with(
    conn: &mut PgConnection,
    account_id: Uuid,
    codes: &[&str],
    limit: i64,
) -> Result<Vec<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        r#"select u.order_id
           from unposted u
                join lateral (select code from order_attempts where order_id = u.order_id order by id desc limit 1) a
                    on a.code = any($2::text[])
           where u.status = 'parked' and u.account_id = $1 limit $3"#,
        account_id,
        codes as &[&str],
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// How many orders of an account were posted since then.
///
/// # Errors
/// Database trouble.
pub async fn count_posted_since(conn: &mut PgConnection, account_id: Uuid, since: DateTime<Utc>) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from orders where account_id = $1 and posted_at >= $2"#,
        account_id,
        since
    )
    .fetch_one(conn)
    .await?)
}
