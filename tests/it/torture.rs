//! Several daemons on one database, killed at random and at named points of the protocol, with wrong clocks, a Postgres
//! that crashes and is cut off at its commits, and providers whose replies hang, break and get lost. Afterwards the
//! sandbox's own log is held against the ledger: nothing spent twice at once, no grant lost that the provider still
//! honoured, no wrong mail.
//!
//! The long form: `cargo test --release --test it -- --ignored --nocapture torture::no_grant`; the one for orders ends in
//! `torture::flood`. `LAMPLIGHTER_TORTURE_SEED` repeats the draws of a run; what the machine makes of them differs from
//! run to run.

mod audit;
mod daemons;
mod flood;
mod owners;
mod postgres;
mod proxy;

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lamplighter::{
    clock::Clock,
    config::environment,
    links::ReconnectLinks,
    provider::Provider,
    sandbox::{Listen, Rotation, Sandbox, TokenTrouble, Visitor},
    store::accounts::{self, Account},
    vault::Vault,
};
use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant as Moment};
use uuid::Uuid;

use self::{daemons::Fleet, postgres::Postgres, proxy::Proxy};
use crate::harness::{sandbox_settings, scratch};

/// How long a grant's replaced value works at HubSpot: longer than anything here takes.
const GRACE: Duration = Duration::from_secs(300);
const DEADLINE: Duration = Duration::from_secs(1);
const COMMIT_BUDGET: Duration = Duration::from_secs(1);

/// Hours pass in seconds.
const PACE: [(&str, &str); 20] = [
    ("keeper.check_interval", "1s"),
    ("keeper.lease", "3s"),
    ("keeper.takeover", "7s"),
    ("keeper.deadline", "1s"),
    ("keeper.commit_budget", "1s"),
    ("keeper.retry_min", "200ms"),
    ("keeper.retry_max", "1s"),
    ("orders.poll_interval", "20s"),
    ("orders.retry_min", "1s"),
    ("orders.retry_max", "5s"),
    ("orders.lease", "6s"),
    ("providers.timeout", "2s"),
    // The audit counts a mail for each lapse, and there are many.
    ("alerts.storm_after", "0"),
    ("alerts.retry_min", "300ms"),
    ("alerts.retry_max", "1s"),
    ("smtp.timeout", "1s"),
    ("database.connect_timeout", "1s"),
    ("database.max_connections", "12"),
    ("log.format", "json"),
    ("log.filter", "warn"),
];

struct Plan {
    accounts: usize,
    renewals: usize,
    kills: usize,
    /// Seconds by which a daemon's clock may be wrong; one of them for each life.
    skews: &'static [i64],
    patience: Duration,
}

