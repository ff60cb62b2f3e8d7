//! An incident in words, one kind after the other: for the operator, also where its mails go to an owner.

/// What is wrong with this deployment itself.
mod ours;

use super::{Facts, More};
use crate::{
    alerts::{by_hand::ends_by_itself, mail::what_happened},
    explain::{connection::rules, moment, sentence},
    provider::{Cause, Endpoint, Provider},
    store::alerts::{Alert, Kind},
    words,
};

/// What is said of an incident.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// What happened, and what it means.
    pub happened: Vec<String>,
    /// What a person can do.
    pub todo: Vec<String>,
    /// What happens without them.
    pub next: Vec<String>,
}

impl Said {
    fn of<const H: usize, const T: usize>(happened: [String; H], todo: [String; T], next: &str) -> Self {
        let next = Some(next).filter(|next| !next.is_empty()).map(str::to_owned);
        Self { happened: happened.into(), todo: todo.into(), next: next.into_iter().collect() }
    }
}

/// All of it.
pub fn said(facts: &Facts) -> Said {
    let alert = &facts.alert;
    let mut said = of_kind(facts);
    if let Some(at) = alert.resolved_at {
        let by = alert.resolved_by.as_deref().map_or_else(|| "by itself".to_owned(), |who| format!("by {who}"));
        said.happened.push(format!("It is over since {}, {by}.", moment(at, facts.now)));
        said.todo = vec!["There is nothing to do.".to_owned()];
        said.next.clear();
        return said;
    }
    let snoozed = alert.snoozed_until.filter(|until| *until > facts.now);
    if let (Some(at), Some(who)) = (alert.acknowledged_at, &alert.acknowledged_by) {
        said.next.push(format!("Nobody is reminded: {who} knows since {}.", moment(at, facts.now)));
    } else if let (Some(until), Some(who)) = (snoozed, &alert.snoozed_by) {
        said.next.push(format!("Nobody is reminded before {}: {who} wants it so.", words::instant(until)));
    }
    if alert.kind != Kind::LapseStorm {
        said.next.extend(ends_by_itself(alert).map(sentence));
    }
    said
}

fn of_kind(facts: &Facts) -> Said {
    let alert = &facts.alert;
    match alert.kind {
        Kind::ConnectionLapsed => lapsed(facts),
        Kind::OperatorFault if alert.detail["webhook_host"].is_string() => ours::webhook(alert),
        Kind::OperatorFault if alert.detail["spool_host"].is_string() => ours::spool(alert),
        Kind::OperatorFault => ours::fault(alert),
        Kind::Outage => outage(facts),
        Kind::TokenSetAside => ours::set_aside(facts),
        Kind::RestoreFence => ours::fence(alert),
        Kind::HardCapNear => cap(facts),
        Kind::RefreshWindowNear => window(alert),
        Kind::OrdersForOwner => orders_for_owner(facts),
        Kind::OrdersParked => orders(facts),
        Kind::LapseStorm => storm(facts),
        Kind::RecipientRefused => ours::recipient(facts),
        Kind::SmtpAway => ours::smtp(alert),
        Kind::LinkAsked => link_asked(facts),
    }
}

fn link_asked(facts: &Facts) -> Said {
    let account = words::name(facts.alert.account.as_deref().unwrap_or_default());
    let happened =
        format!("Somebody with an old link of {account} asked for a fresh one. It goes to the owner's address only.");
    Said::of([happened], ["There is nothing to do.".to_owned()], "")
}

fn text<'a>(alert: &'a Alert, name: &str) -> &'a str {
    alert.detail[name].as_str().unwrap_or_default()
}

fn provider(alert: &Alert) -> Provider {
    alert.provider.unwrap_or(Provider::Quickbooks)
}

/// What somebody else said, as a sentence.
fn quoted(alert: &Alert, name: &str) -> String {
    match words::line(text(alert, name), 300) {
        line if line.is_empty() => "No reason was kept.".to_owned(),
        line => sentence(&line),
    }
}

fn company(alert: &Alert) -> String {
    words::name(alert.subject.as_deref().unwrap_or_default())
}

fn lapsed(facts: &Facts) -> Said {
    let (alert, provider, company) = (&facts.alert, provider(&facts.alert), company(&facts.alert));
    let account = words::name(alert.account.as_deref().unwrap_or_default());
    let happened = match serde_json::from_value::<Cause>(alert.detail["cause"].clone()) {
        Ok(cause) => {
            format!("{}: {}, for “{company}”.", what_happened(cause, provider, &account, &company).0, cause.as_str())
        }
        Err(_) => format!("The connection of “{company}” to {} does not work any more.", provider.title()),
    };
    let todo = "Only its owner can repair it. If no mail reaches them, open the connection, make a link there and send it \
                yourself.";
    let next = "Once the owner has reconnected, everything that waited flows, and the owner is told that all is well.";
    let mut said = Said::of([happened], [todo.to_owned()], next);
    let evidence = &alert.detail["evidence"];
    if let Some(rule) = evidence["rule"].as_str() {
        let operation = evidence["operation"].as_str().unwrap_or("refresh");
        said.happened.push(sentence(&rules::words(provider, operation, rule)));
    }
    said.happened.push(sentence(&facts.told.of_owner()));
    said
}

