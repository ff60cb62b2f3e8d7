//! The screen, from facts to lines.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::{
    cli::output,
    explain::{
        connection::{self as explain, Facts, rules, took},
        moment,
    },
    provider::Provider,
    store::{connections::Status, dossiers::Dossier, spends::Outcome},
    words,
};

/// Everything on one screen; tables as wide as the terminal unless a width is given.
pub(super) fn lines(facts: &Facts, width: Option<u16>) -> Vec<String> {
    let connection = &facts.connection;
    let (account, title) = (words::name(&connection.account), connection.provider.title());
    let since = moment(connection.status_changed_at, facts.now);
    let mut lines = vec![
        format!("{account} at {title}: {} since {since}", connection.status.as_str().to_uppercase()),
        String::new(),
        row("Account", &format!("{account} ({})", connection.account_id)),
        row("Owner", &format!("{} <{}>", words::name(&connection.owner_name), connection.owner_email)),
        row(
            "Company",
            &format!(
                "{} ({} {}, {})",
                words::name(&connection.company_name),
                company_id(connection.provider),
                connection.company_id,
                connection.environment
            ),
        ),
        row("Connection", &format!("{}, connected on {}", connection.id, words::instant(connection.connected_at))),
        row("App", &format!("{}, generation {}", connection.issued_to, connection.generation)),
        String::new(),
        "Why".to_owned(),
    ];
    lines.extend(explain::why(facts).iter().map(|line| format!("  {line}")));
    lines.extend([String::new(), "Clocks".to_owned()]);
    let erased = facts.farewell.as_ref().is_some_and(|farewell| farewell.given_back_at.is_some());
    match connection.status == Status::Disconnected && erased {
        true => lines.push("  its tokens are erased".to_owned()),
        false => lines.extend(clocks(connection, facts.now)),
    }
    lines.extend([String::new(), "Next".to_owned()]);
    lines.extend(explain::steps(facts).into_iter().map(|step| match step.at {
        Some(at) => format!("  {}: {}", moment(at, facts.now), step.what),
        None => format!("  {}", step.what),
    }));
    lines.extend([String::new(), "Last spends of its refresh token (times in UTC)".to_owned()]);
    lines.push(spends(facts, width));
    lines.extend([String::new(), "Try".to_owned()]);
    lines.extend(explain::commands(facts).iter().map(|command| format!("  {command}")));
    lines
}

fn row(label: &str, text: &str) -> String {
    format!("  {label:<15} {text}")
}

fn company_id(provider: Provider) -> &'static str {
    match provider {
        Provider::Quickbooks => "realm",
        Provider::Hubspot => "portal",
    }
}

/// The clocks with what is left of them.
pub(in super::super) fn clocks(connection: &Dossier, now: DateTime<Utc>) -> Vec<String> {
    let ends = |at: DateTime<Utc>| {
        let verb = if at <= now { "ended" } else { "ends" };
        format!("{verb} {}", moment(at, now))
    };
    let refresh = match (connection.refresh_expires_at, connection.provider) {
        (Some(at), _) => format!("{}; every renewal prolongs it", ends(at)),
        (None, Provider::Hubspot) => "has no end".to_owned(),
        (None, Provider::Quickbooks) => "not reported".to_owned(),
    };
    let hard_cap = match (connection.refresh_hard_expires_at, connection.provider) {
        (Some(at), _) => format!("{}; only a reconnect prolongs it", ends(at)),
        (None, Provider::Hubspot) => "has no end".to_owned(),
        (None, Provider::Quickbooks) => "not reported".to_owned(),
    };
    let seen = connection.verified_at.map_or_else(|| "not since it was connected".to_owned(), |at| moment(at, now));
    vec![
        row("Access token", &ends(connection.access_expires_at)),
        row("Refresh window", &refresh),
        row("Hard cap", &hard_cap),
        row("Last renewed", &moment(connection.renewed_at, now)),
        row("Seen to work", &seen),
    ]
}

fn spends(facts: &Facts, width: Option<u16>) -> String {
    if facts.spends.is_empty() {
        return "  none yet".to_owned();
    }
    let headers = ["When", "Gen", "Outcome", "Rule", "HTTP", "Code", "Correlation id", "Daemon", "Took ms"];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = facts.spends.iter().map(|spend| {
        vec![
            spend.started_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            spend.generation.to_string(),
            spend.outcome.map_or("open", Outcome::as_str).to_owned(),
            or_dash(spend.rule.clone()),
            or_dash(spend.status.map(|status| status.to_string())),
            or_dash(spend.code.clone()),
            or_dash(spend.correlation_id.clone()),
            spend.daemon.clone(),
            or_dash(took(spend).map(|ms| ms.to_string())),
        ]
    });
    let table = output::grid(&headers, rows.collect(), width);
    // What the rules of older spends mean, once each; the last one's stands above.
    let mut named: Vec<&str> = facts.spends.iter().filter_map(|spend| spend.rule.as_deref()).collect();
    named.sort_unstable();
    named.dedup();
    let notes =
        named.iter().map(|rule| format!("\n  {rule}: {}", rules::words(facts.connection.provider, "refresh", rule)));
    table + &notes.collect::<String>()
}
