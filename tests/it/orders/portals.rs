//! Reading HubSpot: nothing that changed there is missed, whatever stood in the way.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    orders::intake::Report,
    provider::{
        Cause,
        Provider::{Hubspot, Quickbooks},
    },
    sandbox::{NewOrder, Outage, Scope},
    store::connections::Status,
};

use super::{number, reconnect};
use crate::harness::{HUB, OWNER, REALM, TestApp, minutes, order};

async fn stored(app: &TestApp) -> Vec<String> {
    let all = "select external_id from orders where status = 'queued' order by position";
    sqlx::query_scalar(all).fetch_all(&app.app.pool).await.unwrap()
}

async fn cursor(app: &TestApp) -> DateTime<Utc> {
    sqlx::query_scalar("select modified_to from intakes").fetch_one(&app.app.pool).await.unwrap()
}

/// Cheap to read: no lines.
fn bare(name: &str) -> NewOrder {
    NewOrder { name: name.to_owned(), ..NewOrder::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_orders_than_fit_a_page_are_all_taken_in_and_in_order() {
    let (app, _) = TestApp::connected().await;
    let mut placed = Vec::new();
    for n in 0..450 {
        placed.push(app.place(bare(&format!("A-{n}"))));
        app.advance(TimeDelta::milliseconds(1));
    }
    assert_eq!(app.app.intake.round().await.unwrap().received, 450);
    assert_eq!(stored(&app).await, placed);
    assert!(app.clock.now() - cursor(&app).await < TimeDelta::milliseconds(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_import_in_one_millisecond_is_all_taken_in() {
    let (app, _) = TestApp::connected().await;
    let mut placed = Vec::new();
    for (count, then) in [(30, 1), (450, 1), (230, 1), (1, 0)] {
        placed.extend((0..count).map(|n| app.place(bare(&format!("A-{n}")))));
        app.advance(TimeDelta::milliseconds(then));
    }
    let polled = tokio::time::timeout(Duration::from_secs(60), app.app.intake.round()).await;
    assert_eq!(polled.expect("it ends").unwrap().received, 711);
    assert_eq!(stored(&app).await, placed);
    app.advance(minutes(6));
    assert_eq!(app.app.intake.round().await.unwrap().received, 0);
    assert_eq!(app.count("select count(*) from orders").await, 711);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_search_can_page_through_is_all_taken_in() {
    let (app, _) = TestApp::connected().await;
    let placed = (0..10_250).map(|n| {
        // The first six thousand fall into one millisecond.
        app.advance(TimeDelta::milliseconds(i64::from(n >= 6_000)));
        app.place(NewOrder::default())
    });
    let placed: Vec<_> = placed.collect();
    assert_eq!(app.app.intake.round().await.unwrap().received, 10_250);
    assert_eq!(stored(&app).await, placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_changes_while_the_round_reads_on_is_not_overlooked() {
    let (app, _) = TestApp::connected_with(&[("orders.overlap", "0s")]).await;
    app.rounds().await;
    app.advance(minutes(6));
    let first = app.place(bare("#first"));
    for n in 0..650 {
        app.advance(TimeDelta::milliseconds(1));
        app.place(bare(&format!("#{n}")));
    }
    // Edited when the first page is stored: it comes again at the end of the round, or in the next one.
    let round = app.app.intake.round();
    let edited = async {
        let until = async || app.count("select count(*) from orders").await > 0;
        while !until().await {
            tokio::task::yield_now().await;
        }
        app.edit(&first, &[("hs_total_price", "12.00")]);
        app.advance(minutes(1));
        app.place(bare("#last"));
    };
    let (round, ()) = tokio::join!(round, edited);
    round.unwrap();
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap();
    assert_eq!(app.revisions(&first).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_runs_behind_delays_an_order_and_loses_none() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Hubspot, |switches| switches.indexing_delay = Duration::from_secs(1_800));
    app.rounds().await;
    app.advance(minutes(4));
    let id = app.place(order("A-1", 1_000));
    for _ in 0..4 {
        app.later().await;
        assert_eq!(stored(&app).await.len(), 0);
    }
    app.later().await;
    assert_eq!(app.numbers(REALM), [number(&id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_hubspot_is_down_the_cursor_stands_and_then_catches_up() {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    let stands = cursor(&app).await;
    app.sandbox.switch(Hubspot, |switches| (switches.outage, switches.outage_scope) = (Outage::Status503, Scope::Both));
    let mut placed = Vec::new();
    for n in 0..6 {
        app.advance(minutes(90));
        placed.push(number(&app.place(order(&format!("A-{n}"), 1_000))));
        app.rounds().await;
        assert_eq!(cursor(&app).await, stands);
    }
    app.sandbox.switch(Hubspot, |switches| switches.outage = Outage::None);
    app.advance(minutes(60));
    app.rounds().await;
    assert_eq!(app.numbers(REALM), placed);
    assert_eq!(app.connection(Hubspot).await.status, Status::Connected);
    assert!(app.mails(2).await.iter().all(|mail| mail.subject.contains("token endpoint of HubSpot")));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_days_without_a_grant_everything_that_was_missed_arrives() {
    let (app, account) = TestApp::connected().await;
    let mut placed = vec![number(&app.place(order("A-0", 1_000)))];
    app.rounds().await;
    app.sandbox.revoke(Hubspot, HUB);
    for n in 1..=12 {
        app.advance(TimeDelta::hours(10));
        placed.push(number(&app.place(order(&format!("A-{n}"), 1_000))));
        app.rounds().await;
    }
    let hubspot = app.connection(Hubspot).await;
    assert_eq!((hubspot.status, hubspot.cause), (Status::Lapsed, Some(Cause::Revoked)));
    assert_eq!(app.mails(1).await[0].to, [OWNER]);
    assert_eq!(app.numbers(REALM), placed[..1]);
    app.advance(minutes(16));
    assert_eq!(app.app.intake.round().await.unwrap(), Report::default(), "nobody asks in vain");
    reconnect(&app, &account, Hubspot, HUB).await;
    assert_eq!(app.numbers(REALM), placed);
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_wait_for_a_quickbooks_that_is_not_connected_yet() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.connect(&account, Hubspot, HUB).await;
    let placed: Vec<_> = (0..3).map(|n| number(&app.place(order(&format!("A-{n}"), 1_000)))).collect();
    app.rounds().await;
    app.later().await;
    assert_eq!(stored(&app).await.len(), 3);
    app.connect(&account, Quickbooks, REALM).await;
    app.rounds().await;
    assert_eq!(app.numbers(REALM), placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_refuses_every_token_ends_the_round_after_one_renewal() {
    let app = TestApp::start().await;
    app.sandbox.switch(Hubspot, |switches| {
        switches.access_lifetime = Duration::ZERO;
        switches.report_expires_in = false;
    });
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    app.connect(&account, Hubspot, HUB).await;
    let id = app.place(order("A-1", 1_000));
    let before = app.sandbox.token_calls(Hubspot).len();
    let report = tokio::time::timeout(Duration::from_secs(20), app.app.intake.round()).await;
    assert_eq!(report.expect("the round ends").unwrap().failed, 1);
    assert_eq!(app.sandbox.token_calls(Hubspot).len(), before + 1);
    app.sandbox.switch(Hubspot, |switches| switches.access_lifetime = Duration::from_secs(1_800));
    app.later().await;
    assert_eq!(app.numbers(REALM), [number(&id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_from_before_the_first_connect_is_not_booked_when_it_is_edited_later() {
    let app = TestApp::start().await;
    let old = app.sandbox.place_order(HUB, order("#old", 1_000));
    app.advance(minutes(30));
    let account = app.account("Harbor Books").await;
    app.connect(&account, Hubspot, HUB).await;
    app.app.intake.round().await.unwrap();
    app.advance(minutes(6));
    let edit = [("hs_total_price".to_owned(), "11.00".to_owned())].into();
    assert!(app.sandbox.edit_order(HUB, &old, &edit));
    let new = app.sandbox.place_order(HUB, order("#new", 1_000));
    app.app.intake.round().await.unwrap();
    assert_eq!(stored(&app).await, [new]);
}
