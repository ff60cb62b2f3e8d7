//! Documents of each kind: changed, voided, edited by hand, made by the batch, and refused when a payload is not exact.

use chrono::TimeDelta;
use lamplighter::{
    provider::{Provider::Quickbooks, quickbooks::DocumentKind},
    sandbox::{Deed, Writer},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{REALM, Said, Town};

fn line(amount: f64) -> Value {
    json!([{"Amount": amount, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "4"}}}])
}

fn receipt(number: &str) -> Value {
    json!({"DocNumber": number, "PrivateNote": "ours", "Line": line(35.0)})
}

fn code(said: &Said) -> (u16, String) {
    (said.status, said.body["Fault"]["Error"][0]["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

const TAKEN: (u16, String) = (200, String::new());

#[tokio::test]
async fn the_ledger_tells_who_did_what_to_a_document() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let made = town.post(&town.books("salesreceipt?requestid=r1"), &bearer, &receipt("HS-1")).await;
    let id = made.body["SalesReceipt"]["Id"].as_str().unwrap().to_owned();
    town.clock.advance(TimeDelta::minutes(1));
    let change = json!({"Id": id, "SyncToken": "0", "sparse": true, "Line": line(40.0)});
    let changed = town.post(&town.books("salesreceipt?requestid=r2"), &bearer, &change).await;
    assert_eq!(
        (&changed.body["SalesReceipt"]["TotalAmt"], &changed.body["SalesReceipt"]["PrivateNote"]),
        (&json!(40.0), &json!("ours"))
    );
    assert!(town.sandbox.edit_document(REALM, &id, &json!({"Line": line(41.5)})));
    let stale = json!({"Id": id, "SyncToken": "1", "sparse": true});
    let void = town.books("salesreceipt?operation=update&include=void&requestid=r3");
    assert_eq!(code(&town.post(&void, &bearer, &stale).await), refused("5010"));
    let fresh = json!({"Id": id, "SyncToken": "2", "sparse": true});
    let voided = town.post(&void, &bearer, &fresh).await;
    assert_eq!(voided.body["SalesReceipt"]["PrivateNote"], "Voided - ours");
    assert_eq!(town.post(&void, &bearer, &fresh).await.body, voided.body, "a void too is replayed");
    let document = town.sandbox.documents(REALM).remove(0);
    assert_eq!((document.kind, document.voided, document.total), (DocumentKind::SalesReceipt, true, Decimal::ZERO));
    assert_eq!((document.sync_token.as_str(), document.request_id.as_deref()), ("3", Some("r1")));
    let writes: Vec<_> = document.writes.iter().map(|w| (w.deed, w.by, w.request_id.as_deref())).collect();
    assert_eq!(
        writes,
        [
            (Deed::Created, Writer::App, Some("r1")),
            (Deed::Changed, Writer::App, Some("r2")),
            (Deed::Changed, Writer::Person, None),
            (Deed::Voided, Writer::App, Some("r3")),
        ]
    );
    assert!(document.writes[1].at > document.created_at);
}

#[tokio::test]
async fn each_kind_has_its_needs_and_all_share_their_numbers() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let customer = town.post(&town.books("customer"), &bearer, &json!({"DisplayName": "Ada"})).await;
    let customer = &customer.body["Customer"]["Id"];
    let post = async |entity: &str, body: Value| town.post(&town.books(entity), &bearer, &body).await;
    assert_eq!(code(&post("invoice", receipt("HS-1")).await), refused("2020"));
    let mut invoice = receipt("HS-1");
    invoice["CustomerRef"] = json!({"value": customer});
    invoice["DueDate"] = json!("2026-12-01");
    let made = post("invoice", invoice.clone()).await;
    assert_eq!((made.status, &made.body["Invoice"]["Balance"]), (200, &json!(35.0)));
    let taken = post("salesreceipt", receipt("HS-1")).await;
    assert_eq!(code(&taken), refused("6140"));
    let detail = taken.body["Fault"]["Error"][0]["Detail"].as_str().unwrap();
    assert!(detail.contains("TxnType=Invoice with TxnId="), "{detail}");
    assert_eq!(code(&post("refundreceipt", receipt("HS-2")).await), refused("2020"));
    let mut refund = receipt("HS-2");
    refund["DepositToAccountRef"] = json!({"value": "3"});
    assert_eq!(code(&post("refundreceipt", refund).await), TAKEN);
    let id = made.body["Invoice"]["Id"].as_str().unwrap();
    let void = json!({"Id": id, "SyncToken": "0", "sparse": true});
    assert_eq!(code(&post("invoice?operation=update&include=void", void.clone()).await), refused("500"));
    assert_eq!(code(&post("invoice?operation=void", void).await), TAKEN);
    let found = town.query(&bearer, "select * from Invoice where DocNumber = 'HS-1'").await;
    assert_eq!(found.body["QueryResponse"]["Invoice"][0]["TotalAmt"], 0);
    let kinds: Vec<_> = town.sandbox.documents(REALM).iter().map(|d| (d.kind, d.voided)).collect();
    assert_eq!(kinds, [(DocumentKind::Invoice, true), (DocumentKind::RefundReceipt, false)]);
}

#[tokio::test]
async fn a_payload_that_is_not_exact_is_refused_in_creates_and_changes() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let made = town.post(&town.books("salesreceipt"), &bearer, &receipt("HS-1")).await;
    let id = &made.body["SalesReceipt"]["Id"];
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let change = json!({"Id": id, "SyncToken": "0", "sparse": true});
    for (entity, body, expected) in [
        ("salesreceipt", with(receipt("HS-2"), "Memo", json!("x")), "2010"),
        ("salesreceipt", with(receipt("HS-2"), "PrivateNote", json!("x".repeat(4_001))), "2050"),
        ("salesreceipt", receipt("HS-2345678901234567890"), "2050"),
        ("salesreceipt", with(change.clone(), "Memo", json!("x")), "2010"),
        ("salesreceipt", with(change.clone(), "PrivateNote", json!("x".repeat(4_001))), "2050"),
        ("salesreceipt", json!({"Id": id, "sparse": true}), "2020"),
        ("salesreceipt", json!({"Id": "999", "SyncToken": "0"}), "610"),
        ("customer", json!({"DisplayName": "Ada", "Mail": "a@b.c"}), "2010"),
        ("customer", json!({"DisplayName": "Ada", "GivenName": "x".repeat(101)}), "2050"),
        ("item", json!({"Name": "Tea", "Colour": "green", "IncomeAccountRef": {"value": "1"}}), "2010"),
    ] {
        let said = town.post(&town.books(entity), &bearer, &body).await;
        assert_eq!(code(&said), refused(expected), "{body}");
    }
    assert_eq!(town.sandbox.documents(REALM)[0].writes.len(), 1);
}

