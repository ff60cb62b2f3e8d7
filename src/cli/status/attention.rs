//! What needs attention, the most urgent first: what a person must do something about, then what sees to itself.
//!
//! Pure: from the facts to a list. Every item says what to run next.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Facts;
use crate::{
    provider::Provider,
    store::{
        connections::Status,
        levels::{Levels, lists},
    },
    words,
};

/// Whether somebody must do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Urgency {
    /// It sees to itself; good to know.
    Watch,
    /// A person must do something.
    Act,
}

/// One thing.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Item {
    /// Names it for scripts.
    pub(super) id: &'static str,
    pub(super) urgency: Urgency,
    /// What it is.
    pub(super) message: String,
    /// The first of those concerned.
    pub(super) named: Vec<Named>,
    /// What to run or to do.
    pub(super) remedy: String,
}

/// One of those concerned.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Named {
    /// For how long; nothing for a word about the rest.
    #[serde(rename = "for")]
    pub(super) lasts: Option<String>,
    pub(super) what: String,
}

impl Item {
    fn new(id: &'static str, urgency: Urgency, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { id, urgency, message: message.into(), named: Vec::new(), remedy: remedy.into() }
    }

    fn naming(mut self, named: Vec<Named>) -> Self {
        self.named = named;
        self
    }
}

/// The list.
pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let all = [
        daemon(facts),
        late(facts),
        faults(facts),
        set_aside(&facts.levels),
        held(facts),
        lapsed(facts),
        parked(facts),
        refused(facts),
        mails(&facts.levels),
        webhooks(&facts.levels),
        farewells(facts),
        caps(facts),
        outages(facts),
        failing(facts),
        waiting(facts),
    ];
    let mut items: Vec<_> = all.into_iter().flatten().collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.urgency));
    items
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn agree(n: u64, one: &'static str, many: &'static str) -> &'static str {
    if n == 1 { one } else { many }
}

fn with(levels: &Levels, status: Status) -> u64 {
    levels.connections.iter().filter(|(_, s, _)| *s == status).map(|(_, _, n)| unsigned(*n)).sum()
}

/// How many alerts of a kind are open.
fn open(levels: &Levels, kind: &str) -> u64 {
    levels.alerts.iter().find(|(open, _)| open == kind).map_or(0, |(_, n)| unsigned(*n))
}

fn daemon(facts: &Facts) -> Option<Item> {
    if facts.live.iter().any(|daemon| daemon.works) {
        return None;
    }
    if !facts.live.is_empty() {
        let message = "the daemon holds all work back: the database looks restored or copied";
        return Some(Item::new("fence", Urgency::Act, message, "lamplighter resume"));
    }
    let message = match &facts.latest {
        Some(last) => {
            format!("no daemon runs; the last one, {}, was seen {}", last.host, words::until(last.seen_at, facts.now))
        }
        None => "no daemon runs, and none was seen in the last month".to_owned(),
    };
    Some(Item::new("daemon", Urgency::Act, message, "systemctl start lamplighter, or lamplighter serve"))
}

/// Those of a provider that is out only wait.
fn late(facts: &Facts) -> Option<Item> {
    let out = |provider: Provider| {
        let tokens = crate::provider::Endpoint::Tokens;
        facts.levels.outages.iter().any(|outage| (outage.provider, outage.endpoint) == (provider, tokens))
    };
    let late = facts.levels.tokens.iter().filter(|tokens| !out(tokens.provider));
    let since =
        late.filter_map(|tokens| tokens.renew_at).min().filter(|at| facts.now - *at > facts.lateness_allowed)?;
    let due = words::count(facts.levels.tokens.iter().map(|tokens| unsigned(tokens.due)).sum(), "token");
    let message = format!("{due} overdue, the first was due {}", words::until(since, facts.now));
    Some(Item::new("keeper", Urgency::Act, message, "lamplighter doctor"))
}

