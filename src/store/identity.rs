//! Which database this is, and how far it has come: what tells it from a restored or copied one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Its name, for good.
    pub database_id: Uuid,
    /// How often restored tokens were accepted in it.
    pub epoch: i64,
    /// The name that it had before it was accepted as a copy.
    pub accepted_from: Option<Uuid>,
    /// The cluster that it was registered in, if our role might read it.
    pub system_identifier: Option<String>,
    /// Its number there.
    pub database_oid: i64,
    /// What a daemon found that had seen more than this database knows.
    pub found: Option<Value>,
}

/// A database, as it is seen at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What it says of itself; nothing before the first daemon.
    pub identity: Option<Identity>,
    /// The cluster that it is in, if our role may read it.
    pub system_identifier: Option<String>,
    /// Its number there.
    pub database_oid: i64,
    /// The highest spend in its ledger; 0 when there is none.
    pub spend_id: i64,
    /// Whether it holds tokens.
    pub tokens: bool,
}

/// Looks at the database, in one statement.
///
/// # Errors
/// Database trouble.
pub async fn look(conn: &mut PgConnection, system_identifier: Option<String>) -> Result<Seen, Error> {
    let row = sqlx::query!(
        r#"select d.oid::int8 as "database_oid!", coalesce((select max(id) from spends), 0) as "spend_id!",
                  exists (select from tokens) as "tokens!",
                  i.database_id as "database_id?", i.epoch as "epoch?", i.accepted_from as "accepted_from?",
                  i.system_identifier as "system_identifier?", i.database_oid as "known_oid?", i.found as "found?"
           from pg_database d left join database_identity i on true where d.datname = current_database()"#
    )
    .fetch_one(conn)
    .await?;
    let identity = match (row.database_id, row.epoch, row.known_oid) {
        (Some(database_id), Some(epoch), Some(database_oid)) => Some(Identity {
            database_id,
            epoch,
            accepted_from: row.accepted_from,
            system_identifier: row.system_identifier,
            database_oid,
            found: row.found,
        }),
        _ => None,
    };
    let (database_oid, spend_id, tokens) = (row.database_oid, row.spend_id, row.tokens);
    Ok(Seen { identity, system_identifier, database_oid, spend_id, tokens })
}

/// The cluster that the database is in; nothing where our role may not ask, or the server does not know the question.
///
/// # Errors
/// Database trouble.
pub async fn system_identifier(conn: &mut PgConnection) -> Result<Option<String>, Error> {
    let asked = sqlx::query_scalar!(r#"select system_identifier::text as "id!" from pg_control_system()"#);
    match asked.fetch_one(conn).await {
        Ok(id) => Ok(Some(id)),
        // Insufficient privilege, undefined function, not supported.
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| matches!(&*code, "42501" | "42883" | "0A000")) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes the identity of the database; `false` when somebody has written another than `over` meanwhile.
///
/// # Errors
/// Database trouble.
pub async fn write(conn: &mut PgConnection, new: &Identity, over: Option<&Identity>) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into database_identity as i
             (database_id, epoch, accepted_from, system_identifier, database_oid, found, found_at)
         values ($1, $2, $3, $4, $5, null, null)
         on conflict (one) do update
             set database_id = $1, epoch = $2, accepted_from = $3, system_identifier = $4, database_oid = $5,
                 known_since = clock_timestamp(), found = null, found_at = null
             where i.database_id = $6 and i.epoch = $7",
        new.database_id,
        new.epoch,
        new.accepted_from,
        new.system_identifier,
        new.database_oid,
        over.map(|over| over.database_id),
        over.map(|over| over.epoch)
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Fills in the cluster, once our role may read it.
///
/// # Errors
/// Database trouble.
pub async fn complete(conn: &mut PgConnection, database_id: Uuid, system_identifier: &str) -> Result<(), Error> {
    sqlx::query!(
        "update database_identity set system_identifier = $2 where database_id = $1 and system_identifier is null",
        database_id,
        system_identifier
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells every daemon what one of them found; the first finding stands.
///
/// # Errors
/// Database trouble.
pub async fn note_found(conn: &mut PgConnection, database_id: Uuid, found: &Value) -> Result<(), Error> {
    sqlx::query!(
        "update database_identity set found = $2, found_at = clock_timestamp() where database_id = $1 and found is null",
        database_id,
        found
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What stands in a database, for whoever must decide about it.
#[derive(Clone, Debug, Serialize)]
pub struct Contents {
    /// Connections that hold tokens.
    pub connections: i64,
    /// When the newest token was stored.
    pub newest_token_at: Option<DateTime<Utc>>,
    /// When a refresh token was last spent.
    pub last_spend_at: Option<DateTime<Utc>>,
    /// Who spent it.
    pub last_spent_by: Option<String>,
    /// Mails that wait to be sent.
    pub mails_waiting: i64,
    /// Orders that wait to be posted.
    pub orders_waiting: i64,
}

/// Sums the database up.
///
/// # Errors
/// Database trouble.
pub async fn contents(conn: &mut PgConnection) -> Result<Contents, Error> {
    Ok(sqlx::query_as!(
        Contents,
        r#"select (select count(*) from connections where status <> 'disconnected') as "connections!",
                  (select max(renewed_at) from tokens) as newest_token_at,
                  (select started_at from spends order by id desc limit 1) as last_spend_at,
                  (select daemon from spends order by id desc limit 1) as last_spent_by,
                  (select count(*) from mails m join alerts a on a.id = m.alert_id
                   where m.sent_at is null and a.kind <> 'restore_fence') as "mails_waiting!",
                  (select count(*) from unposted where status = 'queued') as "orders_waiting!""#
    )
    .fetch_one(conn)
    .await?)
}
