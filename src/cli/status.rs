//! `lamplighter status`: the one screen for whoever is on call. What needs a person stands first, with what to do; then what
//! sees to itself; then how much time is left and what the last day brought.
//!
//! It asks the database alone, so it works while no daemon runs, and reads only what is due, waits or fails. What a
//! thorough look would add, the mail server's answer say, is `doctor`'s.

mod attention;
mod screen;

#[cfg(test)]
mod samples;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::json;
use sqlx::PgConnection;

use self::attention::{Item, Urgency};
use super::{DONE, UNHEALTHY, output, with_database};
use crate::{
    clock::Clock,
    config::Config,
    presence::LIVE_WITHIN,
    provider::Provider,
    store::{
        self,
        daemons::{self, Daemon},
        farewells, intakes,
        levels::{self, Levels, lists},
        mails,
    },
};

/// The most that are named one by one.
const NAMED: i64 = 3;

/// What is said of exit codes in the help.
const CODES: &str = "Exit codes: 0 all is well or sees to itself, 1 the database cannot be asked, 2 wrong usage or \
                     configuration, 3 something needs a person";

/// Show how it stands: what needs a person first, then tokens, orders and what comes next
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(super) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// All that is known.
struct Facts {
    now: DateTime<Utc>,
    /// Daemons that are there, and the one that was there last.
    live: Vec<Daemon>,
    latest: Option<Daemon>,
    levels: Levels,
    lapsed: Vec<lists::Broken>,
    failing: Vec<lists::Broken>,
    faults: Vec<lists::Fault>,
    /// Mails to owners that wait for a person's word.
    held: Vec<(Provider, u64)>,
    refused: Vec<lists::Refused>,
    day: lists::Day,
    ending: lists::Ending,
    /// Grants that were not given back.
    farewells: i64,
    next_poll: Option<DateTime<Utc>>,
    /// How late a token may be before that is a failure.
    lateness_allowed: TimeDelta,
}

impl Options {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        let allowed = TimeDelta::from_std(config.keeper.lease).unwrap_or_default() + TimeDelta::minutes(5);
        let now = Clock::system().now();
        let facts = with_database(&config, async |conn| Ok(gather(conn, now, allowed).await?)).await?;
        let items = attention::items(&facts);
        if self.json {
            output::json(&report(&facts, &items))?;
        } else {
            output::say(&screen::screen(&facts, &items, output::Paint::for_terminal()));
        }
        Ok(if state(&items) == "act" { UNHEALTHY } else { DONE })
    }
}

async fn gather(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    lateness_allowed: TimeDelta,
) -> Result<Facts, store::Error> {
    Ok(Facts {
        now,
        live: daemons::live(conn, LIVE_WITHIN).await?,
        latest: daemons::latest(conn).await?,
        levels: levels::read(conn, now).await?,
        lapsed: lists::lapsed(conn, NAMED).await?,
        failing: lists::failing(conn, NAMED).await?,
        faults: lists::faults(conn, NAMED).await?,
        held: mails::held(conn).await?,
        refused: lists::refused(conn, NAMED).await?,
        day: lists::since(conn, now - TimeDelta::days(1)).await?,
        ending: lists::ending(conn, now).await?,
        farewells: farewells::open(conn).await?.count,
        next_poll: intakes::next_due(conn).await?,
        lateness_allowed,
    })
}

/// The word for all of it.
fn state(items: &[Item]) -> &'static str {
    match items.iter().map(|item| item.urgency).max() {
        Some(Urgency::Act) => "act",
        Some(Urgency::Watch) => "watch",
        None => "well",
    }
}

fn report(facts: &Facts, items: &[Item]) -> serde_json::Value {
    json!({
        "generated_at": facts.now,
        "version": env!("CARGO_PKG_VERSION"),
        "state": state(items),
        "attention": items,
        "daemons": facts.live,
        "levels": facts.levels,
        "ending": facts.ending,
        "orders_last_day": {
            "received": facts.day.received, "posted": facts.day.posted(), "queued": facts.day.queued,
            "parked": facts.day.parked, "settled": facts.day.settled,
        },
        "next_poll_at": facts.next_poll,
    })
}