/// How a town is made.
struct Ground<'a> {
    accounts: usize,
    daemons: usize,
    skews: &'static [i64],
    /// Settings beside or instead of those of [`PACE`].
    pace: &'a [(&'a str, &'a str)],
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_is_lost_in_1_000_renewals_with_100_kills() {
    run(&Plan {
        accounts: 60,
        renewals: 1_000,
        kills: 100,
        skews: &[0, 0, 0, 2, -2, 15, -15],
        patience: Duration::from_secs(600),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes some twenty minutes: run it by hand, as a release build"]
async fn no_grant_is_lost_in_10_000_renewals_with_1_000_kills() {
    run(&Plan {
        accounts: 100,
        renewals: 10_000,
        kills: 1_000,
        skews: &[0, 0, 0, 0, 0, 2, -2, 5, -5, 20, -20, 90, -90],
        patience: Duration::from_secs(3_600),
    })
    .await;
}

/// One customer of the operator, connected on either side.
struct Customer {
    account_id: Uuid,
    realm: String,
    hub: String,
}

/// Everything there is.
struct Town {
    sandbox: Sandbox,
    postgres: Postgres,
    proxy: Arc<Proxy>,
    fleet: Arc<Fleet>,
    customers: Vec<Customer>,
    links: ReconnectLinks,
    vault: Arc<Vault>,
    revocations: Mutex<Vec<(Provider, String)>>,
    faults: Mutex<Vec<String>>,
    _home: TempDir,
}

async fn run(plan: &Plan) {
    let (seed, mut dice) = draws();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    let ground = Ground { accounts: plan.accounts, daemons: 4, skews: plan.skews, pace: &[] };
    let town = Town::build(&ground, &mut dice, &mut tasks).await;
    for number in 0..town.fleet.len() {
        tasks.spawn(Arc::clone(&town.fleet).keep(number, dice.random()));
    }
    town.connect_everybody().await;
    let mut reading = JoinSet::new();
    reading.spawn(owners::read_mail(Arc::clone(&town)));
    let connected = begun.elapsed();
    let survived = town.storm(plan, &mut dice).await;
    let stormed = begun.elapsed();
    town.settle().await;
    town.fleet.stop();
    let mut slots = tasks;
    // All slots end; the proxy does not.
    for _ in 0..town.fleet.len() {
        slots.join_next().await.unwrap().unwrap();
    }
    if let Some(Err(cause)) = reading.try_join_next() {
        town.fault(format!("the owners gave up: {cause}"));
    }
    let times = (connected, stormed - connected, begun.elapsed() - stormed);
    let findings = audit::audit(&town, seed).await;
    say(&findings.table(times));
    assert!(survived, "the goal of {} renewals and {} kills was not reached in time", plan.renewals, plan.kills);
    assert!(findings.faults.is_empty(), "seed {seed}: {} faults\n{}", findings.faults.len(), findings.told());
}

fn draws() -> (u32, StdRng) {
    let seed = environment().get("LAMPLIGHTER_TORTURE_SEED").and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u32>);
    say(&format!("seed {seed}: LAMPLIGHTER_TORTURE_SEED={seed} draws the same again"));
    (seed, StdRng::seed_from_u64(seed.into()))
}

#[expect(clippy::print_stdout, reason = "the counts are what the run is for")]
fn say(text: &str) {
    println!("{text}");
}

impl Town {
    async fn build(ground: &Ground<'_>, dice: &mut StdRng, tasks: &mut JoinSet<()>) -> Arc<Self> {
        let home = tempfile::Builder::new().prefix("lamplighter-torture-").tempdir_in(scratch()).unwrap();
        std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let sandbox = Sandbox::start(Clock::system(), Listen::default()).await.unwrap();
        sandbox.seed(dice.random());
        sandbox.switch(Provider::Quickbooks, |switches| {
            switches.rotation = Rotation::EveryCall;
            switches.reuse_revokes_family = true;
        });
        sandbox.switch(Provider::Hubspot, |switches| {
            switches.rotation = Rotation::Daily { period: Duration::ZERO, grace: GRACE };
        });
        for provider in Provider::ALL {
            sandbox.switch(provider, |switches| {
                switches.access_lifetime = Duration::from_secs(4);
                switches.latency = Duration::from_millis(20);
            });
        }
        let postgres = Postgres::start(home.path().join("postgres")).await;
        let seed = StdRng::seed_from_u64(dice.random());
        let proxy = Proxy::start(home.path(), postgres.socket_dir(), seed, tasks);
        let keys = home.path().join("vault.keys");
        Vault::generate(&keys).unwrap();
        let vault = Arc::new(Vault::load(&keys).unwrap());
        let mut settings = sandbox_settings(&sandbox);
        let changed = |key: &str| ground.pace.iter().any(|(other, _)| *other == key);
        let pace = PACE.iter().filter(|(key, _)| !changed(key)).chain(ground.pace);
        settings.extend(pace.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let url =
            format!("postgres://lamplighter@localhost/lamplighter?sslmode=disable&host={}", home.path().display());
        settings.push(("database.url".to_owned(), url));
        settings.push(("vault.keys_file".to_owned(), keys.display().to_string()));
        let fleet = Fleet::new(ground.daemons, home.path(), &settings, ground.skews);
        let links = ReconnectLinks::new(Arc::clone(&vault), fleet.urls()[0].clone(), Duration::from_secs(86_400));
        let mut customers = Vec::new();
        let mut conn = PgConnection::connect_with(postgres.database()).await.unwrap();
        for number in 1..=ground.accounts {
            let account = Account {
                id: Uuid::now_v7(),
                name: format!("Books {number}"),
                owner_name: format!("Owner {number}"),
                owner_email: format!("owner-{number}@books.example"),
                created_at: Clock::system().now(),
            };
            accounts::add(&mut conn, &account).await.unwrap();
            let (realm, hub) = (format!("91303475968{number:05}"), format!("62{number:05}"));
            sandbox.add_company(&realm, &account.name);
            sandbox.add_portal(&hub, &format!("books-{number}.example"));
            customers.push(Customer { account_id: account.id, realm, hub });
        }
        conn.close().await.unwrap();
        Arc::new(Self {
            sandbox,
            postgres,
            proxy,
            fleet,
            customers,
            links,
            vault,
            revocations: Mutex::default(),
            faults: Mutex::default(),
            _home: home,
        })
    }

    fn fault(&self, text: String) {
        self.faults.lock().unwrap().push(text);
    }

    /// Waits for the daemons, and lets every owner follow a first link on either side.
    async fn connect_everybody(self: &Arc<Self>) {
        let (browser, url) = (Visitor::new().unwrap(), self.fleet.urls()[0].join("healthz").unwrap());
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        while browser.open(&url).await.is_err() {
            ticks.tick().await;
        }
        let now = Clock::system().now();
        for customers in self.customers.chunks(10) {
            let mut visits = JoinSet::new();
            for customer in customers {
                for provider in Provider::ALL {
                    let (link, _) = self.links.make(customer.account_id, provider, now);
                    visits.spawn(owners::follow(Arc::clone(self), link));
                }
            }
            visits.join_all().await;
        }
    }

    /// Everything at once, until the goal is reached. `false` when it takes too long.
    async fn storm(&self, plan: &Plan, dice: &mut StdRng) -> bool {
        let bad = TokenTrouble {
            hung_before: 5,
            hung_after: 5,
            truncated: 10,
            lost: 10,
            unavailable: 15,
            throttled: 10,
            html: 10,
            slower_by: Duration::from_millis(250),
        };
        self.sandbox.switch(Provider::Quickbooks, |switches| switches.token_trouble = bad);
        let worse = TokenTrouble { hung_after: 15, truncated: 30, lost: 30, unavailable: 30, ..bad };
        self.sandbox.switch(Provider::Hubspot, |switches| switches.token_trouble = worse);
        self.proxy.cut(15);
        self.fleet.storm(true);
        let begun = Instant::now();
        let soon = |dice: &mut StdRng, range| Moment::now() + Duration::from_millis(dice.random_range(range));
        let (mut kill, mut revoke) = (soon(dice, 0..500), soon(dice, 0..3_000));
        let (mut refuse, mut crash) = (soon(dice, 2_000..6_000), soon(dice, 5_000..15_000));
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let (mut renewals, mut counted) = (0, Moment::now());
        while begun.elapsed() < plan.patience {
            let now = ticks.tick().await;
            if now >= counted {
                counted = now + Duration::from_millis(500);
                renewals =
                    self.number("select count(*) from spends where outcome = 'renewed'").await.unwrap_or(renewals);
            }
            let (reached, kills) = (usize::try_from(renewals).unwrap(), self.fleet.kills());
            if reached >= plan.renewals && kills >= plan.kills {
                return true;
            }
            // Kills keep step with renewals, so that neither goal is waited for alone.
            if now >= kill && (kills + 1) * plan.renewals <= (reached + plan.renewals / 50) * plan.kills {
                self.fleet.kill_one(dice);
                kill = soon(dice, 50..600);
            }
            if now >= revoke {
                self.revoke_one(dice);
                revoke = soon(dice, 1_000..5_000);
            }
            if now >= refuse {
                self.proxy.refuse(true);
                let long = if dice.random_bool(0.25) { 2_500..4_500 } else { 200..1_200 };
                tokio::time::sleep(Duration::from_millis(dice.random_range(long))).await;
                self.proxy.refuse(false);
                refuse = soon(dice, 4_000..9_000);
            }
            if now >= crash {
                self.postgres.crash(if dice.random() { Signal::SIGQUIT } else { Signal::SIGKILL }).await;
                crash = soon(dice, 12_000..25_000);
            }
        }
        false
    }

    /// An owner disconnects the app at the provider.
    fn revoke_one(&self, dice: &mut StdRng) {
        let customer = &self.customers[dice.random_range(0..self.customers.len())];
        let (provider, company) = match dice.random() {
            true => (Provider::Quickbooks, &customer.realm),
            false => (Provider::Hubspot, &customer.hub),
        };
        if self.sandbox.revoke(provider, company) {
            self.revocations.lock().unwrap().push((provider, company.clone()));
        }
    }

    /// Fair weather, and tokens that live long, until everything has come to rest.
    async fn settle(&self) {
        self.proxy.cut(0);
        for provider in Provider::ALL {
            self.sandbox.switch(provider, |switches| {
                switches.token_trouble = TokenTrouble::default();
                switches.access_lifetime = Duration::from_secs(36_000);
            });
        }
        self.fleet.storm(false);
        let deadline = Instant::now() + Duration::from_secs(180);
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            let open = self.number(OPEN).await.unwrap_or(i64::MAX);
            let spooled = self.fleet.spooled();
            if open == 0 && spooled == 0 {
                return;
            }
            if Instant::now() > deadline {
                return self.fault(format!("it did not come to rest: {open} rows are open, {spooled} replies on disk"));
            }
        }
    }

    async fn number(&self, sql: &'static str) -> Option<i64> {
        let mut conn = PgConnection::connect_with(self.postgres.database()).await.ok()?;
        let number = sqlx::query_scalar(sql).fetch_one(&mut conn).await.ok()?;
        conn.close().await.ok();
        Some(number)
    }
}

/// What is not at rest: under way, broken, due within minutes, or not told yet.
const OPEN: &str = "
    select (select count(*) from spends where finished_at is null)
         + (select count(*) from tokens where lease_until is not null or renew_at is null
                                           or renew_at < now() + interval '10 minutes')
         + (select count(*) from intakes where lease_until is not null)
         + (select count(*) from lanes where lease_until is not null)
         + (select count(*) from connections where status <> 'connected')
         + (select count(*) from alerts where resolved_at is null)
         + (select count(*) from mails where sent_at is null)";
