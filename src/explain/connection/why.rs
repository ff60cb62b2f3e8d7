//! Why a connection is in the state it is in: the rule in words, and the evidence.

use chrono::{DateTime, Utc};

use super::{
    super::{moment, sentence},
    Facts, rules,
};
use crate::{
    provider::Cause,
    store::{
        alerts::Kind,
        connections::Status,
        dossiers::{Dossier, Spend},
        farewells::Farewell,
        spends::Outcome,
        tokens::TAKEOVER,
    },
    words,
};

/// The reasons, one a line.
pub fn lines(facts: &Facts) -> Vec<String> {
    let connection = &facts.connection;
    let mut lines = match connection.status {
        Status::Connected => connected(facts),
        Status::Failing => failing(facts),
        Status::Lapsed => lapsed(connection, facts.now),
        Status::Disconnected => disconnected(facts),
    };
    lines.extend(lease(connection));
    if connection.status != Status::Disconnected {
        lines.extend(facts.outages.iter().map(|outage| {
            let title = words::capitalised(&outage.endpoint.title(connection.provider));
            let since = moment(outage.opened_at, facts.now);
            format!("{title} is down for everybody since {since}: {}.", words::line(&outage.evidence, 200))
        }));
    }
    lines
}

/// Who works on the tokens.
fn lease(connection: &Dossier) -> Option<String> {
    let by = connection.leased_by.as_deref()?;
    Some(match connection.lease() {
        Some((TAKEOVER, ends_in)) => {
            let seconds = ends_in.ceil().clamp(0.0, 1e9);
            format!(
                "Whoever worked on its tokens is gone; they are taken over in {seconds} s, unless a late reply turns up."
            )
        }
        Some((by, ends_in)) => {
            let seconds = ends_in.ceil().clamp(0.0, 1e9);
            format!("{by} works on its tokens right now; its lease ends in {seconds} s.")
        }
        None if by == TAKEOVER => "Its tokens are free to be taken over by the next daemon.".to_owned(),
        None => format!("{by} worked on its tokens and ended without letting go: the next daemon takes them over."),
    })
}

/// The last spend, if it was of the tokens that are stored now: then it brought no new ones.
fn last_failure(facts: &Facts) -> Option<&Spend> {
    facts.spends.first().filter(|last| last.generation == facts.connection.generation && last.outcome.is_some())
}

fn connected(facts: &Facts) -> Vec<String> {
    let connection = &facts.connection;
    let Some(last) = last_failure(facts) else {
        let renewed = moment(connection.renewed_at, facts.now);
        let first = connection.renewed_at <= connection.connected_at;
        return vec![match first {
            true => format!("Its owner agreed on {renewed}; it was not renewed since then."),
            false => format!("Its tokens are renewed as they should be; the last time on {renewed}."),
        }];
    };
    let lead = match last.outcome {
        Some(Outcome::OperatorFault) => "Our own deployment is at fault, not the customer: nothing was changed.",
        Some(Outcome::SetAside) => "Its token is set aside: nothing was sent, and the owner cannot help.",
        _ => "The last renewal brought nothing new.",
    };
    let mut lines = vec![lead.to_owned()];
    lines.extend(spent(facts, last));
    lines
}

fn failing(facts: &Facts) -> Vec<String> {
    let failures = u64::try_from(facts.connection.failures).unwrap_or(0);
    let mut lines =
        vec![format!("{} in a row; the grant itself may be fine.", words::count(failures, "failed renewal"))];
    if let Some(last) = last_failure(facts) {
        lines.extend(spent(facts, last));
    }
    lines
}

/// What a spend that failed showed.
fn spent(facts: &Facts, last: &Spend) -> Vec<String> {
    let rule = last.rule.as_deref().unwrap_or("unknown");
    let mut lines = vec![sentence(&rules::words(facts.connection.provider, "refresh", rule))];
    if last.outcome == Some(Outcome::SetAside)
        && let Some(message) = facts
            .told
            .iter()
            .rev()
            .find(|told| told.kind == Kind::TokenSetAside)
            .and_then(|told| told.message.as_deref())
    {
        lines.push(sentence(&words::line(message, 300)));
    }
    let at = last.finished_at.unwrap_or(last.started_at);
    let evidence = [Some(format!("rule {rule}")), Some(evidence(last)).filter(|text| !text.is_empty())];
    let evidence = evidence.into_iter().flatten().collect::<Vec<_>>().join(", ");
    lines.push(format!("Evidence: {evidence}, judged {}.", moment(at, facts.now)));
    lines
}

fn lapsed(connection: &Dossier, now: DateTime<Utc>) -> Vec<String> {
    let cause = connection.cause.map_or("unknown", Cause::as_str);
    let mut lines = vec![format!("Only its owner can repair it: {cause}.")];
    let Some(evidence) = &connection.evidence else { return lines };
    let text = |name: &str| evidence[name].as_str().filter(|text| !text.is_empty());
    let rule = text("rule").unwrap_or("unknown");
    lines.push(sentence(&rules::words(connection.provider, text("operation").unwrap_or("refresh"), rule)));
    let number = |name: &str, label: &str| evidence[name].as_i64().map(|n| format!("{label} {n}"));
    let judged_at = serde_json::from_value::<DateTime<Utc>>(evidence["judged_at"].clone()).ok();
    let parts = [
        Some(format!("rule {rule}")),
        text("operation").map(|operation| format!("answer to {operation}")),
        number("status", "HTTP"),
        text("code").map(|code| format!("code {code}")),
        text("correlation_id").map(|id| format!("correlation id {id}")),
        number("generation", "generation"),
        judged_at.map(|at| format!("judged {}", moment(at, now))),
    ];
    lines.push(format!("Evidence: {}.", parts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    lines
}

fn disconnected(facts: &Facts) -> Vec<String> {
    let mut lines = vec!["Somebody chose to end it; nothing is renewed, read or posted for it.".to_owned()];
    let Some(farewell) = &facts.farewell else { return lines };
    let title = facts.connection.provider.title();
    let said = answer(farewell);
    match farewell.given_back_at {
        Some(at) => lines.push(format!("{title} has its grant back since {}{said}.", moment(at, facts.now))),
        None => {
            lines.push(format!("Its grant may still live at {title}: it was not given back yet."));
            let words = farewell.rule.as_deref().map(|rule| rules::words(facts.connection.provider, "revoke", rule));
            let tried = farewell.tried_at.map(|at| moment(at, facts.now)).unwrap_or_default();
            lines.push(match words {
                Some(words) => format!("Tried {tried}: {words}{said}."),
                None => format!("Tried {tried}, and whoever tried ended before an answer came."),
            });
        }
    }
    lines
}

/// What the provider said to a farewell, in brackets.
fn answer(farewell: &Farewell) -> String {
    let parts = [
        farewell.status.map(|status| format!("HTTP {status}")),
        farewell.code.as_ref().map(|code| format!("code {code}")),
        farewell.correlation_id.as_ref().map(|id| format!("correlation id {id}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// What the provider said to a spend.
pub fn evidence(spend: &Spend) -> String {
    let parts = [
        spend.status.map(|status| format!("HTTP {status}")),
        spend.code.as_ref().map(|code| format!("code {code}")),
        spend.correlation_id.as_ref().map(|id| format!("correlation id {id}")),
        Some(format!("generation {}", spend.generation)),
        took(spend).map(|ms| format!("took {ms} ms")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How many milliseconds a spend took.
pub fn took(spend: &Spend) -> Option<i64> {
    spend.finished_at.map(|at| (at - spend.started_at).num_milliseconds().max(0))
}
