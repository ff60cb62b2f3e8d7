//! One list of checks. `lamplighter doctor`, `/readyz` and the dashboard show the same one: what was found, and what to
//! do where it is not well.

mod collector;
mod farewells;
mod keys;
mod mail;
mod spool;
mod tokens;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::{
    alerts::outbox::Outbox,
    clock::Clock,
    config,
    fence::Fence,
    keeper::spool::Spool,
    provider::{Provider, Providers},
    store::{self, connections, order_log, orders, outages, set_asides, vault_keys},
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
    /// Talks to the SMTP server and to the collector of spans too: for a person who asks.
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
    /// Where spans go.
    pub telemetry: config::Telemetry,
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
        checks.push(mail::check(&self.pool, &self.outbox, depth, self.operator_is_mailed).await);
        checks.push(spool::check(&self.spool).await);
        if depth == Depth::Thorough {
            checks.extend(collector::check(&self.telemetry).await);
        }
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
        let ahead = store::tokens::ahead(&mut conn, now).await?;
        let counts = connections::count_by_status(&mut conn).await?;
        let by_order_status = order_log::count_unsettled(&mut conn).await?;
        let recent_outages = outages::recent(&mut conn, 10).await?;
        let keys = vault_keys::list(&mut conn).await?;
        let resting = set_asides::count(&mut conn).await?;
        let ended = store::farewells::open(&mut conn).await?;
        Ok(vec![
            fence,
            keys::check(&self.vault, &keys, resting),
            tokens::renewed(&ahead, self.lateness_allowed, now),
            lapsed(&counts),
            tokens::verified(&mut conn, self.probe_interval, now).await?,
            parked(&by_order_status),
            open_outages(&recent_outages, now),
            farewells::check(&ended),
        ])
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
}

fn lapsed(counts: &[(Provider, connections::Status, i64)]) -> Check {
    let sum = |status| counts.iter().filter(|(_, s, _)| *s == status).map(|(_, _, n)| n.unsigned_abs()).sum::<u64>();
    let (lapsed, failing) = (sum(connections::Status::Lapsed), sum(connections::Status::Failing));
    let connected = words::count(sum(connections::Status::Connected), "connection");
    if lapsed + failing == 0 {
        return Check::ok("connections", format!("{connected} connected, none needs its owner"));
    }
    let message = format!("{connected} connected, {failing} failing, {lapsed} lapsed");
    let remedy = "only their owners repair lapsed ones; `lamplighter alert list` shows whether they were told";
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