#[tokio::test]
async fn what_is_deposited_or_in_a_closed_period_cannot_be_changed() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let made = town.post(&town.books("salesreceipt"), &bearer, &receipt("HS-1")).await;
    let id = made.body["SalesReceipt"]["Id"].as_str().unwrap().to_owned();
    let change = json!({"Id": id, "SyncToken": "0", "sparse": true, "TxnDate": "2027-01-01"});
    let post = async |body: &Value| code(&town.post(&town.books("salesreceipt"), &bearer, body).await);
    town.sandbox.close_books(REALM, Some(town.clock.now().date_naive()));
    assert_eq!(post(&change).await, refused("6210"), "it would leave the closed period");
    town.sandbox.close_books(REALM, None);
    town.sandbox.deposit_document(REALM, &id);
    assert_eq!(post(&change).await, refused("6540"));
    assert!(town.sandbox.delete_document(REALM, &id) && !town.sandbox.delete_document(REALM, &id));
    assert_eq!(post(&change).await, refused("610"));
}

fn batch(count: usize) -> Value {
    let items = (0..count)
        .map(|n| json!({"bId": n.to_string(), "operation": "create", "SalesReceipt": receipt(&format!("HS-{n}"))}));
    json!({"BatchItemRequest": items.collect::<Vec<_>>()})
}

#[tokio::test]
async fn a_batch_refuses_each_item_alone_and_is_carried_out_once() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let url = town.books("batch?minorversion=75&requestid=b1");
    let mut items = batch(3);
    items["BatchItemRequest"][1]["SalesReceipt"]["DocNumber"] = json!("HS-0");
    items["BatchItemRequest"][2]["SalesReceipt"]["Memo"] = json!("?");
    let query = json!({"bId": "q", "Query": "select * from SalesReceipt where DocNumber = 'HS-0'"});
    items["BatchItemRequest"].as_array_mut().unwrap().push(query);
    let said = town.post(&url, &bearer, &items).await;
    assert_eq!(said.status, 200);
    let answers = said.body["BatchItemResponse"].as_array().unwrap();
    let seen: Vec<_> = answers.iter().map(|a| (a["bId"].as_str(), a["Fault"]["Error"][0]["code"].as_str())).collect();
    assert_eq!(seen, [(Some("0"), None), (Some("1"), Some("6140")), (Some("2"), Some("2010")), (Some("q"), None)]);
    assert_eq!(answers[3]["QueryResponse"]["SalesReceipt"][0]["DocNumber"], "HS-0");
    assert_eq!(town.post(&url, &bearer, &items).await.body, said.body);
    let documents = town.sandbox.documents(REALM);
    assert_eq!((documents.len(), documents[0].request_id.as_deref()), (1, Some("b1/0")));
}

