//! What is dropped of old orders, and what never is.

use chrono::TimeDelta;
use lamplighter::{
    provider::Provider::Hubspot,
    store::{
        audit_log::Actor,
        order_log::{by_hand, pruning::Pruned},
        orders::Status::{Parked, Posted, Queued, Superseded},
    },
};

use super::super::{DEARER, reconnect, totals};
use crate::harness::{HUB, REALM, TestApp, order};

const KEEP: (&str, &str) = ("orders.keep", "10d");

async fn content(app: &TestApp) -> Vec<(String, bool)> {
    sqlx::query_as("select name, content <> '{}' from orders order by position").fetch_all(&app.app.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_order_loses_its_content_and_is_never_posted_again() {
    let (app, account) = TestApp::connected_with(&[KEEP]).await;
    let id = app.place(order("A-1", 1_000));
    app.rounds().await;
    let parked = app.parked("A-2").await;
    assert_eq!(app.app.retention.round().await.unwrap(), Pruned::default(), "nothing is old yet");
    app.advance(TimeDelta::days(11));
    app.app.keeper.round().await.unwrap();
    app.place(order("A-3", 3_000));
    app.rounds().await;
    assert_eq!(app.app.retention.round().await.unwrap(), Pruned { orders: 1, attempts: 1 });
    let kept = [("A-1", false), ("A-2", true), ("A-3", true)];
    assert_eq!(
        content(&app).await,
        kept.map(|(name, kept)| (name.to_owned(), kept)),
        "what is not settled is kept whole"
    );
    assert_eq!(app.app.retention.round().await.unwrap(), Pruned::default(), "once");

    // Everything is read again, as after a reconnect or by a manual sync.
    app.execute("update intakes set modified_to = opened_at, poll_at = now() - interval '1 day'").await;
    reconnect(&app, &account, Hubspot, HUB).await;
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Posted]);
    assert_eq!(app.statuses(&parked).await, [Parked]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "30.00"], "no second document");
    // An edit that is none posts nothing either.
    app.edit(&id, &[("hs_order_note", "call first")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Posted]);
    assert_eq!(app.sandbox.documents(REALM).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_revision_that_comes_back_has_its_content_again() {
    let (app, _) = TestApp::connected_with(&[KEEP]).await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    app.edit(&id, &DEARER);
    app.quickbooks(|switches| switches.outage = lamplighter::sandbox::Outage::Status503);
    app.later().await;
    // The first revision gives way, the second one cannot be posted.
    app.execute("update orders set status = 'superseded' where total = 10").await;
    app.advance(TimeDelta::days(11));
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.app.retention.round().await.unwrap().orders, 1);
    app.edit(&id, &[("hs_shipping_cost", ""), ("hs_total_price", "10.00")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Queued, Queued]);
    assert_eq!(app.count("select count(*) from orders where pruned_at is not null").await, 0);
    app.quickbooks(|switches| switches.outage = lamplighter::sandbox::Outage::None);
    for _ in 0..3 {
        app.later().await;
    }
    let mut statuses = app.statuses(&id).await;
    statuses.sort_by_key(|status| status.as_str());
    assert_eq!(statuses, [Posted, Superseded]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_order_is_as_old_as_the_decision_and_cannot_be_put_back_without_its_content() {
    let (app, _) = TestApp::connected_with(&[KEEP]).await;
    app.parked("A-1").await;
    let id = app.order("A-1").await.id;
    app.advance(TimeDelta::days(11));
    let skip =
        by_hand::skip(&mut *app.conn().await, id, "a test", false, &Actor::Owner, app.clock.now()).await.unwrap();
    assert_eq!(skip, by_hand::Skip::Skipped);
    assert_eq!(app.app.retention.round().await.unwrap(), Pruned::default());
    app.advance(TimeDelta::days(11));
    assert_eq!(app.app.retention.round().await.unwrap().orders, 1);
    let back = by_hand::put_back(&mut *app.conn().await, &[id], &[id], &Actor::Owner, app.clock.now()).await.unwrap();
    assert!(back.is_empty(), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_an_old_order_leaves_its_sale_alone() {
    let (app, _) = TestApp::connected_with(&[KEEP]).await;
    let id = app.place(order("A-1", 1_000));
    app.rounds().await;
    app.advance(TimeDelta::days(11));
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.app.retention.round().await.unwrap().orders, 1);
    app.sandbox.close_books(REALM, app.clock.now().date_naive().pred_opt());
    app.edit(&id, &[("hs_payment_status", "refunded")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    let documents = app.sandbox.documents(REALM);
    assert_eq!((totals(&documents), documents[0].writes.len()), (vec!["10.00".into(), "10.00".into()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_dropped_in_pieces_and_for_ever_is_for_ever() {
    let (app, _) = TestApp::connected_with(&[("orders.keep", "forever")]).await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    app.advance(TimeDelta::days(4_000));
    assert_eq!(app.app.retention.round().await.unwrap(), Pruned::default());

    let (app, _) = TestApp::connected_with(&[KEEP]).await;
    let mut conn = app.conn().await;
    super::many(&mut conn, 1_200).await;
    drop(conn);
    app.execute(
        "update orders set received_at = received_at - interval '30 days',
                 posted_at = posted_at - interval '30 days'",
    )
    .await;
    // One that came in long ago and was posted only now is young.
    app.execute("update orders set posted_at = now() where name = 'Order 7'").await;
    let posted = app.count("select count(*) from orders where status = 'posted'").await - 1;
    assert_eq!(app.app.retention.round().await.unwrap(), Pruned { orders: posted, attempts: posted });
    assert_eq!(app.count("select count(*) from orders where content <> '{}' and status = 'posted'").await, 1);
    assert_eq!(app.count("select count(*) from orders").await, 1_200, "every row stays");
}
