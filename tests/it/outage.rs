//! A provider that is down for everybody: when that is said, how it is probed, and that nothing is lost to it.

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    outage::{Flow, OutageWatch},
    provider::{Endpoint, Provider::Quickbooks},
    sandbox::{Outage, Scope},
};

use crate::{
    harness::{OPERATOR, TestApp, minutes, order},
    orders::{Customer, number},
};

/// `per_company` orders in each company, in turns; the numbers of their documents, company by company.
fn place(app: &TestApp, customers: &[Customer], per_company: usize) -> Vec<Vec<String>> {
    let mut placed = vec![Vec::new(); customers.len()];
    for n in 0..per_company {
        for (customer, placed) in customers.iter().zip(&mut placed) {
            placed.push(number(&app.sandbox.place_order(&customer.hub, order(&format!("A-{n}"), 100))));
        }
    }
    placed
}

fn posted(app: &TestApp, customers: &[Customer]) -> Vec<Vec<String>> {
    customers.iter().map(|customer| app.numbers(&customer.realm)).collect()
}

async fn open_outages(app: &TestApp) -> i64 {
    app.count("select count(*) from outages where closed_at is null").await
}

async fn canary_at(app: &TestApp) -> DateTime<Utc> {
    let open = "select canary_at from outages where closed_at is null";
    sqlx::query_scalar(open).fetch_one(&app.app.pool).await.unwrap()
}

