//! `lamplighter doctor`: the list of checks, for a person.

use clap::Args;
use serde_json::json;

use super::{DONE, UNHEALTHY, output};
use crate::{
    app::{App, Database},
    clock::Clock,
    config::Config,
    health::{self, Check, Depth, State},
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print only what is not well
    #[arg(long)]
    quiet: bool,
    /// Do not talk to the SMTP server: for a probe every few seconds
    #[arg(long)]
    quick: bool,
}

impl Options {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        let database = Database::open(&config, true).await?;
        let checks = async {
            let app = App::build(&config, database.pool.clone(), Clock::system(), &[]).await?;
            let depth = if self.quick { Depth::Quick } else { Depth::Thorough };
            anyhow::Ok(app.health.checks(depth).await)
        };
        let checks = checks.await;
        database.close().await?;
        let checks = checks?;
        let state = health::worst(&checks);
        if self.json {
            output::json(&json!({ "status": state, "checks": checks }))?;
        } else {
            self.show(&checks);
        }
        Ok(if state == State::Fail { UNHEALTHY } else { DONE })
    }

    fn show(&self, checks: &[Check]) {
        for check in checks.iter().filter(|check| !self.quiet || check.state != State::Ok) {
            let mark = match check.state {
                State::Ok => "ok  ",
                State::Warn => "warn",
                State::Fail => "FAIL",
            };
            output::say(&format!("{mark}  {:<12} {}", check.id, check.message));
            if let Some(remedy) = &check.remedy {
                output::say(&format!("      {:<12} -> {remedy}", ""));
            }
        }
    }
}
