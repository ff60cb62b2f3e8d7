//! One account's authorization for one company at one provider, and its status as people see it.

/// Pages of them, for programs.
pub mod listing;

/// Pages of them, for people.
pub mod search;

mod naming;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

pub(in crate::store) use self::naming::ids_beginning_with;
pub use self::naming::{Found, find};
use super::{Error, one_row};
use crate::provider::{Cause, Provider};

/// The state of a connection, as people see it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, sqlx::Type, clap::ValueEnum, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = ConnectionStatus)]
pub enum Status {
    /// Works.
    Connected,
    /// Renewal is failing, but the grant may be fine.
    Failing,
    /// Only the owner can repair it.
    Lapsed,
    /// Somebody chose to end it.
    Disconnected,
}

impl Status {
    /// All of them, those in need first.
    pub const ALL: [Self; 4] = [Self::Lapsed, Self::Failing, Self::Connected, Self::Disconnected];

    /// The word in tables and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Failing => "failing",
            Self::Lapsed => "lapsed",
            Self::Disconnected => "disconnected",
        }
    }
}

/// A connection as the daemon needs it.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// `production` or `sandbox`.
    pub environment: String,
    /// Intuit's realm id or HubSpot's hub id.
    pub company_id: String,
    /// The company's own name.
    pub company_name: String,
    /// The status.
    pub status: Status,
    /// Why it lapsed.
    pub cause: Option<Cause>,
    /// Since when it has this status.
    pub status_changed_at: DateTime<Utc>,
}

/// The company that was authorized.
#[derive(Clone, Debug)]
pub struct Company {
    /// With whom.
    pub provider: Provider,
    /// `production` or `sandbox`.
    pub environment: String,
    /// Realm or hub id.
    pub id: String,
    /// The company's name, or its id while the name is not known.
    pub name: String,
}

/// What a fresh authorization did.
#[derive(Debug)]
pub enum Connected {
    /// A connection that was not there before.
    New(Uuid),
    /// An existing one, with the status it had.
    Renewed(Uuid, Status),
    /// Nothing: the account is connected to another company.
    OtherCompany {
        /// The company it is connected to.
        expected: String,
    },
    /// Nothing: the company belongs to another account.
    OtherAccount,
}

