//! The virtual clock: the daemon's own rounds over a real database against simulated providers, driven from deadline to
//! deadline.
//!
//! Leases run on the database's clock and end within a round, so the clock may jump between rounds; it refuses to jump
//! while anything is under a lease. Time moves in whole steps from the start, so that deadlines that lie close together
//! share a round.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::{sync::DropGuard, task::TaskTracker};
use tracing::info;
use url::Url;
use uuid::Uuid;

use super::{
    audit,
    configuration::configure,
    plan::{Plan, Spell, Trouble},
    report::Report,
    town::{Death, Event, Town},
};
use crate::{
    app::{App, Tended},
    clock::Clock,
    config::Config,
    keeper::schedule,
    links::Link,
    provider::{Cause, Grant, KeepAlive, Provider},
    sandbox::{Listen, Mail, Outage, Sandbox, Scope, Switches, Visitor},
    store::{
        self, accounts,
        accounts::Account,
        connections::{Company, Connected},
        oauth_states::OauthState,
        tokens,
    },
    vault::Vault,
    web,
};

/// The first day of every simulation: 1 January 2026.
const START: i64 = 1_767_225_600;
/// Rounds that take longer than this in real time do not end any more.
const PATIENCE: Duration = Duration::from_secs(600);
/// When an owner who met an error page tries again.
const TRY_AGAIN: TimeDelta = TimeDelta::hours(6);
/// For so long after trouble the daemon may still be catching up.
pub(super) const AFTERMATH: TimeDelta = TimeDelta::hours(12);

/// A simulation under way.
pub struct Simulation {
    /// The simulated providers and the mailbox: the truth, which the audit compares with.
    pub sandbox: Sandbox,
    pub(super) app: App,
    pub(super) config: Config,
    pub(super) plan: Plan,
    pub(super) town: Town,
    pub(super) clock: Clock,
    pub(super) start: DateTime<Utc>,
    pub(super) tally: Tally,
    /// Spells that are on now.
    present: Vec<Spell>,
    quiet_from: DateTime<Utc>,
    residents: BTreeMap<(Uuid, Provider), usize>,
    visitor: Visitor,
    mails_read: u64,
    forgotten_at: DateTime<Utc>,
    begun: Instant,
    _stop: DropGuard,
}

/// What was counted on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rounds: u64,
    pub(super) renewed: u64,
    pub(super) lapsed: u64,
    pub(super) reconnects: u64,
    /// The longest that a token was overdue while nothing was wrong.
    pub(super) longest_overdue: TimeDelta,
    pub(super) overdue_at: DateTime<Utc>,
    /// During which spells renewals met our own fault.
    pub(super) faults_met: Vec<(Spell, u64)>,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Days lived through.
    pub day: i64,
    /// Of how many.
    pub days: u32,
    /// Tokens renewed.
    pub renewed: u64,
    /// Connections that lapsed.
    pub lapsed: u64,
    /// Real time since the first day.
    pub took: Duration,
}

impl Simulation {
    /// Founds the town and connects everybody. `directory` takes the keys and the spool, `set` goes over the defaults.
    ///
    /// # Errors
    /// A configuration that cannot be used, or a database that is away.
    pub async fn begin(
        plan: Plan,
        database: PgConnectOptions,
        directory: &Path,
        set: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let clock = Clock::fixed(DateTime::from_timestamp(START, 0).unwrap_or_default());
        let sandbox = Sandbox::start(clock.clone(), Listen::default()).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let config = configure(&plan, directory, &sandbox, &listener, set)?;
        Vault::generate(&config.vault.keys_file)?;
        let pool = store::open(database, config.database.max_connections, config.database.connect_timeout).await?;
        let app = App::build(&config, pool, clock.clone(), &[]).await?;
        let stop = app.stopping.clone();
        let (web, stopped) = (app.web.clone(), stop.clone());
        TaskTracker::new().spawn(async move {
            if let Err(cause) = web::serve(listener, web, stopped.cancelled_owned()).await {
                tracing::error!(%cause, "the web server ended");
            }
        });
        let now = clock.now();
        let mut simulation = Self {
            town: Town::found(&plan, now),
            sandbox,
            app,
            config,
            plan,
            start: now,
            tally: Tally::default(),
            present: Vec::new(),
            quiet_from: now,
            residents: BTreeMap::new(),
            visitor: Visitor::new()?,
            mails_read: 0,
            forgotten_at: now,
            begun: Instant::now(),
            clock,
            _stop: stop.drop_guard(),
        };
        simulation.settle().await?;
        Ok(simulation)
    }

