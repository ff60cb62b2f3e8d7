//! Edits in HubSpot: which of them matter, and when.

use chrono::NaiveDate;
use lamplighter::{
    provider::Provider::Hubspot,
    sandbox::{NewLine, NewOrder, Outage},
    store::orders::{
        self,
        Status::{Parked, Posted, Queued, Superseded},
    },
};
use rust_decimal::Decimal;
use sqlx::Connection as _;
use uuid::Uuid;

use super::{AS_BEFORE, DEARER, totals};
use crate::harness::{REALM, TestApp, minutes, order};

async fn taken_in(app: &TestApp) -> u64 {
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap().received
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_poll_twice_stores_nothing_twice() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    assert_eq!(app.app.intake.round().await.unwrap().received, 1);
    let before = app.sandbox.api_calls(Hubspot);
    assert_eq!(taken_in(&app).await, 0);
    assert_eq!(app.sandbox.api_calls(Hubspot), before + 1, "it was asked again, and nothing known is read in full");
    app.rounds().await;
    assert_eq!(taken_in(&app).await, 0);
    app.rounds().await;
    assert_eq!(app.count("select count(*) from orders").await, 1);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_irrelevant_edit_posts_nothing() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.rounds().await;
    app.edit(&id, &[("hs_order_note", "call first"), ("hs_fulfillment_status", "shipped")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Posted]);
    assert_eq!(app.sandbox.documents(REALM).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_in_which_hubspot_names_the_lines_is_no_edit() {
    let (app, _) = TestApp::connected().await;
    let line = |name: &str| NewLine { name: name.to_owned(), sku: String::new(), ..order("", 1_000).lines.remove(0) };
    let id = app.place(NewOrder { lines: ["a", "b", "c"].map(line).into(), total: None, ..order("A-1", 1_000) });
    app.rounds().await;
    for _ in 0..2 {
        app.edit(&id, &[("hs_order_note", "call first")]);
        app.later().await;
        assert_eq!(app.statuses(&id).await, [Posted]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_comes_back_under_a_new_request_id() {
    let (app, _) = TestApp::connected().await;
    let id = app.parked("A-1").await;
    let request_id = async || -> Uuid {
        sqlx::query_scalar("select request_id from orders").fetch_one(&app.app.pool).await.unwrap()
    };
    let before = request_id().await;
    app.sandbox.close_books(REALM, None);
    app.edit(&id, &[("hs_order_note", "call first")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Posted]);
    assert_ne!(request_id().await, before, "Intuit would repeat its refusal");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_before_posting_takes_the_place_of_what_it_changed() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    app.edit(&id, &DEARER);
    assert_eq!(taken_in(&app).await, 1);
    app.rounds().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_taken_back_before_posting_posts_what_the_order_says_now() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    app.edit(&id, &DEARER);
    assert_eq!(taken_in(&app).await, 1);
    app.edit(&id, &AS_BEFORE);
    assert_eq!(taken_in(&app).await, 1);
    assert_eq!(taken_in(&app).await, 0, "once");
    app.rounds().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
    app.later().await;
    assert_eq!(app.count("select count(*) from orders where status = 'queued'").await, 0);
    assert_eq!(app.sandbox.documents(REALM).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_taken_back_after_it_was_parked_posts_the_first_revision() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    app.edit(&id, &[("hs_total_price", "999.00")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Parked]);
    app.edit(&id, &AS_BEFORE);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_during_an_outage_is_what_gets_posted_after_it() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    let id = app.place(order("A-2", 1_000));
    app.quickbooks(|switches| switches.outage = Outage::Status503);
    app.later().await;
    assert_eq!(app.count("select count(*) from order_attempts where outcome = 'unknown'").await, 1);
    app.edit(&id, &DEARER);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Queued, Queued]);
    app.quickbooks(|switches| switches.outage = Outage::None);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "15.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_after_an_unanswered_try_is_still_the_same_to_quickbooks() {
    let (app, _) = TestApp::connected().await;
    let id = app.unanswered().await;
    let request_ids = "select string_agg(request_id::text, ' ') from orders where name = 'A-1' and total = 10";
    let fixed: String = sqlx::query_scalar(request_ids).fetch_one(&app.app.pool).await.unwrap();
    app.edit(&id, &DEARER);
    assert_eq!(taken_in(&app).await, 1);
    app.edit(&id, &AS_BEFORE);
    assert_eq!(taken_in(&app).await, 1);
    assert_eq!(sqlx::query_scalar::<_, String>(request_ids).fetch_one(&app.app.pool).await.unwrap(), fixed);
    for _ in 0..2 {
        app.rounds().await;
    }
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["5.00", "10.00"]);
    assert_eq!(app.count("select count(*) from orders where status in ('queued', 'parked')").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_does_not_add_up_is_parked_and_posted_once_it_does() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(NewOrder { total: Some(Decimal::new(1_100, 2)), ..order("A-1", 1_000) });
    app.place(order("A-2", 2_000));
    app.rounds().await;
    let parked = app.order("A-1").await;
    assert_eq!(parked.status, Parked);
    let words = parked.last_message.unwrap();
    assert!(words.contains("11.00") && words.contains("10.00"), "{words}");
    assert!(parked.remedy.is_some());
    app.edit(&id, &[("hs_total_price", "10.00")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["20.00", "10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_closed_period_is_posted_after_its_date_was_changed() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.close_books(REALM, NaiveDate::from_ymd_opt(2020, 12, 31));
    let dated = |day: &str| [("hs_external_created_date".to_owned(), day.to_owned())].into();
    let id = app.place(NewOrder { properties: dated("2020-05-01T00:00:00Z"), ..order("A-1", 1_000) });
    app.rounds().await;
    assert_eq!(app.statuses(&id).await, [Parked]);
    app.edit(&id, &[("hs_external_created_date", "2021-01-02T00:00:00Z")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(app.sandbox.documents(REALM)[0].raw["TxnDate"], "2021-01-02");
}

/// On a table that nobody has looked at yet, a join over the orders of a source looks cheap to the planner.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_costs_what_comes_in_and_not_what_is_stored() {
    const PAGE: u128 = 50;
    let (app, account) = TestApp::connected().await;
    app.execute("alter table orders set (autovacuum_enabled = false)").await;
    let source: Uuid = sqlx::query_scalar("select id from sources").fetch_one(&app.app.pool).await.unwrap();
    let mut conn = app.conn().await;
    let mut read = 0;
    // The last page is the first one again, changed since.
    for page in (0..40_u128).chain([0]) {
        let now = app.advance(minutes(1));
        let orders: Vec<_> = (page * PAGE..(page + 1) * PAGE)
            .map(|n| orders::NewOrder {
                id: Uuid::now_v7(),
                external_id: n.to_string(),
                revision: n.to_string(),
                name: n.to_string(),
                total: None,
                currency: None,
                content: serde_json::json!({}),
                modified_at: now,
                request_id: Uuid::from_u128(n),
                document_number: format!("HS-{n}"),
            })
            .collect();
        let mut tx = conn.begin().await.unwrap();
        let before = rows_read(&mut tx).await;
        orders::receive(&mut tx, account.id, source, &orders, now).await.unwrap();
        read = rows_read(&mut tx).await - before;
        tx.commit().await.unwrap();
    }
    assert_eq!(app.count("select count(*) from orders").await, 2_000);
    assert!(read < 1_000, "{read} rows were read for 50 orders");
}

/// Rows of orders that this connection has read and not yet reported.
async fn rows_read(conn: &mut sqlx::PgConnection) -> i64 {
    let sql = "select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint from pg_stat_xact_user_tables
               where relname = 'orders'";
    sqlx::query_scalar(sql).fetch_one(conn).await.unwrap()
}
