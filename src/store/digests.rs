//! Digests: incidents that go on while new cases of them come in, of which people are mailed at intervals. Here of parked
//! orders, for the operator and, by code, for the owner of an account.
//!
//! The open alert carries how far its mails have told and when the next one may go. What is parked is read from the table
//! of the unposted; whoever decides about a mail holds the alert's lock.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// What is parked, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// How many orders.
    pub count: i64,
    /// The highest number of a last attempt among them: a later heap with a higher one has news.
    pub newest: i64,
}

/// Everything that is parked.
///
/// # Errors
/// Database trouble.
pub async fn parked(conn: &mut PgConnection) -> Result<Heap, Error> {
    Ok(sqlx::query_as!(
        Heap,
        r#"select count(*) as "count!", coalesce(max(a.id), 0) as "newest!"
           from unposted u
                left join lateral (select max(id) as id from order_attempts where order_id = u.order_id) a on true
           where u.status = 'parked'"#
    )
    .fetch_one(conn)
    .await?)
}

/// What an owner can put right, and who that is.
#[derive(Clone, Debug)]
pub struct OwnersHeap {
    /// The company that the orders go to.
    pub connection_id: Uuid,
    /// The owner's address.
    pub recipient: String,
    /// What is parked there for a reason of theirs.
    pub heap: Heap,
}

/// Accounts with orders that are parked with one of these codes.
///
/// # Errors
/// Database trouble.
pub async fn parked_for_owners(conn: &mut PgConnection, codes: &[&str]) -> Result<Vec<OwnersHeap>, Error> {
    let rows = sqlx::query!(
        r#"select c.id as "connection_id!", o.owner_email as "recipient!", count(*) as "count!", max(a.id) as "newest!"
           from unposted u
                join lateral (select id, code from order_attempts where order_id = u.order_id order by id desc limit 1) a
                    on a.code = any($1::text[])
                join accounts o on o.id = u.account_id
                join lateral (select id from connections
                              where account_id = u.account_id and provider = 'quickbooks' and status <> 'disconnected'
                              order by id limit 1) c on true
           where u.status = 'parked' group by c.id, o.owner_email order by c.id"#,
        codes as &[&str]
    )
    .fetch_all(conn)
    .await?;
    let heaps = rows.into_iter().map(|row| OwnersHeap {
        connection_id: row.connection_id,
        recipient: row.recipient,
        heap: Heap { count: row.count, newest: row.newest },
    });
    Ok(heaps.collect())
}

/// A digest that is open.
#[derive(Debug)]
pub struct Open {
    /// The alert.
    pub alert_id: Uuid,
    /// Its incident.
    pub incident: String,
    /// The newest attempt that its mails were about.
    pub told: i64,
    /// How many mails followed the first one.
    pub mails: i32,
    /// When the next one may go.
    pub next_at: Option<DateTime<Utc>>,
    /// Somebody asked for quiet, or a mail is still to be sent: it will tell of everything that is parked by then.
    pub holds: bool,
}

/// The open digests whose incident begins like this. They stay locked until the transaction ends.
///
/// # Errors
/// Database trouble.
pub async fn open_ones(conn: &mut PgConnection, prefix: &str, now: DateTime<Utc>) -> Result<Vec<Open>, Error> {
    Ok(sqlx::query_as!(
        Open,
        r#"select id as alert_id, incident, coalesce((detail ->> 'told')::bigint, 0) as "told!", reminded as mails,
                  remind_at as next_at,
                  acknowledged_at is not null or coalesce(snoozed_until > $2, false)
                  or exists (select from mails m where m.alert_id = alerts.id and m.sent_at is null) as "holds!"
           from alerts where resolved_at is null and starts_with(incident, $1) order by incident for update"#,
        prefix,
        now
    )
    .fetch_all(conn)
    .await?)
}

/// Lets the first mail of a digest that was just opened wait until then, so that it tells of all that comes in meanwhile.
///
/// # Errors
/// Database trouble.
pub async fn begin(
    conn: &mut PgConnection,
    incident: &str,
    newest: i64,
    first_at: DateTime<Utc>,
    next_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "with alert as (
             update alerts set remind_at = $4, detail = detail || jsonb_build_object('told', $2::bigint)
             where incident = $1 and resolved_at is null returning id
         )
         update mails m set send_at = $3 from alert where m.alert_id = alert.id and m.step = 'opened'",
        incident,
        newest,
        first_at,
        next_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a mail which is about to be sent tells of all up to `newest`.
