//! One list of checks. `lamplighter doctor`, `/readyz` and the dashboard show the same one: what was found, and what to
//! do where it is not well.

mod farewells;
mod spool;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use crate::{
    alerts::outbox::Outbox,
    clock::Clock,
    fence::Fence,
    keeper::spool::Spool,
    provider::{Provider, Providers},
    store::{self, connections, mails, order_log, orders, outages, probes, set_asides, tokens, vault_keys},
    vault::Vault,
    words,
};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CheckState)]
pub enum State {
    /// As it should be.
    Ok,
    /// Works, but somebody should look.
    Warn,
    /// Does not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Check {
    /// What was checked.
    pub id: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub message: String,
    /// What to do, where it is not well.
    pub remedy: Option<String>,
}

impl Check {
    fn ok(id: &'static str, message: impl Into<String>) -> Self {
        Self { id, state: State::Ok, message: message.into(), remedy: None }
    }

    fn new(id: &'static str, state: State, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { id, state, message: message.into(), remedy: Some(remedy.into()) }
    }
}

/// How much a check may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Only what we know ourselves: for a probe every few seconds.
    Quick,
    /// Talks to the SMTP server too: for a person who asks.
    Thorough,
}

/// Looks at everything that must work. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    /// The database.
    pub pool: PgPool,
    /// The keys at hand.
    pub vault: Arc<Vault>,
    /// Who is configured.
    pub providers: Providers,
    /// What holds work back on a restored or copied database.
    pub fence: Fence,
    /// Replies that wait.
    pub spool: Spool,
    /// Mails that wait.
    pub outbox: Outbox,
    /// What time it is.
    pub clock: Clock,
    /// How late a token may be before that is a failure.
    pub lateness_allowed: Duration,
    /// Whether operators are told of alerts by mail.
    pub operator_is_mailed: bool,
    /// How often a grant is tried out; `None` when never.
    pub probe_interval: Option<Duration>,
}

/// The worst state of a list.
pub fn worst(checks: &[Check]) -> State {
    checks.iter().map(|check| check.state).max().unwrap_or(State::Ok)
}

impl Health {
    /// The list of checks.
    pub async fn checks(&self, depth: Depth) -> Vec<Check> {
        let mut checks = vec![self.database().await];
        if checks.iter().all(|check| check.state == State::Ok) {
            match self.tables().await {
                Ok(more) => checks.extend(more),
                Err(cause) => checks.push(Check::new(
                    "database",
                    State::Fail,
                    crate::telemetry::chain(&cause),
                    "look at the server's log; the daemon waits for it and goes on by itself",
                )),
            }
        }
        checks.push(self.configured());
        checks.push(self.mail(depth).await);
        checks.push(spool::check(&self.spool));
        checks
    }

    async fn database(&self) -> Check {
        match store::ping(&self.pool).await {
            Ok(()) => Check::ok("database", "Postgres answers"),
            Err(cause) => Check::new(
                "database",
                State::Fail,
                format!("Postgres does not answer: {}", crate::telemetry::chain(&cause)),
                "start it or correct database.url; the daemon waits for it and goes on by itself",
            ),
        }
    }

    async fn tables(&self) -> Result<Vec<Check>, store::Error> {
        let now = self.clock.now();
        let mut conn = self.pool.acquire().await?;
        let fence = self.fence.check(&mut conn).await?;
        let ahead = tokens::ahead(&mut conn, now).await?;
        let counts = connections::count_by_status(&mut conn).await?;
        let by_order_status = order_log::count_unsettled(&mut conn).await?;
        let recent_outages = outages::recent(&mut conn, 10).await?;
        let keys = vault_keys::list(&mut conn).await?;
        let resting = set_asides::count(&mut conn).await?;
        let ended = store::farewells::open(&mut conn).await?;
        Ok(vec![
            fence,
            self.keys(&keys, resting),
            self.keeper(&ahead, now),
            lapsed(&counts),
            self.verified(&mut conn, now).await?,
            parked(&by_order_status),
            open_outages(&recent_outages, now),
            farewells::check(&ended),
        ])
    }

