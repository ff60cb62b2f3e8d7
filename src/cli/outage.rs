//! `lamplighter outage`: when a provider was out for everybody.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{DONE, limit::Limit, output, with_database};
use crate::{
    clock::Clock,
    config::Config,
    provider::Provider,
    store::outages::{Outage, listing},
    words,
};

/// The most characters of what was seen.
const EVIDENCE: usize = 240;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List outages, the latest first
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only of this one
    #[arg(long, value_enum)]
    provider: Option<Provider>,
    /// Only those that are not over
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    limit: Limit,
    /// Go on where an earlier page ended: as the hint below it says
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let Self::List(list) = self;
        with_database(config, async |conn| list.run(conn).await).await
    }
}

impl List {
    async fn run(self, conn: &mut PgConnection) -> anyhow::Result<u8> {
        let open = self.open.then_some(true);
        let mut rows = listing::page(conn, self.provider, open, self.before, self.limit.asked()).await?;
        let more = self.limit.cut(&mut rows);
        if self.json {
            output::json(&rows)?;
        } else {
            let now = Clock::system().now();
            let hint = match (self.open, self.provider.is_some() || self.before.is_some()) {
                (true, _) => "No outage is open. Those that are over: leave out --open.",
                (false, true) => "No such outage. All of them: lamplighter outage list",
                (false, false) => "No outage so far. One opens by itself when calls to a provider fail in a row.",
            };
            let headers = ["Of", "Began", "Over", "Lasted", "Probes", "What was seen"];
            output::table(&headers, rows.iter().map(|one| row(one, now)).collect(), hint);
            if rows.iter().any(|one| one.closed_at.is_none()) {
                output::say("Nothing to do: what depends on it waits, and goes on by itself when it is over.");
            }
        }
        if let Some(last) = rows.last().filter(|_| more) {
            self.limit.hint(&format!("repeat the command with --before {}", last.id));
        }
        Ok(DONE)
    }
}

fn row(outage: &Outage, now: DateTime<Utc>) -> Vec<String> {
    let over = match outage.closed_at {
        Some(at) => output::instant(at),
        None => format!("open, next probe {}", words::until(outage.canary_at, now)),
    };
    vec![
        outage.endpoint.title(outage.provider),
        output::instant(outage.opened_at),
        over,
        words::span(outage.closed_at.unwrap_or(now) - outage.opened_at),
        outage.canaries.to_string(),
        words::line(&outage.evidence, EVIDENCE),
    ]
}