fn faults(facts: &Facts) -> Option<Item> {
    let faults: Vec<_> = facts.faults.iter().filter(|fault| fault.kind == "operator_fault").collect();
    if faults.is_empty() {
        return None;
    }
    let count = open(&facts.levels, "operator_fault");
    let message = format!("{} of our own, no customer's", words::count(count.max(1), "open fault"));
    let named = faults.into_iter().map(|fault| self::fault(fault, facts.now)).collect();
    Some(Item::new("fault", Urgency::Act, message, "lamplighter doctor").naming(named))
}

fn fault(fault: &lists::Fault, now: DateTime<Utc>) -> Named {
    let said = fault.detail["message"].as_str().or_else(|| fault.detail["rule"].as_str()).unwrap_or("unknown");
    let host = || ["webhook_host", "spool_host"].into_iter().find_map(|name| fault.detail[name].as_str());
    let at = fault.provider.map(Provider::title).or_else(host).unwrap_or("here");
    let lasts = Some(words::span(now - fault.opened_at));
    Named { lasts, what: format!("{at}: {}", words::line(said, 120).trim_end_matches('.')) }
}

fn set_aside(levels: &Levels) -> Option<Item> {
    let count = unsigned(levels.set_aside);
    let message = format!("the stored tokens of {} do not open", words::count(count, "connection"));
    (count > 0).then(|| Item::new("vault", Urgency::Act, message, "lamplighter key list"))
}

/// Very many lapses at once: a person looks before their owners are mailed.
fn held(facts: &Facts) -> Option<Item> {
    let (provider, _) = facts.held.first()?;
    let each: Vec<_> =
        facts.held.iter().map(|(at, count)| format!("{} at {}", words::number(*count), at.title())).collect();
    let message =
        format!("mails to owners are held, because very many connections lapsed at once: {}", each.join(", "));
    Some(Item::new("held", Urgency::Act, message, format!("lamplighter alert release {provider}, or with --drop")))
}

/// Whoever should hear of something at such an address does not.
fn refused(facts: &Facts) -> Option<Item> {
    if facts.refused.is_empty() {
        return None;
    }
    let count = open(&facts.levels, "recipient_refused").max(facts.refused.len() as u64);
    let message = match count {
        1 => "1 address takes no mail: what was to be told there waits".to_owned(),
        n => format!("{} addresses take no mail: what was to be told there waits", words::number(n)),
    };
    let owners = facts.refused.iter().find_map(|one| one.account.as_deref()).map(words::name);
    let remedy = match owners {
        Some(account) => format!("lamplighter account owner {account:?} --email ADDRESS"),
        None => "correct alerts.operator_email, then start the daemon again".to_owned(),
    };
    let named = facts.refused.iter().map(|one| {
        let whose = one.account.as_deref().map_or_else(|| "the operator's".to_owned(), words::name);
        let said = one.detail["message"].as_str().unwrap_or("unknown");
        Named { lasts: Some(words::span(facts.now - one.since)), what: format!("{whose}: {}", words::line(said, 120)) }
    });
    Some(Item::new("refused", Urgency::Act, message, remedy).naming(named.collect()))
}

fn broken(rows: &[lists::Broken], all: u64, now: DateTime<Utc>) -> Vec<Named> {
    let mut named: Vec<_> = rows
        .iter()
        .map(|row| {
            let why = row.cause.map(|cause| format!(": {}", cause.as_str())).unwrap_or_default();
            let what = format!("{}, {}{why}", words::name(&row.account), row.provider.title());
            Named { lasts: Some(words::span(now - row.since)), what }
        })
        .collect();
    let more = all.saturating_sub(rows.len() as u64);
    if more > 0 {
        named.push(Named { lasts: None, what: format!("and {} more", words::number(more)) });
    }
    named
}

fn lapsed(facts: &Facts) -> Option<Item> {
    let count = with(&facts.levels, Status::Lapsed);
    let who = agree(count, "its owner can repair it", "their owners can repair them");
    let message = format!("{} lapsed: only {who}", words::count(count, "connection"));
    let named = broken(&facts.lapsed, count, facts.now);
    (count > 0).then(|| {
        Item::new("lapsed", Urgency::Act, message, "lamplighter connection list --status lapsed").naming(named)
    })
}

