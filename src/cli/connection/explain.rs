//! `lamplighter connection explain`: everything about one connection on one screen, for whoever is called at night. What is
//! stored is read first, all of it; from there to the lines it is pure.

pub(super) mod rules;
pub(super) mod screen;

mod next;
mod why;

#[cfg(test)]
mod samples;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    super::{DONE, output, with_database},
    naming::{CONNECTION, named},
};
use crate::{
    clock::Clock,
    config::Config,
    store::{
        self,
        dossiers::{self, Dossier, OpenOutage, Spend, Told},
        farewells::{self, Farewell},
        set_asides,
        spends::Outcome,
    },
};

/// How many spends are shown.
const SPENDS: i64 = 10;

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    #[arg(help = CONNECTION)]
    connection: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that is known.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) connection: Dossier,
    /// The last one first.
    pub(super) spends: Vec<Spend>,
    /// Alerts that touch it, with their mails.
    pub(super) told: Vec<Told>,
    pub(super) outages: Vec<OpenOutage>,
    /// Its end, when it is disconnected.
    pub(super) farewell: Option<Farewell>,
    /// Whether grants are tried out by themselves.
    pub(super) probes: bool,
    pub(super) now: DateTime<Utc>,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_database(config, async |conn| {
            let found = named(conn, &self.connection).await?;
            let probes = config.keeper.probe_interval.is_some();
            let facts =
                gather(conn, found.id, probes, Clock::system().now()).await?.context("the connection is gone")?;
            if self.json {
                let (why, next) = (why::lines(&facts), next::steps(&facts));
                output::json(&json!({ "facts": facts, "why": why, "next": next, "try": next::commands(&facts) }))?;
            } else {
                screen::lines(&facts, None).iter().for_each(|line| output::say(line));
            }
            Ok(DONE)
        })
        .await
    }
}

/// One connection explained, for programs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionExplained)]
pub(crate) struct Explained {
    /// Everything that is stored about it.
    pub(crate) connection: Dossier,
    /// Why it is in the state it is in, one sentence each.
    why: Vec<String>,
    /// What happens next, the earliest first.
    next: Vec<next::Step>,
    /// The commands that may help now, the likeliest first.
    #[serde(rename = "try")]
    commands: Vec<String>,
    /// The last uses of its refresh token, the last one first.
    spends: Vec<Spend>,
    /// Alerts that touch it, with their mails.
    told: Vec<Told>,
    /// What is down at its provider.
    outages: Vec<OpenOutage>,
    /// Its end, when it is disconnected.
    farewell: Option<Farewell>,
}

/// Explains one connection; `probes` tells whether grants are tried out by themselves.
pub(crate) async fn explained(
    conn: &mut PgConnection,
    id: Uuid,
    probes: bool,
    now: DateTime<Utc>,
) -> Result<Option<Explained>, store::Error> {
    let Some(facts) = gather(conn, id, probes, now).await? else { return Ok(None) };
    let (why, next, commands) = (why::lines(&facts), next::steps(&facts), next::commands(&facts));
    let Facts { connection, spends, told, outages, farewell, .. } = facts;
    Ok(Some(Explained { connection, why, next, commands, spends, told, outages, farewell }))
}

async fn gather(
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
