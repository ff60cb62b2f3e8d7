//! `lamplighter order show`: everything about one order on one screen, for whoever is asked where it is. What is stored is
//! read first, all of it; from there to the lines it is pure.

pub(super) mod next;

mod screen;
mod why;

#[cfg(test)]
mod samples;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{
    super::{DONE, output, with_database},
    naming::{ORDER, named},
};
use crate::{
    clock::Clock,
    config::Config,
    store::order_log::dossier::{self, Dossier},
};

/// How many attempts are read; the latest ones.
const ATTEMPTS: i64 = 200;

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    #[arg(help = ORDER)]
    order: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that is known.
#[derive(Debug, Serialize)]
struct Facts {
    #[serde(flatten)]
    dossier: Dossier,
    now: DateTime<Utc>,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_database(config, async |conn| {
            let found = named(conn, &self.order).await?;
            let dossier = dossier::get(conn, found.id, ATTEMPTS).await?.context("the order is gone")?;
            let facts = Facts { dossier, now: Clock::system().now() };
            if self.json {
                let (why, next) = (why::lines(&facts), next::steps(&facts.dossier, facts.now));
                let commands = next::commands(&facts.dossier);
                output::json(&json!({ "facts": facts, "why": why, "next": next, "try": commands }))?;
            } else {
                screen::lines(&facts, None).iter().for_each(|line| output::say(line));
            }
            Ok(DONE)
        })
        .await
    }
}
