//! `lamplighter alert list`: what is open, the latest first.

use chrono::{DateTime, Utc};
use clap::Args;

use crate::{
    cli::{DONE, limit::Limit, output, with_database},
    clock::Clock,
    config::Config,
    store::alerts::{self, Alert},
    words,
};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// Those that are over too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    limit: Limit,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_database(config, async |conn| {
            let mut alerts = match self.all {
                true => alerts::recent(conn, self.limit.asked()).await?,
                false => alerts::open_ones(conn, self.limit.asked()).await?,
            };
            if self.limit.cut(&mut alerts) {
                self.limit.hint("raise --limit");
            }
            if self.json {
                output::json(&alerts)?;
                return Ok(DONE);
            }
            let now = Clock::system().now();
            let rows = alerts.iter().map(|alert| row(alert, now)).collect();
            let hint = if self.all { "There was no incident yet." } else { "Nothing is open. All of them: --all" };
            output::table(&["Id", "Since", "Incident", "About", "State"], rows, hint);
            if !alerts.is_empty() {
                output::say(
                    "More of one: lamplighter alert show ID. You know: alert ack ID. Later: alert snooze ID --for 2d.",
                );
            }
            Ok(DONE)
        })
        .await
    }
}

fn row(alert: &Alert, now: DateTime<Utc>) -> Vec<String> {
    vec![
        alert.short_id(),
        words::until(alert.opened_at, now),
        alert.title().to_owned(),
        about(alert),
        state(alert, now),
    ]
}

/// Whose it is: the account and its company, or the provider.
pub(super) fn about(alert: &Alert) -> String {
    let provider = alert.provider.map(|provider| provider.title().to_owned());
    match (&alert.account, &alert.subject, provider) {
        (Some(account), Some(company), _) if account != company => {
            format!("{}: {}", words::name(account), words::name(company))
        }
        (Some(name), _, Some(provider)) => format!("{}: {provider}", words::name(name)),
        (Some(name), _, None) | (None, Some(name), _) => words::name(name),
        (None, None, Some(provider)) => provider,
        (None, None, None) => alert.detail["about"].as_str().map_or_else(|| "-".to_owned(), words::name),
    }
}

/// How it stands.
pub(super) fn state(alert: &Alert, now: DateTime<Utc>) -> String {
    if let Some(at) = alert.resolved_at {
        let by = alert.resolved_by.as_ref().map(|who| format!(", by {who}")).unwrap_or_default();
        return format!("over, {}{by}", words::until(at, now));
    }
    if let (Some(at), Some(who)) = (alert.acknowledged_at, &alert.acknowledged_by) {
        return format!("acknowledged {}, by {who}", words::until(at, now));
    }
    match (alert.snoozed_until.filter(|until| *until > now), &alert.snoozed_by) {
        (Some(until), Some(who)) => format!("snoozed until {}, by {who}", words::instant(until)),
        _ => "open".to_owned(),
    }
}
