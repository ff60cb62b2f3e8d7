//! `lamplighter config`: check or show the configuration.

use clap::Subcommand;

use super::{
    DONE, load,
    output::{self, say},
};
use crate::config::Sources;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report every problem at once, with its place and what to write instead
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what is in force and where each value comes from; secrets are masked
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<u8> {
        let file = sources.file.clone();
        let config = load(sources)?;
        match self {
            Self::Check { json } => {
                config.require_providers()?;
                if json {
                    output::json(&serde_json::json!({ "sound": true, "file": file }))?;
                    return Ok(DONE);
                }
                let from =
                    file.map_or_else(|| "defaults and environment".to_owned(), |path| path.display().to_string());
                say(&format!("The configuration is sound ({from})."));
            }
            Self::Show { json: true } => output::json(&config.show_json())?,
            Self::Show { json: false } => say(config.show().trim_end()),
        }
        Ok(DONE)
    }
}
