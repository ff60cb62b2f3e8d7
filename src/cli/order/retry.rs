//! `lamplighter order retry`: parked and skipped orders go back into the queue, at their place.

use std::time::Duration;

use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args};
use humantime::format_duration;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    super::{DONE, FAILED, MISCONFIGURED, account_if_any, actor, output, with_database},
    list,
    moment::Moment,
    naming::{ORDER, all_named, title},
};
use crate::{
    clock::Clock,
    config::Config,
    explain::{Step, order::lane},
    store::{
        order_log::{
            self, Cursor, Filter, Overview,
            by_hand::{self, PutBack},
            dossier,
            naming::Found,
        },
        orders::Status,
    },
    words,
};

/// Orders in one statement.
const PIECE: i64 = 500;
/// The most orders that a look before shows.
const SHOWN: i64 = 20;
/// The most accounts of which is said what comes next.
const ACCOUNTS: usize = 10;

/// What is said below the options.
const HELP: &str = "\
They go back to their place in the queue. QuickBooks is asked first for the document of an order whose last try was never \
answered; every other one is sent under a new request id, because Intuit answers a repeated one with its first reply. \
Revisions that a later one replaced are left alone.";

#[derive(Debug, Args)]
#[command(after_help = HELP, group(ArgGroup::new("which").required(true).args(["orders", "parked", "all_parked"])))]
pub(in super::super) struct Options {
    #[arg(value_name = "ORDER", help = ORDER)]
    orders: Vec<String>,
    /// Parked orders that meet the conditions below, of which there must be one
    #[arg(long)]
    parked: bool,
    /// All parked orders
    #[arg(long)]
    all_parked: bool,
    /// Only of this account, by name or id
    #[arg(long, requires = "parked")]
    account: Option<String>,
    /// The provider answered the last attempt with this code, such as 6240
    #[arg(long, requires = "parked")]
    code: Option<String>,
    /// Came in then or later: 7d, 2026-11-20, 2026-11-20T14:00 (UTC) or 2026-11-20T14:00+02:00
    #[arg(long, value_name = "WHEN", requires = "parked")]
    since: Option<Moment>,
    /// Do it where several parked orders match; without this they are only listed
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Default)]
struct Done {
    back: Vec<PutBack>,
    /// Named orders that were left as they are, and why.
    left: Vec<String>,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let now = Clock::system().now();
        with_database(config, async |conn| {
            let done = if self.orders.is_empty() {
                let filter = self.filter(conn, now).await?;
                let matching = order_log::list(conn, &filter, None, SHOWN + 1).await?;
                if matching.len() > 1 && !self.yes {
                    return self.look(&matching);
                }
                Done { back: put_all_back(conn, &filter, now).await?, left: Vec::new() }
            } else {
                put_named_back(conn, &self.orders, now).await?
            };
            let next = what_is_next(conn, &done.back, now).await?;
            if self.json {
                output::json(&json!({ "put_back": done.back, "left": done.left, "next": next }))?;
            } else {
                done.left.iter().for_each(|line| output::complain(line));
                said(&done.back, &next, config.orders.dispatch_interval).iter().for_each(|line| output::say(line));
            }
            Ok(if done.left.is_empty() { DONE } else { FAILED })
        })
        .await
    }

    async fn filter(&self, conn: &mut PgConnection, now: DateTime<Utc>) -> anyhow::Result<Filter> {
        if self.parked && self.account.is_none() && self.code.is_none() && self.since.is_none() {
            bail!("--parked needs --account, --code or --since; --all-parked takes all of them");
        }
        Ok(Filter {
            statuses: vec![Status::Parked],
            account_id: account_if_any(conn, self.account.as_deref()).await?.map(|account| account.id),
            code: self.code.clone(),
            since: self.since.map(|moment| moment.from(now)),
            ..Filter::default()
        })
    }

    /// Shows what would be done.
    fn look(&self, matching: &[Overview]) -> anyhow::Result<u8> {
        let shown = usize::try_from(SHOWN).unwrap_or(usize::MAX);
        let more = matching.len() > shown;
        let matching = &matching[..matching.len().min(shown)];
        if self.json {
            output::json(&json!({ "done": false, "would_put_back": matching, "more": more }))?;
        } else {
            output::say(&list::lines(matching, None));
            let these = if more { "These and more" } else { "These" };
            output::say(&format!(
                "{these} would go back into the queue. Nothing was done. To do it, repeat the command with --yes."
            ));
        }
        Ok(MISCONFIGURED)
    }
}

