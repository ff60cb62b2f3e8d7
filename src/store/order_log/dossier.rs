//! Everything that is stored about one order, read together for a person, as it is at one moment. Every question is
//! answered by an index.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    provider::{Cause, Endpoint, Provider},
    store::{Error, attempts::Outcome, connections, orders::Status},
};

/// An order with everything that bears on it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OrderDossier)]
pub struct Dossier {
    /// The order itself.
    pub order: Order,
    /// Where its document is made; absent while the account has no QuickBooks company.
    pub company: Option<Company>,
    /// All revisions of the same order, this one too, in the order in which they came in.
    pub revisions: Vec<Revision>,
    /// The latest attempts, the first one first.
    pub attempts: Vec<Attempt>,
    /// The outage of QuickBooks' API that is open.
    pub outage: Option<Outage>,
}

/// One revision of an order, as it is stored.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StoredOrder)]
pub struct Order {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account_id: Uuid,
    /// The account's name.
    pub account: String,
    /// The person who is told.
    pub owner_name: String,
    /// Where.
    pub owner_email: String,
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
    /// The last words about it.
    pub last_message: Option<String>,
    /// What a person can do.
    pub remedy: Option<String>,
    /// The document's number.
    pub document_number: String,
    /// The document's id in QuickBooks.
    pub document_id: Option<String>,
    /// Sent with every try.
    pub request_id: Uuid,
    /// A hash over its content.
    pub revision: String,
    /// What the document is made of; empty once it was pruned.
    #[schema(value_type = Object)]
    pub content: Value,
    /// When its source last changed it.
    pub modified_at: DateTime<Utc>,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// When its document was made.
    pub posted_at: Option<DateTime<Utc>>,
    /// When somebody decided that it is not to be posted.
    pub skipped_at: Option<DateTime<Utc>>,
    /// When its content and its attempts were dropped.
    pub pruned_at: Option<DateTime<Utc>>,
    /// Queued orders of the account that come before it, at most 1,000 counted.
    pub ahead: i64,
}

/// A QuickBooks company and its lane.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OrderCompany)]
pub struct Company {
    /// The connection's id.
    pub connection_id: Uuid,
    /// `production` or `sandbox`.
    pub environment: String,
    /// The realm.
    pub company_id: String,
    /// The company.
    pub company_name: String,
    /// The connection's status.
    pub status: connections::Status,
    /// Why it lapsed.
    pub cause: Option<Cause>,
    /// Since when it has this status.
    pub status_changed_at: DateTime<Utc>,
    /// When its tokens are renewed next.
    pub renew_at: Option<DateTime<Utc>>,
    /// When its lane goes on; absent while no order waits in it.
    pub resume_at: Option<DateTime<Utc>>,
    /// Failures since the last order that went through.
    pub failures: i32,
    /// Which daemon works the lane now.
    pub worked_by: Option<String>,
    /// When the owner was last mailed about the lapse.
    pub owner_told_at: Option<DateTime<Utc>>,
}

/// A revision of an order.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OrderRevision)]
pub struct Revision {
    /// Its id.
    pub id: Uuid,
    /// Its state.
    pub status: Status,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// What it comes to.
    pub total: Option<Decimal>,
    /// The document's number.
    pub document_number: String,
    /// The document's id in QuickBooks.
    pub document_id: Option<String>,
    /// The last words about it.
    pub last_message: Option<String>,
}

/// One try.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OrderAttempt)]
pub struct Attempt {
    /// Its number.
    pub id: i64,
    /// Who tried.
    pub daemon: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Until when; open while absent.
    pub finished_at: Option<DateTime<Utc>>,
    /// What became of it.
    pub outcome: Option<Outcome>,
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
}

/// A failure of QuickBooks for everybody.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OrderOutage)]
pub struct Outage {
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// What was seen.
    pub evidence: String,
    /// When the next canary may fly.
    pub canary_at: DateTime<Utc>,
}

