//! Orders that become invoices: always, or while they are not paid.

use lamplighter::{
    provider::quickbooks::DocumentKind::{self, Invoice, SalesReceipt},
    store::orders::Status::{Parked, Posted, Superseded},
};

use super::{DEARER, totals};
use crate::harness::{REALM, TestApp, order};

impl TestApp {
    fn kinds(&self) -> Vec<DocumentKind> {
        self.sandbox.documents(REALM).iter().map(|document| document.kind).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_due_changes_with_its_order_and_is_voided() {
    let (app, _) = TestApp::connected_with(&[("orders.mapping.document", "invoice")]).await;
    let id = app.place(order("A-1", 1_000));
    app.rounds().await;
    let invoice = app.sandbox.documents(REALM).remove(0);
    let day = |key: &str| invoice.raw[key].as_str().unwrap().parse::<chrono::NaiveDate>().unwrap();
    assert_eq!((invoice.kind, (day("DueDate") - day("TxnDate")).num_days()), (Invoice, 30));
    app.edit(&id, &DEARER);
    app.later().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00"]);
    // Whether money came in is known to QuickBooks alone.
    app.edit(&id, &[("hs_refund_amount", "4.00")]);
    app.later().await;
    let parked = app.revisions(&id).await.pop().unwrap();
    assert_eq!(parked.status, Parked);
    assert!(parked.last_message.unwrap().contains("invoice") && parked.remedy.unwrap().contains("credit memo"));
    app.edit(&id, &[("hs_refund_amount", ""), ("hs_external_order_status", "cancelled")]);
    app.later().await;
    let invoice = app.sandbox.documents(REALM).remove(0);
    assert!(invoice.voided, "{invoice:?}");
    assert_eq!(app.kinds(), [Invoice]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_reply_was_lost_is_found_though_it_would_be_of_another_kind_today() {
    let (app, account) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    let id = app.place(order("A-2", 1_000));
    app.quickbooks(|switches| switches.lost_create_replies = 1);
    app.later().await;
    assert_eq!(app.kinds().len(), 2, "it is there, and we do not know");
    assert_ne!(app.statuses(&id).await, [Posted]);
    app.setting(account.id, "document", "invoice").await;
    app.later().await;
    app.later().await;
    assert_eq!((app.kinds(), app.statuses(&id).await), (vec![SalesReceipt; 2], vec![Posted]));
    // And it stays what it is.
    app.edit(&id, &DEARER);
    app.later().await;
    assert_eq!((app.kinds(), app.statuses(&id).await), (vec![SalesReceipt; 2], vec![Superseded, Posted]));
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "15.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_which_nobody_says_whether_it_is_paid_waits_for_that_word() {
    let (app, _) = TestApp::connected_with(&[("orders.mapping.document", "by_payment")]).await;
    let id = app.place(order("A-1", 1_000));
    let unpaid = app.place(order("A-2", 2_000));
    app.edit(&unpaid, &[("hs_payment_status", "Pending")]);
    app.rounds().await;
    assert_eq!((app.statuses(&id).await, app.kinds()), (vec![Parked], vec![Invoice]));
    app.edit(&id, &[("hs_payment_status", "Paid")]);
    app.later().await;
    assert_eq!((app.statuses(&id).await, app.kinds()), (vec![Posted], vec![Invoice, SalesReceipt]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_waiting_order_learns_comes_into_its_document() {
    let (app, _) = TestApp::connected_with(&[("orders.mapping.document", "by_payment")]).await;
    let id = app.place(order("A-1", 1_000));
    app.edit(&id, &[("hs_payment_status", "Pending")]);
    app.advance(super::minutes(6));
    app.app.intake.round().await.unwrap();
    app.edit(&id, &[("hs_payment_status", "Paid")]);
    app.later().await;
    assert_eq!((app.statuses(&id).await, app.kinds()), (vec![Posted], vec![SalesReceipt]));
}
