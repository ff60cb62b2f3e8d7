//! `lamplighter alert show`: one incident with its mails and what was done about it.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::list::{about, state};
use crate::{
    alerts::by_hand,
    cli::{DONE, output, with_database},
    clock::Clock,
    config::Config,
    store::{
        alerts::{Alert, Kind},
        audit_log::{self, Entry},
        mails::{self, Sent, Step},
    },
    words,
};

/// The most deeds that are shown.
const DEEDS: i64 = 50;

pub(super) async fn run(config: &Config, id: &str, as_json: bool) -> anyhow::Result<u8> {
    with_database(config, async |conn| {
        let alert = by_hand::find(conn, id).await?;
        let letters = mails::of_alert(conn, alert.id).await?;
        let deeds = audit_log::of_alert(conn, alert.id, DEEDS).await?;
        if as_json {
            output::json(&json!({ "alert": alert, "mails": letters, "history": deeds }))?;
        } else {
            lines(&alert, &letters, &deeds, Clock::system().now()).iter().for_each(|line| output::say(line));
        }
        Ok(DONE)
    })
    .await
}

fn lines(alert: &Alert, letters: &[Sent], deeds: &[Entry], now: DateTime<Utc>) -> Vec<String> {
    let mut lines = vec![
        format!("{} ({})", alert.title(), about(alert)),
        format!("  id        {}", alert.id),
        format!("  since     {}, {}", words::instant(alert.opened_at), words::until(alert.opened_at, now)),
        format!("  state     {}", state(alert, now)),
    ];
    for (label, key) in [("cause", "cause"), ("rule", "rule"), ("message", "message"), ("evidence", "evidence")] {
        if let Some(text) = alert.detail[key].as_str() {
            lines.push(format!("  {label:<9} {}", words::line(text, 300)));
        }
    }
    lines.push(format!("Mails to the {}", alert.kind.audience()));
    lines.extend(letters.iter().map(|letter| letter_line(letter, now)));
    if letters.is_empty() {
        lines.push("  none".to_owned());
    }
    if !deeds.is_empty() {
        lines.push("Done by hand".to_owned());
    }
    for deed in deeds {
        let until = deed.detail["until"].as_str().map(|until| format!(" until {until}")).unwrap_or_default();
        lines.push(format!("  {}  {} by {}{until}", words::instant(deed.at), deed.action, deed.actor));
    }
    if alert.resolved_at.is_none() {
        lines.push("What to try".to_owned());
        lines.extend(hints(alert).into_iter().map(|hint| format!("  {hint}")));
    }
    lines
}

fn letter_line(letter: &Sent, now: DateTime<Utc>) -> String {
    let what = match (letter.step, letter.number) {
        (Step::Opened, _) => "first mail".to_owned(),
        (Step::Resolved, _) => "all-clear".to_owned(),
        (Step::LastCall, _) => "last call".to_owned(),
        (Step::Reminder, 0) => "reminder".to_owned(),
        (Step::Reminder, number) => format!("reminder {number}"),
    };
    let state = match (letter.sent_at, &letter.last_error) {
        (Some(at), Some(error)) => format!("sent {}, but {}", words::instant(at), words::line(error, 200)),
        (Some(at), None) => format!("sent {}", words::instant(at)),
        (None, Some(error)) => format!(
            "not sent after {}, again {}: {}",
            words::count(u64::try_from(letter.attempts).unwrap_or(0), "attempt"),
            words::until(letter.send_at, now),
            words::line(error, 200)
        ),
        (None, None) => format!("due {}", words::until(letter.send_at, now)),
    };
    format!("  {what:<11} to {}: {state}", letter.recipient)
}

fn hints(alert: &Alert) -> Vec<String> {
    let mut hints = Vec::new();
    if let Some(id) = alert.connection_id {
        hints.push(format!("lamplighter connection explain {id}"));
    }
    match alert.kind {
        Kind::OrdersParked | Kind::OrdersForOwner => {
            hints.push("lamplighter order list --status parked".to_owned());
            hints.push("lamplighter order retry ORDER".to_owned());
        }
        Kind::LapseStorm => {
            let provider = alert.provider.map_or("PROVIDER", crate::provider::Provider::as_str);
            hints.push(format!("lamplighter alert release {provider}"));
            hints.push(format!("lamplighter alert release {provider} --drop"));
        }
        Kind::RestoreFence => hints.push("lamplighter resume".to_owned()),
        Kind::RecipientRefused | Kind::SmtpAway => {
            hints.push("lamplighter alert test --to ADDRESS".to_owned());
            hints.push("lamplighter account owner ACCOUNT --email ADDRESS".to_owned());
        }
        _ => hints.push("lamplighter doctor".to_owned()),
    }
    let id = alert.short_id();
    hints.push(format!("lamplighter alert ack {id}"));
    hints.push(format!("lamplighter alert snooze {id} --for 2d"));
    hints
}