#[tokio::test]
async fn a_batch_has_its_limits() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let post = async |path: &str, body: &Value| code(&town.post(&town.books(path), &bearer, body).await);
    assert_eq!(post("batch", &batch(31)).await, refused("6000"));
    assert_eq!(post("batch", &batch(0)).await, refused("2020"));
    let long = format!("batch?requestid={}", "x".repeat(37));
    assert_eq!(post(&long, &batch(1)).await, refused("2050"));
    let mut twice = batch(2);
    twice["BatchItemRequest"][1]["bId"] = json!("0");
    assert_eq!(post("batch", &twice).await, refused("6000"));
    assert!(town.sandbox.documents(REALM).is_empty(), "nothing of a refused batch is carried out");
    assert_eq!(post("batch", &batch(30)).await, TAKEN);
    assert_eq!(town.sandbox.documents(REALM).len(), 30);
}

#[tokio::test]
async fn a_company_that_is_called_too_often_throttles_only_itself() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let ask = async || town.query(&bearer, "select * from Account").await;
    for _ in 0..20 {
        assert_eq!(ask().await.status, 200, "the limits are a switch");
    }
    town.sandbox.switch(Quickbooks, |switches| switches.company_limits = true);
    for _ in 0..10 {
        assert_eq!(ask().await.status, 200);
    }
    assert_eq!(code(&ask().await), (429, "3001".to_owned()));
    town.clock.advance(TimeDelta::seconds(1));
    assert_eq!(ask().await.status, 200);
    let mut batches = 0;
    for n in 0..6 {
        town.clock.advance(TimeDelta::seconds(1));
        for _ in 0..8 {
            let said = town.post(&town.books(&format!("batch?requestid={n}")), &bearer, &batch(1)).await;
            batches += usize::from(said.status == 200);
        }
    }
    assert_eq!(batches, 40);
}

#[tokio::test]
async fn the_reply_to_a_change_can_be_lost() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let made = town.post(&town.books("salesreceipt"), &bearer, &receipt("HS-1")).await;
    town.sandbox.switch(Quickbooks, |switches| switches.lost_update_replies = 1);
    let change = json!({"Id": made.body["SalesReceipt"]["Id"], "SyncToken": "0", "sparse": true, "PrivateNote": "new"});
    let request = town.http.post(town.books("salesreceipt")).bearer_auth(&bearer).json(&change);
    assert!(request.send().await.is_err());
    assert_eq!(town.sandbox.documents(REALM)[0].private_note.as_deref(), Some("new"));
    assert_eq!(town.sandbox.switches(Quickbooks).lost_update_replies, 0);
    assert_eq!(code(&town.post(&town.books("salesreceipt"), &bearer, &receipt("HS-2")).await), TAKEN);
}

#[tokio::test]
async fn a_company_has_its_money_and_its_place() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let get = async |path: &str| {
        super::said(town.http.get(town.books(path)).bearer_auth(&bearer).send().await.unwrap()).await.body
    };
    let info = get(&format!("companyinfo/{REALM}")).await;
    assert_eq!(
        (&info["CompanyInfo"]["Country"], &info["CompanyInfo"]["DefaultTimeZone"]),
        (&json!("US"), &Value::Null)
    );
    town.sandbox.set_currency(REALM, "CAD", true);
    let prefs = &get("preferences").await["Preferences"]["CurrencyPrefs"];
    assert_eq!(prefs, &json!({"MultiCurrencyEnabled": true, "HomeCurrency": {"value": "CAD"}}));
    let mut sale = receipt("HS-1");
    assert_eq!(code(&town.post(&town.books("salesreceipt"), &bearer, &sale).await), refused("2020"));
    sale["CurrencyRef"] = json!({"value": "EUR"});
    sale["ExchangeRate"] = json!(1.5);
    let made = town.post(&town.books("salesreceipt"), &bearer, &sale).await;
    assert_eq!(made.body["SalesReceipt"]["HomeTotalAmt"], json!(52.5));
    town.sandbox.set_place(REALM, "CA", Some("America/Halifax"));
    let info = get(&format!("companyinfo/{REALM}")).await;
    assert_eq!(info["CompanyInfo"]["DefaultTimeZone"], "America/Halifax");
    sale["DocNumber"] = json!("HS-2");
    assert_eq!(code(&town.post(&town.books("salesreceipt"), &bearer, &sale).await), refused("2020"));
    sale["GlobalTaxCalculation"] = json!("NotApplicable");
    assert_eq!(code(&town.post(&town.books("salesreceipt"), &bearer, &sale).await), TAKEN);
}
