//! `lamplighter order`: orders on their way to QuickBooks, one subcommand per file.

mod import;
mod list;
mod moment;
mod naming;
mod preview;
mod retry;
mod show;
mod skip;

use anyhow::Context as _;
use clap::Subcommand;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{config::Config, store::accounts};

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

/// The account that a filter names, if it names one.
async fn account_id(conn: &mut PgConnection, named: Option<&str>) -> anyhow::Result<Option<Uuid>> {
    let Some(name) = named else { return Ok(None) };
    let missing = || format!("there is no account {name:?}: see `lamplighter account list`");
    Ok(Some(accounts::find(conn, name).await?.with_context(missing)?.id))
}
