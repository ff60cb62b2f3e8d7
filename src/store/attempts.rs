//! Every attempt to post an order.
//!
//! Before anything is sent, the orders that may be sent stand in the lane's own row (`begin`); when they have ended, one
//! statement writes their attempts, settles them and clears the lane (`finish`), under the lane's fence. What a worker
//! that died had under way is written down as unknown by the next one (`abandon`), so that it is looked up before it is
//! posted again. An order that was begun and then not sent leaves no trace.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    lanes::{self, Leave},
    orders::Status,
};

/// What beginning came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// They may be sent.
    Ours,
    /// Not these: a person decided about an order of the lane since it was claimed. The lane is still ours.
    Decided,
    /// The lane is somebody else's.
    Lost,
}

/// Writes down that these orders may be sent from now on, and keeps the lane's lease.
///
/// # Errors
/// Database trouble.
pub async fn begin(
    conn: &mut PgConnection,
    lane: &lanes::Claim,
    order_ids: &[Uuid],
    lease: Duration,
    now: DateTime<Utc>,
) -> Result<Begun, Error> {
    let begun = sqlx::query_scalar!(
        r#"update lanes
           set under_way = case when decisions = $6 then $3::uuid[] end,
               under_way_since = case when decisions = $6 then $4::timestamptz end,
               lease_until = clock_timestamp() + make_interval(secs => $5)
           where connection_id = $1 and fence = $2 returning decisions = $6 as "begun!""#,
        lane.connection_id,
        lane.fence,
        order_ids,
        now,
        lease.as_secs_f64(),
        lane.decisions
    )
    .fetch_optional(conn)
    .await?;
    Ok(match begun {
        Some(true) => Begun::Ours,
        Some(false) => Begun::Decided,
        None => Begun::Lost,
    })
}

/// Writes down what the last worker of a lane had under way when it ended: nobody knows what became of it. `false` when
/// the lane is no longer ours.
///
/// # Errors
/// Database trouble.
pub async fn abandon(conn: &mut PgConnection, lane: &lanes::Claim, now: DateTime<Utc>) -> Result<bool, Error> {
    let Some(order_ids) = &lane.under_way else { return Ok(true) };
    Ok(sqlx::query_scalar!(
        r#"with held as (
               update lanes set under_way = null, under_way_since = null where connection_id = $1 and fence = $2
               returning connection_id
           ), counted as (
               update orders o set attempts = o.attempts + 1 from held where o.id = any($3) returning o.id
           ), told as (
               insert into order_attempts (order_id, daemon, started_at, finished_at, outcome, message)
               select id, $4, $5, $6, 'unknown', 'the worker ended before it could write the outcome' from counted
           )
           select count(*) as "held!" from held"#,
        lane.connection_id,
        lane.fence,
        order_ids,
        lane.left_by.as_deref().unwrap_or("unknown"),
        lane.under_way_since.unwrap_or(now),
        now
    )
    .fetch_one(conn)
    .await?
        == 1)
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = AttemptOutcome)]
pub enum Outcome {
    /// The document was made.
    Posted,
    /// The document was there already, from an earlier try.
    Adopted,
    /// To be tried again; nothing was made.
    Transient,
    /// To be tried again; the document may have been made.
    Unknown,
    /// A person must look.
    Parked,
    /// The connection itself needs its owner.
    Held,
}

impl Outcome {
    /// The word in tables and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Adopted => "adopted",
            Self::Transient => "transient",
            Self::Unknown => "unknown",
            Self::Parked => "parked",
            Self::Held => "held",
        }
    }
}

/// The end of an attempt, and what it makes of its order.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Which order.
    pub order_id: Uuid,
    /// The state of the order from now on.
    pub order_status: Status,
    /// When it was begun.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// What became of it.
    pub outcome: Outcome,
    /// HTTP status.
    pub status: Option<i32>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's words.
    pub message: Option<String>,
    /// What a person can do.
    pub remedy: Option<String>,
    /// The provider's correlation id.
    pub correlation_id: Option<String>,
    /// The document, when there is one.
    pub document_id: Option<String>,
}

