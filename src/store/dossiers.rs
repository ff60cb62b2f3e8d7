//! Everything that is stored about one connection, read together for a person. Every question is answered by an index:
//! nothing here walks a ledger.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{
    Error, alerts,
    audit_log::{self, Actor, Deed},
    connections::Status,
    mails,
    spends::Outcome,
    tokens::TAKEOVER,
};
use crate::provider::{Cause, Endpoint, Provider};

/// A connection with its account, its tokens' clocks, its lease and what waits for it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ConnectionDossier)]
pub struct Dossier {
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
    /// With whom.
    pub provider: Provider,
    /// `production` or `sandbox`.
    pub environment: String,
    /// Realm or hub id.
    pub company_id: String,
    /// The company.
    pub company_name: String,
    /// The status.
    pub status: Status,
    /// Why it lapsed.
    pub cause: Option<Cause>,
    /// What the verdict rests on.
    #[schema(value_type = Option<Object>)]
    pub evidence: Option<Value>,
    /// Since when it has this status.
    pub status_changed_at: DateTime<Utc>,
    /// When its owner last agreed.
    pub connected_at: DateTime<Utc>,
    /// How often its tokens changed.
    pub generation: i64,
    /// When its tokens last changed.
    pub renewed_at: DateTime<Utc>,
    /// When the keeper takes it up next.
    pub renew_at: Option<DateTime<Utc>>,
    /// Failed renewals since the last good one.
    pub failures: i32,
    /// End of the access token.
    pub access_expires_at: DateTime<Utc>,
    /// End of the refresh window, if there is one.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// End of the hard cap, if it is known.
    pub refresh_hard_expires_at: Option<DateTime<Utc>>,
    /// The app that the tokens were issued to.
    pub issued_to: String,
    /// Who works on the tokens.
    pub leased_by: Option<String>,
    /// In how many seconds that lease runs out, by the database's clock; below zero when it did.
    pub lease_ends_in: Option<f64>,
    /// Orders of the account on their way.
    pub waiting_orders: i64,
    /// When the company's lane goes on.
    pub lane_resume_at: Option<DateTime<Utc>>,
    /// When the portal is read next.
    pub poll_at: Option<DateTime<Utc>>,
    /// When the grant was last seen to work, since the latest connect.
    pub verified_at: Option<DateTime<Utc>>,
    /// When it is tried out next.
    pub probe_at: Option<DateTime<Utc>>,
}

impl Dossier {
    /// Who works on the tokens now, and for how many seconds at most.
    pub fn lease(&self) -> Option<(&str, f64)> {
        self.leased_by.as_deref().zip(self.lease_ends_in.filter(|seconds| *seconds >= 0.0))
    }

    /// Whether somebody worked on the tokens, ended without letting go, and nobody has noticed yet.
    pub fn is_abandoned(&self) -> bool {
        let ended = self.lease_ends_in.is_some_and(|seconds| seconds < 0.0);
        ended && self.leased_by.as_deref() != Some(TAKEOVER)
    }
}

/// Reads a connection's dossier and its latest spends, the last one first, both as they are at one moment: an open spend
/// always comes with its lease.
///
/// # Errors
/// Database trouble.
pub async fn with_spends(
    conn: &mut PgConnection,
    connection_id: Uuid,
    limit: i64,
) -> Result<Option<(Dossier, Vec<Spend>)>, Error> {
    let mut tx = conn.begin_with("begin isolation level repeatable read read only").await?;
    let Some(dossier) = get(&mut tx, connection_id).await? else { return Ok(None) };
    let spends = spends(&mut tx, connection_id, limit).await?;
    tx.commit().await?;
    Ok(Some((dossier, spends)))
}

/// Writes down what `actor` is about to do with a connection. What that sets off at its provider cannot be in one
/// transaction with it, so it is written down first.
///
/// # Errors
/// Database trouble.
pub async fn note(
    conn: &mut PgConnection,
    dossier: &Dossier,
    action: &str,
    detail: Value,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let subject = format!("{} at {}", dossier.account, dossier.provider.title());
    let mut detail = detail;
    detail["connection_id"] = json!(dossier.id);
    let deed = Deed { action, account_id: Some(dossier.account_id), subject: &subject, detail };
    audit_log::record(conn, actor, &deed, now).await
}

