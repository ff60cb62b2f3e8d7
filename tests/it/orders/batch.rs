//! A backlog goes out by the batch, and every order in it fares as it would alone.

use lamplighter::{
    provider::Provider::Quickbooks,
    sandbox::NewOrder,
    store::orders::Status::{Parked, Posted, Superseded},
};
use rust_decimal::Decimal;
use serde_json::json;

use super::{number, totals};
use crate::harness::{REALM, TestApp, order};

/// One order is posted already, so that the customer and the item are remembered; then so many wait.
async fn waiting(count: i64) -> (TestApp, Vec<String>) {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-0", 1_000));
    app.rounds().await;
    let ids = (1..=count).map(|n| app.place(order(&format!("A-{n}"), 1_000 + n))).collect();
    app.advance(super::minutes(6));
    app.app.intake.round().await.unwrap();
    (app, ids)
}

fn expected(count: i64) -> Vec<String> {
    (0..=count).map(|n| Decimal::new(1_000 + n, 2).to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_takes_a_call_for_thirty_orders() {
    let (app, ids) = waiting(65).await;
    let before = app.sandbox.api_calls(Quickbooks);
    assert_eq!(app.app.dispatch.round().await.unwrap().posted, 65);
    assert_eq!(app.sandbox.api_calls(Quickbooks), before + 3, "30, 20 to the end of the turn, 15");
    assert_eq!(totals(&app.sandbox.documents(REALM)), expected(65), "in their order");
    let row = app.order("A-64").await;
    assert_eq!((row.status, row.attempts), (Posted, 1));
    assert!(app.sandbox.documents(REALM)[64].private_note.as_ref().unwrap().contains(&ids[63]));
    // What is kept of a document is the same: an edit finds it as it was left.
    app.edit(&ids[10], &[("hs_shipping_cost", "5.00"), ("hs_total_price", "15.11")]);
    app.later().await;
    assert_eq!(totals(&app.sandbox.documents(REALM))[11], "15.11");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_orders_go_one_by_one() {
    let (app, _) = waiting(4).await;
    let before = app.sandbox.api_calls(Quickbooks);
    assert_eq!(app.app.dispatch.round().await.unwrap().posted, 4);
    assert_eq!(app.sandbox.api_calls(Quickbooks), before + 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_a_reply_is_repeated_once_and_then_looked_up() {
    for lost in [1, 2] {
        let (app, _) = waiting(8).await;
        app.quickbooks(|switches| switches.lost_create_replies = lost);
        let report = app.app.dispatch.round().await.unwrap();
        assert_eq!(totals(&app.sandbox.documents(REALM)), expected(8), "all were made the first time");
        let unknown = app.count("select count(*) from order_attempts where outcome = 'unknown'").await;
        assert_eq!((report.posted, unknown), if lost == 1 { (8, 0) } else { (0, 8) });
        app.later().await;
        assert_eq!(totals(&app.sandbox.documents(REALM)), expected(8), "and none twice");
        assert_eq!(app.count("select count(*) from orders where status = 'posted'").await, 9);
        let adopted = app.count("select count(*) from order_attempts where outcome = 'adopted'").await;
        assert_eq!(adopted, if lost == 1 { 0 } else { 8 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_refused_is_parked_and_the_others_are_posted() {
    let (app, ids) = waiting(8).await;
    let item = app.sandbox.items(REALM).remove(0)["Id"].clone();
    let detail = json!({"ItemRef": {"value": item}});
    let line = json!({"Amount": 1, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail});
    app.by_hand(REALM, "salesreceipt", json!({"DocNumber": number(&ids[2]), "Line": [line]})).await;
    let properties = [("hs_external_order_status".to_owned(), "cancelled".to_owned())].into();
    app.place(NewOrder { properties, ..order("A-9", 1_009) });
    app.later().await;
    let parked = app.order("A-3").await;
    assert_eq!(parked.status, Parked);
    assert!(parked.last_message.unwrap().contains("was not made for this order"));
    assert_eq!(app.count("select count(*) from orders where status = 'posted'").await, 8);
    assert_eq!(app.order("A-9").await.status, Superseded);
    assert_eq!(app.sandbox.documents(REALM).len(), 9, "one by hand, and none for the cancelled one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_gone_is_found_anew_for_all() {
    let (app, _) = waiting(8).await;
    app.execute("update quickbooks_names set reference_id = '999' where kind = 'item'").await;
    app.app.dispatch.round().await.unwrap();
    assert_eq!(totals(&app.sandbox.documents(REALM)), expected(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_into_an_outage_is_looked_up_and_posted_when_it_is_over() {
    let (app, _) = waiting(8).await;
    app.quickbooks(|switches| switches.outage = lamplighter::sandbox::Outage::Status503);
    app.app.dispatch.round().await.unwrap();
    // A server error says nothing about what was carried out.
    assert_eq!(app.count("select count(*) from order_attempts where outcome = 'unknown'").await, 8);
    app.quickbooks(|switches| switches.outage = lamplighter::sandbox::Outage::None);
    for _ in 0..3 {
        app.later().await;
    }
    assert_eq!(totals(&app.sandbox.documents(REALM)), expected(8));
    assert_eq!(app.count("select count(*) from order_attempts where outcome = 'adopted'").await, 0);
}
