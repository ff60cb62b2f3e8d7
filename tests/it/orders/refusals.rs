//! What QuickBooks refuses for good, and what it has already.

use chrono::NaiveDate;
use lamplighter::{provider::Provider::Quickbooks, sandbox::NewOrder, store::orders::Status};
use serde_json::json;

use super::{number, receipt_by_hand, totals};
use crate::harness::{HUB, REALM, TestApp, order};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_lines_is_for_a_person() {
    let (app, _) = TestApp::connected().await;
    app.place(NewOrder { lines: Vec::new(), total: None, ..order("A-1", 0) });
    app.place(order("A-2", 2_000));
    app.rounds().await;
    let row = app.order("A-1").await;
    assert_eq!((row.status, row.last_message.as_deref()), (Status::Parked, Some("the order has no line items")));
    assert!(row.remedy.unwrap().contains("add its line items at its source"));
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["20.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_lines_cannot_be_read_waits_for_a_person_and_comes_in_when_they_can() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    assert!(app.sandbox.hide_lines(HUB, &id, true));
    app.rounds().await;
    let row = app.order("A-1").await;
    let words = "1 of the order's line items cannot be read in HubSpot";
    assert_eq!((row.status, row.last_message.as_deref()), (Status::Parked, Some(words)));
    // The order's own date stays.
    assert!(app.sandbox.hide_lines(HUB, &id, false));
    app.later().await;
    assert_eq!(app.numbers(REALM), [number(&id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_period_parks_its_order_in_intuits_words_and_the_next_ones_flow() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.close_books(REALM, NaiveDate::from_ymd_opt(2020, 12, 31));
    let dated = [("hs_external_created_date".to_owned(), "2020-05-01T00:00:00Z".to_owned())].into();
    app.place(NewOrder { properties: dated, ..order("A-1", 1_000) });
    app.place(order("A-2", 2_000));
    app.place(order("A-3", 3_000));
    app.rounds().await;
    let row = app.order("A-1").await;
    assert_eq!((row.status, row.attempts), (Status::Parked, 1));
    assert!(row.last_message.unwrap().contains("The account period has closed"));
    assert!(row.remedy.unwrap().contains("the period is closed in QuickBooks: reopen it"));
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["20.00", "30.00"]);
    let code: String = sqlx::query_scalar("select code from order_attempts where outcome = 'parked'")
        .fetch_one(&app.app.pool)
        .await
        .unwrap();
    assert_eq!(code, "6210");
    app.later().await;
    assert_eq!(app.order("A-1").await.attempts, 1, "what is parked is not tried again by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_our_own_document_has_is_adopted() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    let request_id: uuid::Uuid =
        sqlx::query_scalar("select request_id from orders").fetch_one(&app.app.pool).await.unwrap();
    let ours = app.by_hand(REALM, "salesreceipt", receipt_by_hand(&number(&id), &format!("ours {request_id}"))).await;
    app.rounds().await;
    let row = app.order("A-1").await;
    assert_eq!((row.status, row.document_id.as_deref()), (Status::Posted, ours["SalesReceipt"]["Id"].as_str()));
    assert_eq!(app.count("select count(*) from order_attempts where outcome = 'adopted'").await, 1);
    assert_eq!(app.sandbox.documents(REALM).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_somebody_elses_document_has_is_for_a_person() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.place(order("A-2", 2_000));
    let theirs = app.by_hand(REALM, "salesreceipt", receipt_by_hand(&number(&id), "typed in by hand")).await;
    app.rounds().await;
    let row = app.order("A-1").await;
    assert_eq!(row.status, Status::Parked);
    let (words, theirs) = (row.last_message.unwrap(), theirs["SalesReceipt"]["Id"].as_str().unwrap().to_owned());
    assert!(words.contains(&number(&id)) && words.contains(&format!("id {theirs}")), "{words}");
    assert!(row.remedy.unwrap().contains("renumber or delete"));
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["1.50", "20.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_settled_by_a_look_and_never_by_a_second_document() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    for (name, cents) in [("A-2", 2_000), ("A-3", 3_000)] {
        app.place(order(name, cents));
    }
    app.quickbooks(|switches| switches.lost_create_replies = 1);
    app.later().await;
    let row = app.order("A-2").await;
    assert_eq!(row.status, Status::Queued);
    assert!(row.last_message.unwrap().contains("its reply never arrived"));
    assert_eq!(
        totals(&app.sandbox.documents(REALM)),
        ["10.00", "20.00"],
        "it was made, and the next one waits its turn"
    );
    let before = app.sandbox.api_calls(Quickbooks);
    app.later().await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), before + 2, "a look for the second, a create for the third");
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "20.00", "30.00"]);
    let outcomes: Vec<String> =
        sqlx::query_scalar("select outcome from order_attempts order by id").fetch_all(&app.app.pool).await.unwrap();
    assert_eq!(outcomes, ["posted", "unknown", "adopted", "posted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_a_customer_or_an_item_makes_no_second_one() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.quickbooks(|switches| switches.lost_create_replies = 3);
    for _ in 0..5 {
        app.later().await;
    }
    assert_eq!(app.sandbox.switches(Quickbooks).lost_create_replies, 0);
    assert_eq!((app.sandbox.customers(REALM).len(), app.sandbox.items(REALM).len()), (1, 2));
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
    assert_eq!(app.sandbox.items(REALM)[1]["IncomeAccountRef"]["name"], json!("Sales of Product Income"));
}
