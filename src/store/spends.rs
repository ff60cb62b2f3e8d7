//! The ledger of every use of a refresh token. Rows are opened by the claim (see `store/tokens`) and finished here.

/// Pages of it, for programs.
pub mod listing;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, one_row};
use crate::provider::Provider;

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = SpendOutcome)]
pub enum Outcome {
    /// New tokens, stored.
    Renewed,
    /// Refused, but somebody else had renewed meanwhile.
    Adopted,
    /// To be tried again.
    Transient,
    /// Sent, and nobody knows what became of it.
    Unknown,
    /// Our own deployment is at fault.
    OperatorFault,
    /// Only the owner can repair it.
    DeadGrant,
    /// The stored token did not open; nothing was sent.
    SetAside,
    /// New tokens for a generation that had been replaced meanwhile.
    Discarded,
}

impl Outcome {
    /// The word in tables, metrics and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renewed => "renewed",
            Self::Adopted => "adopted",
            Self::Transient => "transient",
            Self::Unknown => "unknown",
            Self::OperatorFault => "operator_fault",
            Self::DeadGrant => "dead_grant",
            Self::SetAside => "set_aside",
            Self::Discarded => "discarded",
        }
    }
}

/// What the ledger keeps of a reply.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// HTTP status.
    pub status: Option<i32>,
    /// The provider's code.
    pub code: Option<String>,
    /// The rule that judged it.
    pub rule: Option<String>,
    /// The provider's correlation id.
    pub correlation_id: Option<String>,
}

/// Finishes a spend. One that was closed meanwhile (its lease ran out) gets the outcome that was seen after all; one that
/// brought new tokens stays so, whoever replays its reply again.
///
/// # Errors
/// Database trouble, or no such spend that could still be finished.
pub async fn finish(
    conn: &mut PgConnection,
    id: i64,
    outcome: Outcome,
    reply: &Reply,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let done = sqlx::query!(
        "update spends set finished_at = $2, outcome = $3, status = $4, code = $5, rule = $6, correlation_id = $7
         where id = $1 and outcome is distinct from 'renewed'",
        id,
        now,
        outcome as Outcome,
        reply.status,
        reply.code,
        reply.rule,
        reply.correlation_id
    )
    .execute(conn)
    .await?;
    one_row("spend", id, done.rows_affected())
}

/// Closes what is still open for a connection that was authorized anew: nobody will take it up again. A reply that comes
/// after all still finishes its row.
///
/// # Errors
/// Database trouble.
pub async fn abandon(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update spends set finished_at = $2, outcome = 'unknown', rule = 'reconnected'
         where connection_id = $1 and finished_at is null",
        connection_id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many connections of a provider met a fault of our own when they were last renewed, since then and by that rule.
///
/// # Errors
/// Database trouble.
pub async fn met_fault(
    conn: &mut PgConnection,
    provider: Provider,
    rule: &str,
    since: DateTime<Utc>,
) -> Result<u64, Error> {
    let met = sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from connections c
                join lateral (select outcome, rule, finished_at from spends
                              where connection_id = c.id and finished_at is not null order by id desc limit 1) s on true
           where c.provider = $1 and s.outcome = 'operator_fault' and s.rule = $2 and s.finished_at >= $3"#,
        provider as Provider,
        rule,
        since
    )
    .fetch_one(conn)
    .await?;
    Ok(met.unsigned_abs())
}

/// A row of the ledger, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Spend {
    /// Its number.
    pub id: i64,
    /// Whose token.
    pub connection_id: Uuid,
    /// Whose account.
    pub account: String,
    /// With whom.
    pub provider: Provider,
    /// The company.
    pub company_name: String,
    /// The generation that was spent.
    pub generation: i64,
    /// Tells token values apart.
    pub fingerprint: String,
    /// Who spent it.
    pub daemon: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Until when; open while absent.
    pub finished_at: Option<DateTime<Utc>>,
    /// What came back.
    pub outcome: Option<Outcome>,
    /// HTTP status.
    pub status: Option<i32>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's correlation id.
    pub correlation_id: Option<String>,
}

/// The latest spends before number `before`, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn recent(conn: &mut PgConnection, before: Option<i64>, limit: i64) -> Result<Vec<Spend>, Error> {
    Ok(sqlx::query_as!(
        Spend,
        r#"select s.id, s.connection_id, a.name as account, c.provider as "provider: Provider", c.company_name,
                  s.generation, s.fingerprint, s.daemon, s.started_at, s.finished_at, s.outcome as "outcome: Outcome",
                  s.status, s.code, s.correlation_id
           from spends s join connections c on c.id = s.connection_id join accounts a on a.id = c.account_id
           where s.id < $1 order by s.id desc limit $2"#,
        before.unwrap_or(i64::MAX),
        limit
    )
    .fetch_all(conn)
    .await?)
}