    /// Connects everybody, one after the other over most of one renewal's time, so that they are not due together.
    async fn settle(&mut self) -> anyhow::Result<()> {
        let spread = Provider::ALL.map(|provider| self.longest_pause(provider)).into_iter().min().unwrap_or_default();
        let apart = spread * 4 / 5 / i32::try_from(self.town.residents.len()).unwrap_or(i32::MAX).max(1);
        self.clock.advance(-(apart * i32::try_from(self.town.residents.len()).unwrap_or(0)));
        for index in 0..self.town.residents.len() {
            self.move_in(index).await?;
            self.clock.advance(apart);
        }
        self.start = self.clock.now();
        info!(connections = self.town.residents.len(), "everybody is connected");
        Ok(())
    }

    async fn move_in(&mut self, index: usize) -> anyhow::Result<()> {
        let consented_at = self.town.consented_at(index).context("nobody lives there")?;
        let now = self.clock.now();
        let resident = &mut self.town.residents[index];
        let name = format!("Company {}", resident.company);
        let account = Account {
            id: resident.account_id,
            name: format!("Account {}", index / 2),
            owner_name: format!("Owner {}", index / 2),
            owner_email: resident.owner.clone(),
            created_at: now,
        };
        match resident.provider {
            Provider::Quickbooks => self.sandbox.add_company(&resident.company, &name),
            Provider::Hubspot => self.sandbox.add_portal(&resident.company, &name),
        }
        accounts::add(&mut *self.app.pool.acquire().await?, &account).await?;
        let settings = self.app.web.providers.settings(resident.provider).context("both providers are configured")?;
        let company = Company {
            provider: resident.provider,
            environment: settings.environment.clone(),
            id: resident.company.clone(),
            name,
        };
        let seeded =
            self.sandbox.seed_grant(resident.provider, &resident.company, &settings.scopes, consented_at.min(now));
        let grant = Grant {
            access_token: seeded.access_token,
            refresh_token: Some(seeded.refresh_token.clone()),
            access_expires_in: Some(seeded.access_left),
            refresh_expires_in: seeded.refresh_left,
            refresh_hard_expires_in: seeded.hard_left,
            hub_id: None,
            correlation_id: None,
        };
        let begun = OauthState { account_id: resident.account_id, provider: resident.provider };
        let stored = self.app.web.store_once(&begun, &grant, &seeded.refresh_token, &company).await?;
        let Connected::New(id) = stored else { anyhow::bail!("{} could not be connected: {stored:?}", company.id) };
        resident.connection_id = id;
        self.residents.insert((resident.account_id, resident.provider), index);
        Ok(())
    }

    /// Lives through all days, or what is left of them.
    ///
    /// # Errors
    /// Database trouble, or a round that leaves something open.
    pub async fn live(&mut self, tell: impl FnMut(Progress)) -> anyhow::Result<()> {
        self.live_until(self.plan.days, tell).await
    }

    /// Lives through the days up to this one.
    ///
    /// # Errors
    /// As for [`Simulation::live`].
    pub async fn live_until(&mut self, day: u32, mut tell: impl FnMut(Progress)) -> anyhow::Result<()> {
        let end = self.start + TimeDelta::days(i64::from(day));
        loop {
            let now = self.clock.now();
            while let Some(event) = self.town.take(now) {
                self.befall(event, now).await?;
            }
            if !self.is_off() {
                self.tend(now).await?;
            }
            tell(self.progress(now));
            if now >= end {
                return Ok(());
            }
            self.jump(now, end).await?;
        }
    }

