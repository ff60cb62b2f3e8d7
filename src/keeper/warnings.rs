//! Early warnings. The hard cap of a grant is moved by no renewal: its owner is told 60, 30 and 7 days before, with a link
//! that starts a new term. A refresh window moves with every renewal, so while renewals work there is nothing to say; when
//! they do not, for whatever reason, the operator is told once per provider and step, and no owner is.
//!
//! All of it is read from the tokens, the ledger and the open alerts. It spends nothing and changes no connection.

/// When each warning is due: pure.
pub mod ladder;

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use tracing::{info, warn};
use uuid::Uuid;

use super::Keeper;
use crate::{
    provider::Provider,
    store::{
        self,
        alerts::Kind,
        warnings::{self, Ended, Farewell, Warning},
        windows,
    },
};

const AT_ONCE: i64 = 100;
/// A token that is due for so long is not being renewed. Far longer than any round, and nothing beside 60 days.
const OVERDUE: TimeDelta = TimeDelta::days(1);

/// What a round of warnings did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Mails queued, all-clears among them.
    pub mailed: u32,
    /// Warnings that are over.
    pub ended: u32,
}

impl Report {
    fn count(&mut self, ended: Ended) {
        self.ended += u32::from(ended.resolved);
        self.mailed += u32::from(ended.mailed);
    }
}

/// Remembers when this process last warned.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Option<DateTime<Utc>>>);

/// The name of the incident of a hard cap that comes near.
pub fn cap_incident(connection_id: Uuid) -> String {
    format!("hard_cap_near/{connection_id}")
}

/// The name of the incident of a provider's refresh windows.
pub fn window_incident(provider: Provider) -> String {
    format!("refresh_window_near/{provider}")
}

/// What counts as a refresh window at risk.
pub fn window_bounds(now: DateTime<Utc>) -> windows::Bounds {
    windows::Bounds { now, until: now + ladder::EARLIEST, overdue_since: now - OVERDUE }
}

