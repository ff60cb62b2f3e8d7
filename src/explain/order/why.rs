//! Why an order is in the state it is in, in words.

use chrono::{DateTime, Utc};

use super::{
    super::{moment, sentence},
    Facts,
};
use crate::{
    store::{attempts::Outcome, order_log::dossier::Attempt, orders::Status},
    words,
};

/// The most characters of words from elsewhere.
const LONGEST: usize = 600;

/// The reasons, one a line.
pub fn lines(facts: &Facts) -> Vec<String> {
    let order = &facts.dossier.order;
    let last = facts.dossier.attempts.last();
    let said = order.last_message.as_deref().map(|message| sentence(&line(message)));
    match order.status {
        Status::Posted => {
            let how = match last.and_then(|last| last.outcome) {
                Some(Outcome::Adopted) => "An earlier try had made its document; the last one found it",
                _ => "QuickBooks made its document",
            };
            let at = order.posted_at.map(|at| format!(" on {}", moment(at, facts.now))).unwrap_or_default();
            vec![format!("{how}{at}.")]
        }
        Status::Superseded => vec![said.unwrap_or_else(|| "A later revision of this order took its place.".to_owned())],
        Status::Skipped => {
            let at = order.skipped_at.map(|at| format!(", {}", moment(at, facts.now))).unwrap_or_default();
            let lead = format!("A person decided that it is not to be posted{at}.");
            [Some(lead), said].into_iter().flatten().collect()
        }
        Status::Parked => {
            let mut lines = vec![said.unwrap_or_else(|| "It needs a person.".to_owned())];
            lines.extend(
                last.filter(|last| last.outcome == Some(Outcome::Parked)).and_then(|last| seen(last, facts.now)),
            );
            lines
        }
        Status::Queued => queued(facts, last),
    }
}

fn queued(facts: &Facts, last: Option<&Attempt>) -> Vec<String> {
    let order = &facts.dossier.order;
    let Some(last) = last else { return vec!["It waits for its turn and was not tried yet.".to_owned()] };
    let tries = words::count(u64::try_from(order.attempts).unwrap_or(0), "time");
    let Some(outcome) = last.outcome else {
        return vec![format!(
            "{} asks QuickBooks for it since {}, and has not written an outcome yet.",
            last.daemon,
            moment(last.started_at, facts.now)
        )];
    };
    let mut lines = vec![format!("It waits for its turn again; it was tried {tries}.")];
    lines.extend(last.message.as_deref().map(|message| format!("The last time: {}", sentence(&line(message)))));
    lines.extend(seen(last, facts.now));
    lines.push(match outcome {
        Outcome::Unknown => "QuickBooks may have made its document: nobody knows yet.".to_owned(),
        Outcome::Held => "The connection itself needs its owner; nothing counts against the order.".to_owned(),
        _ => "Nothing was made, and it is tried again by itself.".to_owned(),
    });
    lines
}

/// What the provider showed.
fn seen(attempt: &Attempt, now: DateTime<Utc>) -> Option<String> {
    let at = attempt.finished_at.unwrap_or(attempt.started_at);
    Some(evidence(attempt))
        .filter(|text| !text.is_empty())
        .map(|text| format!("Evidence: {text}, {}.", moment(at, now)))
}

/// What the provider answered.
pub fn evidence(attempt: &Attempt) -> String {
    let parts = [
        attempt.status.map(|status| format!("HTTP {status}")),
        attempt.code.as_ref().map(|code| format!("code {}", line(code))),
        attempt.correlation_id.as_ref().map(|id| format!("correlation id {}", line(id))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Words from elsewhere in one line.
pub fn line(text: &str) -> String {
    words::line(text, LONGEST)
}
