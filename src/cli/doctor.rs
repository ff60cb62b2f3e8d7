//! `lamplighter doctor`: the list of checks, for a person.

use clap::Args;
use serde_json::json;

use super::{DONE, UNHEALTHY, output, with_app};
use crate::{
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
    /// Talk neither to the SMTP server nor to the collector of spans: for a probe every few seconds
    #[arg(long)]
    quick: bool,
}

impl Options {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        let depth = if self.quick { Depth::Quick } else { Depth::Thorough };
        let checks = with_app(&config, async |app| Ok(app.health.checks(depth).await)).await?;
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