/// Reads a connection's dossier.
///
/// # Errors
/// Database trouble.
pub async fn get(conn: &mut PgConnection, connection_id: Uuid) -> Result<Option<Dossier>, Error> {
    Ok(sqlx::query_as!(
        Dossier,
        r#"select c.id, c.account_id, a.name as account, a.owner_name, a.owner_email, c.provider as "provider: Provider",
                  c.environment, c.company_id, c.company_name, c.status as "status: Status", c.cause as "cause: Cause",
                  c.evidence, c.status_changed_at, c.connected_at, t.generation, t.renewed_at, t.renew_at, t.failures,
                  t.access_expires_at, t.refresh_expires_at, t.refresh_hard_expires_at, t.issued_to, t.leased_by,
                  extract(epoch from t.lease_until - clock_timestamp())::float8 as lease_ends_in,
                  (select count(*) from unposted o
                   where o.account_id = c.account_id and o.status = 'queued') as "waiting_orders!",
                  (select l.resume_at from lanes l where l.connection_id = c.id) as lane_resume_at,
                  (select i.poll_at from intakes i where i.connection_id = c.id) as poll_at,
                  c.verified_at, c.probe_at
           from connections c join accounts a on a.id = c.account_id join tokens t on t.connection_id = c.id
           where c.id = $1"#,
        connection_id
    )
    .fetch_optional(conn)
    .await?)
}

/// One use of the connection's refresh token.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Spend {
    /// Its number in the ledger.
    pub id: i64,
    /// The generation that was spent.
    pub generation: i64,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Until when; open while absent.
    pub finished_at: Option<DateTime<Utc>>,
    /// What came back.
    pub outcome: Option<Outcome>,
    /// The rule that judged it.
    pub rule: Option<String>,
    /// HTTP status.
    pub status: Option<i32>,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's correlation id.
    pub correlation_id: Option<String>,
    /// Who spent it.
    pub daemon: String,
}

async fn spends(conn: &mut PgConnection, connection_id: Uuid, limit: i64) -> Result<Vec<Spend>, Error> {
    Ok(sqlx::query_as!(
        Spend,
        r#"select id, generation, started_at, finished_at, outcome as "outcome: Outcome", rule, status, code,
                  correlation_id, daemon
           from spends where connection_id = $1 order by id desc limit $2"#,
        connection_id,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// An alert that touches the connection, and one of its mails.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Told {
    /// What it is about.
    pub kind: alerts::Kind,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Until when.
    pub resolved_at: Option<DateTime<Utc>>,
    /// What the alert says of its cause.
    pub message: Option<String>,
    /// Which moment the mail is about; absent when nobody is mailed.
    pub step: Option<mails::Step>,
    /// When the mail is due.
    pub send_at: Option<DateTime<Utc>>,
    /// When it was handed over.
    pub sent_at: Option<DateTime<Utc>>,
    /// Why it was not.
    pub last_error: Option<String>,
}

/// The latest alerts about the connection, and open ones with these names that concern it along with others; a row for each
/// mail, oldest first.
///
/// # Errors
/// Database trouble.
pub async fn told(conn: &mut PgConnection, connection_id: Uuid, incidents: &[String]) -> Result<Vec<Told>, Error> {
    Ok(sqlx::query_as!(
        Told,
        r#"with picked as (
               (select id from alerts where connection_id = $1 order by opened_at desc limit 2)
               union
               select id from alerts where resolved_at is null and incident = any($2)
           )
           select l.kind as "kind: alerts::Kind", l.opened_at, l.resolved_at, l.detail ->> 'message' as message,
                  m.step as "step?: mails::Step", m.send_at as "send_at?", m.sent_at, m.last_error
           from picked p join alerts l on l.id = p.id left join mails m on m.alert_id = l.id
           order by l.opened_at, m.send_at"#,
        connection_id,
        incidents
    )
    .fetch_all(conn)
    .await?)
}

/// A provider-wide failure that is open.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OpenOutage {
    /// Of which of its endpoints.
    pub endpoint: Endpoint,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// What was seen.
    pub evidence: String,
    /// When the next canary may fly.
    pub canary_at: DateTime<Utc>,
}

/// What is open at a provider.
///
/// # Errors
/// Database trouble.
pub async fn outages(conn: &mut PgConnection, provider: Provider) -> Result<Vec<OpenOutage>, Error> {
    Ok(sqlx::query_as!(
        OpenOutage,
        r#"select endpoint as "endpoint: Endpoint", opened_at, evidence, canary_at
           from outages where provider = $1 and closed_at is null order by opened_at"#,
        provider as Provider
    )
    .fetch_all(conn)
    .await?)
}
