//! The books: who may write, what is written once, what is refused.

use chrono::{NaiveDate, TimeDelta};
use lamplighter::provider::Provider::Quickbooks;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{REALM, Said, Town};

fn receipt(number: &str) -> Value {
    json!({"DocNumber": number, "PrivateNote": "HubSpot order 1", "Line": [
        {"Amount": 35.0, "DetailType": "SalesItemLineDetail",
         "SalesItemLineDetail": {"ItemRef": {"value": "4"}, "Qty": 1, "UnitPrice": 35}},
    ]})
}

fn code(said: &Said) -> (u16, String) {
    let faults = [&said.body["Fault"]["Error"][0]["code"], &said.body["fault"]["error"][0]["code"]];
    (said.status, faults.iter().find_map(|code| code.as_str()).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_request_id_makes_one_document_however_often_it_is_sent() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let url = town.books("salesreceipt?minorversion=75&requestid=order-1");
    let first = town.post(&url, &bearer, &receipt("HS-1")).await;
    assert_eq!((first.status, &first.body["SalesReceipt"]["TotalAmt"]), (200, &json!(35.0)));
    town.clock.advance(TimeDelta::minutes(5));
    let again = town.post(&url, &bearer, &receipt("HS-1")).await;
    assert_eq!(again.body, first.body, "the same reply, its time too");
    let documents = town.sandbox.documents(REALM);
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].request_id.as_deref(), Some("order-1"));
    assert_eq!((documents[0].total, documents[0].doc_number.as_deref()), (Decimal::from(35), Some("HS-1")));
    let id = &documents[0].id;
    let read = town.http.get(town.books(&format!("salesreceipt/{id}"))).bearer_auth(&bearer).send().await.unwrap();
    assert_eq!(super::said(read).await.body["SalesReceipt"], first.body["SalesReceipt"]);
}

#[tokio::test]
async fn a_document_number_is_used_once() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let first = town.post(&town.books("salesreceipt?requestid=a"), &bearer, &receipt("HS-1")).await;
    let refused = town.post(&town.books("salesreceipt?requestid=b"), &bearer, &receipt("HS-1")).await;
    assert_eq!(code(&refused), (400, "6140".to_owned()));
    let fault = &refused.body["Fault"];
    let id = first.body["SalesReceipt"]["Id"].as_str().unwrap();
    assert!(fault["Error"][0]["Detail"].as_str().unwrap().ends_with(&format!("TxnId={id}")));
    assert_eq!(fault["type"], "ValidationFault");
    let retried = town.post(&town.books("salesreceipt?requestid=b"), &bearer, &receipt("HS-2")).await;
    assert_eq!(retried.status, 200, "a refusal is not replayed");
}

#[tokio::test]
async fn a_customer_is_found_by_name_and_named_on_the_document() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let king = json!({"DisplayName": "King's Groceries", "PrimaryEmailAddr": {"Address": "k@x.io"}});
    assert_eq!(town.post(&town.books("customer"), &bearer, &king).await.status, 200);
    assert_eq!(code(&town.post(&town.books("customer"), &bearer, &king).await), (400, "6240".to_owned()));
    let found = town.query(&bearer, r"select * from Customer where DisplayName = 'King\'s Groceries'").await;
    let id = found.body["QueryResponse"]["Customer"][0]["Id"].clone();
    let mut sale = receipt("HS-1");
    sale["CustomerRef"] = json!({"value": id});
    town.post(&town.books("salesreceipt"), &bearer, &sale).await;
    assert_eq!(town.sandbox.documents(REALM)[0].customer_name.as_deref(), Some("King's Groceries"));
    let nothing = town.query(&bearer, "select * from SalesReceipt where DocNumber = 'HS-9'").await;
    assert_eq!(nothing.body["QueryResponse"], json!({}));
    let posted = town.http.post(town.books("query")).bearer_auth(&bearer).body("select count(*) from SalesReceipt");
    assert_eq!(super::said(posted.send().await.unwrap()).await.body["QueryResponse"]["totalCount"], 1);
}

#[tokio::test]
async fn a_company_can_refuse_everyone() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let write = async || code(&town.post(&town.books("salesreceipt"), &bearer, &receipt("HS-1")).await);
    town.sandbox.lapse_subscription(REALM, true);
    assert_eq!(write().await, (400, "6190".to_owned()));
    town.sandbox.lapse_subscription(REALM, false);
    town.sandbox.lose_permission(REALM, true);
    assert_eq!(write().await, (403, "120".to_owned()));
    town.sandbox.lose_permission(REALM, false);
    town.sandbox.close_books(REALM, NaiveDate::from_ymd_opt(2026, 11, 21));
    assert_eq!(write().await, (400, "6210".to_owned()));
    town.sandbox.close_books(REALM, None);
    assert_eq!(write().await, (200, String::new()));
}

#[tokio::test]
async fn a_token_opens_its_own_company_while_it_lives() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let info = town.http.get(town.books(&format!("companyinfo/{REALM}"))).bearer_auth(&bearer);
    let info = info.send().await.unwrap();
    assert!(info.headers().contains_key("intuit_tid"));
    assert_eq!(super::said(info).await.body["CompanyInfo"]["CompanyName"], "Fern & Fable Books");
    let next_door = town.books("query?query=select").replace(REALM, "1");
    let refused = town.http.get(next_door).bearer_auth(&bearer).send().await.unwrap();
    assert_eq!(code(&super::said(refused).await), (403, "3100".to_owned()));
    town.clock.advance(TimeDelta::hours(1));
    let expired = town.query(&bearer, "select * from Account").await;
    assert_eq!(code(&expired), (401, "3200".to_owned()));
    assert_eq!(expired.body["fault"]["error"][0]["detail"], "Token expired");
}

#[tokio::test]
async fn a_document_is_changed_under_its_sync_token() {
    let town = Town::start().await;
    let bearer = town.connect(Quickbooks).await.text("access_token");
    let url = town.books("salesreceipt");
    let made = town.post(&url, &bearer, &receipt("HS-1")).await.body["SalesReceipt"].clone();
    let change = json!({"Id": made["Id"], "SyncToken": "0", "sparse": true, "PrivateNote": "edited"});
    let changed = town.post(&url, &bearer, &change).await;
    assert_eq!(changed.body["SalesReceipt"]["SyncToken"], "1");
    assert_eq!(code(&town.post(&url, &bearer, &change).await), (400, "5010".to_owned()));
    let delete = json!({"Id": made["Id"], "SyncToken": "1"});
    town.post(&town.books("salesreceipt?operation=delete"), &bearer, &delete).await;
    assert!(town.sandbox.documents(REALM).is_empty());
}
