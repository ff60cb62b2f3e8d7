//! `lamplighter connection list`: those that need attention first.

use chrono::{DateTime, Utc};
use clap::Args;
use sqlx::PgConnection;

use crate::{
    cli::{DONE, account_if_any, limit::Limit, output},
    clock::Clock,
    provider::Provider,
    store::connections::{
        Overview, Status,
        search::{self, Filter},
    },
    words,
};

const HEADERS: [&str; 9] =
    ["Account", "Provider", "Company", "Status", "Access ends", "Refresh ends", "Hard cap", "Next renewal", "Verified"];

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Only these
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only of this account, by name or id
    #[arg(long)]
    account: Option<String>,
    /// Only with this one
    #[arg(long, value_enum)]
    provider: Option<Provider>,
    /// The account's name, the company's name or its id has this in it, in capitals or not
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    limit: Limit,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<u8> {
        let filter = Filter {
            account_id: account_if_any(conn, self.account.as_deref()).await?.map(|account| account.id),
            provider: self.provider,
            status: self.status,
            search: self.search.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned),
        };
        let all = filter.account_id.is_none()
            && filter.provider.is_none()
            && filter.status.is_none()
            && filter.search.is_none();
        let mut rows = search::page(conn, &filter, None, self.limit.asked()).await?;
        let more = self.limit.cut(&mut rows);
        if self.json {
            output::json(&rows)?;
        } else {
            let now = Clock::system().now();
            let hint = match all {
                true => {
                    "No connection yet. Make a link: lamplighter connection link --account NAME --provider quickbooks"
                }
                false => "No such connection. All of them: lamplighter connection list",
            };
            output::table(&HEADERS, rows.iter().map(|one| row(one, now)).collect(), hint);
        }
        if more {
            self.limit.hint("name some by --status, --account, --provider or --search, or raise --limit");
        }
        Ok(DONE)
    }
}

fn row(row: &Overview, now: DateTime<Utc>) -> Vec<String> {
    let or_dash = |at: Option<_>| at.map_or_else(|| "-".to_owned(), |at| words::until(at, now));
    let status = match row.cause {
        Some(cause) => format!("{}: {}", row.status.as_str(), cause.as_str()),
        None => row.status.as_str().to_owned(),
    };
    vec![
        row.account.clone(),
        row.provider.to_string(),
        format!("{} ({})", row.company_name, row.company_id),
        status,
        words::until(row.access_expires_at, now),
        or_dash(row.refresh_expires_at),
        or_dash(row.refresh_hard_expires_at),
        or_dash(row.renew_at),
        or_dash(row.verified_at),
    ]
}
