//! The storm brake. When very many connections of one provider lapse within an hour, that is rather a mistake of ours or of
//! the provider's than many owners' doing: mails to owners are held, the operator gets one notice, and decides.
//!
//! Invariant: while a storm is open, no mail about a lapse that belongs to it is claimed, by any daemon; below the limit
//! nothing changes.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tracing::warn;
use uuid::Uuid;

use super::by_hand::Refused;
use crate::{
    config,
    provider::Provider,
    store::{
        self,
        alerts::{self, Kind, NewAlert, by_hand},
        audit_log::{self, Actor, Deed},
        storms,
    },
    words,
};

/// Within how long the lapses are counted.
const WINDOW: TimeDelta = TimeDelta::hours(1);

/// What a person decides about the mails that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They go out.
    Release,
    /// They are thrown away, and nobody is reminded.
    Drop,
}

/// Opens a storm where one brews; whether one was opened. Call it before mails are claimed.
///
/// # Errors
/// Database trouble.
pub(super) async fn brake(
    conn: &mut PgConnection,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Result<bool, store::Error> {
    if config.storm_after == 0 {
        return Ok(false);
    }
    let brewing = storms::brewing(conn, now - WINDOW, i64::from(config.storm_after)).await?;
    for storm in &brewing {
        let operator = config.operator_email.as_ref().map(|mailbox| mailbox.email.to_string());
        let alert = NewAlert {
            incident: &storms::incident(storm.provider),
            kind: Kind::LapseStorm,
            connection_id: None,
            provider: Some(storm.provider),
            detail: &json!({ "since": storm.since, "lapses": storm.lapses }),
            recipient: operator.as_deref(),
        };
        if alerts::open(conn, &alert, now).await? {
            warn!(provider = %storm.provider, lapses = storm.lapses, "very many connections lapsed at once: mails to their \
                owners are held until `lamplighter alert release`");
        }
    }
    Ok(!brewing.is_empty())
}

/// Ends storms of which nothing is left: nothing is held, and nothing lapsed for an hour. How many mails that queued.
///
/// # Errors
/// Database trouble.
pub(super) async fn end_spent(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<u32, store::Error> {
    let mut told = 0;
    for storm in storms::open_ones(conn).await? {
        if storm.held == 0 && storm.last_at.is_none_or(|at| at < now - WINDOW) {
            let incident = storms::incident(storm.provider);
            told += u32::from(alerts::resolve(conn, &incident, &json!({}), now).await?);
        }
    }
    Ok(told)
}

/// Lets the held mails of a provider go out, or throws them away; how many there were.
///
/// # Errors
/// Nothing is held there; database trouble.
pub async fn decide(
    conn: &mut PgConnection,
    provider: Provider,
    decision: Decision,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<u64, Refused> {
    decide_about(conn, provider, None, decision, actor, now).await
}

/// The same by the alert that tells of the storm; whose mails they are, and how many there were.
///
/// # Errors
/// There is no such alert, it is over, or it holds nothing; database trouble.
pub async fn decide_by_alert(
    conn: &mut PgConnection,
    id: Uuid,
    decision: Decision,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(Provider, u64), Refused> {
    let alert = alerts::get(conn, id).await?.ok_or_else(|| Refused::Missing(id.to_string()))?;
    if let Some(at) = alert.resolved_at {
        return Err(Refused::Over(at));
    }
    let Some(provider) = alert.provider.filter(|_| alert.kind == Kind::LapseStorm) else {
        return Err(Refused::HoldsNothing);
    };
    Ok((provider, decide_about(conn, provider, Some(id), decision, actor, now).await?))
}

/// The same, of the storm that this alert tells of and of no later one.
///
/// # Errors
/// It is over, or there never was one; database trouble.
async fn decide_about(
    conn: &mut PgConnection,
    provider: Provider,
    alert_id: Option<Uuid>,
    decision: Decision,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<u64, Refused> {
    let mut tx = conn.begin().await.map_err(store::Error::from)?;
    let open = storms::open_ones(&mut tx).await?;
    let meant = |storm: &storms::Open| storm.provider == provider && alert_id.is_none_or(|id| id == storm.alert_id);
    let Some(storm) = open.into_iter().find(meant) else {
        return Err(Refused::NothingHeld(provider));
    };
    let (who, action) = (
        actor.to_string(),
        match decision {
            Decision::Release => "alert.release",
            Decision::Drop => "alert.drop",
        },
    );
    let count = match decision {
        Decision::Release => storm.held,
        Decision::Drop => storms::drop_held(&mut tx, provider, &who, now).await?,
    };
    by_hand::resolve(&mut tx, storm.alert_id, &who, now).await?;
    let subject = format!("{} to owners at {}", words::count(count.unsigned_abs(), "mail"), provider.title());
    let detail = json!({ "alert_id": storm.alert_id, "mails": count });
    audit_log::record(&mut tx, actor, &Deed { action, account_id: None, subject: &subject, detail }, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(count.unsigned_abs())
}
