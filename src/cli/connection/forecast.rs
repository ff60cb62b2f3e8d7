//! `lamplighter connection forecast`: the reconnects to come, while there is time.

use anyhow::Context as _;
use chrono::{DateTime, Months, TimeDelta, Utc};
use clap::Args;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    cli::{DONE, output},
    clock::Clock,
    keeper::warnings::window_bounds,
    provider::Provider,
    store::{
        forecast::{self, Due, Lapsed, Month},
        mails::Step,
        windows::{self, Unrenewed},
    },
    words,
};

/// How far ahead connections are listed one by one.
const LISTED: TimeDelta = TimeDelta::days(90);
/// The most rows of each list.
const LIMIT: i64 = 1_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// How many months ahead to count
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=120))]
    months: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct Forecast {
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    months: Vec<Month>,
    due: Vec<Due>,
    at_risk: Vec<Unrenewed>,
    lapsed: Vec<Lapsed>,
}

impl Options {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<u8> {
        let now = Clock::system().now();
        let until = now.checked_add_months(Months::new(self.months)).context("--months is too large")?;
        let forecast = Forecast {
            now,
            until,
            months: forecast::months(conn, until).await?,
            due: forecast::due(conn, now + LISTED, LIMIT).await?,
            at_risk: windows::list(conn, window_bounds(now), LIMIT).await?,
            lapsed: forecast::lapsed(conn, LIMIT).await?,
        };
        if self.json {
            output::json(&json!({
                "generated_at": now,
                "until": until,
                "months": forecast.months,
                "hard_cap_due": forecast.due,
                "refresh_window_at_risk": forecast.at_risk,
                "lapsed": forecast.lapsed,
                "rows_at_most": LIMIT,
            }))?;
        } else {
            forecast.show();
        }
        Ok(DONE)
    }
}

impl Forecast {
    fn show(&self) {
        output::say(&format!("Reconnects due before {} (the provider's hard cap):", words::instant(self.until)));
        if self.months.is_empty() {
            output::say("  none");
        }
        for row in &self.months {
            let count = words::count(row.reconnects.unsigned_abs(), "reconnect");
            output::say(&format!("  {}: {count} due at {} (hard cap)", row.month, row.provider.title()));
        }
        output::say(&format!("\nDue within {} days:", LISTED.num_days()));
        let headers = ["Account", "Provider", "Company", "What ends", "When", "Owner"];
        output::table(&headers, self.due.iter().map(|row| self.due_row(row)).collect(), "  none");
        note_limit(self.due.len());
        output::say("\nRefresh windows at risk, because renewals do not succeed:");
        let headers = ["Account", "Provider", "Company", "Window ends", "Last renewed", "Latest try"];
        output::table(&headers, self.at_risk.iter().map(|row| self.risk_row(row)).collect(), "  none");
        note_limit(self.at_risk.len());
        output::say("\nLapsed now, waiting for their owners:");
        let headers = ["Account", "Provider", "Company", "Why", "Since", "Owner"];
        output::table(&headers, self.lapsed.iter().map(|row| self.lapsed_row(row)).collect(), "  none");
        note_limit(self.lapsed.len());
        self.hint();
    }

    /// What to run next.
    fn hint(&self) {
        if !self.at_risk.is_empty() {
            output::say("\nTo find out why renewals fail: lamplighter doctor");
        }
        let due = self.due.first().map(|row| (&row.account, row.provider));
        let lapsed = self.lapsed.first().map(|row| (&row.account, row.provider));
        if let Some((account, provider)) = lapsed.or(due) {
            output::say("\nTo send an owner a link today, whatever they were mailed:");
            output::say(&format!("  lamplighter connection link --account {account:?} --provider {provider}"));
        }
    }

    fn due_row(&self, row: &Due) -> Vec<String> {
        let owner = match (row.told_step, row.told_at) {
            (Some(step), Some(at)) => format!("told {} ({})", words::until(at, self.now), step_name(step)),
            _ => "not told yet".to_owned(),
        };
        let mut cells = self.named(&row.account, row.provider, &row.company_name);
        cells.extend(["hard cap".to_owned(), self.when(row.ends_at), owner]);
        cells
    }

    fn risk_row(&self, row: &Unrenewed) -> Vec<String> {
        let tried = match (row.outcome, &row.rule) {
            (Some(outcome), Some(rule)) => format!("{} ({rule})", outcome.as_str()),
            (Some(outcome), None) => outcome.as_str().to_owned(),
            (None, _) => "none since it is due".to_owned(),
        };
        let mut cells = self.named(&row.account, row.provider, &row.company_name);
        cells.extend([self.when(row.ends_at), self.when(row.renewed_at), tried]);
        cells
    }

    fn lapsed_row(&self, row: &Lapsed) -> Vec<String> {
        let owner = row.told_at.map(|at| format!("told {}", words::until(at, self.now)));
        let mut cells = self.named(&row.account, row.provider, &row.company_name);
        let owner = owner.unwrap_or_else(|| "not told yet".to_owned());
        cells.extend([row.cause.as_str().to_owned(), self.when(row.since), owner]);
        cells
    }

    fn named(&self, account: &str, provider: Provider, company: &str) -> Vec<String> {
        vec![words::name(account), provider.to_string(), words::name(company)]
    }

    fn when(&self, at: DateTime<Utc>) -> String {
        format!("{} ({})", words::instant(at), words::until(at, self.now))
    }
}

fn note_limit(rows: usize) {
    if i64::try_from(rows).unwrap_or(LIMIT) >= LIMIT {
        output::say(&format!("  the first {LIMIT} only"));
    }
}

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Opened => "first mail",
        Step::Reminder => "reminder",
        Step::LastCall => "last call",
        Step::Resolved => "all-clear",
    }
}
