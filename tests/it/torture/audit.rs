//! After a run: the sandbox's own log against the ledger, the tokens and the mails. Every lapse needs a reason that lies
//! outside of Lamplighter; every call at a token endpoint needs its row, and every row that tells of a reply its call.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Write as _,
    sync::atomic::Ordering,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    clock::Clock,
    keeper::renewal::refresh_place,
    provider::Provider,
    sandbox::{Ending, Mail, TokenCall, TokenOutcome},
    vault,
};
use serde_json::Value;
use sqlx::{Connection as _, FromRow, PgConnection};
use url::Url;
use uuid::Uuid;

use super::{COMMIT_BUDGET, DEADLINE, Town};

/// What a busy machine adds to any time.
const SLACK: TimeDelta = TimeDelta::milliseconds(700);
/// Faults that are told in full.
const TOLD: usize = 10;

/// What was found.
#[derive(Default)]
pub(super) struct Findings {
    counts: Vec<(String, u64)>,
    pub(super) faults: Vec<String>,
}

#[derive(FromRow)]
struct Spend {
    id: i64,
    connection_id: Uuid,
    generation: i64,
    fingerprint: String,
    daemon: String,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    outcome: Option<String>,
    rule: Option<String>,
    correlation_id: Option<String>,
}

#[derive(FromRow)]
struct Connection {
    id: Uuid,
    #[sqlx(try_from = "String")]
    provider: Known,
    company_id: String,
    owner_email: String,
    status: String,
    generation: i64,
    refresh_sealed: String,
    refresh_fingerprint: String,
}

#[derive(FromRow)]
struct Alert {
    id: Uuid,
    kind: String,
    connection_id: Option<Uuid>,
    detail: Value,
    resolved: bool,
}

#[derive(FromRow)]
struct Queued {
    id: Uuid,
    alert_id: Uuid,
    step: String,
    recipient: String,
}

/// A provider by its name in a table.
struct Known(Provider);

impl From<String> for Known {
    fn from(name: String) -> Self {
        Self(Provider::ALL.into_iter().find(|provider| provider.as_str() == name).unwrap())
    }
}

/// Everything that is compared.
struct Audit<'a> {
    town: &'a Town,
    spends: Vec<Spend>,
    connections: Vec<Connection>,
    alerts: Vec<Alert>,
    queued: Vec<Queued>,
    calls: Vec<(Provider, TokenCall)>,
    mails: Vec<Mail>,
    findings: Findings,
}

pub(super) async fn audit(town: &Town, seed: u32) -> Findings {
    let mut conn = PgConnection::connect_with(town.postgres.database()).await.unwrap();
    let spends = sqlx::query_as(
        "select id, connection_id, generation, fingerprint, daemon, started_at, finished_at, outcome, rule, correlation_id
         from spends order by id",
    );
    let connections = sqlx::query_as(
        "select c.id, c.provider, company_id, owner_email, status, generation, refresh_sealed, refresh_fingerprint
         from connections c join accounts a on a.id = c.account_id join tokens t on t.connection_id = c.id order by c.id",
    );
    let alerts =
        "select id, kind, connection_id, detail, resolved_at is not null as resolved from alerts order by opened_at";
    let queued = "select id, alert_id, step, recipient from mails";
    let mut audit = Audit {
        town,
        spends: spends.fetch_all(&mut conn).await.unwrap(),
        connections: connections.fetch_all(&mut conn).await.unwrap(),
        alerts: sqlx::query_as(alerts).fetch_all(&mut conn).await.unwrap(),
        queued: sqlx::query_as(queued).fetch_all(&mut conn).await.unwrap(),
        calls: Provider::ALL
            .into_iter()
            .flat_map(|provider| town.sandbox.token_calls(provider).into_iter().map(move |call| (provider, call)))
            .collect(),
        mails: town.sandbox.mails(),
        findings: Findings::default(),
    };
    conn.close().await.unwrap();
    audit.findings.count("seed", u64::from(seed));
    audit.run();
    audit.weather();
    audit.concurrency();
    audit.ledger();
    audit.ends();
    audit.lapses();
    audit.letters();
    audit.rest();
    audit.findings
}