///
/// # Errors
/// Database trouble.
pub async fn note(conn: &mut PgConnection, alert_id: Uuid, newest: i64) -> Result<(), Error> {
    sqlx::query!(
        "update alerts set detail = detail || jsonb_build_object('told', $2::bigint) where id = $1",
        alert_id,
        newest
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Queues the next mail of a digest. Whether one was queued.
///
/// # Errors
/// Database trouble.
pub async fn follow_up(
    conn: &mut PgConnection,
    open: &Open,
    newest: i64,
    recipient: Option<&str>,
    next_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"with alert as (
               update alerts
               set seen_at = $6, remind_at = $5, reminded = reminded + 1,
                   detail = detail || jsonb_build_object('told', $2::bigint, 'told_before', detail -> 'told')
               where id = $1 returning id, reminded
           ), queued as (
               insert into mails (id, alert_id, step, number, recipient, send_at)
               select $3, id, 'reminder', reminded, $4, $6 from alert where $4::text is not null
               on conflict (alert_id, step, number) do nothing
               returning id
           )
           select exists (select from queued) as "queued!""#,
        open.alert_id,
        newest,
        Uuid::now_v7(),
        recipient,
        next_at,
        now
    )
    .fetch_one(conn)
    .await?)
}

/// How many orders of a company's account are parked with one of these codes since attempt `told`.
///
/// # Errors
/// Database trouble.
pub async fn refused_after(
    conn: &mut PgConnection,
    connection_id: Uuid,
    codes: &[&str],
    told: i64,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from unposted u
                join lateral (select id, code from order_attempts where order_id = u.order_id order by id desc limit 1) a
                    on a.id > $3 and a.code = any($2::text[])
           where u.status = 'parked' and u.account_id = (select account_id from connections where id = $1)"#,
        connection_id,
        codes as &[&str],
        told
    )
    .fetch_one(conn)
    .await?)
}

/// A parked order, as a digest tells of it.
#[derive(Clone, Debug)]
pub struct Parked {
    /// What people call it.
    pub name: String,
    /// Its id at its source.
    pub external_id: String,
    /// Whose.
    pub account: String,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's words, or ours.
    pub message: Option<String>,
    /// What a person can do.
    pub remedy: Option<String>,
}

/// The orders that were parked last, of everybody or of a company's account with one of these codes; and the heap that
/// they lie on.
///
/// # Errors
/// Database trouble.
pub async fn latest(
    conn: &mut PgConnection,
    of: Option<(Uuid, &[&str])>,
    limit: i64,
) -> Result<(Vec<Parked>, Heap), Error> {
    let (connection_id, codes) = (of.map(|(id, _)| id), of.map(|(_, codes)| codes));
    let rows = sqlx::query!(
        r#"select o.name, o.external_id, acc.name as account, a.code as "code?", o.last_message, o.remedy,
                  count(*) over () as "count!", coalesce(max(a.id) over (), 0) as "newest!"
           from unposted u join orders o on o.id = u.order_id join accounts acc on acc.id = u.account_id
                left join lateral (select id, code from order_attempts where order_id = u.order_id order by id desc limit 1) a
                    on true
           where u.status = 'parked'
             and ($1::uuid is null
                  or u.account_id = (select account_id from connections where id = $1) and a.code = any($2::text[]))
           order by a.id desc nulls last, u.position desc limit $3"#,
        connection_id,
        codes as Option<&[&str]>,
        limit
    )
    .fetch_all(conn)
    .await?;
    let heap = rows.first().map_or(Heap::default(), |row| Heap { count: row.count, newest: row.newest });
    let orders = rows.into_iter().map(|row| Parked {
        name: row.name,
        external_id: row.external_id,
        account: row.account,
        code: row.code,
        message: row.last_message,
        remedy: row.remedy,
    });
    Ok((orders.collect(), heap))
}
