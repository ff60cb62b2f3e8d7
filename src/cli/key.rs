//! `lamplighter key`: keys that seal tokens at rest.

mod list;
mod prune;
mod rotate;

use clap::Subcommand;
use serde_json::json;

use super::{
    DONE,
    output::{self, say},
    quiet,
};
use crate::{config::Config, vault::Vault};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the first key, in the file that `vault.keys_file` names; an existing file is never overwritten
    Generate {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new key the active one and seal everything anew, while daemons run; killed or timed out, run it again
    Rotate(rotate::Options),
    /// List keys: where they are, what they sealed, which daemon has them at hand
    List(list::Options),
    /// Take out keys that nothing needs any more; only shows them without --yes
    Prune(prune::Options),
}

impl Command {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        match self {
            Self::Generate { json } => generate(&config, json),
            Self::Rotate(options) => options.run(quiet(config)).await,
            Self::List(options) => options.run(quiet(config)).await,
            Self::Prune(options) => options.run(quiet(config)).await,
        }
    }
}

fn generate(config: &Config, as_json: bool) -> anyhow::Result<u8> {
    let path = &config.vault.keys_file;
    let id = Vault::generate(path)?;
    if as_json {
        output::json(&json!({ "key_id": id, "keys_file": path }))?;
        return Ok(DONE);
    }
    say(&format!("Made vault key {id} in {}.", path.display()));
    say("Keep a copy in a safe place, apart from the database's backups: without it every token is lost.");
    say("Next: lamplighter serve (as the user who owns this file)");
    Ok(DONE)
}
