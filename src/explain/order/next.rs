//! What happens next to an order, and what a person can do.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::{Step, moment};
use crate::{
    provider::Cause,
    store::{
        attempts::Outcome,
        connections,
        order_log::dossier::{Company, Dossier, Outage},
        orders::Status,
    },
    words,
};

/// How late a daemon that runs may be.
const A_MOMENT: TimeDelta = TimeDelta::seconds(60);

/// What happens to the order.
pub fn steps(dossier: &Dossier, now: DateTime<Utc>) -> Vec<Step> {
    let order = &dossier.order;
    let later = replaced_by(dossier);
    match order.status {
        Status::Posted => vec![Step::untimed(
            "nothing: it is in the books; a change of the order at its source comes in as a revision of its own",
        )],
        Status::Superseded => vec![Step::untimed(match later {
            Some((id, status)) => {
                format!("nothing: a later revision took its place, {id}, which is {}", status.as_str())
            }
            None => "nothing: another revision took its place".to_owned(),
        })],
        Status::Skipped => vec![Step::untimed(
            "nothing, until somebody puts it back; a later revision with other content comes in and is posted",
        )],
        Status::Parked => {
            let remedy = order.remedy.as_deref().unwrap_or("read the words above and correct what they name");
            vec![
                Step::untimed("nothing by itself: a person must look; the account's other orders flow past it"),
                Step::untimed(format!("to do: {}", words::line(remedy, 400))),
                Step::untimed("then put it back into the queue, or change it at its source, so that it comes in again"),
            ]
        }
        Status::Queued => {
            let mut steps = vec![lane(dossier.company.as_ref(), dossier.outage.as_ref(), &order.account, now)];
            if let Some((id, _)) = later {
                steps.push(Step::untimed(format!("at its turn it gives way to the later revision {id}")));
            } else if dossier.looked_up_first() {
                steps.push(Step::untimed(format!(
                    "at its turn QuickBooks is asked for document {} first, so that it is not made twice",
                    order.document_number
                )));
            }
            let ahead = order.ahead.unsigned_abs();
            if ahead > 0 {
                let most = if ahead >= 1_000 { "at least " } else { "" };
                let verb = if ahead == 1 { "comes" } else { "come" };
                steps.push(Step::untimed(format!(
                    "{most}{} of the account {verb} before it",
                    words::count(ahead, "order")
                )));
            }
            steps
        }
    }
}

/// What a company's waiting orders wait for.
pub fn lane(company: Option<&Company>, outage: Option<&Outage>, account: &str, now: DateTime<Utc>) -> Step {
    use connections::Status as Connection;
    let account = words::name(account);
    let Some(company) = company else {
        return Step::untimed(format!("it waits until {account} connects a QuickBooks company"));
    };
    let since = moment(company.status_changed_at, now);
    match company.status {
        Connection::Lapsed => {
            let cause = company.cause.map_or("unknown", Cause::as_str);
            let told = company.owner_told_at.map_or_else(
                || "the owner was not mailed yet".to_owned(),
                |at| format!("the owner was mailed {}", moment(at, now)),
            );
            return Step::untimed(format!(
                "it waits for the owner to reconnect QuickBooks, since {since}: {cause}; {told}"
            ));
        }
        Connection::Disconnected => {
            return Step::untimed(format!(
                "it waits until QuickBooks is connected again; somebody disconnected it {since}"
            ));
        }
        Connection::Failing => {
            let what = format!("it waits until the connection's tokens are renewed; renewals fail since {since}");
            return Step { at: company.renew_at, what: format!("{what}; next try") };
        }
        Connection::Connected => {}
    }
    if let Some(outage) = outage {
        let what = format!(
            "QuickBooks is down for everybody since {}; one call probes it then, and everything goes on when it is answered",
            moment(outage.opened_at, now)
        );
        return Step::at(outage.canary_at, what);
    }
    if let Some(daemon) = &company.worked_by {
        return Step::untimed(format!("{daemon} works on the company's orders right now"));
    }
    match company.resume_at {
        Some(at) if at > now => {
            let failures = words::count(u64::try_from(company.failures).unwrap_or(0), "failure");
            Step::at(at, format!("the company's orders go on; they pause after {failures} in a row"))
        }
        Some(at) if now - at > A_MOMENT => {
            Step::at(at, "it was the company's turn, and nobody took it: is `lamplighter serve` running?")
        }
        Some(at) => Step::at(at, "the company's turn: the next free daemon takes it"),
        None => Step::untimed("the company's lane sleeps; its next order, or a reconnect, wakes it"),
    }
}

/// The latest revision, if it is not this one.
fn replaced_by(dossier: &Dossier) -> Option<(uuid::Uuid, Status)> {
    dossier.revisions.last().filter(|last| last.id != dossier.order.id).map(|last| (last.id, last.status))
}

impl Dossier {
    /// An attempt may have made the document: its outcome is not known.
    pub(super) fn looked_up_first(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.outcome.is_none_or(|outcome| outcome == Outcome::Unknown))
    }
}

/// The commands that may help now, the likeliest first.
pub fn commands(dossier: &Dossier) -> Vec<String> {
    use connections::Status as Connection;
    let order = &dossier.order;
    let id = order.id;
    let skip = || format!("lamplighter order skip {id} --reason \"...\"");
    let retry = || format!("lamplighter order retry {id}");
    let link = || format!("lamplighter connection link --account {:?} --provider quickbooks", order.account);
    let later = replaced_by(dossier).map(|(id, _)| format!("lamplighter order show {id}"));
    let doctor = || "lamplighter doctor".to_owned();
    let connection =
        dossier.company.as_ref().map(|company| format!("lamplighter connection explain {}", company.connection_id));
    match (order.status, later) {
        (Status::Superseded, Some(later)) | (_, Some(later)) => vec![later],
        (Status::Superseded | Status::Posted, None) => {
            vec![format!("lamplighter order list --document {:?}", order.document_number)]
        }
        (Status::Skipped, None) if order.pruned_at.is_none() => vec![retry()],
        (Status::Skipped, None) => Vec::new(),
        (Status::Parked, None) => {
            let alike =
                last_code(dossier).map(|code| format!("lamplighter order list --status parked --code {code:?}"));
            [retry(), skip()].into_iter().chain(alike).collect()
        }
        (Status::Queued, None) => match dossier.company.as_ref().map(|company| company.status) {
            None => vec![link()],
            Some(Connection::Lapsed | Connection::Disconnected) => [link()].into_iter().chain(connection).collect(),
            Some(Connection::Failing) => connection.into_iter().chain([doctor()]).collect(),
            Some(Connection::Connected) => [doctor()].into_iter().chain(connection).chain([skip()]).collect(),
        },
    }
}

fn last_code(dossier: &Dossier) -> Option<&str> {
    dossier.attempts.last().and_then(|attempt| attempt.code.as_deref())
}
