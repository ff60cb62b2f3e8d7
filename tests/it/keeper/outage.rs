//! A token endpoint that is down: renewals wait behind one canary, nobody pays for it, and the flow ramps up afterwards.

use lamplighter::{
    health::{Depth, State},
    provider::Provider::{Hubspot, Quickbooks},
    sandbox::{Outage, Scope},
    store::connections::Status,
};

use crate::harness::{OPERATOR, TestApp, minutes};

const OPEN: &str = "select count(*) from outages where closed_at is null and endpoint = 'tokens'";

fn token_endpoint(app: &TestApp, outage: Outage) {
    app.sandbox.switch(Quickbooks, |switches| (switches.outage, switches.outage_scope) = (outage, Scope::OAuth));
}

/// What asks for a token during an outage gets none, and asks nobody.
async fn callers_are_turned_away(app: &TestApp) {
    let row = app.connection(Quickbooks).await;
    let calls = app.sandbox.oauth_calls(Quickbooks);
    assert!(app.app.keeper.renew_generation(row.id, row.generation).await.is_err());
    assert_eq!(app.sandbox.oauth_calls(Quickbooks), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_is_down_is_asked_by_one_canary_and_nobody_pays_for_it() {
    let app = TestApp::start_with(&[("keeper.concurrency", "2"), ("outage.open_after", "3")]).await;
    app.customers(12).await;
    app.advance(minutes(50));
    token_endpoint(&app, Outage::Status503);
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.renewed, report.lapsed), (12, 0), "HubSpot's are renewed: {report:?}");
    assert!(report.transient <= 5, "the round stops spending once the outage is open: {report:?}");
    assert_eq!(app.count(OPEN).await, 1);
    let failing = app.count("select count(*) from connections where status = 'failing'").await;
    callers_are_turned_away(&app).await;

    // Two days: one spend for each canary, and what was overdue is nobody's failure.
    for _ in 0..48 {
        let calls = app.sandbox.oauth_calls(Quickbooks);
        let idle = app.app.keeper.idle_for().await.unwrap();
        assert!(idle <= app.config.outage.canary_max, "{idle:?}");
        app.advance(minutes(60));
        app.app.keeper.round().await.unwrap();
        assert_eq!(app.sandbox.oauth_calls(Quickbooks), calls + 1);
    }
    assert_eq!(app.count("select count(*) from connections where status = 'failing'").await, failing);
    assert_eq!(app.count("select count(*) from connections where status = 'lapsed'").await, 0);
    assert_eq!(app.count("select max(failures)::bigint from tokens").await, 1, "a canary burns nothing");
    let checks = app.app.health.checks(Depth::Quick).await;
    let keeper = checks.iter().find(|check| check.id == "keeper").unwrap();
    assert_eq!(keeper.state, State::Ok, "waiting for a provider is not lateness: {}", keeper.message);
    let told = app.mails(1).await;
    assert!(told[0].to.iter().all(|to| to.contains(OPERATOR)), "{:?}", told[0].to);
    assert!(told[0].subject.contains("the token endpoint of QuickBooks"), "{}", told[0].subject);

    token_endpoint(&app, Outage::None);
    app.advance(minutes(60));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 12 + 12, "the canary opens the flow for all");
    assert_eq!(app.count(OPEN).await, 0);
    assert_eq!(app.count("select count(*) from connections where status <> 'connected'").await, 0);
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_companys_failures_are_no_outage_while_there_are_others() {
    let app = TestApp::start_with(&[("outage.open_after", "3")]).await;
    app.customers(2).await;
    token_endpoint(&app, Outage::Status503);
    let spare = "update tokens set renew_at = renew_at + interval '30 days' where connection_id =
                 (select id from connections where provider = 'quickbooks' order by id limit 1)";
    assert_eq!(app.execute(spare).await, 1);
    for _ in 0..5 {
        app.advance(minutes(50));
        assert_eq!(app.app.keeper.round().await.unwrap().transient, 1);
    }
    assert_eq!(app.count(OPEN).await, 0);
    app.execute("update tokens set renew_at = renewed_at where provider = 'quickbooks'").await;
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.count(OPEN).await, 1, "the second company makes it one");
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_token_endpoint_is_not_one_of_the_api() {
    let app = TestApp::start_with(&[("outage.open_after", "3")]).await;
    app.customers(4).await;
    app.advance(minutes(50));
    token_endpoint(&app, Outage::Html);
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.count(OPEN).await, 1);
    assert_eq!(app.count("select count(*) from outages where endpoint = 'api'").await, 0);
    let tokens = "select count(*) from tokens where provider = 'quickbooks' and access_expires_at > renewed_at";
    assert_eq!(app.count(tokens).await, 4);
    let live = app.app.keeper.access_token(app.connection(Quickbooks).await.id).await;
    assert!(live.is_ok(), "an access token that has not run out goes on working");
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_delays_no_other() {
    let (app, _) = TestApp::connected().await;
    token_endpoint(&app, Outage::Hang);
    app.advance(minutes(50));
    let renewed = async {
        let one_of_two = "select count(*) from spends s where s.outcome = 'renewed'
                          and exists (select from spends o where o.finished_at is null)";
        let seen = async {
            while app.count(one_of_two).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        let seen = tokio::time::timeout(app.config.keeper.deadline / 2, seen).await;
        token_endpoint(&app, Outage::None);
        seen
    };
    let (report, seen) = tokio::join!(app.app.keeper.round(), renewed);
    seen.expect("HubSpot's was renewed while QuickBooks' was still hanging");
    let report = report.unwrap();
    assert_eq!((report.renewed, report.unknown), (1, 1));
    assert_eq!(app.connection(Hubspot).await.status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_refresh_window_is_kept_alive_where_that_is_the_choice() {
    let (app, _) = TestApp::connected_with(&[
        ("providers.quickbooks.keep_alive", "refresh"),
        ("providers.hubspot.keep_alive", "refresh"),
    ])
    .await;
    for _ in 0..24 * 7 {
        app.advance(minutes(60));
        assert_eq!(app.app.keeper.round().await.unwrap().spent(), 0);
    }
    // Whoever needs a live token still gets one.
    let id = app.connection(Quickbooks).await.id;
    app.app.keeper.access_token(id).await.unwrap();
    assert_eq!(app.connection(Quickbooks).await.generation, 2);
    let mut renewed = 0;
    for _ in 0..150 {
        app.advance(minutes(24 * 60));
        renewed += app.app.keeper.round().await.unwrap().renewed;
    }
    let row = app.connection(Quickbooks).await;
    assert_eq!(row.status, Status::Connected, "the window of a hundred days rolls");
    assert!(row.refresh_expires_at.unwrap() > app.clock.now());
    assert!((6..=16).contains(&renewed), "some of either in 150 days: {renewed}");
}
