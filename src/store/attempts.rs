//! Every attempt to post an order: begun before anything is sent, ended under the lane's fence.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, lanes, orders::Status};

/// Writes down that an order is tried now, and keeps the lane's lease; `None` when the lane is no longer ours.
///
/// # Errors
/// Database trouble.
pub async fn begin_attempt(
    conn: &mut PgConnection,
    lane: &lanes::Claim,
    order_id: Uuid,
    daemon: &str,
    lease: Duration,
    now: DateTime<Utc>,
) -> Result<Option<i64>, Error> {
    Ok(sqlx::query_scalar!(
        "with abandoned as (
             update order_attempts
             set finished_at = $5, outcome = 'unknown', message = 'the worker ended before it could write the outcome'
             where order_id = $3 and finished_at is null
         ), held as (
             update lanes set lease_until = clock_timestamp() + make_interval(secs => $6)
             where connection_id = $1 and fence = $2 returning connection_id
         ), counted as (
             update orders o set attempts = o.attempts + 1 from held where o.id = $3 and o.status = 'queued'
             returning o.id
         )
         insert into order_attempts (order_id, daemon, started_at) select id, $4, $5 from counted returning id",
        lane.connection_id,
        lane.fence,
        order_id,
        daemon,
        now,
        lease.as_secs_f64()
    )
    .fetch_optional(conn)
    .await?)
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
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

/// The end of an attempt.
#[derive(Debug)]
pub struct Ending<'a> {
    /// What became of it.
    pub outcome: Outcome,
    /// HTTP status.
    pub status: Option<i32>,
    /// The provider's code.
    pub code: Option<&'a str>,
    /// The provider's words.
    pub message: Option<&'a str>,
    /// What a person can do.
    pub remedy: Option<&'a str>,
    /// The provider's correlation id.
    pub correlation_id: Option<&'a str>,
    /// The document, when there is one.
    pub document_id: Option<&'a str>,
}

/// Finishes an attempt and its order, in one statement; `false` when the lane went to somebody else meanwhile, who settles
/// the order.
///
/// # Errors
/// Database trouble.
pub async fn finish_attempt(
    conn: &mut PgConnection,
    lane: &lanes::Claim,
    attempt_id: i64,
    ending: &Ending<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let order_status = match ending.outcome {
        Outcome::Posted | Outcome::Adopted => Status::Posted,
        Outcome::Parked => Status::Parked,
        Outcome::Transient | Outcome::Unknown | Outcome::Held => Status::Queued,
    };
    let done = sqlx::query!(
        "with ended as (
             update order_attempts set finished_at = $2, outcome = $3, status = $4, code = $5, message = $6,
                                       correlation_id = $7
             where id = $1 and exists (select from lanes where connection_id = $11 and fence = $12)
             returning order_id
         )
         update orders o
         set status = $8, document_id = $9, posted_at = case when $8 = 'posted' then $2 end, last_message = $6,
             remedy = $10
         from ended where o.id = ended.order_id and o.status = 'queued'",
        attempt_id,
        now,
        ending.outcome as Outcome,
        ending.status,
        ending.code,
        ending.message,
        ending.correlation_id,
        order_status as Status,
        ending.document_id,
        ending.remedy,
        lane.connection_id,
        lane.fence
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
