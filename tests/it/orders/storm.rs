//! A long run of random trouble, the same for the same seed. Whatever happened, each order has its one document.

use chrono::TimeDelta;
use lamplighter::{
    provider::Provider::{Hubspot, Quickbooks},
    sandbox::{Outage, Scope},
    store::connections::{self, Status},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use rust_decimal::Decimal;

use super::{Customer, number};
use crate::harness::{TestApp, minutes, order};

const ORDERS: usize = 200;

struct Placed {
    customer: usize,
    number: String,
    total: Decimal,
}

fn strike(app: &TestApp, customers: &[Customer], dice: &mut StdRng) {
    let realm = &customers.choose(dice).unwrap().realm;
    let hub = &customers.choose(dice).unwrap().hub;
    let outage = *[Outage::None, Outage::Status503, Outage::Html].choose(dice).unwrap();
    let scope = *[Scope::Api, Scope::Both].choose(dice).unwrap();
    match dice.random_range(0..10) {
        0 | 1 => app.quickbooks(|switches| (switches.outage, switches.outage_scope) = (outage, scope)),
        2 => app.sandbox.switch(Hubspot, |switches| (switches.outage, switches.outage_scope) = (outage, scope)),
        3 => app.quickbooks(|switches| switches.throttle = !switches.throttle),
        4 | 5 => app.quickbooks(|switches| switches.lost_create_replies += 3),
        6 => drop(app.sandbox.revoke(Quickbooks, realm)),
        7 => drop(app.sandbox.revoke(Hubspot, hub)),
        8 => drop(app.sandbox.lose_permission(realm, dice.random())),
        _ => drop(app.sandbox.lapse_subscription(realm, dice.random())),
    }
}

fn heal(app: &TestApp, customers: &[Customer]) {
    for provider in [Quickbooks, Hubspot] {
        app.sandbox.switch(provider, |switches| {
            (switches.outage, switches.throttle, switches.lost_create_replies) = (Outage::None, false, 0);
        });
    }
    for customer in customers {
        app.sandbox.lose_permission(&customer.realm, false);
        app.sandbox.lapse_subscription(&customer.realm, false);
    }
}

/// Owners read their mail: each lapsed connection is connected again, if the provider lets them.
async fn reconnect_lapsed(app: &TestApp, customers: &[Customer]) {
    let rows = connections::overview(&mut *app.conn().await, 100).await.unwrap();
    for row in rows.into_iter().filter(|row| row.status == Status::Lapsed) {
        let customer = customers.iter().find(|customer| customer.account.name == row.account).unwrap();
        app.sandbox.choose(row.provider, &row.company_id);
        app.visitor.open(&app.link(&customer.account, row.provider)).await.unwrap();
    }
}

async fn weather(seed: u64) {
    let app = TestApp::start().await;
    let customers = app.customers(8).await;
    let other = app.second_daemon().await;
    let mut dice = StdRng::seed_from_u64(seed);
    let mut placed: Vec<Placed> = Vec::new();
    while placed.len() < ORDERS {
        for _ in 0..dice.random_range(0..12).min(ORDERS - placed.len()) {
            let customer = dice.random_range(0..customers.len());
            let cents = dice.random_range(1..100_000);
            let id = app.sandbox.place_order(&customers[customer].hub, order(&format!("A-{}", placed.len()), cents));
            app.advance(TimeDelta::milliseconds(1));
            placed.push(Placed { customer, number: number(&id), total: Decimal::new(cents, 2) });
        }
        strike(&app, &customers, &mut dice);
        app.advance(minutes(dice.random_range(0..25)));
        app.app.keeper.round().await.unwrap();
        let (a, b) = (&app.app, &other);
        tokio::try_join!(a.intake.round(), b.intake.round(), a.dispatch.round(), b.dispatch.round()).unwrap();
        if dice.random_range(0..3) == 0 {
            reconnect_lapsed(&app, &customers).await;
        }
    }
    heal(&app, &customers);
    for _ in 0..8 {
        app.advance(minutes(20));
        app.rounds().await;
        reconnect_lapsed(&app, &customers).await;
    }
    assert_eq!(app.count("select count(*) from orders where status <> 'posted'").await, 0, "seed {seed}");
    for (index, customer) in customers.iter().enumerate() {
        let expected: Vec<_> = placed.iter().filter(|one| one.customer == index).collect();
        let numbers: Vec<_> = expected.iter().map(|one| one.number.clone()).collect();
        assert_eq!(app.numbers(&customer.realm), numbers, "seed {seed}: each once, in the order of their arrival");
        let totals: Vec<_> =
            app.sandbox.documents(&customer.realm).iter().map(|document| document.total.normalize()).collect();
        assert_eq!(totals, expected.iter().map(|one| one.total.normalize()).collect::<Vec<_>>(), "seed {seed}");
    }
    assert_eq!(app.count("select count(*) from outages where closed_at is null").await, 0);
    app.app.outbox.round().await.unwrap();
    app.mails(app.sandbox.mails().len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_trouble_leaves_one_document_per_order() {
    weather(20_260_109).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_random_trouble_leaves_one_document_per_order() {
    weather(7).await;
}