/// Writes the connection of a fresh authorization: a new row, or the row of the same company.
///
/// # Errors
/// Database trouble.
pub async fn connect(
    conn: &mut PgConnection,
    id: Uuid,
    account_id: Uuid,
    company: &Company,
    now: DateTime<Utc>,
) -> Result<Connected, Error> {
    // The account's row is the lock: two callbacks of one account must not both find it unconnected. Tokens are locked
    // before connections, as the keeper does, so that a reconnect and a renewal cannot wait for each other.
    sqlx::query!("select id from accounts where id = $1 for update", account_id).fetch_one(&mut *conn).await?;
    sqlx::query!(
        "select t.connection_id from tokens t join connections c on c.id = t.connection_id
         where c.provider = $2 and (c.company_id = $3 or c.account_id = $1)
         order by t.connection_id for update of t",
        account_id,
        company.provider as Provider,
        company.id
    )
    .fetch_all(&mut *conn)
    .await?;
    let existing = sqlx::query!(
        r#"select id, account_id, environment, company_id, company_name, status as "status: Status" from connections
           where provider = $2
             and ((environment = $3 and company_id = $4) or (account_id = $1 and status <> 'disconnected'))
           for no key update"#,
        account_id,
        company.provider as Provider,
        company.environment,
        company.id
    )
    .fetch_all(&mut *conn)
    .await?;
    let is_same = |id: &str, environment: &str| id == company.id && environment == company.environment;
    let same = existing.iter().find(|row| is_same(&row.company_id, &row.environment));
    if same.is_some_and(|row| row.account_id != account_id && row.status != Status::Disconnected) {
        return Ok(Connected::OtherAccount);
    }
    let other = existing.iter().find(|row| row.account_id == account_id && !is_same(&row.company_id, &row.environment));
    if let Some(other) = other.filter(|row| row.status != Status::Disconnected) {
        let expected = match other.environment == company.environment {
            true => other.company_name.clone(),
            false => format!("{} ({})", other.company_name, other.environment),
        };
        return Ok(Connected::OtherCompany { expected });
    }
    // A row that was not there a moment ago is another account's, which must not lose its company to this one.
    let row = sqlx::query!(
        r#"insert into connections
               (id, account_id, provider, environment, company_id, company_name, status, status_changed_at, connected_at,
                probe_at)
           -- The connect asks the company for its name, which proves the grant; if that fails, a probe soon asks again.
           values ($1, $2, $3, $4, $5, $6, 'connected', $7, $7, $7::timestamptz + interval '1 minute')
           on conflict (provider, environment, company_id) do update
               set account_id = $2, status = 'connected', cause = null, evidence = null, connected_at = $7,
                   verified_at = null, probe_at = excluded.probe_at,
                   company_name = case when excluded.company_name = excluded.company_id
                                       then connections.company_name else excluded.company_name end,
                   status_changed_at = case when connections.status = 'connected'
                                            then connections.status_changed_at else $7 end
               where connections.account_id = $2 or connections.status = 'disconnected'
           returning id"#,
        id,
        account_id,
        company.provider as Provider,
        company.environment,
        company.id,
        company.name,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(match (row, same) {
        (None, _) => Connected::OtherAccount,
        (Some(row), None) => Connected::New(row.id),
        (Some(row), Some(before)) => Connected::Renewed(row.id, before.status),
    })
}

/// Stores the company's name once it is known.
///
/// # Errors
/// Database trouble, or no such connection.
pub async fn rename(conn: &mut PgConnection, id: Uuid, company_name: &str) -> Result<(), Error> {
    let done =
        sqlx::query!("update connections set company_name = $2 where id = $1", id, company_name).execute(conn).await?;
    one_row("connection", id, done.rows_affected())
}

/// Marks a connected one as failing.
///
/// # Errors
/// Database trouble.
pub async fn fail(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update connections set status = 'failing', status_changed_at = $2 where id = $1 and status = 'connected'",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Declares that only the owner can repair the connection, with the evidence. `false` when it was no longer ours to
/// judge: lapsed already, or disconnected.
///
/// # Errors
/// Database trouble.
pub async fn lapse(
    conn: &mut PgConnection,
    id: Uuid,
    cause: Cause,
    evidence: &Value,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update connections set status = 'lapsed', cause = $2, evidence = $3, status_changed_at = $4
         where id = $1 and status in ('connected', 'failing')",
        id,
        cause as Cause,
        evidence,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a verdict on a refresh token back, or the doubt about it: it was renewed after all. What an API said of the
/// company itself is not proven wrong by that. `true` when there was something to take back.
///
/// # Errors
/// Database trouble.
pub async fn revive(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update connections set status = 'connected', cause = null, evidence = null, status_changed_at = $2
         where id = $1 and (status = 'failing' or (status = 'lapsed' and evidence ->> 'operation' = 'refresh'))",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// One connection.
///
/// # Errors
/// Database trouble.
pub async fn get(conn: &mut PgConnection, id: Uuid) -> Result<Option<Connection>, Error> {
    Ok(sqlx::query_as!(
        Connection,
        r#"select id, account_id, provider as "provider: Provider", environment, company_id, company_name,
                  status as "status: Status", cause as "cause: Cause", status_changed_at
           from connections where id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?)
}

/// The connections of an account that are not ended.
///
/// # Errors
/// Database trouble.
pub async fn of_account(conn: &mut PgConnection, account_id: Uuid) -> Result<Vec<Connection>, Error> {
    Ok(sqlx::query_as!(
        Connection,
        r#"select id, account_id, provider as "provider: Provider", environment, company_id, company_name,
                  status as "status: Status", cause as "cause: Cause", status_changed_at
           from connections where account_id = $1 and status <> 'disconnected' order by provider"#,
        account_id
    )
    .fetch_all(conn)
    .await?)
}

/// A connection with its account's name and its clocks, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account: String,
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
    /// Since when it has this status.
    pub status_changed_at: DateTime<Utc>,
    /// When the grant was last seen to work.
    pub verified_at: Option<DateTime<Utc>>,
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
}

/// Connections for people, those that need attention first, at most `limit`.
///
/// # Errors
/// Database trouble.
pub async fn overview(conn: &mut PgConnection, limit: i64) -> Result<Vec<Overview>, Error> {
    Ok(sqlx::query_as!(
        Overview,
        r#"select c.id, a.name as account, c.provider as "provider: Provider", c.environment, c.company_id,
                  c.company_name, c.status as "status: Status", c.cause as "cause: Cause", c.status_changed_at, c.verified_at,
                  t.generation, t.renewed_at, t.renew_at, t.failures,
                  t.access_expires_at, t.refresh_expires_at, t.refresh_hard_expires_at
           from connections c join accounts a on a.id = c.account_id join tokens t on t.connection_id = c.id
           order by array_position(array['lapsed', 'failing', 'connected', 'disconnected'], c.status), a.name, c.provider
           limit $1"#,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// How many connections have which status.
///
/// # Errors
/// Database trouble.
pub async fn count_by_status(conn: &mut PgConnection) -> Result<Vec<(Provider, Status, i64)>, Error> {
    let rows = sqlx::query!(
        r#"select provider as "provider: Provider", status as "status: Status", count(*) as "count!"
           from connections group by provider, status order by provider, status"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.provider, row.status, row.count)).collect())
}

/// Any connection of a provider that works, to ask whether the provider is there.
///
/// # Errors
/// Database trouble.
pub async fn any_connected(conn: &mut PgConnection, provider: Provider) -> Result<Option<Connection>, Error> {
    Ok(sqlx::query_as!(
        Connection,
        r#"select id, account_id, provider as "provider: Provider", environment, company_id, company_name,
                  status as "status: Status", cause as "cause: Cause", status_changed_at
           from connections where provider = $1 and status = 'connected' limit 1"#,
        provider as Provider
    )
    .fetch_optional(conn)
    .await?)
}
