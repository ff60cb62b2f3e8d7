//! Orders of many companies, placed while everything goes wrong: Intuit is down, throttles, and loses replies to what it
//! carried out; daemons are killed at random and at named points; grants are revoked and their owners reconnect. Afterwards
//! every order has one document with its total, and each company's documents stand in the order of its orders.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter::{
    provider::Provider::{self, Quickbooks},
    sandbox::{NewContact, NewLine, NewOrder, Outage, Rotation, Scope},
};
use rand::{RngExt as _, rngs::StdRng};
use rust_decimal::Decimal;
use tokio::{task::JoinSet, time::Instant as Moment};

use super::{Ground, Town, draws, owners, say};

/// Minutes pass in seconds.
const PACE: [(&str, &str); 8] = [
    ("orders.poll_interval", "1s"),
    ("orders.dispatch_interval", "300ms"),
    ("orders.overlap", "2m"),
    ("orders.retry_min", "200ms"),
    ("orders.retry_max", "2s"),
    ("orders.lease", "6s"),
    ("outage.canary_min", "500ms"),
    ("outage.canary_max", "2s"),
];

struct Plan {
    companies: usize,
    orders: usize,
    kills: usize,
    patience: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_400_orders_of_8_companies_has_its_one_document() {
    run(&Plan { companies: 8, orders: 400, kills: 12, patience: Duration::from_secs(180) }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes some minutes: run it by hand, as a release build"]
async fn each_of_10_000_orders_of_50_companies_has_its_one_document() {
    run(&Plan { companies: 50, orders: 10_000, kills: 150, patience: Duration::from_secs(1_800) }).await;
}

/// What a merchant sees on their side.
struct Placed {
    number: String,
    total: Decimal,
}

/// What went wrong, counted.
#[derive(Default)]
struct Strikes {
    count: u64,
    outages: u64,
    throttles: u64,
    lost_replies: u64,
    revocations: u64,
}

async fn run(plan: &Plan) {
    let (seed, mut dice) = draws();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    let ground = Ground { accounts: plan.companies, daemons: 3, skews: &[0], pace: &PACE };
    let town = Town::build(&ground, &mut dice, &mut tasks).await;
    for provider in Provider::ALL {
        town.sandbox.switch(provider, |switches| {
            switches.access_lifetime = Duration::from_secs(60);
            switches.latency = Duration::from_millis(5);
        });
    }
    town.sandbox.switch(Quickbooks, |switches| switches.rotation = Rotation::Never);
    for number in 0..town.fleet.len() {
        tasks.spawn(Arc::clone(&town.fleet).keep(number, dice.random()));
    }
    town.connect_everybody().await;
    let mut reading = JoinSet::new();
    reading.spawn(owners::read_mail(Arc::clone(&town)));
    let mut flood = Flood { town: Arc::clone(&town), placed: BTreeMap::new(), strikes: Strikes::default() };
    flood.storm(plan, &mut dice).await;
    let stormed = begun.elapsed();
    flood.calm().await;
    let arrived = flood.wait(plan).await;
    town.fleet.stop();
    for _ in 0..town.fleet.len() {
        tasks.join_next().await.unwrap().unwrap();
    }
    let faults = flood.audit().await;
    say(&flood.table((stormed, begun.elapsed() - stormed)));
    assert!(arrived, "seed {seed}: not everything had come to rest in time\n{}", flood.left().await);
    assert!(faults.is_empty(), "seed {seed}: {} faults\n{}", faults.len(), faults[..faults.len().min(10)].join("\n"));
}

struct Flood {
    town: Arc<Town>,
    /// By realm, in the order in which they were placed.
    placed: BTreeMap<String, Vec<Placed>>,
    strikes: Strikes,
}

impl Flood {
    /// Places all orders, in bursts, and lets things go wrong meanwhile.
    async fn storm(&mut self, plan: &Plan, dice: &mut StdRng) {
        self.town.fleet.storm(true);
        let (mut placed, mut killed) = (0, 0);
        let mut healed = Moment::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while placed < plan.orders || killed < plan.kills {
            ticks.tick().await;
            let now = Moment::now();
            // Companies take turns, so that no two orders of one are of the same millisecond.
            let burst = dice.random_range(0..plan.companies).min(plan.orders - placed);
            for _ in 0..burst {
                self.place(placed, dice);
                placed += 1;
                if placed % 1_000 == 0 {
                    say(&format!("{placed} orders placed, {} daemons killed", self.town.fleet.kills()));
                }
            }
            if killed * plan.orders <= placed * plan.kills && dice.random_bool(0.1) {
                self.town.fleet.kill_one(dice);
            }
            killed = self.town.fleet.kills();
            if now >= healed {
                self.strike(dice);
                healed = now + Duration::from_millis(dice.random_range(400..1_500));
            }
            self.slow_down(plan, placed).await;
        }
    }

    fn place(&mut self, count: usize, dice: &mut StdRng) {
        let customer = &self.town.customers[count % self.town.customers.len()];
        let order = order(count, dice);
        let total = order.total.unwrap_or_default();
        let id = self.town.sandbox.place_order(&customer.hub, order);
        self.placed.entry(customer.realm.clone()).or_default().push(Placed { number: format!("HS-{id}"), total });
    }

    /// The storm must last as long as the orders flow: no more of them wait than trouble can still be made for.
    async fn slow_down(&self, plan: &Plan, placed: usize) {
        let documents = || {
            let made = self.town.customers.iter().map(|customer| self.town.sandbox.documents(&customer.realm).len());
            made.sum::<usize>()
        };
        let most = plan.orders / 4;
        let deadline = Moment::now() + Duration::from_millis(500);
        while placed.saturating_sub(documents()) > most && Moment::now() < deadline {
            tokio::time::timeout(Duration::from_millis(100), self.town.sandbox.changed()).await.ok();
        }
    }

    /// One trouble after the other; whatever the one before did is over.
    fn strike(&mut self, dice: &mut StdRng) {
        let (outage, throttle, revoke) = match self.strikes.count % 6 {
            0 => (true, false, false),
            2 => (false, true, false),
            4 => (false, false, true),
            _ => (false, false, false),
        };
        let lost = dice.random_range(0..4);
        self.town.sandbox.switch(Quickbooks, |switches| {
            switches.outage = if outage { Outage::Status503 } else { Outage::None };
            switches.outage_scope = Scope::Both;
            switches.throttle = throttle;
            switches.retry_after = Some(Duration::from_secs(1));
            switches.lost_create_replies += lost;
        });
        self.strikes.count += 1;
        self.strikes.outages += u64::from(outage);
        self.strikes.throttles += u64::from(throttle);
        self.strikes.lost_replies += u64::from(lost);
        if revoke {
            let customer = &self.town.customers[dice.random_range(0..self.town.customers.len())];
            let (provider, company) = match dice.random_bool(0.7) {
                true => (Quickbooks, &customer.realm),
                false => (Provider::Hubspot, &customer.hub),
            };
            self.strikes.revocations += u64::from(self.town.sandbox.revoke(provider, company));
        }
    }

    async fn calm(&self) {
        self.town.sandbox.switch(Quickbooks, |switches| {
            (switches.outage, switches.throttle, switches.lost_create_replies) = (Outage::None, false, 0);
        });
        self.town.fleet.storm(false);
    }

    /// Waits until nothing is left over.
    async fn wait(&self, plan: &Plan) -> bool {
        let deadline = Instant::now() + plan.patience;
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        let expected = i64::try_from(plan.orders).unwrap();
        while Instant::now() < deadline {
            ticks.tick().await;
            let posted = self.town.number("select count(*) from orders where status = 'posted'").await;
            if posted == Some(expected) && self.town.number(OPEN).await == Some(0) {
                return true;
            }
        }
        false
    }

    /// What keeps a run from its end, for whoever reads of its failure.
    async fn left(&self) -> String {
        let mut text = String::new();
        for (what, sql) in [
            ("queued", "select count(*) from orders where status = 'queued'"),
            ("parked", "select count(*) from orders where status = 'parked'"),
            ("posted", "select count(*) from orders where status = 'posted'"),
            ("not connected", "select count(*) from connections where status <> 'connected'"),
            ("open", OPEN),
        ] {
            writeln!(text, "{:?} {what}", self.town.number(sql).await).unwrap();
        }
        text
    }

    /// The books of every company against what its merchant placed.
    async fn audit(&self) -> Vec<String> {
        let mut faults = self.town.faults.lock().unwrap().clone();
        faults.extend(self.town.fleet.faults.lock().unwrap().iter().cloned());
        for (realm, placed) in &self.placed {
            let documents = self.town.sandbox.documents(realm);
            let numbers: Vec<_> = documents.iter().filter_map(|document| document.doc_number.clone()).collect();
            if numbers.iter().collect::<HashSet<_>>().len() != numbers.len() {
                faults.push(format!("{realm}: an order has two documents"));
            }
            let expected: Vec<_> = placed.iter().map(|order| order.number.clone()).collect();
            if numbers != expected {
                let place = numbers.iter().zip(&expected).position(|(there, wanted)| there != wanted);
                let (have, want) = (numbers.len(), expected.len());
                faults.push(format!("{realm}: {have} documents for {want} orders, the first odd one at {place:?}"));
            }
            for (document, order) in documents.iter().zip(placed) {
                if document.total != order.total {
                    faults.push(format!("{realm}: {} of {} for {}", order.number, document.total, order.total));
                }
            }
        }
        faults
    }

    fn table(&self, (storm, calm): (Duration, Duration)) -> String {
        let documents: usize = self.placed.keys().map(|realm| self.town.sandbox.documents(realm).len()).sum();
        let orders: usize = self.placed.values().map(Vec::len).sum();
        let output = self.town.fleet.output();
        let points: u64 = self.town.fleet.died_at(&output).values().sum();
        let mut text =
            format!("{orders} orders of {} companies: storm {storm:.1?}, calm {calm:.1?}\n", self.placed.len());
        for (what, count) in [
            ("documents", documents as u64),
            ("kills", self.town.fleet.kills() as u64),
            ("of these at a named point", points),
            ("outages of Intuit", self.strikes.outages),
            ("times that it throttled", self.strikes.throttles),
            ("replies lost after a document was made", self.strikes.lost_replies),
            ("grants revoked, and connected again by their owners", self.strikes.revocations),
        ] {
            writeln!(text, "{count:>9}  {what}").unwrap();
        }
        text
    }
}

/// An order of one of a few buyers, with one to three lines, and tax and shipping on some.
fn order(count: usize, dice: &mut StdRng) -> NewOrder {
    let lines: Vec<_> = (0..dice.random_range(1..=3))
        .map(|line| NewLine {
            name: format!("Lantern {line}"),
            sku: format!("LAN-{line}"),
            quantity: Decimal::from(dice.random_range(1..5)),
            price: Decimal::new(dice.random_range(1..20_000), 2),
            ..NewLine::default()
        })
        .collect();
    let cents = |dice: &mut StdRng| dice.random_bool(0.5).then(|| Decimal::new(dice.random_range(1..2_000), 2));
    let (tax, shipping) = (cents(dice), cents(dice));
    let goods: Decimal = lines.iter().map(|line| line.quantity * line.price).sum();
    let buyer = dice.random_range(0..20);
    NewOrder {
        name: format!("N-{count}"),
        currency: "USD".to_owned(),
        total: Some(goods + tax.unwrap_or_default() + shipping.unwrap_or_default()),
        tax,
        shipping,
        lines,
        contact: Some(NewContact {
            email: format!("buyer-{buyer}@post.example"),
            first: "Rae".to_owned(),
            last: format!("Reader {buyer}"),
        }),
        ..NewOrder::default()
    }
}

/// What is not at rest.
const OPEN: &str = "
    select (select count(*) from orders where status in ('queued', 'parked'))
         + (select count(*) from lanes where under_way is not null)
         + (select count(*) from lanes where lease_until is not null)
         + (select count(*) from connections where status <> 'connected')
         + (select count(*) from outages where closed_at is null)";