    fn keys(&self, keys: &[vault_keys::VaultKey], resting: u64) -> Check {
        let at_hand = self.vault.key_ids();
        let missing = |needed: bool| {
            let missing = keys.iter().filter(|key| key.pruned_at.is_none() && key.is_needed() == needed);
            missing.filter(|key| !at_hand.contains(&key.id)).map(|key| key.id.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (needed, announced) = (missing(true), missing(false));
        if !needed.is_empty() {
            let message = format!("the database holds secrets sealed with {needed}, which is not at hand");
            let remedy = "put the key back into vault.keys_file now; a running daemon reads it by itself, and none starts \
                          without it";
            return Check::new("vault", State::Fail, message, remedy);
        }
        if let Some(trouble) = self.vault.trouble() {
            let message = format!("the keys in memory go on, but their file cannot be used: {trouble}");
            let remedy = "correct vault.keys_file; the daemon reads it by itself, and does not start again before";
            return Check::new("vault", State::Warn, message, remedy);
        }
        if resting > 0 {
            let message =
                format!("the tokens of {} do not open and were set aside", words::count(resting, "connection"));
            let remedy = "`lamplighter key list` shows which daemon lacks which key; the operator was mailed the steps";
            return Check::new("vault", State::Warn, message, remedy);
        }
        if !announced.is_empty() {
            let message = format!("a rotation to the vault key {announced} waits for the keys file of this machine");
            let remedy = "copy vault.keys_file here from the machine where `lamplighter key rotate` was begun";
            return Check::new("vault", State::Warn, message, remedy);
        }
        Check::ok("vault", "every key that sealed something here is at hand")
    }

    fn keeper(&self, ahead: &[tokens::Ahead], now: DateTime<Utc>) -> Check {
        let Some(since) = tokens::late_since(ahead) else {
            let out = ahead.iter().find(|one| one.canary_at.is_some() && one.overdue_since.is_some());
            return Check::ok(
                "keeper",
                match out {
                    Some(one) => format!("renewals at {} wait for the end of its outage", one.provider.title()),
                    None => "no token is overdue".to_owned(),
                },
            );
        };
        let late = (now - since).to_std().unwrap_or_default();
        let message = format!("the most overdue token was due {}", words::until(since, now));
        if late <= self.lateness_allowed {
            return Check::ok("keeper", message);
        }
        Check::new("keeper", State::Fail, message, "is `lamplighter serve` running? Look for warnings in its log")
    }

    async fn verified(&self, conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Check, store::Error> {
        let Some(interval) = self.probe_interval else {
            return Ok(Check::ok("probes", "grants are not tried out: keeper.probe_interval is off"));
        };
        let most = TimeDelta::from_std(interval * 2).unwrap_or_default() + TimeDelta::hours(1);
        let unseen = probes::count_unverified(conn, now - most).await?.unsigned_abs();
        let span = words::span(most);
        if unseen == 0 {
            return Ok(Check::ok("probes", format!("every connected grant was seen to work within {span}")));
        }
        let message = format!("{} not seen to work for more than {span}", words::count(unseen, "connected grant"));
        let remedy = "is `lamplighter serve` running, and can it reach the provider? `lamplighter connection list` shows \
                      which, `lamplighter connection probe` asks now";
        Ok(Check::new("probes", State::Warn, message, remedy))
    }

    fn configured(&self) -> Check {
        let missing: Vec<_> =
            Provider::ALL.into_iter().filter(|provider| self.providers.settings(*provider).is_none()).collect();
        match missing.as_slice() {
            [] => Check::ok("providers", "QuickBooks and HubSpot are configured"),
            missing => {
                let names = missing.iter().map(|provider| provider.as_str()).collect::<Vec<_>>().join(" and ");
                let remedy = format!("set client_id and client_secret_file in [providers.{}]", missing[0]);
                let state = if missing.len() == Provider::ALL.len() { State::Fail } else { State::Warn };
                Check::new("providers", state, format!("{names} is not configured"), remedy)
            }
        }
    }

    async fn mail(&self, depth: Depth) -> Check {
        if depth == Depth::Thorough
            && let Err(cause) = self.outbox.probe().await
        {
            let message = format!("the SMTP server cannot be used: {cause}");
            return Check::new("mail", State::Fail, message, "correct [smtp]; mails wait in the outbox until it works");
        }
        let backlog = async {
            let mut conn = self.pool.acquire().await?;
            Ok::<_, store::Error>((mails::backlog(&mut conn).await?, mails::held(&mut conn).await?))
        };
        let backlog = match backlog.await {
            Ok((_, held)) if !held.is_empty() => return held_back(&held),
            Ok((backlog, _)) => Ok(backlog),
            Err(cause) => Err(cause),
        };
        match backlog {
            Ok(backlog) if backlog.failing > 0 => {
                let error = backlog.last_error.unwrap_or_default();
                let message =
                    format!("{} cannot be handed over: {error}", words::count(backlog.failing.unsigned_abs(), "mail"));
                Check::new("mail", State::Warn, message, "correct [smtp]; they are tried again by themselves")
            }
            Ok(_) if !self.operator_is_mailed => Check::new(
                "mail",
                State::Warn,
                "owners are mailed, but nobody is told of our own faults",
                "set alerts.operator_email",
            ),
            Ok(_) => Check::ok("mail", "no mail is stuck"),
            Err(_) => Check::new(
                "mail",
                State::Warn,
                "the outbox cannot be read while the database is away",
                "see the check of the database",
            ),
        }
    }
}

/// Mails that wait for a person, not for the server.
fn held_back(held: &[(Provider, u64)]) -> Check {
    let each = held.iter().map(|(provider, count)| format!("{} at {}", words::count(*count, "mail"), provider.title()));
    let message = format!(
        "held back, because very many connections lapsed at once: {} to owners",
        each.collect::<Vec<_>>().join(" and ")
    );
    let first = held.first().map_or(Provider::Quickbooks, |(provider, _)| *provider);
    let remedy =
        format!("look whether it is one mistake; then `lamplighter alert release {first}`, or the same with --drop");
    Check::new("mail", State::Warn, message, remedy)
}

fn lapsed(counts: &[(Provider, connections::Status, i64)]) -> Check {
    let sum = |status| counts.iter().filter(|(_, s, _)| *s == status).map(|(_, _, n)| n.unsigned_abs()).sum::<u64>();
    let (lapsed, failing) = (sum(connections::Status::Lapsed), sum(connections::Status::Failing));
    let connected = words::count(sum(connections::Status::Connected), "connection");
    if lapsed + failing == 0 {
        return Check::ok("connections", format!("{connected} connected, none needs its owner"));
    }
    let message = format!("{connected} connected, {failing} failing, {lapsed} lapsed");
    let remedy = "owners of lapsed ones were mailed a link; see `lamplighter connection list`";
    Check::new("connections", State::Warn, message, remedy)
}

fn parked(counts: &[(orders::Status, i64)]) -> Check {
    let of = |status| counts.iter().find(|(s, _)| *s == status).map_or(0, |(_, n)| n.unsigned_abs());
    let (queued, parked) = (of(orders::Status::Queued), of(orders::Status::Parked));
    if parked == 0 {
        return Check::ok("orders", format!("{} waiting, none parked", words::count(queued, "order")));
    }
    let message = format!("{} parked for a person, {queued} waiting", words::count(parked, "order"));
    Check::new("orders", State::Warn, message, "see `lamplighter order list --status parked`")
}

fn open_outages(recent: &[outages::Outage], now: DateTime<Utc>) -> Check {
    let open: Vec<_> = recent.iter().filter(|outage| outage.closed_at.is_none()).collect();
    let Some(first) = open.first() else { return Check::ok("outages", "no provider is down") };
    let since = words::until(first.opened_at, now);
    let message = format!("{} is down since {since}: {}", first.provider.title(), first.evidence);
    Check::new("outages", State::Warn, message, "nothing: orders wait and go on by themselves when it is back")
}