/// Page by page, the oldest last: what is parked again meanwhile is not met twice.
async fn put_all_back(conn: &mut PgConnection, filter: &Filter, now: DateTime<Utc>) -> anyhow::Result<Vec<PutBack>> {
    let (mut back, mut before): (Vec<PutBack>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = order_log::list(conn, filter, before, PIECE).await?;
        let Some(last) = page.last() else { return Ok(back) };
        before = Some(last.cursor());
        let ids: Vec<_> = page.iter().map(|order| order.id).collect();
        back.extend(put_back(conn, &ids, now).await?);
    }
}

async fn put_named_back(conn: &mut PgConnection, names: &[String], now: DateTime<Utc>) -> anyhow::Result<Done> {
    let found = all_named(conn, names).await?;
    let ids: Vec<_> = found.iter().map(|one| one.id).collect();
    let back = put_back(conn, &ids, now).await?;
    let mut left = Vec::new();
    for one in found.iter().filter(|one| back.iter().all(|order| order.id != one.id)) {
        left.push(format!("{}: {}", title(one), why_not(conn, one).await?));
    }
    Ok(Done { back, left })
}

async fn put_back(conn: &mut PgConnection, ids: &[Uuid], now: DateTime<Utc>) -> anyhow::Result<Vec<PutBack>> {
    let fresh: Vec<_> = ids.iter().map(|_| Uuid::new_v4()).collect();
    Ok(by_hand::put_back(conn, ids, &fresh, &actor::here(), now).await?)
}

/// Why a named order stayed as it is.
async fn why_not(conn: &mut PgConnection, found: &Found) -> anyhow::Result<String> {
    let Some(dossier) = dossier::get(conn, found.id, 1).await? else { return Ok("it is gone".to_owned()) };
    let later = dossier.revisions.last().filter(|last| last.id != found.id);
    Ok(match (dossier.order.status, later) {
        (Status::Queued, _) => "it is in the queue already".to_owned(),
        (Status::Posted, _) => {
            "it is posted; to post it anew, delete its document in QuickBooks and change the order at its source"
                .to_owned()
        }
        (Status::Superseded, _) | (_, Some(_)) => {
            let which = later.map(|later| format!(": see `lamplighter order show {}`", later.id)).unwrap_or_default();
            format!("a later revision took its place{which}")
        }
        (Status::Parked | Status::Skipped, None) if dossier.order.pruned_at.is_some() => {
            "its content was dropped, as orders.keep says: change it at its source, so that it comes in again"
                .to_owned()
        }
        (Status::Parked | Status::Skipped, None) => "it changed meanwhile: repeat the command".to_owned(),
    })
}

/// What comes next for the first few accounts, and how many orders each has back.
async fn what_is_next(
    conn: &mut PgConnection,
    back: &[PutBack],
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<(String, Step)>> {
    let mut accounts: Vec<Uuid> = back.iter().map(|order| order.account_id).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let mut lines = Vec::new();
    for account_id in accounts.into_iter().take(ACCOUNTS) {
        let mut of = back.iter().filter(|order| order.account_id == account_id);
        let Some(first) = of.next() else { continue };
        let count = 1 + of.count() as u64;
        let Some(dossier) = dossier::get(conn, first.id, 1).await? else { continue };
        let step = lane(dossier.company.as_ref(), dossier.outage.as_ref(), &dossier.order.account, now);
        lines.push((format!("{} of {}", words::count(count, "order"), words::name(&dossier.order.account)), step));
    }
    Ok(lines)
}

fn said(back: &[PutBack], next: &[(String, Step)], look_every: Duration) -> Vec<String> {
    if back.is_empty() {
        return vec!["Nothing was put back.".to_owned()];
    }
    let now = Clock::system().now();
    let mut lines = vec![format!("{} back in the queue.", words::count(back.len() as u64, "order"))];
    let asked = back.iter().filter(|order| order.looked_up_first).count() as u64;
    if asked > 0 {
        let count = words::count(asked, "order");
        lines.push(format!(
            "QuickBooks may have made the document of {count} already: it is asked before anything is posted."
        ));
    }
    lines.extend(next.iter().map(|(whose, step)| format!("  {whose}: {}", step.line(now))));
    lines.push(format!("A daemon that rests looks within {}.", format_duration(look_every)));
    lines
}
