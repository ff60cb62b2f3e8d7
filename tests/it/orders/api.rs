//! Orders of any other cart, through `POST /api/v1/orders`.

use chrono::TimeDelta;
use lamplighter::{
    api_keys::{self, Scope, Wanted},
    provider::Provider::Quickbooks,
    store::accounts::Account,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::harness::{REALM, TestApp};

fn cart_order(id: &str, price: &str) -> Value {
    json!({
        "external_id": id, "placed_at": "2026-01-09T10:00:00Z", "currency": "USD", "total": price,
        "customer": {"email": "rae@post.example"},
        "lines": [{"name": "Field guide", "sku": "GUIDE-1", "quantity": 1, "price": price}],
    })
}

impl TestApp {
    async fn api_key(&self, account: &Account) -> (String, String) {
        let wanted = Wanted {
            name: "cart".to_owned(),
            account_id: Some(account.id),
            scopes: vec![Scope::OrdersWrite],
            expires_at: None,
        };
        let (key, prefix) = api_keys::create(&mut *self.conn().await, &wanted, self.clock.now()).await.unwrap();
        (key.expose_secret().to_owned(), prefix)
    }

    async fn send_text(&self, key: &str, body: String) -> (u16, Value) {
        self.advance(TimeDelta::seconds(1));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(self.url("/api/v1/orders")).bearer_auth(key).body(body);
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    async fn send(&self, key: &str, body: &Value) -> (u16, Value) {
        self.send_text(key, body.to_string()).await
    }
}

async fn start() -> (TestApp, Account, String) {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    let key = app.api_key(&account).await.0;
    (app, account, key)
}

fn results(reply: &Value) -> Vec<&str> {
    reply["orders"].as_array().unwrap().iter().map(|order| order["result"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_taken_once_and_posted() {
    let (app, _, key) = start().await;
    let (status, reply) = app.send(&key, &cart_order("1001", "10.00")).await;
    assert_eq!((status, results(&reply)), (200, vec!["taken"]), "{reply}");
    assert_eq!(reply["orders"][0]["document_number"], "API-1001");
    let (status, reply) = app.send(&key, &cart_order("1001", "10.0")).await;
    assert_eq!((status, results(&reply)), (200, vec!["unchanged"]), "{reply}");
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.numbers(REALM), ["API-1001"]);
    let (_, reply) = app.send(&key, &cart_order("1001", "10.00")).await;
    assert_eq!(results(&reply), ["unchanged"]);
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.numbers(REALM), ["API-1001"]);
    app.send(&key, &cart_order("1002", "10.00")).await;
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.numbers(REALM), ["API-1001", "API-1002"], "it wakes the lane that was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_requests_at_once_one_is_the_later() {
    let (app, _, key) = start().await;
    app.send(&key, &cart_order("1001", "10.00")).await;
    // What a request that is being stored holds by the rows that it has written.
    let mut stored = app.app.pool.begin().await.unwrap();
    sqlx::query("select id from sources for key share").execute(&mut *stored).await.unwrap();
    let order = cart_order("1001", "12.00");
    let mut sent = std::pin::pin!(app.send(&key, &order));
    tokio::select! {
        _ = &mut sent => panic!("it did not wait"),
        () = app.somebody_waits() => {}
    }
    stored.commit().await.unwrap();
    assert_eq!(results(&sent.await.1), ["changed"]);
    app.app.dispatch.round().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_the_good_ones_are_taken_and_every_answer_stands_in_its_place() {
    let (app, _, key) = start().await;
    let mut other = cart_order("1", "3.00");
    other["source"] = json!("pop-up");
    let body = json!([
        cart_order("1", "1.00"),
        cart_order("2", "1,00"),
        other,
        cart_order("1", "2.00"),
        cart_order("1", "2.00"),
        7,
        cart_order("1", "1.00"),
    ]);
    let (status, reply) = app.send(&key, &body).await;
    assert_eq!(status, 200);
    let expected = ["taken", "refused", "taken", "changed", "unchanged", "refused", "changed"];
    assert_eq!(results(&reply), expected, "{reply}");
    let bad = &reply["orders"][1];
    assert_eq!((&bad["external_id"], &bad["field"]), (&json!("2"), &json!("lines[0].price")), "{bad}");
    assert!(bad["message"].is_string() && bad["remedy"].as_str().unwrap().contains("19.99"), "{bad}");
    assert_eq!(reply["refused"], 2);
    app.app.dispatch.round().await.unwrap();
    let totals: Vec<_> = app.sandbox.documents(REALM).iter().map(|document| document.total.to_string()).collect();
    assert_eq!(totals.len(), 2, "one document for each of the two orders: {totals:?}");
    assert!(app.numbers(REALM).contains(&"API-1".to_owned()), "{:?}", app.numbers(REALM));

    let (status, reply) = app.send(&key, &json!([1, 2])).await;
    assert_eq!((status, results(&reply)), (422, vec!["refused", "refused"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_keep_every_digit() {
    let (app, _, key) = start().await;
    let body = cart_order("1001", "@").to_string().replace("\"@\"", "1234567890123.12345678");
    let (status, reply) = app.send_text(&key, body).await;
    assert_eq!(status, 200, "{reply}");
    let total: String = sqlx::query_scalar("select total::text from orders").fetch_one(&app.app.pool).await.unwrap();
    assert_eq!(total, "1234567890123.12345678");
    app.app.dispatch.round().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_that_works_opens_and_it_is_written_nowhere() {
    let (app, _, key) = start().await;
    let wrong = format!("{}A", &key[..key.len() - 1]);
    let wrong = if wrong == key { format!("{}B", &key[..key.len() - 1]) } else { wrong };
    for bad in ["", "lamp_00000000-x", wrong.as_str(), "ü"] {
        let (status, reply) = app.send(bad, &cart_order("1", "1.00")).await;
        assert_eq!(status, 401, "{reply}");
        assert!(reply["remedy"].as_str().unwrap().contains("apikey add"), "{reply}");
    }
    assert_eq!(app.count("select count(*) from orders").await, 0);

    let other = app.account("Lake Books").await;
    let (others_key, prefix) = app.api_key(&other).await;
    let (_, reply) = app.send(&others_key, &cart_order("1", "1.00")).await;
    assert_eq!(results(&reply), ["taken"]);
    let mine = "select count(*) from orders o join accounts a on a.id = o.account_id where a.name = 'Harbor Books'";
    assert_eq!(app.count(mine).await, 0, "an order goes to the account of its key");
    let revoke = lamplighter::store::api_keys::revoke;
    let now = app.clock.now();
    assert!(revoke(&mut *app.conn().await, &prefix, now).await.unwrap().is_some());
    assert!(revoke(&mut *app.conn().await, &prefix, now).await.unwrap().is_none(), "it was before");
    assert_eq!(app.send(&others_key, &cart_order("1", "1.00")).await.0, 401);

    let stored: String =
        sqlx::query_scalar("select string_agg(k::text, ' ') from api_keys k").fetch_one(&app.app.pool).await.unwrap();
    let secret = key.split_once('-').unwrap().1;
    assert!(stored.contains(&prefix) && !stored.contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_no_json_is_said_in_json() {
    let (app, _, key) = start().await;
    for bad in ["", "{", "[1,", "{} {}", "external_id=1"] {
        let (status, reply) = app.send_text(&key, bad.to_owned()).await;
        assert_eq!(status, 422, "{bad}: {reply}");
        assert!(reply["detail"].as_str().unwrap().contains("not JSON"), "{reply}");
    }
    let many = Value::from((0..501).map(|n| cart_order(&n.to_string(), "1.00")).collect::<Vec<_>>());
    let (status, reply) = app.send(&key, &many).await;
    assert_eq!(status, 413, "{reply}");
    assert!(reply["remedy"].as_str().unwrap().contains("500"), "{reply}");
    let (status, reply) = app.send_text(&key, " ".repeat(9 * 1024 * 1024)).await;
    assert_eq!(status, 413, "{reply}");
    assert_eq!(app.count("select count(*) from orders").await, 0);
    let most = Value::from((0..500).map(|n| cart_order(&n.to_string(), "1.00")).collect::<Vec<_>>());
    assert_eq!(app.send(&key, &most).await.1["taken"], 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_tells_of_payments_refunds_and_cancellations_too() {
    let (app, account, key) = start().await;
    app.setting(account.id, "document", "by_payment").await;
    let with = |pairs: Value| {
        let mut order = cart_order("1001", "10.00");
        order.as_object_mut().unwrap().extend(pairs.as_object().unwrap().clone());
        order
    };
    app.send(&key, &with(json!({"paid": true}))).await;
    app.app.dispatch.round().await.unwrap();
    let (_, reply) = app.send(&key, &with(json!({"paid": true, "refunded": "4.00"}))).await;
    assert_eq!(results(&reply), ["changed"]);
    app.app.dispatch.round().await.unwrap();
    let documents = app.sandbox.documents(REALM);
    assert_eq!(documents.iter().map(|one| one.kind.title()).collect::<Vec<_>>(), ["sales receipt", "refund receipt"]);
    assert_eq!(super::totals(&documents), ["10.00", "4.00"]);
    let mut other = with(json!({"paid": "no", "cancelled": "true"}));
    other["external_id"] = json!("1002");
    let (_, reply) = app.send(&key, &other).await;
    assert_eq!(results(&reply), ["taken"]);
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.sandbox.documents(REALM).len(), 2, "nothing to book");
    let (status, reply) = app.send(&key, &with(json!({"paid": 1, "external_id": "1003"}))).await;
    assert_eq!(status, 422);
    assert_eq!(reply["orders"][0]["field"], "paid", "{reply}");
    let (_, reply) = app.send(&key, &with(json!({"exchange_rate": "0", "external_id": "1003"}))).await;
    assert_eq!(reply["orders"][0]["field"], "exchange_rate", "{reply}");
}