/// Requests that reached QuickBooks in one dispatch round.
async fn knocks(app: &TestApp) -> u64 {
    let before = app.sandbox.api_calls(Quickbooks);
    app.app.dispatch.round().await.unwrap();
    app.sandbox.api_calls(Quickbooks) - before
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_in_a_row_across_companies_open_one_outage_and_one_mail() {
    let app = TestApp::start_with(&[("orders.concurrency", "1")]).await;
    let customers = app.customers(7).await;
    let placed = place(&app, &customers, 2);
    app.quickbooks(|switches| switches.outage = Outage::Status503);
    app.app.intake.round().await.unwrap();
    assert_eq!(knocks(&app).await, 5, "the fifth company's failure opens it, and the sixth is not asked");
    assert_eq!(open_outages(&app).await, 1);
    let mails = app.mails(1).await;
    assert_eq!(mails[0].to, [OPERATOR]);
    let words = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("14 orders wait for it now"), "{words}");
    assert_eq!(knocks(&app).await, 0);
    app.quickbooks(|switches| switches.outage = Outage::None);
    assert_eq!(knocks(&app).await, 0, "nothing is sent before the canary's time");
    app.advance(canary_at(&app).await - app.clock.now());
    assert!(knocks(&app).await > 1, "the canary came back and the others follow");
    assert_eq!(posted(&app, &customers), placed);
    assert_eq!(open_outages(&app).await, 0);
    assert_eq!(app.mails(2).await[1].to, [OPERATOR]);
    for _ in 0..3 {
        app.later().await;
    }
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_lasts_one_canary_at_a_time_is_sent_with_growing_pauses() {
    let app = TestApp::start().await;
    let customers = app.customers(6).await;
    place(&app, &customers, 3);
    app.quickbooks(|switches| switches.outage = Outage::Status503);
    app.app.intake.round().await.unwrap();
    app.app.dispatch.round().await.unwrap();
    assert_eq!(open_outages(&app).await, 1);
    let other = app.second_daemon().await;
    for flown in 1..10 {
        let at = canary_at(&app).await;
        app.advance(at - app.clock.now() - TimeDelta::milliseconds(1));
        assert_eq!(knocks(&app).await, 0, "none before its time");
        app.advance(TimeDelta::milliseconds(1));
        let before = app.sandbox.api_calls(Quickbooks);
        tokio::try_join!(app.app.dispatch.round(), other.dispatch.round()).unwrap();
        assert_eq!(app.sandbox.api_calls(Quickbooks), before + 1, "one canary, however many daemons");
        let (pause, longest) = (canary_at(&app).await - app.clock.now(), (30 << (flown - 1)).min(600));
        assert!(pause <= TimeDelta::seconds(longest) && pause >= TimeDelta::seconds(longest / 2), "{flown}: {pause}");
    }
    assert_eq!(app.count("select count(*) from outages").await, 1);
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_it_the_flow_ramps_up() {
    let app = TestApp::start().await;
    let customers = app.customers(5).await;
    place(&app, &customers, 1);
    app.quickbooks(|switches| switches.outage = Outage::Html);
    app.app.intake.round().await.unwrap();
    app.app.dispatch.round().await.unwrap();
    let watch = OutageWatch::new(app.app.pool.clone(), app.clock.clone(), app.config.outage.clone(), None);
    let flow = || watch.flow(Quickbooks, Endpoint::Api, 4);
    assert_eq!(flow().await.unwrap(), Flow::Closed(canary_at(&app).await));
    app.mails(1).await;
    app.quickbooks(|switches| switches.outage = Outage::None);
    app.advance(minutes(1));
    app.app.dispatch.round().await.unwrap();
    assert_eq!(flow().await.unwrap(), Flow::Open(1));
    app.advance(TimeDelta::seconds(30));
    assert_eq!(flow().await.unwrap(), Flow::Open(2));
    app.advance(TimeDelta::seconds(30));
    assert_eq!(flow().await.unwrap(), Flow::Open(4));
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_between_successes_are_no_outage() {
    let app = TestApp::start_with(&[("outage.open_after", "3")]).await;
    let customers = app.customers(1).await;
    place(&app, &customers, 1);
    app.rounds().await;
    for _ in 0..6 {
        place(&app, &customers, 1);
        app.quickbooks(|switches| switches.lost_create_replies = 1);
        app.later().await;
        assert_eq!(app.count("select failures::bigint from lanes").await, 1, "an order went through before it");
    }
    assert_eq!(app.count("select count(*) from order_attempts where outcome = 'unknown'").await, 6);
    assert_eq!(app.count("select count(*) from outages").await, 0);
    app.later().await;
    assert_eq!(app.count("select count(*) from orders where status <> 'posted'").await, 0);
}

/// A week of `outage` burns nothing: afterwards everything drains by itself, in order, once.
async fn a_week(outage: Outage, scope: Scope) {
    let app = TestApp::start().await;
    let customers = app.customers(6).await;
    let mut placed = place(&app, &customers, 2);
    app.quickbooks(|switches| (switches.outage, switches.outage_scope) = (outage, scope));
    app.rounds().await;
    for _ in 0..56 {
        app.advance(TimeDelta::hours(3));
        app.rounds().await;
    }
    for (all, more) in placed.iter_mut().zip(place(&app, &customers, 2)) {
        all.extend(more);
    }
    app.rounds().await;
    assert_eq!(posted(&app, &customers).concat().len(), 0);
    assert_eq!(app.count("select count(*) from connections where status = 'lapsed'").await, 0);
    app.quickbooks(|switches| switches.outage = Outage::None);
    for _ in 0..4 {
        app.advance(minutes(11));
        app.rounds().await;
    }
    assert_eq!(posted(&app, &customers), placed);
    let halves = if scope == Scope::Both { 2 } else { 1 };
    assert_eq!(app.count("select count(*) from outages").await, halves, "token endpoint and API are watched apart");
    let mails = app.mails(2 * halves as usize).await;
    assert!(mails.iter().all(|mail| mail.to == [OPERATOR]), "no owner hears of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_503_burns_no_order() {
    a_week(Outage::Status503, Scope::Api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_maintenance_pages_burns_no_order() {
    a_week(Outage::Html, Scope::Api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_without_tokens_either_burns_no_order() {
    a_week(Outage::Status503, Scope::Both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_answers_is_an_outage_too() {
    let app = TestApp::start_with(&[("providers.timeout", "1s"), ("outage.open_after", "3")]).await;
    let customers = app.customers(3).await;
    let placed = place(&app, &customers, 2);
    app.quickbooks(|switches| (switches.outage, switches.outage_scope) = (Outage::Hang, Scope::Api));
    app.app.intake.round().await.unwrap();
    assert_eq!(knocks(&app).await, 3);
    assert_eq!(open_outages(&app).await, 1);
    assert!(app.mails(1).await[0].text.contains("did not answer"));
    app.quickbooks(|switches| switches.outage = Outage::None);
    app.advance(minutes(1));
    app.rounds().await;
    assert_eq!(posted(&app, &customers), placed);
    app.mails(2).await;
}
