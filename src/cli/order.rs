//! `lamplighter order`: orders on their way to QuickBooks, one subcommand per file.

mod import;
mod list;
mod moment;
mod naming;
mod preview;
mod retry;
mod show;
mod skip;

use clap::Subcommand;

use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List orders, the latest first
    List(list::Options),
    /// Import orders of another cart from a file
    Import(import::Options),
    /// Show everything about one order: why, what is next, every attempt
    Show(show::Options),
    /// Put parked or skipped orders back into the queue
    Retry(retry::Options),
    /// Decide that orders are not to be posted
    Skip(skip::Options),
    /// Show the exact document that an order would become
    Preview(preview::Options),
}

impl Command {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        match self {
            Self::List(options) => options.run(&config).await,
            Self::Import(options) => options.run(&config).await,
            Self::Show(options) => options.run(&config).await,
            Self::Preview(options) => options.run(&config).await,
            Self::Retry(options) => options.run(&config).await,
            Self::Skip(options) => options.run(&config).await,
        }
    }
}
