//! Everything about one connection, for whoever is called at night.

mod next;
/// A rule's plain words.
pub mod rules;
mod why;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::{
    next::{commands, steps},
    why::{evidence, lines as why, took},
};
use super::Step;
use crate::store::{
    self,
    dossiers::{self, Dossier, OpenOutage, Spend, Told},
    farewells::{self, Farewell},
    set_asides,
    spends::Outcome,
};

/// How many spends are shown.
const SPENDS: i64 = 10;

/// Everything that is known.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// What is stored of it.
    pub connection: Dossier,
    /// The last one first.
    pub spends: Vec<Spend>,
    /// Alerts that touch it, with their mails.
    pub told: Vec<Told>,
    /// Outages of its provider.
    pub outages: Vec<OpenOutage>,
    /// Its end, when it is disconnected.
    pub farewell: Option<Farewell>,
    /// Whether grants are tried out by themselves.
    pub probes: bool,
    /// The moment that is spoken of.
    pub now: DateTime<Utc>,
}

/// One connection explained, for programs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionExplained)]
pub struct Explained {
    /// Everything that is stored about it.
    pub connection: Dossier,
    /// Why it is in the state it is in, one sentence each.
    pub why: Vec<String>,
    /// What happens next, the earliest first.
    pub next: Vec<Step>,
    /// The commands that may help now, the likeliest first.
    #[serde(rename = "try")]
    pub commands: Vec<String>,
    /// The last uses of its refresh token, the last one first.
    pub spends: Vec<Spend>,
    /// Alerts that touch it, with their mails.
    pub told: Vec<Told>,
    /// What is down at its provider.
    pub outages: Vec<OpenOutage>,
    /// Its end, when it is disconnected.
    pub farewell: Option<Farewell>,
}

/// Explains one connection; `probes` tells whether grants are tried out by themselves.
///
/// # Errors
/// Database trouble.
pub async fn explained(
    conn: &mut PgConnection,
    id: Uuid,
    probes: bool,
    now: DateTime<Utc>,
) -> Result<Option<Explained>, store::Error> {
    let Some(facts) = gather(conn, id, probes, now).await? else { return Ok(None) };
    let (why, next, commands) = (why(&facts), steps(&facts), commands(&facts));
    let Facts { connection, spends, told, outages, farewell, .. } = facts;
    Ok(Some(Explained { connection, why, next, commands, spends, told, outages, farewell }))
}

/// Reads everything about a connection; `None` when there is none. `probes` is whether grants are tried out.
///
/// # Errors
/// Database trouble.
pub async fn gather(
    conn: &mut PgConnection,
    id: Uuid,
    probes: bool,
    now: DateTime<Utc>,
) -> Result<Option<Facts>, store::Error> {
    let Some((connection, spends)) = dossiers::with_spends(conn, id, SPENDS).await? else { return Ok(None) };
    // These alerts are one for all connections with the same trouble.
    let rule = spends.first().filter(|last| last.outcome == Some(Outcome::OperatorFault));
    let rule = rule.and_then(|last| last.rule.as_ref());
    let mut shared: Vec<_> =
        rule.into_iter().map(|rule| format!("operator_fault/{}/{rule}", connection.provider)).collect();
    shared.extend(set_asides::incident_of(conn, id).await?);
    let told = dossiers::told(conn, id, &shared).await?;
    let outages = dossiers::outages(conn, connection.provider).await?;
    let farewell = farewells::of(conn, id).await?;
    Ok(Some(Facts { connection, spends, told, outages, farewell, probes, now }))
}