fn failing(facts: &Facts) -> Option<Item> {
    let count = with(&facts.levels, Status::Failing);
    let message = format!("{} failing: tried again by itself", words::count(count, "connection"));
    let named = broken(&facts.failing, count, facts.now);
    (count > 0).then(|| {
        Item::new("failing", Urgency::Watch, message, "lamplighter connection explain CONNECTION").naming(named)
    })
}

fn of_orders(facts: &Facts, status: crate::store::orders::Status) -> (u64, Option<DateTime<Utc>>) {
    let found = facts.levels.orders.iter().find(|orders| orders.status == status);
    found.map_or((0, None), |orders| (unsigned(orders.count), orders.oldest_at))
}

fn parked(facts: &Facts) -> Option<Item> {
    let (count, oldest) = of_orders(facts, crate::store::orders::Status::Parked);
    let since = oldest.map(|at| format!(", the oldest came in {}", words::until(at, facts.now))).unwrap_or_default();
    let message = format!("{} parked for a person{since}", words::count(count, "order"));
    (count > 0).then(|| Item::new("parked", Urgency::Act, message, "lamplighter order list --status parked"))
}

fn waiting(facts: &Facts) -> Option<Item> {
    let (count, oldest) = of_orders(facts, crate::store::orders::Status::Queued);
    let oldest = oldest.filter(|at| facts.now - *at > chrono::TimeDelta::hours(1))?;
    let message =
        format!("{} waiting, the oldest for {}", words::count(count, "order"), words::span(facts.now - oldest));
    Some(Item::new("waiting", Urgency::Watch, message, "lamplighter order list --status queued"))
}

fn mails(levels: &Levels) -> Option<Item> {
    let count = unsigned(levels.mails.failing);
    let why = levels.mails.last_error.as_deref().map(|error| words::line(error, 120)).unwrap_or_default();
    let message = format!("{} cannot be sent: {why}", words::count(count, "mail"));
    (count > 0).then(|| Item::new("mail", Urgency::Act, message, "lamplighter doctor, then correct [smtp]"))
}

fn webhooks(levels: &Levels) -> Option<Item> {
    let off = unsigned(levels.webhooks.switched_off);
    if off > 0 {
        let message = format!("{} switched off: the endpoint says that it is gone", words::count(off, "webhook"));
        return Some(Item::new("webhooks", Urgency::Act, message, "lamplighter webhook list"));
    }
    let failing = unsigned(levels.webhooks.failing);
    let message = format!("{} for webhooks not taken yet, tried again by itself", words::count(failing, "message"));
    (failing > 0).then(|| Item::new("webhooks", Urgency::Watch, message, "lamplighter webhook deliveries --open"))
}

fn farewells(facts: &Facts) -> Option<Item> {
    let count = unsigned(facts.farewells);
    let message = format!("{} ended here while the provider could not be told", words::count(count, "connection"));
    (count > 0).then(|| Item::new("farewells", Urgency::Act, message, "lamplighter doctor"))
}

/// Owners are mailed; this is for whoever wants to call them.
fn caps(facts: &Facts) -> Option<Item> {
    let (caps, windows) = (unsigned(facts.ending.caps_30_days), unsigned(facts.ending.windows_7_days));
    if windows > 0 {
        let (count, end) = (words::count(windows, "refresh window"), agree(windows, "ends", "end"));
        let message = format!("{count} {end} within 7 days, because renewals fail");
        return Some(Item::new("windows", Urgency::Act, message, "lamplighter connection forecast"));
    }
    let (count, end) = (words::count(caps, "hard cap"), agree(caps, "ends", "end"));
    let message = format!("{count} {end} within 30 days: owners are mailed a link in time");
    (caps > 0).then(|| Item::new("caps", Urgency::Watch, message, "lamplighter connection forecast"))
}

fn outages(facts: &Facts) -> Option<Item> {
    let first = facts.levels.outages.first()?;
    let names: Vec<_> = facts.levels.outages.iter().map(|outage| outage.endpoint.title(outage.provider)).collect();
    let lasts = words::span(facts.now - first.opened_at);
    let message = format!("outage of {} for {lasts}: what depends on it waits by itself", names.join(" and "));
    Some(Item::new("outage", Urgency::Watch, message, "nothing; orders and renewals go on when it is over"))
}
