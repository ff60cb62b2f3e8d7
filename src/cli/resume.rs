//! `lamplighter resume`: what to do with a database that looks restored or copied.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;
use sqlx::PgConnection;

use super::{
    DONE, UNHEALTHY,
    output::{self, instant, say},
};
use crate::{
    app::{App, Database},
    clock::Clock,
    config::Config,
    fence::resume::Report,
    words,
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Let the daemons spend the tokens of this database, although it was restored or copied
    #[arg(long)]
    accept_restored_tokens: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        let database = Database::open(&config, true).await?;
        let done = async {
            let app = App::build(&config, database.pool.clone(), Clock::system(), &[]).await?;
            let mut conn = database.pool.acquire().await?;
            self.decide(&app, &mut conn).await
        };
        let done = done.await;
        database.close().await?;
        done
    }

    async fn decide(&self, app: &App, conn: &mut PgConnection) -> anyhow::Result<u8> {
        let report = app.fence.report(conn).await?;
        let accepted = if self.accept_restored_tokens && report.finding.is_some() {
            Some(app.fence.accept(conn).await?.context("nothing was held back any more: nothing was changed")?)
        } else {
            None
        };
        let fenced = report.finding.is_some() && accepted.is_none();
        if self.json {
            let found = report.finding.as_ref().map(crate::fence::judge::Finding::words);
            output::json(&json!({ "fenced": fenced, "accepted_epoch": accepted, "found": found, "report": report }))?;
        } else {
            show(&report, accepted, app.clock.now());
        }
        Ok(if fenced { UNHEALTHY } else { DONE })
    }
}

fn show(report: &Report, accepted: Option<i64>, now: DateTime<Utc>) {
    let Some(finding) = &report.finding else {
        say("Nothing to resume: work on this database is not held back.");
        return;
    };
    say(&format!("Held back: {}.", finding.words()));
    say("");
    for line in facts(report, now) {
        say(&format!("  {line}"));
    }
    say("");
    if let Some(epoch) = accepted {
        say(&format!(
            "Accepted. This is epoch {epoch} of the database; every daemon that waits here goes on by itself within"
        ));
        say("half a minute, without a restart. Grants that had moved on lapse, and their owners are mailed a link.");
        return;
    }
    say(CHOICES);
}

fn facts(report: &Report, now: DateTime<Utc>) -> Vec<String> {
    let contents = &report.contents;
    let at = |at: Option<DateTime<Utc>>| {
        at.map_or_else(|| "never".to_owned(), |at| format!("{} ({})", instant(at), words::until(at, now)))
    };
    let count = |n: i64, noun| words::count(n.unsigned_abs(), noun);
    let by: Arc<str> = match (&report.last_daemon, &contents.last_spent_by) {
        (Some(daemon), _) => {
            format!("{} on {}, last heard of {}", daemon.name, daemon.host, at(Some(daemon.seen_at))).into()
        }
        (None, Some(name)) => name.as_str().into(),
        (None, None) => "no daemon".into(),
    };
    let seen = report.last_seen_here.map_or_else(
        || "never".to_owned(),
        |mark| format!("{}, at spend {} of epoch {}", at(Some(mark.seen_at)), mark.spend_id, mark.epoch),
    );
    vec![
        format!("connections with tokens     {}", count(contents.connections, "connection")),
        format!("newest token                {}", at(contents.newest_token_at)),
        format!("last spend                  {}", at(contents.last_spend_at)),
        format!("last worked on by           {by}"),
        format!("last seen from here         {seen}"),
        format!("would go out                {}", count(contents.mails_waiting, "mail")),
        format!("would be posted             {}", count(contents.orders_waiting, "order")),
    ]
}

const CHOICES: &str = "\
A refresh token changes its value when it is used. If another daemon has used these tokens since this database was saved,
the values in it are dead, and spending a dead value can make the provider end the whole grant, for the live daemon too:
its owner must then connect again. Intuit changes values about once a day.

What you can do:

  1. This is not the live database: set database.url to the live one and restart the daemon. Nothing was touched.
  2. This is a copy for tests: leave every connection connected, for disconnecting gives the live grant back. Empty the
     table `tokens` in the copy; the daemon then takes it as its own, and owners of test companies can connect to it.
  3. The live database is lost and this is to be the live one: make sure that no daemon works on another copy, then run
       lamplighter resume --accept-restored-tokens
     Grants that still accept these values go on. For the others the owners are mailed a link, as for any lapse.
  4. The database was only moved (pg_upgrade, dump and restore with the daemons stopped): the same command, no harm.

Nothing was changed.";
