//! Orders that were edited, cancelled or refunded after they had a document: what happens to it, once, and never over the
//! head of a bookkeeper. The audit is the sandbox's own ledger.

mod endings;
mod meanwhile;

use lamplighter::{
    provider::quickbooks::DocumentKind,
    sandbox::{Deed, Document, Writer},
    store::orders::Status::{Parked, Posted, Queued, Superseded},
};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::{AS_BEFORE, DEARER, number, totals};
use crate::harness::{REALM, TestApp, order};

const CANCELLED: [(&str, &str); 1] = [("hs_external_order_status", "cancelled")];
const STANDS_AGAIN: [(&str, &str); 1] = [("hs_external_order_status", "open")];
const REFUNDED: [(&str, &str); 1] = [("hs_payment_status", "refunded")];

/// An order over ten dollars that has its document.
async fn posted_with(set: &[(&str, &str)]) -> (TestApp, String) {
    let (app, _) = TestApp::connected_with(set).await;
    let id = app.place(order("A-1", 1_000));
    app.rounds().await;
    assert_eq!(app.statuses(&id).await, [Posted]);
    (app, id)
}

async fn posted() -> (TestApp, String) {
    posted_with(&[]).await
}

impl TestApp {
    async fn edited(&self, id: &str, properties: &[(&str, &str)]) {
        self.edit(id, properties);
        self.later().await;
    }

    fn the_document(&self) -> Document {
        self.sandbox.documents(REALM).remove(0)
    }

    /// What the app did to the documents, creations first, without what a person did.
    fn deeds(&self) -> Vec<(DocumentKind, Deed)> {
        let documents = self.sandbox.documents(REALM);
        let ours = |document: &Document| {
            let writes = document.writes.clone().into_iter().filter(|write| write.by == Writer::App);
            let kind = document.kind;
            writes.map(move |write| (kind, write.deed)).collect::<Vec<_>>()
        };
        documents.iter().flat_map(ours).collect()
    }

    async fn words(&self, id: &str) -> (String, String) {
        let row = self.revisions(id).await.pop().unwrap();
        assert_eq!(row.status, Parked, "{:?}", row.last_message);
        (row.last_message.unwrap(), row.remedy.unwrap())
    }

    async fn queue_is_empty(&self) {
        assert_eq!(self.count("select count(*) from orders where status = 'queued'").await, 0);
    }
}

