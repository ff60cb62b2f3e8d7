//! People who may look into the dashboard, or act there, and their sessions.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, sqlx::Type, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    /// Look at everything that pages show.
    Viewer,
    /// Act, too.
    Operator,
}

impl Role {
    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// Somebody who may sign in.
#[derive(Clone, Debug, Serialize)]
pub struct Operator {
    /// Their id.
    pub id: Uuid,
    /// What they sign in as.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// Adds an operator; `false` when the name is taken, also by one who was removed.
///
/// # Errors
/// Database trouble.
pub async fn add(
    conn: &mut PgConnection,
    operator: &Operator,
    password_hash: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into operators (id, name, role, password_hash, created_at) values ($1, $2, $3, $4, $5)
         on conflict do nothing",
        operator.id,
        operator.name,
        operator.role as Role,
        password_hash,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// An operator and the hash of the password, if there is one. Those who were removed are not found.
///
/// # Errors
/// Database trouble.
pub async fn find(conn: &mut PgConnection, name: &str) -> Result<Option<(Operator, Option<String>)>, Error> {
    let row = sqlx::query!(
        r#"select id, name, role as "role: Role", password_hash from operators
           where lower(name) = lower($1) and disabled_at is null"#,
        name
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (Operator { id: row.id, name: row.name, role: row.role }, row.password_hash)))
}

/// An operator to whom something is about to be done: nobody else does something to them before the transaction ends. Those
/// who were removed are not found.
///
/// # Errors
/// Database trouble.
pub async fn lock(conn: &mut PgConnection, name: &str) -> Result<Option<Operator>, Error> {
    Ok(sqlx::query_as!(
        Operator,
        r#"select id, name, role as "role: Role" from operators
           where lower(name) = lower($1) and disabled_at is null for update"#,
        name
    )
    .fetch_optional(conn)
    .await?)
}

/// Gives an operator another password, and ends their sessions: whoever knows only the old one is out.
///
/// # Errors
/// Database trouble.
pub async fn set_password(conn: &mut PgConnection, id: Uuid, password_hash: &str) -> Result<(), Error> {
    sqlx::query!(
        "with ended as (delete from sessions where operator_id = $1)
         update operators set password_hash = $2 where id = $1",
        id,
        password_hash
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives an operator another role, at once.
///
/// # Errors
/// Database trouble.
pub async fn set_role(conn: &mut PgConnection, id: Uuid, role: Role) -> Result<(), Error> {
    sqlx::query!("update operators set role = $2 where id = $1", id, role as Role).execute(conn).await?;
    Ok(())
}

/// Removes an operator and ends their sessions. The name stays taken: the audit log speaks of it.
///
/// # Errors
/// Database trouble.
pub async fn remove(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "with ended as (delete from sessions where operator_id = $1)
         update operators set disabled_at = $2, password_hash = null where id = $1",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An operator, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// What they sign in as.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they have a password, or come through the proxy only.
    pub has_password: bool,
    /// Since when they are known.
    pub created_at: DateTime<Utc>,
    /// Sessions that still hold.
    pub sessions: i64,
    /// When they signed in last, as far as such a session is there.
    pub signed_in_at: Option<DateTime<Utc>>,
}

/// Everybody who may sign in, by name.
///
/// # Errors
/// Database trouble.
pub async fn overview(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Overview>, Error> {
    Ok(sqlx::query_as!(
        Overview,
        r#"select o.name, o.role as "role: Role", o.password_hash is not null as "has_password!", o.created_at,
                  count(s.id) as "sessions!", max(s.created_at) as signed_in_at
           from operators o left join sessions s on s.operator_id = o.id and s.expires_at > $1
           where o.disabled_at is null group by o.id order by lower(o.name)"#,
        now
    )
    .fetch_all(conn)
    .await?)
}

/// Begins a session, and forgets those that are over.
///
/// # Errors
/// Database trouble.
pub async fn begin_session(
    conn: &mut PgConnection,
    operator_id: Uuid,
    token_hash: &[u8],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "with over as (delete from sessions where expires_at <= $4)
         insert into sessions (id, token_hash, operator_id, created_at, expires_at) values ($1, $2, $3, $4, $5)",
        Uuid::now_v7(),
        token_hash,
        operator_id,
        now,
        expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A session that holds.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub operator: Operator,
}

/// The session with this token, while it holds.
///
/// # Errors
/// Database trouble.
pub async fn session(conn: &mut PgConnection, token_hash: &[u8], now: DateTime<Utc>) -> Result<Option<Session>, Error> {
    let row = sqlx::query!(
        r#"select s.id as session_id, o.id, o.name, o.role as "role: Role"
           from sessions s join operators o on o.id = s.operator_id
           where s.token_hash = $1 and s.expires_at > $2 and o.disabled_at is null"#,
        token_hash,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Session { id: row.session_id, operator: Operator { id: row.id, name: row.name, role: row.role } }))
}

/// Ends one session.
///
/// # Errors
/// Database trouble.
pub async fn end_session(conn: &mut PgConnection, id: Uuid) -> Result<(), Error> {
    sqlx::query!("delete from sessions where id = $1", id).execute(conn).await?;
    Ok(())
}

/// Ends all sessions of an operator; says how many there were.
///
/// # Errors
/// Database trouble.
pub async fn end_sessions(conn: &mut PgConnection, operator_id: Uuid) -> Result<u64, Error> {
    let done = sqlx::query!("delete from sessions where operator_id = $1", operator_id).execute(conn).await?;
    Ok(done.rows_affected())
}
