//! Several daemons on one database, and lanes that take their turns.

use std::time::Duration;

use lamplighter::{
    provider::Provider::{Hubspot, Quickbooks},
    store::{
        attempts::{self, Begun},
        lanes::{self, Claim, Leave},
        orders::{self, Waiting},
    },
};

use super::{number, receipt_by_hand, totals};
use crate::harness::{REALM, TestApp, minutes, order};

#[tokio::test(flavor = "multi_thread")]
async fn daemons_that_race_post_every_order_once_and_in_order() {
    let app = TestApp::start_with(&[("orders.batch", "3")]).await;
    let customers = app.customers(6).await;
    let other = app.second_daemon().await;
    for wave in 0..3 {
        for customer in &customers {
            for n in 0..8 {
                app.sandbox.place_order(&customer.hub, order(&format!("{wave}-{n}"), 100 + n));
            }
        }
        app.advance(minutes(6));
        let (a, b) = (&app.app, &other);
        tokio::try_join!(
            a.intake.round(),
            b.intake.round(),
            a.dispatch.round(),
            b.dispatch.round(),
            a.dispatch.round(),
            b.intake.round()
        )
        .unwrap();
        tokio::try_join!(a.dispatch.round(), b.dispatch.round(), b.dispatch.round()).unwrap();
    }
    for customer in &customers {
        let expected: Vec<String> =
            sqlx::query_scalar("select document_number from orders where account_id = $1 order by position")
                .bind(customer.account.id)
                .fetch_all(&app.app.pool)
                .await
                .unwrap();
        assert_eq!(expected.len(), 24);
        assert_eq!(app.numbers(&customer.realm), expected);
    }
    assert_eq!(app.count("select max(attempts)::bigint from orders").await, 1);
}

/// A worker claims the lane and begins its first order.
pub(super) async fn begin(app: &TestApp) -> (Claim, Waiting, Begun) {
    let (now, lease) = (app.clock.now(), Duration::from_secs(300));
    let mut conn = app.conn().await;
    let claim = lanes::claim_due(&mut conn, now, "dying/1", lease, 1).await.unwrap().pop().unwrap();
    let waiting = orders::next(&mut conn, claim.account_id, 1).await.unwrap().pop().unwrap();
    let attempt = attempts::begin(&mut conn, &claim, &[waiting.id], lease, now).await.unwrap();
    (claim, waiting, attempt)
}

