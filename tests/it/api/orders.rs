//! Orders: listed, shown, previewed, put back, skipped, synced.

use lamplighter::{api_keys::Scope, provider::Provider::Quickbooks, store::orders::Status};
use serde_json::json;

use super::actor;
use crate::harness::{HUB, REALM, TestApp, minutes, order};

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_shown_and_previewed() {
    let (app, account) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Read], Some(&account)).await;
    app.parked("A-1").await;
    app.sandbox.place_order(HUB, order("A-2", 2_550));
    app.later().await;
    let listed = async |query: &str| {
        let rows = app.get(&key, &format!("/orders?{query}")).await;
        rows.items().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, ["A-2", "A-1"]);
    assert_eq!(listed("status=parked").await, ["A-1"]);
    assert_eq!(listed("status=parked,posted&search=a-2").await, ["A-2"]);
    assert_eq!(listed("code=6200").await, listed("code=6200&status=parked").await);
    assert_eq!(listed("since=2036-01-01T00:00:00Z").await, [""; 0]);
    assert_eq!(listed("until=2036-01-01T00:00:00%2B02:00").await.len(), 2);
    let first = app.get(&key, "/orders?limit=1").await;
    let next = first.body["next"].as_str().unwrap();
    assert_eq!(listed(&format!("limit=1&cursor={next}")).await, ["A-1"]);
    assert_eq!(first.items()[0]["total"], "25.50", "money is text");
    let id = first.items()[0]["id"].as_str().unwrap().to_owned();
    let shown = app.get(&key, &format!("/orders/{id}")).await;
    assert_eq!(shown.is(200)["order"]["status"], "posted");
    assert_eq!(shown.body["attempts"].as_array().unwrap().len(), 1);
    let preview = app.get(&key, &format!("/orders/{id}/preview")).await;
    assert_eq!(preview.is(200)["outcome"], "document", "{}", preview.body);
    assert!(preview.body["document"]["Line"].is_array(), "{}", preview.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_orders_are_put_back_one_by_one_or_by_filter() {
    let (app, account) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Manage], None).await;
    app.parked("A-1").await;
    app.parked("A-2").await;
    let id = app.order("A-1").await.id;
    let retry = format!("/orders/{id}/retry");
    app.sandbox.close_books(REALM, None);
    let back = app.post(&key, &retry, &json!({})).await;
    assert_eq!(back.is(200)["id"], id.to_string());
    app.post(&key, &retry, &json!({})).await.problem(409);
    app.post(&key, "/orders/retry", &json!({})).await.problem(422);
    assert!(app.post(&key, "/orders/retry", &json!({"code": "0"})).await.items().is_empty());
    assert!(app.post(&key, "/orders/retry", &json!({"search": "B-"})).await.items().is_empty());
    let back = app.post(&key, "/orders/retry", &json!({"account": account.id, "search": "a-2"})).await;
    assert_eq!(back.items().len(), 1, "{}", back.body);
    assert!(back.body.get("next").is_none());
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.order("A-1").await.status, Status::Posted);
    assert_eq!(app.order("A-2").await.status, Status::Posted);
    assert_eq!(
        app.audited().await,
        vec![("order.retry".to_owned(), actor(&key)); 2],
        "what changed nothing is no deed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_skipped_with_a_reason_and_put_back() {
    let (app, _) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Manage, Scope::Read], None).await;
    app.parked("A-1").await;
    let id = app.order("A-1").await.id;
    let skip = format!("/orders/{id}/skip");
    app.post(&key, &skip, &json!({"reason": " "})).await.problem(422);
    assert_eq!(app.post(&key, &skip, &json!({"reason": "booked by hand"})).await.is(200)["status"], "skipped");
    let said = app.post(&key, &skip, &json!({"reason": "again"})).await;
    assert!(said.problem(409)["detail"].as_str().unwrap().contains("skipped already"), "{}", said.body);
    let shown = app.get(&key, &format!("/orders/{id}")).await;
    assert!(shown.body["order"]["last_message"].as_str().unwrap().contains("booked by hand"));
    app.post(&key, &format!("/orders/{id}/retry"), &json!({})).await.is(200);
    let actions: Vec<_> = app.audited().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["order.skip", "order.retry"]);
    app.app.dispatch.round().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_all_accounts_says_whose_orders_it_sends() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    let key = app.program_key(&[Scope::OrdersWrite], None).await;
    let sent = json!([{
        "external_id": "1", "placed_at": "2026-01-09T10:00:00Z", "currency": "USD", "total": "1.00",
        "lines": [{"name": "Field guide", "price": "1.00"}],
    }]);
    app.post(&key, "/orders", &sent).await.problem(400);
    app.post(&key, "/orders?account=019aa7b2-5c1e-7cc0-8a51-0d5f6f6f1a11", &sent).await.problem(404);
    let taken = app.post(&key, &format!("/orders?account={}", account.id), &sent).await;
    assert_eq!(taken.is(200)["taken"], 1, "{}", taken.body);
    assert_eq!(app.order("1").await.account, "Harbor Books");
    app.app.dispatch.round().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_synced() {
    let (app, account) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Manage], Some(&account)).await;
    let path = format!("/accounts/{}/sync", account.id);
    let begin = app.clock.now() - minutes(60);
    app.sandbox.place_order(HUB, order("A-1", 1_000));
    app.advance(minutes(1));
    let read = app.post(&key, &path, &json!({"from": begin})).await;
    assert_eq!((&read.is(200)["complete"], &read.body["new"]), (&json!(true), &json!(1)), "{}", read.body);
    assert_eq!(app.post(&key, &path, &json!({"from": begin})).await.is(200)["already_there"], 1);
    app.post(&key, &path, &json!({"from": app.clock.now() + minutes(1)})).await.problem(422);
    app.app.dispatch.round().await.unwrap();
    let deeds: Vec<_> = app.audited().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(deeds, ["account.sync", "account.synced"].repeat(2), "what was asked, and what came of it");
    let lake = app.account("Lake Books").await;
    let all = app.program_key(&[Scope::Manage], None).await;
    app.post(&all, &format!("/accounts/{}/sync", lake.id), &json!({"from": begin})).await.problem(409);
}
