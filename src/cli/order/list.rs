//! `lamplighter order list`: what came in and what became of it, the latest first, a page at a time.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    super::{DONE, account_if_any, limit::Limit, output, with_database},
    moment::Moment,
};
use crate::{
    clock::Clock,
    config::Config,
    store::{
        order_log::{self, Cursor, Filter, Overview},
        orders,
    },
    words,
};

/// The most characters of a provider's words in a table.
const WORDS: usize = 240;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    /// Waits for its turn
    Queued,
    /// Has its document
    Posted,
    /// A person must look
    Parked,
    /// A later revision took its place
    Superseded,
    /// A person decided against it
    Skipped,
}

impl From<Status> for orders::Status {
    fn from(status: Status) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Posted => Self::Posted,
            Status::Parked => Self::Parked,
            Status::Superseded => Self::Superseded,
            Status::Skipped => Self::Skipped,
        }
    }
}

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// Only these; can be repeated
    #[arg(long, value_enum)]
    status: Vec<Status>,
    /// Only of this account, by name or id
    #[arg(long)]
    account: Option<String>,
    /// Came in then or later: 7d, 2026-11-20, 2026-11-20T14:00 or with a zone as in 2026-11-20T14:00+02:00 (UTC without one)
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,
    /// Came in before that; of a date, its whole day counts
    #[arg(long, value_name = "WHEN")]
    until: Option<Moment>,
    /// Its QuickBooks document has this number
    #[arg(long, value_name = "NUMBER")]
    document: Option<String>,
    /// Its name or its document's number begins with this, in capitals or not, or it is the order's id at its source
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// The provider answered the last attempt with this code, such as 6240
    #[arg(long)]
    code: Option<String>,
    #[command(flatten)]
    limit: Limit,
    /// Go on where an earlier page ended: as the hint below it says
    #[arg(long, value_name = "CURSOR")]
    before: Option<Cursor>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A row for a script, which goes on after the last one's cursor.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    order: &'a Overview,
    cursor: String,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let now = Clock::system().now();
        with_database(config, async |conn| {
            let filter = Filter {
                statuses: self.status.into_iter().map(Into::into).collect(),
                account_id: account_if_any(conn, self.account.as_deref()).await?.map(|account| account.id),
                since: self.since.map(|moment| moment.from(now)),
                until: self.until.map(|moment| moment.to(now)),
                document: self.document,
                search: self.search,
                code: self.code,
            };
            let mut orders = order_log::list(conn, &filter, self.before, self.limit.asked()).await?;
            let more = self.limit.cut(&mut orders);
            let next = orders.last().filter(|_| more).map(|last| last.cursor().to_string());
            if self.json {
                let rows = orders.iter().map(|order| Row { order, cursor: order.cursor().to_string() });
                output::json(&rows.collect::<Vec<_>>())?;
            } else {
                output::say(&lines(&orders, None));
            }
            if let Some(cursor) = next {
                self.limit.hint(&format!("repeat the command with --before {cursor}"));
            }
            Ok(DONE)
        })
        .await
    }
}

/// The orders as a table; as wide as the terminal unless a width is given.
pub(super) fn lines(orders: &[Overview], width: Option<u16>) -> String {
    if orders.is_empty() {
        return "No such order. Orders come by themselves once HubSpot is connected.".to_owned();
    }
    let headers = ["Order", "Id", "Account", "Total", "Status", "Document", "Tries", "Received", "Words"];
    output::grid(&headers, orders.iter().map(row).collect(), width)
}

fn row(order: &Overview) -> Vec<String> {
    let code = order.code.as_ref().map(|code| format!("code {code}"));
    let remedy = order.remedy.as_ref().map(|remedy| format!("To do: {}", words::line(remedy, WORDS)));
    let said = [order.last_message.as_deref().map(|message| words::line(message, WORDS)), code, remedy];
    let said = said.into_iter().flatten().collect::<Vec<_>>().join(". ");
    let document =
        order.document_id.as_ref().map(|id| format!("{} (id {id})", words::line(&order.document_number, WORDS)));
    vec![
        words::name(&order.name),
        words::line(&order.external_id, WORDS),
        words::name(&order.account),
        order.total.map(|total| format!("{total} {}", order.currency.as_deref().unwrap_or(""))).unwrap_or_default(),
        order.status.as_str().to_owned(),
        document.unwrap_or_default(),
        order.attempts.to_string(),
        output::instant(order.received_at),
        if order.status == orders::Status::Posted { String::new() } else { said },
    ]
}
