//! `lamplighter alert release`: a person decides about mails that are held.

use clap::Args;
use serde_json::json;

use crate::{
    alerts::storm::{self, Decision},
    cli::{DONE, actor, output, with_database},
    clock::Clock,
    config::Config,
    provider::Provider,
    words,
};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// Where the connections lapsed
    #[arg(value_enum)]
    provider: Provider,
    /// Throw the mails away, and remind nobody of these lapses
    #[arg(long)]
    drop: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let decision = if self.drop { Decision::Drop } else { Decision::Release };
        with_database(config, async |conn| {
            let count = storm::decide(conn, self.provider, decision, &actor::here(), Clock::system().now()).await?;
            if self.json {
                output::json(&json!({ "provider": self.provider, "dropped": self.drop, "mails": count }))?;
                return Ok(DONE);
            }
            let mails = words::capitalised(&words::count(count, "mail"));
            output::say(&match decision {
                Decision::Release => format!("{mails} to owners at {} go out now.", self.provider.title()),
                Decision::Drop => format!("{mails} to owners at {} thrown away.", self.provider.title()),
            });
            Ok(DONE)
        })
        .await
    }
}
