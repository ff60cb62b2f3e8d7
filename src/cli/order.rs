//! `lamplighter order`: orders on their way to QuickBooks, one subcommand per file.

mod import;
mod list;

use clap::Subcommand;

use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List orders, the latest first
    List(list::Options),
    /// Import orders of another cart from a file
    Import(import::Options),
}

impl Command {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        match self {
            Self::List(options) => options.run(&config).await,
            Self::Import(options) => options.run(&config).await,
        }
    }
}