/// Reads an order's dossier with its latest attempts, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn get(conn: &mut PgConnection, id: Uuid, limit: i64) -> Result<Option<Dossier>, Error> {
    let mut tx = conn.begin_with("begin isolation level repeatable read read only").await?;
    let Some(order) = order(&mut tx, id).await? else { return Ok(None) };
    let dossier = Dossier {
        company: company(&mut tx, order.account_id).await?,
        revisions: revisions(&mut tx, id).await?,
        attempts: attempts(&mut tx, id, limit).await?,
        outage: outage(&mut tx).await?,
        order,
    };
    tx.commit().await?;
    Ok(Some(dossier))
}

async fn order(conn: &mut PgConnection, id: Uuid) -> Result<Option<Order>, Error> {
    Ok(sqlx::query_as!(
        Order,
        r#"select o.id, o.account_id, a.name as account, a.owner_name, a.owner_email, o.external_id, o.name, o.total,
                  o.currency, o.status as "status: Status", o.attempts, o.last_message, o.remedy, o.document_number,
                  o.document_id, o.request_id, o.revision, o.content, o.modified_at, o.received_at, o.posted_at,
                  o.skipped_at, o.pruned_at,
                  (select count(*) from (
                      select from unposted b where b.account_id = o.account_id and b.status = 'queued'
                      and b.position < o.position limit 1000) ahead) as "ahead!"
           from orders o join accounts a on a.id = o.account_id where o.id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?)
}

/// The company in use, or the one that was used last.
async fn company(conn: &mut PgConnection, account_id: Uuid) -> Result<Option<Company>, Error> {
    Ok(sqlx::query_as!(
        Company,
        r#"select c.id as connection_id, c.environment, c.company_id, c.company_name,
                  c.status as "status: connections::Status", c.cause as "cause: Cause", c.status_changed_at, t.renew_at,
                  l.resume_at as "resume_at?", coalesce(l.failures, 0) as "failures!",
                  case when l.lease_until >= clock_timestamp() then l.leased_by end as worked_by,
                  (select max(m.sent_at) from alerts i join mails m on m.alert_id = i.id
                   where i.connection_id = c.id and i.kind = 'connection_lapsed' and i.resolved_at is null
                  ) as owner_told_at
           from connections c join tokens t on t.connection_id = c.id left join lanes l on l.connection_id = c.id
           where c.account_id = $1 and c.provider = $2
           order by c.status = 'disconnected', c.connected_at desc limit 1"#,
        account_id,
        Provider::Quickbooks as Provider
    )
    .fetch_optional(conn)
    .await?)
}

async fn revisions(conn: &mut PgConnection, id: Uuid) -> Result<Vec<Revision>, Error> {
    Ok(sqlx::query_as!(
        Revision,
        r#"select r.id, r.status as "status: Status", r.received_at, r.total, r.document_number, r.document_id,
                  r.last_message
           from orders o join orders r on r.source_id = o.source_id and r.external_id = o.external_id
           where o.id = $1 order by r.position"#,
        id
    )
    .fetch_all(conn)
    .await?)
}

async fn attempts(conn: &mut PgConnection, id: Uuid, limit: i64) -> Result<Vec<Attempt>, Error> {
    let mut attempts = sqlx::query_as!(
        Attempt,
        r#"select id, daemon, started_at, finished_at, outcome as "outcome: Outcome", status, code, message, remedy,
                  correlation_id
           from order_attempts where order_id = $1 order by id desc limit $2"#,
        id,
        limit
    )
    .fetch_all(conn)
    .await?;
    attempts.reverse();
    Ok(attempts)
}

async fn outage(conn: &mut PgConnection) -> Result<Option<Outage>, Error> {
    Ok(sqlx::query_as!(
        Outage,
        "select opened_at, evidence, canary_at from outages where provider = $1 and endpoint = $2 and closed_at is null",
        Provider::Quickbooks as Provider,
        Endpoint::Api as Endpoint
    )
    .fetch_optional(conn)
    .await?)
}
