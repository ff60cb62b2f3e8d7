//! Declaring that only the owner can repair a connection, and taking it back. One transaction holds the verdict, its
//! evidence, the alert and the mail.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tracing::{info, warn};
use uuid::Uuid;

use super::{second_look::SecondLook, warnings};
use crate::{
    failpoint,
    provider::{Cause, Failure},
    store::{self, accounts, alerts, connections, order_log, tokens, webhooks},
};

/// What a verdict rests on.
#[derive(Debug)]
pub struct Grounds<'a> {
    /// The connection.
    pub connection_id: Uuid,
    /// The generation that was judged.
    pub generation: i64,
    /// The fence of the claim, when a spend was judged. An API's verdict has none.
    pub fence: Option<i64>,
    /// Why.
    pub cause: Cause,
    /// What the provider said.
    pub failure: &'a Failure,
}

/// What became of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// The connection lapsed.
    Declared,
    /// The tokens had moved on: somebody else renewed or replaced them, so the verdict is void.
    Moved,
}

/// The name of the incident of a lapsed connection.
pub fn incident(connection_id: Uuid) -> String {
    format!("connection_lapsed/{connection_id}")
}

/// Lets a connection lapse, unless its tokens moved on since they were judged. Call it in a transaction.
///
/// # Errors
/// Database trouble.
pub async fn declare(
    conn: &mut PgConnection,
    grounds: &Grounds<'_>,
    now: DateTime<Utc>,
) -> Result<Lapse, store::Error> {
    declare_after(conn, grounds, None, now).await
}

/// The same after a second look, whose findings become part of the evidence.
///
/// # Errors
/// Database trouble.
pub async fn declare_after(
    conn: &mut PgConnection,
    grounds: &Grounds<'_>,
    look: Option<&SecondLook>,
    now: DateTime<Utc>,
) -> Result<Lapse, store::Error> {
    let id = grounds.connection_id;
    if !tokens::rest(conn, id, grounds.generation, grounds.fence).await? {
        return Ok(Lapse::Moved);
    }
    let failure = grounds.failure;
    let mut evidence = json!({
        "operation": failure.operation, "rule": failure.rule, "status": failure.status, "code": failure.code,
        "correlation_id": failure.correlation_id, "generation": grounds.generation, "judged_at": now,
    });
    if let Some(look) = look {
        evidence["second_look"] = json!(look);
    }
    if connections::lapse(conn, id, grounds.cause, &evidence, now).await? {
        warnings::overtaken(conn, id, now).await?;
        let owner = accounts::of_connection(conn, id).await?;
        let alert = alerts::NewAlert {
            incident: &incident(id),
            kind: alerts::Kind::ConnectionLapsed,
            connection_id: Some(id),
            provider: Some(failure.provider),
            detail: &json!({ "cause": grounds.cause, "evidence": evidence }),
            recipient: Some(&owner.owner_email),
        };
        alerts::open(conn, &alert, now).await?;
        webhooks::announce(conn, webhooks::Event::ConnectionLapsed, id, now).await?;
        failpoint::reach("lapse_declared");
        warn!(connection_id = %id, provider = %failure.provider, cause = ?grounds.cause, rule = failure.rule,
            code = failure.code, correlation_id = failure.correlation_id,
            "connection lapsed: its owner is mailed a link that reconnects it");
    }
    Ok(Lapse::Declared)
}

/// Resolves the alert of a connection that works again, and queues the all-clear. Call it in the transaction that stored
/// the new tokens.
///
/// # Errors
/// Database trouble.
pub async fn resolve(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<bool, store::Error> {
    let account = accounts::of_connection(conn, connection_id).await?;
    let waiting = order_log::count_waiting(conn, Some(account.id)).await?;
    let detail: Value = json!({ "waiting_orders_at_recovery": waiting });
    alerts::resolve(conn, &incident(connection_id), &detail, now).await
}

/// A reply that arrived late was stored. Whoever claimed since may have been refused, and spending the replaced value may
/// have ended the grant: a lapse is not taken back before the new value has been renewed once.
///
/// # Errors
/// Database trouble.
pub async fn reconsider(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<(), store::Error> {
    if tokens::put_to_the_proof(conn, connection_id, now).await? {
        info!(%connection_id, "a late reply for a lapsed connection was stored; it is tried at once");
        return Ok(());
    }
    revive(conn, connection_id, now).await
}

/// Takes a lapse or a doubt back after all: the token was renewed.
///
/// # Errors
/// Database trouble.
pub async fn revive(conn: &mut PgConnection, connection_id: Uuid, now: DateTime<Utc>) -> Result<(), store::Error> {
    if connections::revive(conn, connection_id, now).await? && resolve(conn, connection_id, now).await? {
        webhooks::announce(conn, webhooks::Event::ConnectionRecovered, connection_id, now).await?;
        info!(%connection_id, "connection works after all: the verdict was taken back");
    }
    Ok(())
}
