//! Trouble that passes, and trouble that only the owner can end. No order is lost to either.

use std::time::Duration;

use chrono::TimeDelta;
use lamplighter::{
    orders::dispatch::Report,
    provider::{
        Cause,
        Provider::{Hubspot, Quickbooks},
    },
    sandbox::{Outage, Scope},
    store::{connections::Status, orders},
};

use super::{number, reconnect};
use crate::harness::{HUB, OWNER, REALM, TestApp, minutes, order};

fn place(app: &TestApp, count: i64) -> Vec<String> {
    (1..=count).map(|n| number(&app.place(order(&format!("A-{n}"), n * 100)))).collect()
}

async fn pause(app: &TestApp) -> TimeDelta {
    let resume_at: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select resume_at from lanes").fetch_one(&app.app.pool).await.unwrap();
    resume_at - app.clock.now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_access_token_is_renewed_once_and_the_batch_goes_on() {
    let app = TestApp::start().await;
    app.quickbooks(|switches| {
        switches.access_lifetime = Duration::from_secs(600);
        switches.report_expires_in = false;
    });
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    app.connect(&account, Hubspot, HUB).await;
    let placed = place(&app, 3);
    app.advance(minutes(12));
    let before = app.sandbox.token_calls(Quickbooks).len();
    app.rounds().await;
    assert_eq!(app.numbers(REALM), placed);
    assert_eq!(app.sandbox.token_calls(Quickbooks).len(), before + 1);
    assert_eq!(app.connection(Quickbooks).await.generation, 2);
    assert_eq!(app.count("select max(attempts)::bigint from orders").await, 1, "the same try went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_that_refuses_every_token_costs_one_renewal_a_try() {
    let app = TestApp::start().await;
    app.quickbooks(|switches| {
        switches.access_lifetime = Duration::ZERO;
        switches.report_expires_in = false;
    });
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    app.connect(&account, Hubspot, HUB).await;
    let placed = place(&app, 2);
    let before = app.sandbox.token_calls(Quickbooks).len();
    app.rounds().await;
    assert_eq!(app.sandbox.token_calls(Quickbooks).len(), before + 1);
    assert_eq!(app.order("A-1").await.status, orders::Status::Queued);
    app.quickbooks(|switches| switches.access_lifetime = Duration::from_secs(3600));
    app.later().await;
    assert_eq!(app.numbers(REALM), placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_is_waited_out_and_is_no_outage() {
    let (app, _) = TestApp::connected().await;
    let placed = place(&app, 3);
    app.quickbooks(|switches| {
        (switches.throttle, switches.outage_scope) = (true, Scope::Api);
        switches.retry_after = Some(Duration::from_secs(3_000));
    });
    app.rounds().await;
    let before = app.sandbox.api_calls(Quickbooks);
    assert!(pause(&app).await >= TimeDelta::seconds(3_000), "what Intuit asks for is given");
    app.later().await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), before, "nobody knocks before that");
    for _ in 0..8 {
        app.advance(minutes(51));
        app.rounds().await;
    }
    assert_eq!(app.sandbox.api_calls(Quickbooks), before + 8);
    assert_eq!(app.count("select count(*) from outages").await, 0);
    app.quickbooks(|switches| switches.throttle = false);
    app.advance(minutes(51));
    app.rounds().await;
    assert_eq!(app.numbers(REALM), placed);
    assert_eq!(app.count("select count(*) from orders where status <> 'posted'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_reply_lets_the_lane_wait_longer_each_time_and_keeps_its_order() {
    let (app, _) = TestApp::connected_with(&[("outage.open_after", "1000")]).await;
    let placed = place(&app, 3);
    app.quickbooks(|switches| switches.outage = Outage::Status503);
    for failures in 0..10 {
        let before = app.sandbox.api_calls(Quickbooks);
        app.app.intake.round().await.unwrap();
        assert_eq!(app.app.dispatch.round().await.unwrap().held, 1);
        let asked = u64::from(failures >= 2);
        assert_eq!(
            app.sandbox.api_calls(Quickbooks),
            before + 1 + asked,
            "only the first order knocks, and then it is asked whether the trouble is its own"
        );
        let longest = (15 << failures).min(900);
        let pause = pause(&app).await;
        assert!(
            pause <= TimeDelta::seconds(longest) && pause >= TimeDelta::seconds(longest / 2),
            "{failures}: {pause}"
        );
        assert_eq!(app.app.dispatch.round().await.unwrap().held, 0, "not before its time");
        app.advance(pause);
    }
    app.quickbooks(|switches| switches.outage = Outage::None);
    app.rounds().await;
    assert_eq!(app.numbers(REALM), placed);
    let failures: i32 = sqlx::query_scalar("select failures from lanes").fetch_one(&app.app.pool).await.unwrap();
    assert_eq!(failures, 0, "the next trouble begins with a short pause");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_in_ends_no_pause() {
    let (app, _) = TestApp::connected_with(&[("orders.retry_min", "40m"), ("orders.retry_max", "80m")]).await;
    let mut placed = place(&app, 1);
    app.quickbooks(|switches| switches.outage = Outage::Status503);
    app.rounds().await;
    placed.extend(place(&app, 1));
    let before = app.sandbox.api_calls(Quickbooks);
    app.later().await;
    assert_eq!(app.count("select count(*) from orders").await, 2);
    assert_eq!(app.sandbox.api_calls(Quickbooks), before);
    app.quickbooks(|switches| switches.outage = Outage::None);
    app.advance(minutes(40));
    app.rounds().await;
    assert_eq!(app.numbers(REALM), placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_ends_the_pause() {
    let (app, account) = TestApp::connected().await;
    let placed = place(&app, 2);
    assert!(app.sandbox.lose_permission(REALM, true));
    app.rounds().await;
    assert_eq!(app.connection(Quickbooks).await.status, Status::Lapsed);
    assert!(pause(&app).await > TimeDelta::zero());
    app.sandbox.lose_permission(REALM, false);
    app.connect(&account, Quickbooks, REALM).await;
    app.rounds().await;
    assert_eq!(app.numbers(REALM), placed, "at once");
    app.mails(2).await;
}

/// The connection lapses with `cause`, its owner is told once, the orders wait, and all arrive after the reconnect.
async fn lapses(cause: Cause, strike: impl Fn(&TestApp), heal: impl Fn(&TestApp)) {
    let (app, account) = TestApp::connected().await;
    let mut placed = place(&app, 2);
    app.rounds().await;
    strike(&app);
    placed.extend(place(&app, 3));
    app.later().await;
    let connection = app.connection(Quickbooks).await;
    assert_eq!((connection.status, connection.cause), (Status::Lapsed, Some(cause)));
    let mails = app.mails(1).await;
    assert_eq!(mails[0].to, [OWNER]);
    for _ in 0..5 {
        app.advance(TimeDelta::hours(20));
        placed.extend(place(&app, 1));
        app.rounds().await;
    }
    app.mails(1).await;
    assert_eq!(app.numbers(REALM), placed[..2]);
    app.advance(minutes(16));
    assert_eq!(app.app.dispatch.round().await.unwrap(), Report::default(), "nobody asks in vain");
    assert_eq!(app.count("select count(*) from orders where status = 'queued'").await, 8);
    heal(&app);
    reconnect(&app, &account, Quickbooks, REALM).await;
    assert_eq!(app.numbers(REALM), placed);
    assert_eq!(app.mails(2).await[1].to, [OWNER], "one all-clear");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_rights_hold_the_orders_until_the_reconnect() {
    let set = |app: &TestApp, lost| assert!(app.sandbox.lose_permission(REALM, lost));
    lapses(Cause::PermissionLost, |app| set(app, true), |app| set(app, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_subscription_holds_the_orders_until_the_reconnect() {
    let set = |app: &TestApp, lapsed| assert!(app.sandbox.lapse_subscription(REALM, lapsed));
    lapses(Cause::SubscriptionLapsed, |app| set(app, true), |app| set(app, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_grant_holds_the_orders_until_the_reconnect() {
    lapses(Cause::Revoked, |app| assert!(app.sandbox.revoke(Quickbooks, REALM)), |_| ()).await;
}