/// Writes the attempts that have ended, settles their orders and clears the lane, or gives it back, in one statement; what
/// was begun and is not among them was not sent. `false` when the lane went to somebody else meanwhile, who settles the orders.
///
/// # Errors
/// Database trouble.
pub async fn finish(
    conn: &mut PgConnection,
    lane: &lanes::Claim,
    daemon: &str,
    ended: &[Ended],
    lease: Duration,
    leave: Option<(Leave, DateTime<Utc>)>,
) -> Result<bool, Error> {
    fn column<'a, T>(ended: &'a [Ended], of: impl Fn(&'a Ended) -> T) -> Vec<T> {
        ended.iter().map(of).collect()
    }
    let (resume_at, failures, not_before) = leave.map(|(leave, now)| leave.columns(now)).unwrap_or_default();
    let held = sqlx::query_scalar!(
        r#"with held as (
               update lanes
               set under_way = null, under_way_since = null, stuck_on = $22, stuck_tries = $23, stuck_since = $24,
                   lease_until = case when $16 then null else clock_timestamp() + make_interval(secs => $4) end,
                   leased_by = case when $16 then null else leased_by end,
                   resume_at = case when not $16 then resume_at
                                    when $17::timestamptz is null and arrivals <> $18 then $21 else $17 end,
                   failures = case when $16 then $19 else failures end,
                   not_before = case when $16 then $20 else not_before end
               where connection_id = $1 and fence = $2
               returning connection_id
           ), ended as (
               select e.* from held, unnest($5::uuid[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[],
                                            $10::int[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[])
                   as e (order_id, order_status, started_at, finished_at, outcome, status, code, message, remedy,
                         correlation_id, document_id)
           ), told as (
               insert into order_attempts (order_id, daemon, started_at, finished_at, outcome, status, code, message,
                                           remedy, correlation_id)
               select order_id, $3, started_at, finished_at, outcome, status, code, message, remedy, correlation_id
               from ended
           ), settled as (
               -- A document that was made is the truth, whatever somebody did to the order meanwhile.
               update orders o
               set status = e.order_status, attempts = o.attempts + 1, document_id = e.document_id,
                   posted_at = case when e.order_status = 'posted' then e.finished_at end, last_message = e.message,
                   remedy = e.remedy, skipped_at = null
               from ended e
               where o.id = e.order_id and (o.status = 'queued' or e.order_status = 'posted' and o.status <> 'posted')
               returning o.id
           ), announced as (
               -- Where no endpoint is registered, the last condition ends this before anything of it is read.
               insert into webhook_deliveries (id, webhook_id, event, payload, created_at, send_at)
               select gen_random_uuid(), w.id, 'order.' || e.order_status,
                      jsonb_build_object('type', 'order.' || e.order_status, 'timestamp', e.finished_at, 'data',
                          jsonb_build_object('order_id', o.id, 'external_id', o.external_id, 'name', o.name,
                              'total', o.total::text, 'currency', o.currency, 'account_id', a.id, 'account', a.name,
                              'status', e.order_status, 'document_number', o.document_number, 'document_id', e.document_id,
                              'code', e.code, 'message', e.message, 'remedy', e.remedy)), e.finished_at, e.finished_at
               from settled s join ended e on e.order_id = s.id and e.order_status in ('posted', 'parked')
               join orders o on o.id = s.id join accounts a on a.id = o.account_id
               join webhooks w on w.switched_off_at is null and 'order.' || e.order_status = any(w.events)
               where exists (select from webhooks)
           )
           select count(*) as "held!" from held"#,
        lane.connection_id,
        lane.fence,
        daemon,
        lease.as_secs_f64(),
        &column(ended, |one| one.order_id),
        &column(ended, |one| one.order_status.as_str()) as &[&str],
        &column(ended, |one| one.started_at),
        &column(ended, |one| one.finished_at),
        &column(ended, |one| one.outcome.as_str()) as &[&str],
        &column(ended, |one| one.status) as &[Option<i32>],
        &column(ended, |one| one.code.as_deref()) as &[Option<&str>],
        &column(ended, |one| one.message.as_deref()) as &[Option<&str>],
        &column(ended, |one| one.remedy.as_deref()) as &[Option<&str>],
        &column(ended, |one| one.correlation_id.as_deref()) as &[Option<&str>],
        &column(ended, |one| one.document_id.as_deref()) as &[Option<&str>],
        leave.is_some(),
        resume_at,
        lane.arrivals,
        failures,
        not_before,
        leave.map(|(_, now)| now),
        lane.stuck_on,
        lane.stuck_tries,
        lane.stuck_since
    )
    .fetch_one(conn)
    .await?;
    Ok(held == 1)
}
