//! What happens to a document, or to its order, while a change is on its way.

use lamplighter::{
    provider::Provider::Quickbooks,
    sandbox::Deed,
    store::orders::Status::{Posted, Superseded},
};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        daemons::{LEASE_RAN_OUT, begin},
        number, receipt_by_hand, totals,
    },
    CANCELLED, DEARER, REFUND, REFUNDED, SALE, STANDS_AGAIN, posted,
};
use crate::harness::{REALM, TestApp, minutes, order};

/// A worker begins what an edit asks for, and is never heard of again.
async fn dies_with(app: &TestApp, id: &str, edit: &[(&str, &str)]) {
    app.edit(id, edit);
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap();
    begin(app).await;
    app.execute(LEASE_RAN_OUT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_saved_meanwhile_is_read_again() {
    for (edit, deed) in [(&DEARER[..], Deed::Changed), (&CANCELLED, Deed::Voided)] {
        let (app, id) = posted().await;
        app.quickbooks(|switches| switches.saved_meanwhile = 2);
        app.edited(&id, edit).await;
        assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, deed)]);
        assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_somebody_saves_again_and_again_is_for_a_person() {
    let (app, id) = posted().await;
    app.quickbooks(|switches| switches.saved_meanwhile = 9);
    app.edited(&id, &DEARER).await;
    let (words, remedy) = app.words(&id).await;
    assert!(words.contains("changed in QuickBooks each time") && remedy.contains("retry"), "{words} {remedy}");
    assert_eq!(app.deeds(), [(SALE, Deed::Created)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_not_made_gives_way_to_the_next_one() {
    let (app, id) = posted().await;
    dies_with(&app, &id, &DEARER).await;
    app.edited(&id, &[("hs_shipping_cost", "6.00"), ("hs_total_price", "16.00")]).await;
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, Deed::Changed)], "once, to what the order says now");
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["16.00"]);
    assert_eq!(app.statuses(&id).await, [Superseded, Superseded, Posted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_post_that_was_not_made_gives_way_to_the_edit() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    begin(&app).await;
    app.execute(LEASE_RAN_OUT).await;
    app.edited(&id, &DEARER).await;
    assert_eq!(app.deeds(), [(SALE, Deed::Created)]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00"]);
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_before_it_was_found_is_not_overwritten_later() {
    let (app, _) = TestApp::connected().await;
    let id = app.unanswered().await;
    let document = app.sandbox.documents(REALM).remove(1);
    assert!(app.sandbox.edit_document(REALM, &document.id, &json!({"TxnDate": "2026-01-02"})));
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Posted], "it was made, once");
    app.edited(&id, &DEARER).await;
    assert!(app.words(&id).await.0.contains("changed in QuickBooks by somebody else"));
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["5.00", "10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_again_and_again_is_not_taken_for_made() {
    let (app, id) = posted().await;
    app.edit(&id, &DEARER);
    app.quickbooks(|switches| switches.failed_writes = 5);
    for _ in 0..8 {
        app.advance(minutes(20));
        app.rounds().await;
    }
    assert_eq!(app.sandbox.switches(Quickbooks).failed_writes, 0);
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, Deed::Changed)]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00"]);
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_that_was_not_made_is_not_made_once_the_order_stands_again() {
    let (app, id) = posted().await;
    dies_with(&app, &id, &CANCELLED).await;
    app.edited(&id, &STANDS_AGAIN).await;
    assert_eq!(app.deeds(), [(SALE, Deed::Created)]);
    app.queue_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_that_was_planned_keeps_its_request_id() {
    let (app, id) = posted().await;
    let fixed = Uuid::new_v4();
    sqlx::query("update documents set void_request_id = $1").bind(fixed).execute(&app.app.pool).await.unwrap();
    app.edited(&id, &CANCELLED).await;
    assert_eq!(app.the_document().writes[1].request_id, Some(format!("{fixed}-0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_reply_was_lost_counts_whatever_the_order_says_then() {
    let (app, id) = posted().await;
    app.edit(&id, &REFUNDED);
    app.quickbooks(|switches| switches.lost_create_replies = 1);
    app.later().await;
    app.edited(&id, &CANCELLED).await;
    assert_eq!(app.statuses(&id).await, [Superseded, Superseded, Posted]);
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (REFUND, Deed::Created)], "all of the money went back before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_in_another_company_is_left_alone() {
    let (app, id) = posted().await;
    app.execute("update documents set connection_id = (select id from connections where provider = 'hubspot')").await;
    app.edited(&id, &DEARER).await;
    assert!(app.words(&id).await.0.contains("stands in another QuickBooks company"));
    assert_eq!(app.deeds(), [(SALE, Deed::Created)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_somebody_voided_is_as_a_cancelled_order_wants_it() {
    let (app, id) = posted().await;
    let void = json!({"Id": app.the_document().id, "SyncToken": "0", "sparse": true});
    app.by_hand(REALM, "salesreceipt?operation=update&include=void", void).await;
    app.edited(&id, &CANCELLED).await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, Deed::Voided)], "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tax_that_the_order_no_longer_has_leaves_the_document() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    let request_id: Uuid = sqlx::query_scalar("select request_id from orders").fetch_one(&app.app.pool).await.unwrap();
    let mut taxed = receipt_by_hand(&number(&id), &request_id.to_string());
    taxed["TxnTaxDetail"] = json!({"TotalTax": 1.0});
    app.by_hand(REALM, "salesreceipt", taxed).await;
    app.rounds().await;
    assert_eq!(app.the_document().total, Decimal::new(250, 2));
    app.edited(&id, &DEARER).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00"]);
}