/// Ends the warning of a connection that has fresh tokens: with thanks if its owner was told. Tokens that end when the old
/// ones did leave it open. Call it in the transaction that stored them.
///
/// # Errors
/// Database trouble.
pub async fn reconnected(
    conn: &mut PgConnection,
    connection_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Ended, store::Error> {
    match warnings::open_cap(conn, connection_id).await? {
        Some(cap) if moved_away(&cap) => renewed(conn, &cap, now).await,
        _ => Ok(Ended::default()),
    }
}

/// Ends the warning of a connection that lapsed or was disconnected, in silence: another mail says it. Call it in that
/// transaction.
///
/// # Errors
/// Database trouble.
pub async fn overtaken(
    conn: &mut PgConnection,
    connection_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Ended, store::Error> {
    warnings::end(conn, &cap_incident(connection_id), Farewell::Silent, &json!({}), now).await
}

fn moved_away(cap: &warnings::OpenCap) -> bool {
    cap.ends_at.is_none_or(|end| end > cap.told_end && !ladder::is_same(end, cap.told_end))
}

async fn renewed(conn: &mut PgConnection, cap: &warnings::OpenCap, now: DateTime<Utc>) -> Result<Ended, store::Error> {
    let detail = json!({ "new_end": cap.ends_at });
    warnings::end(conn, &cap_incident(cap.connection_id), Farewell::AllClear, &detail, now).await
}

impl Keeper {
    /// Warns, unless this process did within the check interval. Call it after a round: what was due is renewed then.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn warn_if_due(&self, throttle: &Throttle) -> Result<Report, store::Error> {
        let now = self.clock.now();
        let last = *throttle.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| (now - last).to_std().is_ok_and(|since| since < self.config.check_interval)) {
            return Ok(Report::default());
        }
        let report = self.warn_round().await?;
        *throttle.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(report)
    }

    /// Warns of every end that has come near since the last time.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn warn_round(&self) -> Result<Report, store::Error> {
        let mut report = Report::default();
        while !self.stopping.is_cancelled() && self.warn_of_caps(&mut report).await? {}
        while !self.stopping.is_cancelled() && self.remind_of_caps(&mut report).await? {}
        self.watch_windows(&mut report).await?;
        if report != Report::default() {
            info!(mailed = report.mailed, ended = report.ended, "warnings of what runs out are up to date");
        }
        Ok(report)
    }

    /// Opens warnings of caps that came near; `true` when there may be more.
    async fn warn_of_caps(&self, report: &mut Report) -> Result<bool, store::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let due = warnings::caps_due(&mut tx, now, now + ladder::EARLIEST, AT_ONCE).await?;
        for cap in &due {
            let (id, provider, recipient) = (cap.connection_id, cap.provider, &cap.recipient);
            report.mailed += u32::from(tell_owner(&mut tx, id, provider, cap.ends_at, recipient, now).await?);
        }
        tx.commit().await?;
        Ok(due.len() as i64 == AT_ONCE)
    }

    /// Takes open warnings of caps to their next step, or ends them; `true` when there may be more.
    async fn remind_of_caps(&self, report: &mut Report) -> Result<bool, store::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let due = warnings::caps_to_remind(&mut tx, now, AT_ONCE).await?;
        for cap in &due {
            if !cap.renewable {
                report.count(overtaken(&mut tx, cap.connection_id, now).await?);
            } else if moved_away(cap) {
                report.count(renewed(&mut tx, cap, now).await?);
            } else {
                let (id, provider, recipient) = (cap.connection_id, cap.provider, &cap.recipient);
                let end = cap.ends_at.unwrap_or(cap.told_end);
                report.mailed += u32::from(tell_owner(&mut tx, id, provider, end, recipient, now).await?);
            }
        }
        tx.commit().await?;
        Ok(due.len() as i64 == AT_ONCE)
    }

    /// Tells the operator of refresh windows that nothing renews, or that there are none any more.
    async fn watch_windows(&self, report: &mut Report) -> Result<(), store::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let groups = windows::at_risk(&mut tx, window_bounds(now)).await?;
        for provider in Provider::ALL {
            let groups: Vec<_> = groups.iter().filter(|group| group.provider == provider).collect();
            let incident = window_incident(provider);
            let earliest = groups.iter().filter_map(|group| group.earliest).min();
            let rung = earliest.and_then(|earliest| ladder::rung(earliest, now).map(|rung| (earliest, rung)));
            match rung {
                Some((earliest, rung)) => {
                    let connections: i64 = groups.iter().map(|group| group.connections).sum();
                    let warning = Warning {
                        incident: &incident,
                        kind: Kind::RefreshWindowNear,
                        connection_id: None,
                        provider,
                        ends_at: earliest,
                        detail: &json!({ "connections": connections }),
                        step: rung.step,
                        // It is looked at in every round.
                        remind_at: None,
                        recipient: self.operator_email.as_deref(),
                    };
                    let told = warnings::tell(&mut tx, &warning, now).await?;
                    report.mailed += u32::from(told.mailed);
                    if told.opened || told.mailed {
                        warn!(%provider, connections, %earliest, "refresh windows run out because renewals do not succeed: \
                            see `lamplighter connection forecast`");
                    }
                }
                None if groups.is_empty() => {
                    report.count(warnings::end(&mut tx, &incident, Farewell::AllClear, &json!({}), now).await?);
                }
                None => {}
            }
        }
        Ok(tx.commit().await?)
    }
}

async fn tell_owner(
    conn: &mut PgConnection,
    connection_id: Uuid,
    provider: Provider,
    ends_at: DateTime<Utc>,
    recipient: &str,
    now: DateTime<Utc>,
) -> Result<bool, store::Error> {
    let Some(rung) = ladder::rung(ends_at, now) else { return Ok(false) };
    let warning = Warning {
        incident: &cap_incident(connection_id),
        kind: Kind::HardCapNear,
        connection_id: Some(connection_id),
        provider,
        ends_at,
        detail: &json!({}),
        step: rung.step,
        remind_at: Some(rung.next_at),
        recipient: Some(recipient),
    };
    let told = warnings::tell(conn, &warning, now).await?;
    if told.mailed {
        info!(%connection_id, %provider, %ends_at, step = ?rung.step, "hard cap comes near: its owner is warned");
    }
    Ok(told.mailed)
}
