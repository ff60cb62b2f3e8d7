//! What happens next to a connection, in the order of time; and what a person can do.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::Facts;
use crate::{
    provider::{Endpoint, Provider},
    store::{
        alerts::Kind, connections::Status, dossiers::Told, mails::Step as Moment, spends::Outcome, tokens::TAKEOVER,
    },
    words,
};

/// How late a daemon that runs may be.
const A_MOMENT: TimeDelta = TimeDelta::seconds(60);

/// Something that happens, or that happened and matters now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = NextStep)]
pub(super) struct Step {
    /// When; absent when it depends on something else.
    pub(super) at: Option<DateTime<Utc>>,
    /// What.
    pub(super) what: String,
}

/// Everything that is to come, earliest first; what has no time of its own comes last.
pub(super) fn steps(facts: &Facts) -> Vec<Step> {
    let mut steps: Vec<_> = facts.told.iter().filter_map(|told| mail(told, facts)).collect();
    steps.extend(renewal(facts));
    if facts.connection.status != Status::Disconnected {
        steps.extend(facts.outages.iter().map(|outage| Step {
            at: Some(outage.canary_at),
            what: format!(
                "one call probes {}; the outage is over when it is answered",
                outage.endpoint.title(facts.connection.provider)
            ),
        }));
    }
    steps.extend(work(facts));
    steps.sort_by_key(|step| step.at.unwrap_or(DateTime::<Utc>::MAX_UTC));
    steps
}

fn renewal(facts: &Facts) -> Option<Step> {
    let connection = &facts.connection;
    let untimed = |what: &str| Some(Step { at: None, what: what.to_owned() });
    match (connection.status, connection.renew_at) {
        (Status::Disconnected, _)
            if facts.farewell.as_ref().is_some_and(|farewell| farewell.given_back_at.is_none()) =>
        {
            untimed("nothing by itself: disconnect it again, so that its grant is given back")
        }
        (Status::Disconnected, _) => untimed("nothing, until its owner opens a new link"),
        (Status::Lapsed, _) => {
            untimed("no renewal, until its owner reconnects; then everything that waited flows by itself")
        }
        (Status::Connected | Status::Failing, None) => untimed("no renewal is planned"),
        (Status::Connected | Status::Failing, Some(_)) if is_out(facts, Endpoint::Tokens) => {
            untimed("its renewal waits until the token endpoint is back")
        }
        (Status::Connected | Status::Failing, Some(at)) => {
            let what = match (connection.lease(), connection.status) {
                (Some((TAKEOVER, _)), _) => "renewal, taken over".to_owned(),
                (Some((by, _)), _) => format!("renewal, by {by} right now"),
                (None, Status::Failing) => "next try".to_owned(),
                (None, _) => "renewal".to_owned(),
            };
            let what = if connection.lease().is_none() { overdue(what, at, facts.now) } else { what };
            Some(Step { at: Some(at), what })
        }
    }
}

fn is_out(facts: &Facts, endpoint: Endpoint) -> bool {
    facts.outages.iter().any(|outage| outage.endpoint == endpoint)
}

fn work(facts: &Facts) -> Vec<Step> {
    let connection = &facts.connection;
    let flows = connection.status == Status::Connected;
    let waiting = connection.waiting_orders.unsigned_abs();
    let mut steps = Vec::new();
    let asked = facts.probes && matches!(connection.status, Status::Connected | Status::Failing);
    if let Some(at) = connection.probe_at.filter(|_| asked) {
        steps.push(Step { at: Some(at), what: "the grant is tried out, unless orders prove it sooner".to_owned() });
    }
    if connection.provider == Provider::Hubspot {
        steps.extend(
            connection
                .poll_at
                .filter(|_| flows)
                .map(|at| Step { at: Some(at), what: "HubSpot is asked for changed orders".to_owned() }),
        );
    } else if waiting > 0 {
        let count = match waiting {
            1 => "1 order waits".to_owned(),
            _ => format!("{} wait", words::count(waiting, "order")),
        };
        let (at, what) = match (flows, !is_out(facts, Endpoint::Api)) {
            (true, true) => (connection.lane_resume_at, format!("{count}; the lane goes on")),
            (true, false) => (None, format!("{count} until QuickBooks is back")),
            (false, _) => (None, format!("{count} until the connection works again")),
        };
        steps.push(Step { at, what });
    }
    steps
}

fn mail(told: &Told, facts: &Facts) -> Option<Step> {
    let over = told.resolved_at.is_some();
    // An incident that is over and told is no news; one that stands is, and so is a mail on its way.
    if over && (told.sent_at.is_some() || told.send_at.is_none()) {
        return None;
    }
    let to = match told.kind {
        Kind::ConnectionLapsed | Kind::HardCapNear => "the owner",
        _ => "the operator",
    };
    let about = match (told.kind, told.step) {
        (_, Some(Moment::Resolved)) => "the all-clear",
        (Kind::ConnectionLapsed, _) => "how to reconnect it",
        (Kind::HardCapNear, _) => "its hard cap, which comes near",
        (Kind::TokenSetAside, _) => "the token that does not open",
        (Kind::OperatorFault, _) => "our own fault",
        _ => "this",
    };
    let Some(send_at) = told.send_at else {
        let what = format!("nobody is mailed about {about}: alerts.operator_email is not set");
        return Some(Step { at: Some(told.opened_at), what });
    };
    let (at, what) = match (&told.sent_at, &told.last_error) {
        (Some(sent_at), _) => (*sent_at, format!("{to} was mailed about {about}")),
        (None, Some(error)) => {
            (send_at, format!("mail to {to} about {about}, tried again; it failed: {}", words::line(error, 160)))
        }
        (None, None) => (send_at, format!("mail to {to} about {about}")),
    };
    let what = if told.sent_at.is_none() { overdue(what, send_at, facts.now) } else { what };
    Some(Step { at: Some(at), what })
}

/// What should have happened already, but for a moment's delay.
fn overdue(what: String, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match now - at > A_MOMENT {
        true => format!("{what}, overdue: is `lamplighter serve` running?"),
        false => what,
    }
}

/// The commands that may help now, the likeliest first.
pub(super) fn commands(facts: &Facts) -> Vec<String> {
    let connection = &facts.connection;
    let id = connection.id;
    let link =
        format!("lamplighter connection link --account {:?} --provider {}", connection.account, connection.provider);
    let doctor = || "lamplighter doctor".to_owned();
    let renew = || format!("lamplighter connection renew {id}");
    let last = facts.spends.first().filter(|last| last.generation == connection.generation);
    let ours = last.is_some_and(|last| matches!(last.outcome, Some(Outcome::OperatorFault | Outcome::SetAside)));
    match connection.status {
        Status::Connected if ours => vec![doctor(), format!("{} --now", renew())],
        Status::Connected => vec![format!("lamplighter connection probe {id}"), renew(), doctor()],
        Status::Failing if facts.outages.is_empty() => vec![doctor(), format!("{} --now", renew())],
        Status::Failing => vec![doctor()],
        Status::Lapsed => vec![link, doctor()],
        Status::Disconnected if facts.farewell.as_ref().is_some_and(|farewell| farewell.given_back_at.is_none()) => {
            vec![format!("lamplighter connection disconnect {id} --yes"), link]
        }
        Status::Disconnected => vec![link],
    }
}
