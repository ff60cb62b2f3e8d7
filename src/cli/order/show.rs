//! `lamplighter order show`: everything about one order on one screen, for whoever is asked where it is.

mod screen;

#[cfg(test)]
mod samples;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{
    super::{DONE, output, with_database},
    naming::{ORDER, named},
};
use crate::{clock::Clock, config::Config, explain::order as explain};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    #[arg(help = ORDER)]
    order: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_database(config, async |conn| {
            let found = named(conn, &self.order).await?;
            let facts = explain::gather(conn, found.id, Clock::system().now()).await?.context("the order is gone")?;
            if self.json {
                let (why, next) = (explain::why(&facts), explain::steps(&facts.dossier, facts.now));
                let commands = explain::commands(&facts.dossier);
                output::json(&json!({ "facts": facts, "why": why, "next": next, "try": commands }))?;
            } else {
                screen::lines(&facts, None).iter().for_each(|line| output::say(line));
            }
            Ok(DONE)
        })
        .await
    }
}