    /// Compares what the keeper did with what really happened.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn audit(&self) -> anyhow::Result<Report> {
        audit::audit(self, self.begun.elapsed()).await
    }

    /// Ends the servers.
    pub async fn end(self) {
        self.app.stopping.cancel();
        self.sandbox.stop().await;
        self.app.pool.close().await;
    }

    /// The longest that a working grant may go without a renewal.
    pub(super) fn longest_pause(&self, provider: Provider) -> TimeDelta {
        let Switches { access_lifetime, refresh_lifetime, .. } = self.sandbox.switches(provider);
        let window = refresh_lifetime.unwrap_or_else(|| schedule::assumed_refresh_life(provider));
        let keep_alive = self.app.web.providers.settings(provider).map(|settings| settings.keep_alive);
        let shortest = match keep_alive {
            Some(KeepAlive::Refresh) => window,
            _ => window.min(access_lifetime),
        };
        TimeDelta::from_std(shortest.mul_f64(self.config.keeper.renew_at)).unwrap_or_default()
    }

    fn is_off(&self) -> bool {
        self.present.iter().any(|spell| spell.trouble == Trouble::Off)
    }

    fn progress(&self, now: DateTime<Utc>) -> Progress {
        Progress {
            day: (now - self.start).num_days(),
            days: self.plan.days,
            renewed: self.tally.renewed,
            lapsed: self.tally.lapsed,
            took: self.begun.elapsed(),
        }
    }

    /// One turn of the daemon's rounds, and the mails that came of it.
    async fn tend(&mut self, now: DateTime<Utc>) -> anyhow::Result<()> {
        // What was due while everybody moved in could not be renewed before the first day.
        if self.present.is_empty() && now >= self.quiet_from && self.tally.rounds > 0 {
            let ahead = tokens::ahead(&mut *self.app.pool.acquire().await?, now).await?;
            let overdue = tokens::late_since(&ahead).map_or(TimeDelta::zero(), |since| now - since);
            if overdue > self.tally.longest_overdue {
                (self.tally.longest_overdue, self.tally.overdue_at) = (overdue, now);
            }
        }
        let tended = tokio::time::timeout(PATIENCE, self.app.tend()).await;
        let Tended { keeper, prober, warned: _, watched: _, outbox } =
            tended.with_context(|| format!("the rounds of {now} did not end"))??;
        self.tally.rounds += 1;
        self.tally.renewed += u64::from(keeper.renewed);
        self.tally.lapsed += u64::from(keeper.lapsed + prober.lapsed);
        if keeper.operator_fault > 0 {
            self.note_fault(u64::from(keeper.operator_fault));
        }
        if outbox.sent > 0 {
            self.read_mails(now);
        }
        if now - self.forgotten_at > TimeDelta::days(1) {
            self.sandbox.forget_past();
            self.forgotten_at = now;
        }
        Ok(())
    }

    /// On to the next deadline or event, in whole steps.
    async fn jump(&mut self, now: DateTime<Utc>, end: DateTime<Utc>) -> anyhow::Result<()> {
        let mut next = self.town.next_at().unwrap_or(end).min(end);
        if !self.is_off() {
            let open = store::audit::leased(&mut *self.app.pool.acquire().await?).await?;
            ensure!(open == 0, "after the rounds of {now} {open} leases are still open: the clock must not jump");
            next = next.min(self.app.tend_at().await?.unwrap_or(end));
        }
        let step = self.plan.step();
        let micros = |span: TimeDelta| span.num_microseconds().unwrap_or(i64::MAX);
        let steps = micros(next - now).div_euclid(micros(step)) + i64::from(micros(next - now) % micros(step) > 0);
        let by = TimeDelta::microseconds(micros(step).saturating_mul(steps.max(1)));
        self.clock.advance(by);
        Ok(())
    }

    async fn befall(&mut self, event: Event, now: DateTime<Utc>) -> anyhow::Result<()> {
        match event {
            Event::Disconnects(index) => {
                let resident = &mut self.town.residents[index];
                if self.sandbox.revoke(resident.provider, &resident.company)
                    && let Some(grant) = resident.latest()
                {
                    grant.deaths.push(Death { at: now, cause: Cause::Revoked });
                }
            }
            Event::Deleted(index) => {
                let resident = &mut self.town.residents[index];
                self.sandbox.delete_portal(&resident.company);
                if let Some(grant) = resident.latest() {
                    grant.deaths.push(Death { at: now, cause: Cause::PortalDeleted });
                }
            }
            Event::Returns(index, link) => self.returns(index, link, now).await?,
            Event::Begins(spell) => self.begins(spell),
            Event::Ends(spell) => self.ends(spell, now),
        }
        Ok(())
    }

    fn begins(&mut self, spell: Spell) {
        self.present.push(spell);
        match spell.trouble {
            Trouble::Outage(provider) => self.sandbox.switch(provider, |switches| {
                switches.outage = Outage::Status503;
                switches.outage_scope = Scope::Both;
            }),
            Trouble::WrongSecret(provider) => {
                self.sandbox.switch(provider, |switches| switches.invalid_client = true);
            }
            Trouble::Off => {
                // Whose window ends meanwhile can be renewed by nobody.
                for resident in &mut self.town.residents {
                    let end = self.sandbox.runs_out_at(resident.provider, &resident.company);
                    let end = end.filter(|end| *end <= spell.until);
                    if let (Some(at), Some(grant)) = (end, resident.grants.last_mut())
                        && !grant.deaths.iter().any(|death| death.at == at)
                    {
                        grant.deaths.push(Death { at, cause: Cause::InactivityExpired });
                    }
                }
            }
        }
    }

    fn ends(&mut self, spell: Spell, now: DateTime<Utc>) {
        self.present.retain(|present| *present != spell);
        self.quiet_from = now + AFTERMATH;
        match spell.trouble {
            Trouble::Outage(provider) => {
                self.sandbox.switch(provider, |switches| switches.outage = Outage::None);
            }
            Trouble::WrongSecret(provider) => {
                self.sandbox.switch(provider, |switches| switches.invalid_client = false);
            }
            Trouble::Off => {}
        }
    }

    fn note_fault(&mut self, count: u64) {
        let wrong = |spell: &&Spell| matches!(spell.trouble, Trouble::WrongSecret(_));
        // A fault that no spell explains is found by the audit, as an alert without a reason.
        let Some(spell) = self.present.iter().find(wrong).copied() else { return };
        match self.tally.faults_met.iter_mut().find(|(met, _)| *met == spell) {
            Some((_, times)) => *times += count,
            None => self.tally.faults_met.push((spell, count)),
        }
    }

    /// Owners read what arrived; those who follow links put it on their list.
    fn read_mails(&mut self, now: DateTime<Utc>) {
        for mail in self.sandbox.mails_after(self.mails_read) {
            self.mails_read = mail.id;
            let Some((url, link)) = self.link_in(&mail, now) else { continue };
            let Some(&index) = self.residents.get(&(link.account_id, link.provider)) else { continue };
            let resident = &mut self.town.residents[index];
            if let Some(delay) = resident.returns_after.filter(|_| !resident.returning) {
                resident.returning = true;
                self.town.plan(now + delay, Event::Returns(index, url));
            }
        }
    }

    fn link_in(&self, mail: &Mail, now: DateTime<Utc>) -> Option<(Url, Link)> {
        let below = self.config.web.public_url.join("connect/").ok()?;
        let word = mail.text.split_whitespace().find(|word| word.starts_with(below.as_str()))?;
        let token = word.strip_prefix(below.as_str())?;
        Some((word.parse().ok()?, self.app.links.read(token, now).ok()?))
    }

    /// An owner opens the link and agrees. Whoever meets trouble tries again later; whose link is too old by then gets a
    /// fresh one from the operator.
    async fn returns(&mut self, index: usize, link: Url, now: DateTime<Utc>) -> anyhow::Result<()> {
        if self.is_off() {
            self.town.plan(now + TRY_AGAIN, Event::Returns(index, link));
            return Ok(());
        }
        let resident = &mut self.town.residents[index];
        self.sandbox.choose(resident.provider, &resident.company);
        let visit = self.visitor.open(&link).await?;
        if visit.status.is_success() {
            resident.consents(now);
            self.tally.reconnects += 1;
            return Ok(());
        }
        let link = match visit.status.as_u16() {
            410 => self.app.links.make(resident.account_id, resident.provider, now).0,
            _ => link,
        };
        self.town.plan(now + TRY_AGAIN, Event::Returns(index, link));
        Ok(())
    }
}
