//! What stands on a receipt, and what is found, created and remembered on the way.

use lamplighter::{
    provider::Provider::Quickbooks,
    sandbox::{NewContact, NewLine, NewOrder},
    store::orders::Status,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{number, totals};
use crate::harness::{REALM, TestApp, order};

fn line(name: &str, sku: &str, quantity: i64, cents: i64, amount: Option<i64>) -> NewLine {
    NewLine {
        name: name.to_owned(),
        sku: sku.to_owned(),
        quantity: Decimal::from(quantity),
        price: Decimal::new(cents, 2),
        amount: amount.map(|cents| Decimal::new(cents, 2)),
    }
}

fn shop_order() -> NewOrder {
    NewOrder {
        name: "#1001".to_owned(),
        currency: "USD".to_owned(),
        tax: Some(Decimal::new(317, 2)),
        shipping: Some(Decimal::new(495, 2)),
        lines: vec![
            line("Brass lamp", "LAMP-1", 3, 1250, None),
            line("Wick", "WICK-7", 2, 1000, Some(1799)),
            line("Gift: wrapping", "", 1, 200, None),
        ],
        contact: Some(NewContact { email: "rae@post.example".into(), first: "Rae".into(), last: "Reader".into() }),
        properties: [("hs_external_order_id".to_owned(), "SHOP-77".to_owned())].into(),
        ..NewOrder::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_becomes_one_receipt_with_all_that_is_on_it() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(shop_order());
    app.rounds().await;
    let documents = app.sandbox.documents(REALM);
    assert_eq!(totals(&documents), ["65.61"]);
    let document = &documents[0];
    assert_eq!(document.doc_number, Some(number(&id)));
    assert_eq!(document.customer_name.as_deref(), Some("Rae Reader"));
    let request_id: uuid::Uuid =
        sqlx::query_scalar("select request_id from orders").fetch_one(&app.app.pool).await.unwrap();
    assert_eq!(document.request_id, Some(request_id.to_string()));
    let note = document.private_note.clone().unwrap();
    for part in [request_id.to_string().as_str(), &id, "#1001", "SHOP-77"] {
        assert!(note.contains(part), "{part} in {note}");
    }
    let raw = &document.raw;
    assert_eq!(raw["TxnDate"], json!(app.clock.now().date_naive().to_string()));
    assert_eq!(
        (&raw["BillEmail"]["Address"], &raw["CurrencyRef"]["value"]),
        (&json!("rae@post.example"), &json!("USD"))
    );
    let items = app.sandbox.items(REALM);
    let seen: Vec<_> = raw["Line"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let detail = &line["SalesItemLineDetail"];
            let item = items.iter().find(|item| item["Id"] == detail["ItemRef"]["value"]).unwrap();
            (item["Name"].as_str().unwrap(), line["Amount"].to_string(), detail["Qty"].to_string())
        })
        .collect();
    let expected = [
        ("Brass lamp", "37.50", "3"),
        ("Wick", "17.99", "null"),
        ("Gift - wrapping", "2", "1"),
        ("Shipping", "4.95", "null"),
        ("Sales tax", "3.17", "null"),
    ];
    let same = |(seen, expected): (&(&str, String, String), &(&str, &str, &str))| {
        let amount = |text: &str| text.parse::<Decimal>().unwrap().normalize();
        seen.0 == expected.0 && amount(&seen.1) == amount(expected.1) && seen.2 == expected.2
    };
    assert!(seen.len() == expected.len() && seen.iter().zip(&expected).all(same), "{seen:?}");
    assert_eq!(items.iter().find(|item| item["Name"] == "Wick").unwrap()["Sku"], "WICK-7");
    let row = app.order("#1001").await;
    assert_eq!((row.status, row.document_id, row.attempts), (Status::Posted, Some(document.id.clone()), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn customer_and_item_that_exist_are_found_and_then_remembered() {
    let (app, _) = TestApp::connected().await;
    let customer = json!({"DisplayName": "Reader, R.", "PrimaryEmailAddr": {"Address": "Reader@Post.example"}});
    app.by_hand(REALM, "customer", customer).await;
    app.by_hand(
        REALM,
        "item",
        json!({"Name": "Guide to fields", "Sku": "GUIDE-1", "IncomeAccountRef": {"value": "1"}}),
    )
    .await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    let names =
        |list: Vec<Value>, key: &str| list.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(app.sandbox.customers(REALM), "DisplayName"), ["Reader, R."]);
    assert_eq!(names(app.sandbox.items(REALM), "Name"), ["Hours", "Guide to fields"]);
    assert_eq!(app.sandbox.documents(REALM)[0].customer_name.as_deref(), Some("Reader, R."));
    let before = app.sandbox.api_calls(Quickbooks);
    app.place(order("A-2", 2_000));
    app.later().await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), before + 1, "one create and no query");
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "20.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn customer_and_item_are_found_by_name_in_any_case() {
    let (app, _) = TestApp::connected().await;
    app.by_hand(REALM, "customer", json!({"DisplayName": "RAE reader"})).await;
    app.by_hand(REALM, "item", json!({"Name": "FIELD guide", "IncomeAccountRef": {"value": "1"}})).await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    assert_eq!((app.sandbox.customers(REALM).len(), app.sandbox.items(REALM).len()), (1, 2));
    assert_eq!(app.sandbox.documents(REALM)[0].customer_name.as_deref(), Some("RAE reader"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_customer_that_is_gone_is_looked_for_again_even_after_failed_tries() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    let customer = &app.sandbox.customers(REALM)[0];
    let url = "customer?operation=delete";
    app.by_hand(REALM, url, json!({"Id": customer["Id"], "SyncToken": "0"})).await;
    assert_eq!(app.sandbox.customers(REALM).len(), 0);
    app.place(order("A-2", 2_000));
    app.quickbooks(|switches| switches.throttle = true);
    app.later().await;
    assert_eq!(app.order("A-2").await.attempts, 1);
    app.quickbooks(|switches| switches.throttle = false);
    app.later().await;
    let row = app.order("A-2").await;
    assert_eq!((row.status, row.attempts), (Status::Posted, 2), "{:?}", row.last_message);
    assert_eq!(app.sandbox.documents(REALM)[1].customer_name.as_deref(), Some("Rae Reader"));
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_money_is_not_posted_as_the_companys_own() {
    let (app, _) = TestApp::connected().await;
    app.place(NewOrder { currency: "EUR".to_owned(), ..order("A-1", 1_000) });
    app.place(order("A-2", 2_000));
    app.rounds().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["20.00"]);
    let row = app.order("A-1").await;
    assert_eq!(row.status, Status::Parked);
    let words = row.last_message.unwrap();
    assert!(words.contains("in EUR") && words.contains("in USD"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_any_length_does_not_push_the_mark_off_the_note() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.rounds().await;
    app.place(order(&"long ".repeat(2_000), 2_000));
    app.quickbooks(|switches| switches.lost_create_replies = 1);
    app.later().await;
    app.later().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "20.00"]);
    assert_eq!(app.count("select count(*) from order_attempts where outcome = 'adopted'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_names_nobody_has_a_receipt_without_customer() {
    let (app, _) = TestApp::connected().await;
    app.place(NewOrder { contact: None, ..order("A-1", 1_000) });
    app.rounds().await;
    let document = &app.sandbox.documents(REALM)[0];
    assert_eq!((document.customer_name.as_deref(), &document.raw["CustomerRef"]), (None, &Value::Null));
}