fn outage(facts: &Facts) -> Said {
    let (alert, provider) = (&facts.alert, provider(&facts.alert));
    let endpoint = serde_json::from_value(alert.detail["endpoint"].clone()).unwrap_or(Endpoint::Api);
    let waiting = if let More::Orders(count) = facts.more { count } else { 0 };
    let waits =
        format!("What needs it waits and uses up no attempts. Orders on their way: {}.", words::number(waiting));
    let title = words::capitalised(&endpoint.title(provider));
    Said::of(
        [format!("{title} fails for everybody: {}", quoted(alert, "evidence")), waits],
        ["There is nothing to do here. The provider’s own status page may say more.".to_owned()],
        "One call at a time probes it. When it is answered, the flow goes on by itself and this is over.",
    )
}

fn cap(facts: &Facts) -> Said {
    let (title, company) = (provider(&facts.alert).title(), company(&facts.alert));
    let end = match facts.more {
        More::Cap(Some(end)) => format!("It ends {}.", moment(end, facts.now)),
        _ => "It ends soon.".to_owned(),
    };
    Said::of(
        [
            format!("The permission of “{company}” at {title} comes to the end that no renewal moves. {end}"),
            format!("Mails to the owner: {}.", facts.told.in_short()),
        ],
        ["Only the owner can give a new one. If no mail reaches them, open the connection and make a link.".to_owned()],
        "The owner is reminded while it comes closer.",
    )
}

fn window(alert: &Alert) -> Said {
    let title = provider(alert).title();
    let count = words::count(alert.detail["connections"].as_u64().unwrap_or(0), "connection");
    Said::of(
        [
            format!("Tokens at {title} run out and nothing renews them: {count}, when this was last told."),
            "If nobody looks, their owners have to connect anew.".to_owned(),
        ],
        [
            "See why renewals do not work: `lamplighter doctor`.".to_owned(),
            "See which are at risk: `lamplighter connection forecast`.".to_owned(),
        ],
        "",
    )
}

fn orders_for_owner(facts: &Facts) -> Said {
    let count = words::count(facts.alert.detail["orders"].as_u64().unwrap_or(0), "order");
    let todo =
        "Open the parked orders of this account: each says what QuickBooks wants. Put them back when that is done.";
    Said::of(
        [
            format!("QuickBooks refused {count} at first, for a reason that only the owner can put right there."),
            format!("Mails to the owner: {}.", facts.told.in_short()),
        ],
        [todo.to_owned()],
        "",
    )
}

fn orders(facts: &Facts) -> Said {
    let count = if let More::Orders(count) = facts.more { count } else { 0 };
    let count = words::capitalised(&words::count(count, "order"));
    let todo = "Open the parked orders: each says why and what to do. Put it back when that is done, or skip it.";
    Said::of([format!("{count} parked: the reason does not pass by itself.")], [todo.to_owned()], "")
}

fn storm(facts: &Facts) -> Said {
    let (alert, More::Storm(strength)) = (&facts.alert, &facts.more) else { return Said::default() };
    let (provider, title) = (provider(alert), provider(alert).title());
    let causes = strength.causes.iter();
    let causes = causes.map(|(cause, n)| format!("{}: {}", cause.as_str(), words::number(n.unsigned_abs())));
    let causes = Some(causes.collect::<Vec<_>>().join("; ")).filter(|causes| !causes.is_empty());
    let lapsed = words::capitalised(&words::count(alert.detail["lapses"].as_u64().unwrap_or(0), "connection"));
    let held = words::capitalised(&words::count(strength.held.unsigned_abs(), "mail"));
    Said::of(
        [
            format!(
                "{lapsed} at {title} lapsed within an hour. That is rather one mistake than many owners’ doing: an app that \
                 was disabled or changed, say. Not repaired now: {}.",
                causes.as_deref().unwrap_or("none")
            ),
            format!("{held} to owners held until somebody decides."),
        ],
        [
            format!("Look at the app’s page at {title}, and at some of the lapsed connections."),
            format!(
                "If the owners must reconnect, release the mails: here, or `lamplighter alert release {provider}`."
            ),
            "If they need not, drop the mails. Nobody is reminded of these lapses then.".to_owned(),
        ],
        "Nothing, until somebody decides. An owner who reconnects meanwhile is not asked to.",
    )
}