pub(super) const LEASE_RAN_OUT: &str = "update lanes set lease_until = clock_timestamp() - interval '1 second'";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_posted_is_adopted_when_its_lease_ran_out() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.place(order("A-2", 2_000));
    app.app.intake.round().await.unwrap();
    let (_, waiting, attempt) = begin(&app).await;
    assert_eq!(attempt, Begun::Ours);
    app.by_hand(REALM, "salesreceipt", receipt_by_hand(&number(&id), &waiting.request_id.to_string())).await;
    let before = app.sandbox.api_calls(Quickbooks);
    app.later().await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), before, "a leased lane is nobody else's");
    app.execute(LEASE_RAN_OUT).await;
    app.rounds().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["1.50", "20.00"]);
    let outcomes: Vec<String> =
        sqlx::query_scalar("select outcome from order_attempts order by id").fetch_all(&app.app.pool).await.unwrap();
    assert_eq!(outcomes, ["unknown", "adopted", "posted"], "the abandoned try is closed too");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_did_not_post_is_posted() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    let (late, waiting, _) = begin(&app).await;
    app.execute(LEASE_RAN_OUT).await;
    app.rounds().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
    let mut conn = app.conn().await;
    let lease = Duration::from_secs(300);
    let begun = attempts::begin(&mut conn, &late, &[waiting.id], lease, app.clock.now()).await.unwrap();
    assert_eq!(begun, Begun::Lost, "who lost the lane may not begin again");
    lanes::release(
        &mut conn,
        &late,
        Leave::Pause { until: app.clock.now(), failures: 9, asked: false },
        app.clock.now(),
    )
    .await
    .unwrap();
    assert_eq!(app.count("select failures::bigint from lanes").await, 0, "nor give it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_working_keeps_the_lane() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    let (claim, waiting, _) = begin(&app).await;
    let is_long = "select count(*) from lanes where lease_until > clock_timestamp() + interval '4 minutes'";
    let (now, lease) = (app.clock.now(), Duration::from_secs(300));
    let mut conn = app.conn().await;
    app.execute("update lanes set lease_until = clock_timestamp() + interval '1 minute'").await;
    assert_eq!(app.count(is_long).await, 0);
    assert_eq!(attempts::begin(&mut conn, &claim, &[waiting.id], lease, now).await.unwrap(), Begun::Ours);
    assert_eq!(app.count(is_long).await, 1);
    app.execute("update lanes set lease_until = clock_timestamp() + interval '1 minute'").await;
    assert!(attempts::finish(&mut conn, &claim, "dying/1", &[], lease, None).await.unwrap());
    assert_eq!(app.count(is_long).await, 1);
    lanes::release(&mut conn, &claim, Leave::More, now).await.unwrap();
    app.app.dispatch.round().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_in_while_its_lane_is_found_empty_is_not_forgotten() {
    let (app, _) = TestApp::connected().await;
    let lease = Duration::from_secs(300);
    for (name, with_the_last_word) in [("A-1", false), ("A-2", true)] {
        app.execute("update lanes set resume_at = '2020-01-01'").await;
        let now = app.clock.now();
        let claim = {
            let mut conn = app.conn().await;
            let claim = lanes::claim_due(&mut conn, now, "test/2", lease, 1).await.unwrap().pop().unwrap();
            assert!(orders::next(&mut conn, claim.account_id, 1).await.unwrap().is_empty());
            claim
        };
        app.place(order(name, 1_000));
        app.advance(minutes(6));
        app.app.intake.round().await.unwrap();
        let mut conn = app.conn().await;
        if with_the_last_word {
            let leave = Some((Leave::Empty, now));
            assert!(attempts::finish(&mut conn, &claim, "test/2", &[], lease, leave).await.unwrap());
        } else {
            lanes::release(&mut conn, &claim, Leave::Empty, now).await.unwrap();
        }
        drop(conn);
        assert_eq!(app.app.dispatch.round().await.unwrap().posted, 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_with_a_long_queue_lets_the_others_have_their_turn() {
    let app = TestApp::start_with(&[("orders.concurrency", "1"), ("orders.batch", "10")]).await;
    let customers = app.customers(2).await;
    for n in 0..120 {
        app.sandbox.place_order(&customers[0].hub, order(&format!("busy-{n}"), 100));
    }
    app.sandbox.place_order(&customers[1].hub, order("quiet", 100));
    app.app.intake.round().await.unwrap();
    let waits =
        "update lanes l set resume_at = $2 from connections c where c.id = l.connection_id and c.company_id = $1";
    for (customer, seconds) in customers.iter().zip([2, 1]) {
        let since = app.clock.now() - chrono::TimeDelta::seconds(seconds);
        sqlx::query(waits).bind(&customer.realm).bind(since).execute(&app.app.pool).await.unwrap();
    }
    app.app.dispatch.round().await.unwrap();
    let before = "select count(*) from order_attempts t join orders o on o.id = t.order_id
                  where o.name <> 'quiet' and t.id < (select q.id from order_attempts q join orders p on p.id = q.order_id
                                                      where p.name = 'quiet')";
    assert_eq!(app.count(before).await, 10, "after one batch of the other");
    assert_eq!((app.numbers(&customers[0].realm).len(), app.numbers(&customers[1].realm).len()), (120, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_that_takes_long_holds_up_nobody_else() {
    let app = TestApp::start_with(&[("orders.concurrency", "2"), ("orders.batch", "2")]).await;
    app.quickbooks(|switches| switches.access_lifetime = Duration::from_secs(600));
    let slow = app.customers(1).await.remove(0);
    app.quickbooks(|switches| switches.access_lifetime = Duration::from_secs(3_600));
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    app.connect(&account, Hubspot, crate::harness::HUB).await;
    app.sandbox.place_order(&slow.hub, order("slow", 100));
    for n in 0..10 {
        app.place(order(&format!("A-{n}"), 100));
    }
    app.app.intake.round().await.unwrap();
    app.advance(minutes(11));
    app.quickbooks(|switches| switches.latency = Duration::from_secs(4));
    let meanwhile = app.sandbox.wait_until(Duration::from_secs(30), |world| {
        (world.documents(REALM).len() == 10).then(|| world.is_spending(Quickbooks))
    });
    let (report, still_renewing) = tokio::join!(app.app.dispatch.round(), meanwhile);
    assert_eq!(still_renewing, Some(true), "all are posted while the slow one still renews its token");
    assert_eq!(report.unwrap().posted, 11);
}