const SALE: DocumentKind = DocumentKind::SalesReceipt;
const REFUND: DocumentKind = DocumentKind::RefundReceipt;

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_changes_the_document_that_is_there() {
    let (app, id) = posted().await;
    let before = app.the_document();
    app.edited(&id, &DEARER).await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    let after = app.the_document();
    assert_eq!((totals(std::slice::from_ref(&after)), app.sandbox.documents(REALM).len()), (vec!["15.00".into()], 1));
    assert_eq!((&after.id, after.doc_number.as_deref()), (&before.id, Some(number(&id).as_str())));
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, Deed::Changed)]);
    let request_ids: Vec<Uuid> =
        sqlx::query_scalar("select request_id from orders order by position").fetch_all(&app.app.pool).await.unwrap();
    assert_eq!(after.writes[1].request_id, Some(format!("{}-0", request_ids[1])), "the revision's own");
    assert!(after.private_note.unwrap().contains(&request_ids[1].to_string()));
    let posted = app.revisions(&id).await;
    assert_eq!((posted[0].document_id.as_ref(), posted[1].document_id.as_ref()), (None, Some(&before.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_back_and_forth_ends_where_the_order_does() {
    let (app, id) = posted().await;
    app.edited(&id, &DEARER).await;
    app.edited(&id, &AS_BEFORE).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    app.edited(&id, &DEARER).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00"]);
    assert_eq!(app.the_document().writes.len(), 4);
    app.queue_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_taken_back_before_it_was_sent_changes_nothing() {
    let (app, id) = posted().await;
    app.edit(&id, &DEARER);
    app.advance(chrono::TimeDelta::minutes(6));
    app.app.intake.round().await.unwrap();
    app.edited(&id, &AS_BEFORE).await;
    assert_eq!(app.statuses(&id).await, [Posted, Superseded]);
    assert_eq!(app.deeds(), [(SALE, Deed::Created)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_edits_in_the_queue_are_one_change() {
    let (app, id) = posted().await;
    for cost in ["1.00", "2.00"] {
        let total = format!("1{cost}");
        app.edit(&id, &[("hs_shipping_cost", cost), ("hs_total_price", &total)]);
        app.advance(chrono::TimeDelta::minutes(6));
        app.app.intake.round().await.unwrap();
    }
    app.rounds().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Superseded, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["12.00"]);
    assert_eq!(app.the_document().writes.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_changed_by_hand_is_not_overwritten() {
    let (app, id) = posted().await;
    let document = app.the_document();
    let line = json!([{"Amount": 12.5, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "4"}}}]);
    assert!(app.sandbox.edit_document(REALM, &document.id, &json!({"Line": line})));
    app.edited(&id, &DEARER).await;
    assert_eq!(app.statuses(&id).await, [Posted, Parked]);
    let (words, remedy) = app.words(&id).await;
    for part in [&number(&id), "a total of 10.00 on", "a total of 12.50 (sync token 1), changed on", "UTC"] {
        assert!(words.contains(part), "{part} in {words}");
    }
    assert!(remedy.contains("undo the change in QuickBooks") && remedy.contains("skip"), "{remedy}");
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["12.50"]);
    // Undone by hand, the content is ours again, whatever the sync token says.
    assert!(app.sandbox.edit_document(REALM, &document.id, &json!({"Line": document.raw["Line"]})));
    app.edited(&id, &[("hs_shipping_cost", "6.00"), ("hs_total_price", "16.00")]).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["16.00"]);
    assert_eq!(app.statuses(&id).await, [Superseded, Superseded, Posted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_only_touched_is_still_ours() {
    let (app, id) = posted().await;
    let document = app.the_document();
    for _ in 0..3 {
        assert!(app.sandbox.edit_document(REALM, &document.id, &json!({"EmailStatus": "EmailSent"})));
    }
    app.edited(&id, &DEARER).await;
    let after = app.the_document();
    assert_eq!((after.sync_token.as_str(), after.total), ("4", Decimal::from(15)));
    assert_eq!(after.raw["EmailStatus"], "EmailSent", "what is not ours stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_deleted_is_for_a_person() {
    let (app, id) = posted().await;
    assert!(app.sandbox.delete_document(REALM, &app.the_document().id));
    app.edited(&id, &DEARER).await;
    let (words, remedy) = app.words(&id).await;
    assert!(words.contains(&number(&id)) && words.contains("was deleted in QuickBooks"), "{words}");
    assert!(remedy.contains("enter it in QuickBooks by hand"), "{remedy}");
    assert!(app.sandbox.documents(REALM).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposited_document_is_for_a_person_in_intuits_words() {
    let (app, id) = posted().await;
    app.sandbox.deposit_document(REALM, &app.the_document().id);
    app.edited(&id, &DEARER).await;
    let (words, remedy) = app.words(&id).await;
    assert!(words.contains("has been deposited") && remedy.contains("retry the order"), "{words} {remedy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_reply_was_lost_is_found_and_not_sent_again() {
    let (app, id) = posted().await;
    app.edit(&id, &DEARER);
    app.quickbooks(|switches| switches.lost_update_replies = 1);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Posted, Queued]);
    assert_eq!(app.count("select count(*) from order_attempts where outcome = 'unknown'").await, 1);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(app.deeds(), [(SALE, Deed::Created), (SALE, Deed::Changed)]);
    assert_eq!(app.count("select count(*) from order_attempts where outcome = 'adopted'").await, 1);
    // And what follows knows where it stands.
    app.edited(&id, &AS_BEFORE).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_touched_document_whose_reply_was_lost_is_still_ours() {
    let (app, id) = posted().await;
    assert!(app.sandbox.edit_document(REALM, &app.the_document().id, &json!({"EmailStatus": "EmailSent"})));
    app.edit(&id, &DEARER);
    app.quickbooks(|switches| switches.lost_update_replies = 1);
    app.later().await;
    app.later().await;
    app.edited(&id, &AS_BEFORE).await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_after_a_lost_reply_is_made_to_what_stands() {
    let (app, id) = posted().await;
    app.edit(&id, &DEARER);
    app.quickbooks(|switches| switches.lost_update_replies = 1);
    app.later().await;
    app.edited(&id, &[("hs_shipping_cost", "6.00"), ("hs_total_price", "16.00")]).await;
    assert_eq!(app.statuses(&id).await, [Superseded, Superseded, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["16.00"]);
    assert_eq!(app.the_document().writes.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_taken_back_after_a_lost_reply_is_taken_back_in_the_books_too() {
    let (app, id) = posted().await;
    app.edit(&id, &DEARER);
    app.quickbooks(|switches| switches.lost_update_replies = 1);
    app.later().await;
    app.edited(&id, &AS_BEFORE).await;
    app.later().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
    app.queue_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_after_an_unanswered_first_post_changes_what_that_made() {
    let (app, _) = TestApp::connected().await;
    let id = app.unanswered().await;
    app.edited(&id, &DEARER).await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["5.00", "15.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_after_a_lost_reply_is_not_overwritten_later() {
    let (app, id) = posted().await;
    app.edit(&id, &DEARER);
    app.quickbooks(|switches| switches.lost_update_replies = 1);
    app.later().await;
    let document = app.the_document();
    assert!(app.sandbox.edit_document(REALM, &document.id, &json!({"TxnDate": "2026-01-02"})));
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted], "it was sent, once");
    app.edited(&id, &AS_BEFORE).await;
    assert!(app.words(&id).await.0.contains("changed in QuickBooks by somebody else"));
    assert_eq!((app.the_document().total, app.the_document().writes.len()), (Decimal::from(15), 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_from_before_these_rows_is_changed_as_long_as_it_is_as_it_was_made() {
    let (app, id) = posted().await;
    app.execute("update documents set fingerprint = null").await;
    app.edited(&id, &DEARER).await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00"]);
    app.execute("update documents set fingerprint = null, sync_token = '0'").await;
    app.edited(&id, &AS_BEFORE).await;
    assert_eq!(app.statuses(&id).await.last(), Some(&Parked));
}
