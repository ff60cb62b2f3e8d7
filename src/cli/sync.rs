//! `lamplighter sync`: the orders of a range of dates, by hand.

use anyhow::bail;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use serde_json::json;

use super::{DONE, FAILED, MISCONFIGURED, UNHEALTHY, output, unhurried, with_app};
use crate::{
    app::App,
    config::Config,
    keeper::access::Unavailable,
    orders::intake::{
        by_hand,
        sync::{Error, Summary},
    },
    provider::Verdict,
    words,
};

/// What is said of dates in the help.
const DATES: &str = "\
DATE is a day, such as 2026-01-09, which is meant in UTC and whole; or a time with its zone, such as 2026-01-09T14:30:00Z or \
2026-01-09T09:30:00-05:00.

What is there already is recognised and does not come again. Orders that the keys of orders.intake leave out are left out \
here too. Only the queue is filled: the daemon posts, and its own polling goes on from where it was.

Exit codes: 0 done, 1 not read to the end (what was read is stored; run it again), 2 wrong usage or configuration, 3 an order \
cannot be stored, or the connection has lapsed";

/// Take in the HubSpot orders that were created or changed in a range of dates
#[derive(Debug, Args)]
#[command(after_help = DATES)]
pub(super) struct Options {
    /// The account, by name or id
    #[arg(long)]
    account: String,
    /// Created or changed from here on
    #[arg(long, value_name = "DATE", value_parser = begin)]
    from: DateTime<Utc>,
    /// Created or changed up to here, included [default: now]
    #[arg(long, value_name = "DATE", value_parser = end)]
    to: Option<DateTime<Utc>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        with_app(&config, async |app| unhurried(app, self.sync(app)).await).await
    }

    async fn sync(&self, app: &App) -> anyhow::Result<u8> {
        let now = app.clock.now();
        let to = self.to.unwrap_or(now).min(now);
        if self.from > to {
            output::complain(&format!(
                "--from {} lies after {}: give an earlier --from or a later --to",
                output::instant(self.from),
                output::instant(to)
            ));
            return Ok(MISCONFIGURED);
        }
        let actor = super::actor::here();
        let (account, range) = {
            let mut conn = app.pool.acquire().await?;
            let account = super::account(&mut conn, &self.account).await?;
            let range = by_hand::asked(&mut conn, account.whose(), self.from, to, &actor, now).await?;
            let Some(range) = range else {
                bail!("{} is not connected to HubSpot: {}", account.name, link(&account.name));
            };
            (account, range)
        };
        let (summary, result) =
            app.intake.sync(range, |summary, reached| output::complain(&line(summary, reached))).await;
        let mut conn = app.pool.acquire().await?;
        by_hand::ended(&mut conn, account.whose(), &summary, Some(&result), &actor, app.clock.now()).await?;
        let (code, trouble) = match &result {
            Ok(()) if summary.failed > 0 => (UNHEALTHY, None),
            Ok(()) => (DONE, None),
            Err(error) => (code(error), Some(explained(error, &account.name))),
        };
        if self.json {
            output::json(&json!({
                "account": account.name, "from": output::instant(self.from), "to": output::instant(to),
                "complete": result.is_ok(), "seen": summary.seen, "new": summary.new,
                "already_there": summary.already_there, "filtered": summary.filtered, "failed": summary.failed,
                "trouble": trouble,
            }))?;
        } else {
            output::say(&told(&summary, &account.name, self.from, to));
        }
        if let Some(trouble) = trouble {
            output::complain(&trouble);
        }
        Ok(code)
    }
}

fn line(summary: &Summary, reached: DateTime<Utc>) -> String {
    format!(
        "{} seen, {} new; changes up to {}",
        words::number(summary.seen),
        words::number(summary.new),
        output::instant(reached)
    )
}

fn told(summary: &Summary, account: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let Summary { seen, new, already_there, filtered, failed } = summary;
    let number = |n: &u64| words::number(*n);
    let mut text = format!(
        "{account}, {} to {}: {} orders seen, {} new, {} already there, {} left out by orders.intake, {} failed.",
        output::instant(from),
        output::instant(to),
        number(seen),
        number(new),
        number(already_there),
        number(filtered),
        number(failed)
    );
    if *new > 0 {
        text.push_str(" The daemon posts what is new.");
    }
    text
}

fn code(error: &Error) -> u8 {
    match error {
        Error::Token(Unavailable::Lapsed) => UNHEALTHY,
        Error::Provider(failure) if matches!(failure.verdict, Verdict::Lapsed(_)) => UNHEALTHY,
        _ => FAILED,
    }
}

fn explained(error: &Error, account: &str) -> String {
    let again = "what was read is stored; run the same again later, nothing comes twice";
    match error {
        Error::Token(Unavailable::Lapsed) => {
            format!("HubSpot cannot be asked: the connection needs its owner. Send a link: {}", link(account))
        }
        Error::Provider(failure) if matches!(failure.verdict, Verdict::Lapsed(_)) => {
            format!("{error}. The connection needs its owner. Send a link: {}", link(account))
        }
        Error::Token(reason) => format!("HubSpot cannot be asked: {reason}; {again}"),
        Error::Store(cause) => format!("{}; {again}", crate::telemetry::chain(cause)),
        Error::Provider(_) | Error::Stopped => format!("{error}; {again}"),
    }
}

fn link(account: &str) -> String {
    format!("lamplighter connection link --account {account:?} --provider hubspot")
}

fn begin(text: &str) -> Result<DateTime<Utc>, String> {
    moment(text, |day| Some(day.and_time(NaiveTime::MIN).and_utc()))
}

fn end(text: &str) -> Result<DateTime<Utc>, String> {
    moment(text, |day| {
        let next = day.checked_add_days(Days::new(1))?;
        // HubSpot counts in milliseconds.
        Some(next.and_time(NaiveTime::MIN).and_utc() - TimeDelta::milliseconds(1))
    })
}

fn moment(text: &str, of_day: impl FnOnce(NaiveDate) -> Option<DateTime<Utc>>) -> Result<DateTime<Utc>, String> {
    let whole = text.parse::<NaiveDate>().ok().and_then(of_day);
    let instant = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc));
    whole.or_else(instant).ok_or_else(|| {
        "write a day such as 2026-01-09 (in UTC), or a time with its zone such as 2026-01-09T14:30:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_whole_and_a_time_has_a_zone() {
        assert_eq!(output::instant(begin("2026-01-09").unwrap()), "2026-01-09T00:00:00Z");
        assert_eq!(end("2026-01-09").unwrap().to_rfc3339(), "2026-01-09T23:59:59.999+00:00");
        assert_eq!(output::instant(begin("2026-01-09T01:00:00+02:00").unwrap()), "2026-01-08T23:00:00Z");
        assert_eq!(begin("2026-01-09T01:00:00Z"), end("2026-01-09T01:00:00Z"));
        for bad in ["2026-01-09T01:00:00", "yesterday", "2026-13-01", ""] {
            assert!(begin(bad).unwrap_err().contains("zone"), "{bad}");
        }
    }
}
