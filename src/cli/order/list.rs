//! `lamplighter order list`: what came in and what became of it.

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::super::{DONE, output, with_database};
use crate::{
    config::Config,
    store::{accounts, orders},
};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in super::super) enum Status {
    /// Waits for its turn
    Queued,
    /// Has its document
    Posted,
    /// A person must look
    Parked,
    /// A later revision took its place
    Superseded,
}

impl From<Status> for orders::Status {
    fn from(status: Status) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Posted => Self::Posted,
            Status::Parked => Self::Parked,
            Status::Superseded => Self::Superseded,
        }
    }
}

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// Only these
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only of this account, by name or id
    #[arg(long)]
    account: Option<String>,
    /// The most rows
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let Self { status, account, limit, json } = self;
        with_database(config, async |conn| {
            let account_id = match account {
                None => None,
                Some(name) => {
                    let missing = || format!("there is no account {name:?}: see `lamplighter account list`");
                    Some(accounts::find(conn, &name).await?.with_context(missing)?.id)
                }
            };
            let orders = orders::overview(conn, status.map(Into::into), account_id, limit).await?;
            if json {
                output::json(&orders)?;
            } else {
                show(orders);
            }
            Ok(DONE)
        })
        .await
    }
}

fn show(orders: Vec<orders::Overview>) {
    let rows = orders.into_iter().map(|row| {
        let words = [row.last_message, row.remedy.map(|remedy| format!("To do: {remedy}"))];
        let words = words.into_iter().flatten().collect::<Vec<_>>().join(". ");
        vec![
            row.account,
            row.name,
            row.total.map(|total| format!("{total} {}", row.currency.unwrap_or_default())).unwrap_or_default(),
            row.status.as_str().to_owned(),
            row.document_id.map(|id| format!("{} (id {id})", row.document_number)).unwrap_or_default(),
            row.attempts.to_string(),
            output::instant(row.received_at),
            if row.status == orders::Status::Posted { String::new() } else { words },
        ]
    });
    let headers = ["Account", "Order", "Total", "Status", "Document", "Tries", "Received", "Words"];
    output::table(&headers, rows.collect(), "No such order. Orders come by themselves once HubSpot is connected.");
}
