//! `lamplighter key`: keys that seal tokens at rest.

use clap::Subcommand;

use super::{DONE, output::say};
use crate::{config::Config, vault::Vault};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the first key, in the file that `vault.keys_file` names; an existing file is never overwritten
    Generate,
}

impl Command {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<u8> {
        match self {
            Self::Generate => {
                let path = &config.vault.keys_file;
                let id = Vault::generate(path)?;
                say(&format!("Made vault key {id} in {}.", path.display()));
                say("Keep a copy in a safe place, apart from the database's backups: without it every token is lost.");
                say("Next: lamplighter serve (as the user who owns this file)");
                Ok(DONE)
            }
        }
    }
}