impl Audit<'_> {
    fn count(&mut self, what: &str, count: impl TryInto<u64>) {
        self.findings.count(what, count);
    }

    fn run(&mut self) {
        let outcomes: Vec<_> =
            self.spends.iter().map(|spend| spend.outcome.clone().unwrap_or("open".to_owned())).collect();
        let mut counts = BTreeMap::new();
        for outcome in outcomes {
            *counts.entry(outcome).or_insert(0_u64) += 1;
        }
        for (outcome, count) in counts {
            self.count(&format!("spends {outcome}"), count);
        }
        let spooled = self.spends.iter().filter(|spend| spend.rule.as_deref() == Some("spooled")).count();
        self.count("spends by way of the spool", spooled);
        // Stored, though the row says that something newer was.
        let handed_out: HashMap<_, _> =
            self.calls.iter().map(|(_, call)| (call.correlation_id.as_str(), call.handed_out.as_deref())).collect();
        let spent = self.spends.iter().map(|spend| spend.fingerprint.as_str());
        let stored: HashSet<_> =
            spent.chain(self.connections.iter().map(|connection| connection.refresh_fingerprint.as_str())).collect();
        let mislabelled = self.spends.iter().filter(|spend| {
            let brought = spend.correlation_id.as_deref().and_then(|id| *handed_out.get(id)?);
            spend.outcome.as_deref() == Some("discarded") && brought.is_some_and(|value| stored.contains(value))
        });
        self.count("renewals that the ledger calls discarded", mislabelled.count());
    }

    fn weather(&mut self) {
        let (fleet, proxy) = (&self.town.fleet, &self.town.proxy);
        let output = fleet.output();
        let died_at = fleet.died_at(&output);
        let by_themselves: u64 = died_at.values().sum();
        self.count("kills", fleet.kills());
        self.count("kills at a fail point", by_themselves);
        for (name, count) in died_at {
            self.count(&format!("kills at {name}"), count);
        }
        if by_themselves == 0 {
            self.findings.faults.push("no fail point was ever reached".to_owned());
        }
        self.count("starts that Postgres refused", fleet.refused.load(Ordering::Relaxed));
        self.count("Postgres crashes", self.town.postgres.crashes.load(Ordering::Relaxed));
        self.count("commits cut off before", proxy.cut_before.load(Ordering::Relaxed));
        self.count("commits cut off after", proxy.cut_after.load(Ordering::Relaxed));
        let mut troubles = BTreeMap::new();
        for trouble in self.calls.iter().filter_map(|(_, call)| call.trouble) {
            *troubles.entry(trouble).or_insert(0_u64) += 1;
        }
        for (trouble, count) in troubles {
            self.count(&format!("token calls {trouble:?}"), count);
        }
        for line in output.lines().filter(|line| line.contains("panicked") || line.contains("a loop ")) {
            self.findings.faults.push(format!("a daemon broke: {line}"));
        }
        self.findings.faults.append(&mut fleet.faults.lock().unwrap());
        self.findings.faults.append(&mut self.town.faults.lock().unwrap());
    }

    fn concurrency(&mut self) {
        let concurrent = self.town.sandbox.concurrent_spends();
        self.count("values spent twice at the same time", concurrent);
        let doubles: Vec<_> = self.calls.iter().filter(|(_, call)| call.in_flight_peers > 0).cloned().collect();
        if concurrent > 0 && doubles.is_empty() {
            self.findings.faults.push("a concurrent spend is not in the log".to_owned());
        }
        for (provider, call) in doubles {
            let story = self.story(provider, call.spent.as_deref().unwrap_or_default());
            self.findings.faults.push(format!("spent while it was being spent\n{story}"));
        }
    }

    /// Calls and rows, one to one.
    fn ledger(&mut self) {
        let mut rows: HashMap<&str, Vec<&Spend>> = HashMap::new();
        for spend in &self.spends {
            rows.entry(&spend.fingerprint).or_default().push(spend);
        }
        let mut calls: HashMap<&str, Vec<&TokenCall>> = HashMap::new();
        let mut faults = Vec::new();
        let refreshes = || self.calls.iter().filter(|(_, call)| call.grant_type == "refresh_token");
        let mut by_id = HashMap::new();
        for (provider, call) in refreshes() {
            by_id.insert(call.correlation_id.as_str(), call);
            match &call.spent {
                Some(spent) => calls.entry(spent).or_default().push(call),
                None => faults.push(format!("a call spent what was never handed out: {provider} {call:?}")),
            }
        }
        for (provider, call) in refreshes().filter(|(_, call)| call.spent.is_some()) {
            let spent = call.spent.as_deref().unwrap();
            let (made, known) = (calls[spent].len(), rows.get(spent).map_or(0, Vec::len));
            if made > known && call.correlation_id == calls[spent][0].correlation_id {
                let story = self.story(*provider, spent);
                faults.push(format!("{made} calls of one value, but {known} rows in the ledger\n{story}"));
            }
        }
        let mut used = HashSet::new();
        for spend in &self.spends {
            let provider = self.connection(spend.connection_id).provider.0;
            let fault = match spend.correlation_id.as_deref() {
                None if spend.outcome.as_deref() == Some("renewed") => "renewed without a correlation id",
                None => continue,
                Some(id) => match by_id.get(id) {
                    None => "no call has the row's correlation id",
                    Some(call) if call.spent.as_deref() != Some(&spend.fingerprint) => "the call spent another value",
                    Some(call) if spend.outcome.as_deref() == Some("renewed") && call.handed_out.is_none() => {
                        "renewed by a call that handed out nothing"
                    }
                    Some(_) if !used.insert(id) => "two rows for one call",
                    Some(_) => continue,
                },
            };
            faults.push(format!("spend {}: {fault}\n{}", spend.id, self.story(provider, &spend.fingerprint)));
        }
        let (made, rows) = (refreshes().count(), self.spends.len());
        self.count("calls that spent a refresh token", made);
        self.count("rows in the ledger", rows);
        self.findings.faults.append(&mut faults);
    }

    /// How everybody stands in the end.
    fn ends(&mut self) {
        let mut faults = Vec::new();
        for connection in &self.connections {
            let (provider, fingerprint) = (connection.provider.0, connection.refresh_fingerprint.as_str());
            let opened = self.town.vault.open(refresh_place(connection.id), &connection.refresh_sealed);
            let opens = opened.is_ok_and(|value| vault::fingerprint(&value) == fingerprint);
            let honoured = self.town.sandbox.honours(provider, &connection.company_id, fingerprint);
            let fault = match connection.status.as_str() {
                _ if !opens => "the stored value does not open, or is another one",
                "connected" if !honoured => "connected, but the provider does not honour what is stored",
                "connected" => continue,
                status => &format!("still {status}"),
            };
            faults.push(format!(
                "{provider} {} (generation {}): {fault}\n{}",
                connection.company_id,
                connection.generation,
                self.story(provider, fingerprint)
            ));
        }
        let expected = self.town.customers.len() * Provider::ALL.len();
        if self.connections.len() != expected {
            faults.push(format!("{} of {expected} connections are there", self.connections.len()));
        }
        self.count("connections", expected);
        self.findings.faults.append(&mut faults);
    }

    /// Every lapse that was declared, and why.
    fn lapses(&mut self) {
        let (mut faults, mut reasons, mut lost) = (Vec::new(), BTreeMap::new(), 0_u64);
        for alert in self.alerts.iter().filter(|alert| alert.kind == "connection_lapsed") {
            let connection = self.connection(alert.connection_id.unwrap());
            let generation = alert.detail["evidence"]["generation"].as_i64().unwrap();
            let rows = self.spends.iter().filter(|s| s.connection_id == connection.id && s.generation == generation);
            let rows = rows.collect::<Vec<_>>();
            let fingerprint = rows.first().map_or("", |row| row.fingerprint.as_str());
            match self.reason(connection, &rows, alert.detail["cause"].as_str().unwrap()) {
                Ok(reason) => *reasons.entry(format!("lapsed: {reason}")).or_insert(0_u64) += 1,
                Err(fault) => {
                    lost += u64::from(!fault.contains("cause"));
                    let story = self.story(connection.provider.0, fingerprint);
                    faults.push(format!("lapsed wrongly: {fault}; {}\n{story}", alert.detail));
                }
            }
        }
        self.count("disconnected by their owners at the provider", self.town.revocations.lock().unwrap().len());
        for (reason, count) in reasons {
            self.count(&reason, count);
        }
        self.count("grants lost that the provider still honoured", lost);
        self.findings.faults.append(&mut faults);
    }

    /// Why only the owner could repair it, if that is so.
    fn reason(&self, connection: &Connection, rows: &[&Spend], cause: &str) -> Result<&'static str, String> {
        let (provider, company) = (connection.provider.0, &connection.company_id);
        let revoked = self.town.revocations.lock().unwrap().iter().any(|(p, c)| *p == provider && c == company);
        let Some(first) = rows.first() else {
            return if revoked { Ok("disconnected at the provider") } else { Err("nothing was ever spent".to_owned()) };
        };
        let fingerprint = first.fingerprint.as_str();
        if self.town.sandbox.honours(provider, company, fingerprint) {
            return Err("the provider still honours it".to_owned());
        }
        let unknown = rows.iter().any(|row| row.outcome.as_deref() == Some("unknown"));
        let right =
            |expected: bool, reason| if expected { Ok(reason) } else { Err(format!("the cause {cause} is wrong")) };
        match self.town.sandbox.ending(provider, fingerprint) {
            Some(Ending::Revoked) => {
                right(cause == "revoked" || cause == "reply_lost" && unknown, "disconnected at the provider")
            }
            Some(Ending::Reused) => right(cause == "reply_lost", self.lost_reply(fingerprint, rows)?),
            ending => Err(format!("its grant ended so: {ending:?}")),
        }
    }

    /// How the reply that brought the next value got lost, if it did.
    fn lost_reply(&self, fingerprint: &str, rows: &[&Spend]) -> Result<&'static str, String> {
        let rotated = self
            .calls
            .iter()
            .map(|(_, call)| call)
            .find(|call| call.spent.as_deref() == Some(fingerprint) && call.outcome == TokenOutcome::Rotated);
        let Some(call) = rotated else { return Err("its grant had ended with another value's reuse".to_owned()) };
        let ended_at = call.ended_at.ok_or("the call that replaced it never ended")?;
        if call.trouble.is_some() {
            return Ok("the reply was lost on its way");
        }
        if !call.delivered && (ended_at - call.at).to_std().unwrap_or_default() >= DEADLINE.mul_f64(0.9) {
            return Ok("the reply came after the deadline");
        }
        let deaths = self.town.fleet.deaths.lock().unwrap();
        let latest = ended_at + TimeDelta::from_std(COMMIT_BUDGET).unwrap() + SLACK;
        let died = rows.iter().filter(|row| row.rule.as_deref() == Some("lease_ran_out")).any(|row| {
            let pid = row.daemon.rsplit_once('/').and_then(|(_, tail)| tail.split_once('-')?.0.parse::<u32>().ok());
            // A request that is on its way outlives its sender.
            let in_time = |at: DateTime<Utc>| at >= call.at - SLACK && at <= latest;
            deaths.iter().any(|death| Some(death.pid) == pid && in_time(death.at))
        });
        if died {
            return Ok("the reply died with its process");
        }
        // Both by the clock of one daemon.
        let late = rows.iter().filter(|row| row.rule.as_deref() == Some("reply_lost")).any(|row| {
            let took = row.finished_at.unwrap_or_default() - row.started_at;
            took.to_std().unwrap_or_default() >= DEADLINE.mul_f64(0.9)
        });
        if late { Ok("the reply came after the deadline") } else { Err("the reply had arrived".to_owned()) }
    }

    /// One mail for each lapse, one all-clear for each recovery, and none else.
    fn letters(&mut self) {
        let (mut faults, mut seen, mut copies) = (Vec::new(), HashMap::new(), 0_u64);
        let mut orphans: HashMap<Uuid, BTreeSet<Option<Uuid>>> = HashMap::new();
        for mail in &self.mails {
            let id = mail.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("message-id"));
            let id = id.and_then(|(_, id)| id.trim_matches(['<', '>']).split('@').next()?.parse::<Uuid>().ok());
            let about = id.and_then(|id| self.queued.iter().find(|queued| queued.id == id));
            let Some(about) = about else {
                match super::owners::link_in(&mail.text).and_then(|link| self.addressee(&link)) {
                    // Killed before it was ticked off; once its owner had reconnected, nobody needed the row.
                    Some(connection_id) => orphans.entry(connection_id).or_default().insert(id),
                    None => {
                        faults.push(format!("a mail that no row knows: {:?} to {:?}", mail.subject, mail.to));
                        continue;
                    }
                };
                continue;
            };
            if seen.insert(about.id, mail).is_some() {
                copies += 1;
            } else if !mail.to.iter().any(|to| to.contains(&about.recipient)) {
                faults.push(format!("a mail for {} went to {:?}", about.recipient, mail.to));
            }
        }
        let (mut to_owners, mut to_operators, mut dropped, mut doubtful) = (0_u64, 0_u64, 0_u64, 0_u64);
        for alert in &self.alerts {
            let step = |step: &'static str| {
                self.queued.iter().find(|queued| queued.alert_id == alert.id && queued.step == step)
            };
            let sent = |name: &'static str| step(name).is_some_and(|queued| seen.contains_key(&queued.id));
            let (mut opened, resolved) = (sent("opened"), sent("resolved"));
            let Some(connection_id) = alert.connection_id.filter(|_| alert.kind == "connection_lapsed") else {
                to_operators += u64::from(opened) + u64::from(resolved);
                if alert.kind != "outage" {
                    faults.push(format!("the operator was told of {} {}", alert.kind, alert.detail));
                }
                continue;
            };
            let connection = self.connection(connection_id);
            if step("opened").is_none() && alert.resolved {
                opened = orphans.get_mut(&connection_id).is_some_and(|orphans| orphans.pop_first().is_some());
            }
            let right =
                ["opened", "resolved"].into_iter().filter_map(step).all(|q| q.recipient == connection.owner_email);
            to_owners += u64::from(opened) + u64::from(resolved);
            let fault = match (opened, resolved) {
                _ if !right => "its mail went to somebody else",
                (true, true) if alert.resolved => continue,
                (false, _) if step("opened").is_none() && alert.resolved => {
                    // Tried, and overtaken before it was known to be sent: it may have arrived.
                    *if resolved { &mut doubtful } else { &mut dropped } += 1;
                    continue;
                }
                (false, _) => "its owner was not told",
                (true, false) => "no all-clear",
                (true, true) => "an all-clear for what is not over",
            };
            let what = format!("{} {}", connection.provider.0, connection.company_id);
            faults.push(format!("{what}: {fault}; {}", alert.detail));
        }
        for (connection_id, left) in orphans.iter().filter(|(_, left)| !left.is_empty()) {
            let company = &self.connection(*connection_id).company_id;
            faults.push(format!("{} mails about {company} that no lapse explains", left.len()));
        }
        self.count("mails to owners", to_owners);
        self.count("mails to operators", to_operators);
        self.count("mails sent again after a kill, under the same id", copies);
        self.count("lapses taken back before their mail", dropped);
        self.count("all-clears after a mail that may have arrived", doubtful);
        self.count("wrong mails", faults.len());
        self.findings.faults.append(&mut faults);
    }

    /// Whose connection a link reconnects.
    fn addressee(&self, link: &Url) -> Option<Uuid> {
        let about = self.town.links.read(link.path_segments()?.next_back()?, Clock::system().now()).ok()?;
        let customer = self.town.customers.iter().find(|customer| customer.account_id == about.account_id)?;
        let ours = |connection: &&Connection| {
            connection.provider.0 == about.provider
                && [&customer.realm, &customer.hub].contains(&&connection.company_id)
        };
        self.connections.iter().find(ours).map(|connection| connection.id)
    }

    fn rest(&mut self) {
        let open = self.spends.iter().filter(|spend| spend.finished_at.is_none()).count();
        let spooled = self.town.fleet.spooled();
        self.count("open spends", open);
        self.count("replies left on disk", spooled);
        if open + spooled > 0 {
            self.findings.faults.push(format!("{open} spends are open, {spooled} replies are on disk"));
        }
    }

    fn connection(&self, id: Uuid) -> &Connection {
        self.connections.iter().find(|connection| connection.id == id).unwrap()
    }

    /// What the ledger and the sandbox have on a value, its forerunner and its successor.
    fn story(&self, provider: Provider, fingerprint: &str) -> String {
        let mut text = String::new();
        let mut about = HashSet::from([fingerprint]);
        for (_, call) in &self.calls {
            if call.spent.as_deref() == Some(fingerprint) || call.handed_out.as_deref() == Some(fingerprint) {
                about.extend(call.spent.as_deref().into_iter().chain(call.handed_out.as_deref()));
            }
        }
        for spend in self.spends.iter().filter(|spend| about.contains(spend.fingerprint.as_str())) {
            let Spend {
                id,
                generation,
                fingerprint,
                daemon,
                started_at,
                finished_at,
                outcome,
                rule,
                correlation_id,
                ..
            } = spend;
            writeln!(
                text,
                "    spend {id} of generation {generation}, value {fingerprint}, by {daemon}, {started_at} to {finished_at:?}: \
                 {outcome:?} {rule:?} {correlation_id:?}"
            )
            .unwrap();
        }
        for (_, call) in self.calls.iter().filter(|(by, _)| *by == provider) {
            if [&call.spent, &call.handed_out].into_iter().flatten().any(|value| about.contains(value.as_str())) {
                writeln!(text, "    call {call:?}").unwrap();
            }
        }
        for death in self.town.fleet.deaths.lock().unwrap().iter() {
            if self
                .spends
                .iter()
                .any(|s| about.contains(s.fingerprint.as_str()) && s.daemon.contains(&format!("/{}-", death.pid)))
            {
                writeln!(text, "    process {} was killed at {}", death.pid, death.at).unwrap();
            }
        }
        text
    }
}

impl Findings {
    fn count(&mut self, what: &str, count: impl TryInto<u64>) {
        self.counts.push((what.to_owned(), count.try_into().unwrap_or(u64::MAX)));
    }

    pub(super) fn table(&self, (connect, storm, calm): (Duration, Duration, Duration)) -> String {
        let mut text = format!("connected in {connect:.1?}, storm {storm:.1?}, calm {calm:.1?}\n");
        for (what, count) in &self.counts {
            writeln!(text, "{count:>9}  {what}").unwrap();
        }
        text
    }

    pub(super) fn told(&self) -> String {
        self.faults.iter().take(TOLD).map(|fault| format!("- {fault}\n")).collect()
    }
}
