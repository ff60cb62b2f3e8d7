//! Orders that are called off or paid back: the void, the refund receipts, and what is left to a person.

use lamplighter::{
    sandbox::Deed,
    store::orders::Status::{Posted, Queued, Superseded},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{number, totals},
    CANCELLED, DEARER, REFUND, REFUNDED, SALE, STANDS_AGAIN, posted, posted_with,
};
use crate::harness::{REALM, TestApp, order};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_voids_its_document_once() {
    let (app, id) = posted().await;
    app.edited(&id, &CANCELLED).await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    let document = app.the_document();
    assert!(document.voided && document.total.is_zero(), "{document:?}");
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, Deed::Voided)]);
    let fixed: Uuid =
        sqlx::query_scalar("select void_request_id from documents").fetch_one(&app.app.pool).await.unwrap();
    assert_eq!(document.writes[1].request_id, Some(format!("{fixed}-0")));
    app.edited(&id, &STANDS_AGAIN).await;
    let (words, _) = app.words(&id).await;
    assert!(words.contains("stands again") && words.contains(&number(&id)), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_whose_reply_was_lost_is_found_whatever_the_order_says_then() {
    for last in [None, Some(STANDS_AGAIN)] {
        let (app, id) = posted().await;
        app.edit(&id, &CANCELLED);
        app.quickbooks(|switches| switches.lost_update_replies = 1);
        app.later().await;
        if let Some(properties) = last {
            app.edit(&id, &properties);
        }
        app.later().await;
        assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, Deed::Voided)]);
        assert_eq!(app.count("select count(*) from documents where voided_at is not null").await, 1);
        app.later().await;
        assert_eq!(app.the_document().writes.len(), 2);
        app.queue_is_empty().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_cancelled_before_it_had_a_document_gets_none() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.edit(&id, &CANCELLED);
    app.rounds().await;
    assert_eq!(app.statuses(&id).await, [Superseded]);
    let row = app.order("A-1").await;
    assert_eq!(row.last_message.as_deref(), Some("the order was cancelled before it had a document"));
    assert!(app.sandbox.documents(REALM).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_changed_by_hand_is_not_voided() {
    let (app, id) = posted().await;
    assert!(app.sandbox.edit_document(REALM, &app.the_document().id, &json!({"PrivateNote": "paid in cash"})));
    app.edited(&id, &CANCELLED).await;
    assert!(app.words(&id).await.0.contains("changed in QuickBooks by somebody else"));
    assert!(!app.the_document().voided);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_is_refunded_or_parked_where_that_is_configured() {
    let (app, id) = posted_with(&[("orders.mapping.on_cancel", "refund")]).await;
    app.edited(&id, &CANCELLED).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "10.00"]);
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (REFUND, Deed::Created)]);
    let (app, id) = posted_with(&[("orders.mapping.on_cancel", "park")]).await;
    app.edited(&id, &CANCELLED).await;
    let (words, remedy) = app.words(&id).await;
    assert!(words.contains("setting on_cancel") && remedy.contains("void its document"), "{words} {remedy}");
    assert_eq!(app.deeds(), [(SALE, Deed::Created)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_adds_a_receipt_over_all_of_the_sale() {
    let (app, id) = posted().await;
    app.edited(&id, &REFUNDED).await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    let documents = app.sandbox.documents(REALM);
    assert_eq!(totals(&documents), ["10.00", "10.00"]);
    let refund = &documents[1];
    assert_eq!((refund.kind, refund.doc_number.clone()), (REFUND, Some(format!("{}-R1", number(&id)))));
    assert_eq!(refund.raw["DepositToAccountRef"]["value"], documents[0].raw["DepositToAccountRef"]["value"]);
    assert_eq!(refund.raw["Line"][0]["SalesItemLineDetail"], documents[0].raw["Line"][0]["SalesItemLineDetail"]);
    let fixed: Uuid =
        sqlx::query_scalar("select request_id from documents where part = 1").fetch_one(&app.app.pool).await.unwrap();
    assert_eq!(refund.request_id, Some(fixed.to_string()));
    assert_eq!(documents[0].writes.len(), 1, "the sale stands as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_paid_from_the_account_that_got_the_money() {
    let (app, id) = posted().await;
    let account = json!({"value": "1"});
    assert_ne!(app.the_document().raw["DepositToAccountRef"]["value"], account["value"]);
    assert!(app.sandbox.edit_document(REALM, &app.the_document().id, &json!({"DepositToAccountRef": account})));
    app.edited(&id, &REFUNDED).await;
    assert_eq!(app.sandbox.documents(REALM)[1].raw["DepositToAccountRef"]["value"], account["value"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_further_part_that_is_refunded_has_a_receipt_of_its_own() {
    let (app, id) = posted().await;
    app.edited(&id, &[("hs_refund_amount", "2.50")]).await;
    app.edited(&id, &[("hs_refund_amount", "4.00")]).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "2.50", "1.50"]);
    assert_eq!(app.sandbox.documents(REALM)[2].doc_number, Some(format!("{}-R2", number(&id))));
    app.edited(&id, &[("hs_refund_amount", "11.00")]).await;
    assert!(app.words(&id).await.0.contains("more than its total of 10"));
    app.edited(&id, &CANCELLED).await;
    assert!(app.words(&id).await.0.contains("count that twice"));
    assert_eq!(app.sandbox.documents(REALM).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_in_refunded_has_both_its_documents() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.edit(&id, &REFUNDED);
    app.rounds().await;
    assert_eq!(app.statuses(&id).await, [Posted]);
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (REFUND, Deed::Created)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_refund_at_once_are_both_done() {
    let (app, id) = posted().await;
    app.edited(&id, &[DEARER[0], DEARER[1], ("hs_refund_amount", "12.00")]).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00", "12.00"]);
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, Deed::Changed), (REFUND, Deed::Created)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_reply_was_lost_is_found_and_not_made_again() {
    let (app, id) = posted().await;
    app.edit(&id, &REFUNDED);
    app.quickbooks(|switches| switches.lost_create_replies = 1);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Posted, Queued]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (REFUND, Deed::Created)]);
    assert_eq!(app.count("select count(*) from documents where document_id is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_could_not_be_sent_keeps_its_request_id() {
    let (app, id) = posted().await;
    let fixed = async || -> Vec<Uuid> {
        sqlx::query_scalar("select request_id from documents where part = 1").fetch_all(&app.app.pool).await.unwrap()
    };
    app.sandbox.close_books(REALM, Some(app.clock.now().date_naive() + chrono::TimeDelta::days(1)));
    app.edited(&id, &[("hs_refund_amount", "2.50")]).await;
    assert!(app.words(&id).await.0.contains("account period has closed"));
    let before = fixed().await;
    app.sandbox.close_books(REALM, None);
    app.edited(&id, &[("hs_refund_amount", "4.00")]).await;
    assert_eq!((before.len(), fixed().await), (1, before));
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "4.00"]);
    assert_eq!(app.sandbox.documents(REALM)[1].doc_number, Some(format!("{}-R1", number(&id))));
    assert_eq!(app.count("select count(*) from documents where document_id is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_receipt_under_the_refunds_number_is_for_a_person() {
    let (app, id) = posted().await;
    let theirs = json!({"DocNumber": format!("{}-R1", number(&id)), "DepositToAccountRef": {"value": "3"}, "Line": [
        {"Amount": 1.5, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "4"}}}]});
    app.by_hand(REALM, "refundreceipt", theirs).await;
    app.edited(&id, &REFUNDED).await;
    let (words, _) = app.words(&id).await;
    assert!(words.contains("-R1 of 1.5") && words.contains("was not made for this order"), "{words}");
    assert_eq!(app.sandbox.documents(REALM).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_left_to_a_person_where_that_is_configured() {
    let (app, id) = posted_with(&[("orders.mapping.on_refund", "park")]).await;
    app.edited(&id, &REFUNDED).await;
    assert!(app.words(&id).await.0.contains("setting on_refund"));
    assert_eq!(app.deeds(), [(SALE, Deed::Created)]);
}
