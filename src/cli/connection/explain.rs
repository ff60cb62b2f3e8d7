//! `lamplighter connection explain`: everything about one connection on one screen, for whoever is called at night.

pub(super) mod screen;

#[cfg(test)]
mod samples;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{
    super::{DONE, output, with_database},
    naming::{CONNECTION, named},
};
use crate::{clock::Clock, config::Config, explain::connection as explain};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    #[arg(help = CONNECTION)]
    connection: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_database(config, async |conn| {
            let found = named(conn, &self.connection).await?;
            let probes = config.keeper.probe_interval.is_some();
            let facts = explain::gather(conn, found.id, probes, Clock::system().now()).await?;
            let facts = facts.context("the connection is gone")?;
            if self.json {
                let (why, next) = (explain::why(&facts), explain::steps(&facts));
                output::json(&json!({ "facts": facts, "why": why, "next": next, "try": explain::commands(&facts) }))?;
            } else {
                screen::lines(&facts, None).iter().for_each(|line| output::say(line));
            }
            Ok(DONE)
        })
        .await
    }
}
