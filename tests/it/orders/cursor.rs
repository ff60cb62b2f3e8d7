//! How far a portal is read: who may say so, and when.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    orders::intake::Report,
    provider::{Cause, Provider::Hubspot},
    sandbox::{Outage, Scope},
    store::{
        connections::Status,
        intakes::{self, Claim},
    },
};

use super::number;
use crate::harness::{OPERATOR, OWNER, REALM, TestApp, minutes, order};

const LEASE: Duration = Duration::from_secs(300);
const LEASE_RAN_OUT: &str = "update intakes set lease_until = clock_timestamp() - interval '1 second'";

/// How far the portal is read, and when it is read again.
async fn cursor(app: &TestApp) -> (DateTime<Utc>, DateTime<Utc>) {
    sqlx::query_as("select modified_to, poll_at from intakes").fetch_one(&app.app.pool).await.unwrap()
}

async fn claim(app: &TestApp) -> Option<Claim> {
    let mut conn = app.conn().await;
    intakes::claim_due(&mut conn, app.clock.now(), "test/1", LEASE, 1).await.unwrap().pop()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_leaves_the_cursor_where_it_was() {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    let (stands, _) = cursor(&app).await;
    app.advance(minutes(6));
    let id = app.place(order("A-1", 1_000));
    app.execute("alter table orders add constraint none_now check (name <> 'A-1')").await;
    assert_eq!(app.app.intake.round().await.unwrap(), Report::default());
    assert_eq!(cursor(&app).await.0, stands);
    app.execute("alter table orders drop constraint none_now").await;
    app.execute(LEASE_RAN_OUT).await;
    app.rounds().await;
    assert_eq!(app.numbers(REALM), [number(&id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_portal_says_nothing_about_it_any_more() {
    let (app, _) = TestApp::connected().await;
    let late = claim(&app).await.unwrap();
    assert!(claim(&app).await.is_none(), "a leased portal is nobody else's");
    app.execute(LEASE_RAN_OUT).await;
    let ours = claim(&app).await.unwrap();
    let before = cursor(&app).await;
    let (now, mut conn) = (app.clock.now(), app.conn().await);
    assert!(!intakes::advance(&mut conn, &late, now + minutes(1), LEASE).await.unwrap());
    intakes::release(&mut conn, &late, now + minutes(9), true, None).await.unwrap();
    assert_eq!(cursor(&app).await, before);
    assert!(claim(&app).await.is_none(), "it is still ours");
    assert!(intakes::advance(&mut conn, &ours, now + minutes(1), LEASE).await.unwrap());
    assert!(intakes::advance(&mut conn, &ours, now, LEASE).await.unwrap());
    assert_eq!(cursor(&app).await.0, now + minutes(1), "never backwards");
    intakes::release(&mut conn, &ours, now, false, Some(now)).await.unwrap();
    assert!(claim(&app).await.is_some());
    app.leaves_something_open();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_portal_while_reading_it_stores_nothing() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    let before = cursor(&app).await;
    // It begins with a renewal, which takes its time.
    app.advance(minutes(40));
    app.sandbox.switch(Hubspot, |switches| switches.latency = Duration::from_secs(1));
    let another_claims = async {
        while app.execute("update intakes set fence = fence + 1 where lease_until is not null").await == 0 {
            tokio::task::yield_now().await;
        }
    };
    let (report, ()) = tokio::join!(app.app.intake.round(), another_claims);
    assert_eq!(report.unwrap(), Report { failed: 1, ..Report::default() });
    assert_eq!(app.count("select count(*) from orders").await, 0);
    assert_eq!(cursor(&app).await, before);
    assert_eq!(app.execute("update intakes set lease_until = null, leased_by = null").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_indexed_after_a_later_one_is_found() {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    app.advance(minutes(2));
    let id = app.place(order("A-1", 1_000));
    app.advance(minutes(3));
    // The later one was there at once.
    sqlx::query("update intakes set modified_to = $1").bind(app.clock.now()).execute(&app.app.pool).await.unwrap();
    app.later().await;
    assert_eq!(app.numbers(REALM), [number(&id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hubspot_that_cannot_be_read_is_an_outage_for_the_operator() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Hubspot, |switches| (switches.outage, switches.outage_scope) = (Outage::Status503, Scope::Api));
    for _ in 0..6 {
        app.app.intake.round().await.unwrap();
        app.advance(minutes(16));
    }
    let open = "select count(*) from outages where provider = 'hubspot' and endpoint = 'api' and closed_at is null";
    assert_eq!(app.count(open).await, 1);
    app.mails(1).await;
    app.sandbox.switch(Hubspot, |switches| switches.outage = Outage::None);
    app.app.intake.round().await.unwrap();
    assert_eq!(app.count(open).await, 0);
    assert!(app.mails(2).await.iter().all(|mail| mail.to == [OPERATOR]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_lacks_a_right_lapses_and_its_owner_is_told() {
    let scopes = "oauth,crm.objects.orders.read,crm.objects.contacts.read";
    let (mut app, _) = TestApp::connected_with(&[("providers.hubspot.scopes", scopes)]).await;
    app.place(order("A-1", 1_000));
    // The operator asks for more since.
    app.config.providers.hubspot.as_mut().unwrap().scopes.push("crm.objects.line_items.read".to_owned());
    app.second_daemon().await.intake.round().await.unwrap();
    let hubspot = app.connection(Hubspot).await;
    assert_eq!((hubspot.status, hubspot.cause), (Status::Lapsed, Some(Cause::PermissionLost)));
    assert_eq!(app.mails(1).await[0].to, [OWNER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_hubspot_asks_for_is_given() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Hubspot, |switches| {
        (switches.throttle, switches.outage_scope) = (true, Scope::Api);
        switches.retry_after = Some(Duration::from_secs(3_000));
    });
    assert_eq!(app.app.intake.round().await.unwrap().failed, 1);
    assert!(cursor(&app).await.1 >= app.clock.now() + TimeDelta::seconds(3_000));
    app.sandbox.switch(Hubspot, |switches| switches.throttle = false);
}
