//! QuickBooks' and HubSpot's APIs, seen from their side.

use chrono::{DateTime, NaiveDate, Utc};
use lamplighter::provider::Verdict;
use lamplighter::provider::hubspot::Related;
use lamplighter::provider::quickbooks::{
    DocumentBody, DocumentKind, Line, NewCustomer, Reference, SalesItemLineDetail,
};
use rust_decimal::Decimal;
use serde_json::json;

use super::{Fake, pairs, secret};

fn receipt() -> DocumentBody {
    let cents = Decimal::new(10, 2) + Decimal::new(20, 2);
    let detail = SalesItemLineDetail {
        item_ref: Reference::to("10"),
        qty: Some(Decimal::ONE),
        unit_price: Some(cents),
        tax_code_ref: None,
    };
    DocumentBody {
        customer_ref: Some(Reference::to("59")),
        txn_date: NaiveDate::from_ymd_opt(2026, 1, 9),
        doc_number: "HS-1".into(),
        private_note: Some("HubSpot order 1".into()),
        line: vec![Line::item(cents, None, detail)],
        ..DocumentBody::default()
    }
}

#[tokio::test]
async fn a_receipt_is_created_under_its_request_id() {
    let reply = r#"{"SalesReceipt":{"Id":"263","SyncToken":"0","DocNumber":"HS-1","TotalAmt":0.30},"time":"x"}"#;
    let intuit = Fake::answering(&[(200, reply)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let document =
        api.create_document(&secret("acc"), "99/../1", DocumentKind::SalesReceipt, &receipt(), "req-1").await.unwrap();
    assert_eq!((document.id.as_str(), document.total.to_string().as_str()), ("263", "0.30"));

    let seen = intuit.only();
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.path, "/v3/company/99%2F..%2F1/salesreceipt");
    assert_eq!(seen.query, pairs(&[("minorversion", "75"), ("requestid", "req-1")]));
    assert_eq!(seen.header("authorization"), Some("Bearer acc"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert!(seen.body.contains(r#""Amount":0.30,"#), "{}", seen.body);
}

#[tokio::test]
async fn a_refused_receipt_carries_intuits_words() {
    let fault = r#"{"Fault":{"Error":[{"Message":"Account Period Closed","Detail":"Closed to 2025-12-31",
        "code":"6210"}],"type":"ValidationFault"}}"#;
    let intuit = Fake::answering(&[(400, fault)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let failure =
        api.create_document(&secret("acc"), "1", DocumentKind::SalesReceipt, &receipt(), "req-1").await.unwrap_err();
    assert_eq!((failure.verdict, failure.code.as_deref()), (Verdict::Rejected, Some("6210")));
    assert_eq!(failure.message, "Account Period Closed: Closed to 2025-12-31");
}

#[tokio::test]
async fn lookups_quote_their_value_and_find_one_or_none() {
    let found = r#"{"QueryResponse":{"Customer":[{"Id":"7","DisplayName":"King's","Balance":1.5}],"maxResults":1}}"#;
    let intuit = Fake::answering(&[(200, found), (200, r#"{"QueryResponse":{},"time":"x"}"#)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let customer = api.customer_called(&secret("acc"), "1", "King's").await.unwrap().unwrap();
    assert_eq!((customer.id.as_str(), customer.name.as_str()), ("7", "King's"));
    assert_eq!(api.document_by_number(&secret("acc"), "1", DocumentKind::SalesReceipt, "HS-1").await.unwrap(), None);
    let seen = intuit.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("GET", "/v3/company/1/query"));
    let query = "SELECT * FROM Customer WHERE DisplayName = 'King\\'s' MAXRESULTS 20";
    assert_eq!(seen[0].query, pairs(&[("query", query), ("minorversion", "75")]));
    assert_eq!(seen[1].query[0].1, "SELECT * FROM SalesReceipt WHERE DocNumber = 'HS-1' MAXRESULTS 1");
}

#[tokio::test]
async fn a_lookup_answered_by_a_fault_or_without_an_envelope_is_not_nothing_found() {
    let fault = r#"{"QueryResponse":{},"Fault":{"Error":[{"Message":"x","code":"4001"}]}}"#;
    let intuit = Fake::answering(&[(200, fault), (200, r#"{"time":"x"}"#)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let failure = api.items_by_sku(&secret("acc"), "1", "s").await.unwrap_err();
    assert_eq!((failure.verdict, failure.code.as_deref()), (Verdict::Rejected, Some("4001")));
    assert_eq!(api.items_called(&secret("acc"), "1", "s").await.unwrap_err().verdict, Verdict::Transient);
}

#[tokio::test]
async fn a_create_that_ends_in_a_server_error_is_open() {
    let intuit = Fake::answering(&[(504, "<html></html>")]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let failure = api.create_customer(&secret("acc"), "1", &NewCustomer::default(), None, "r").await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::OutcomeUnknown);
    assert_eq!(api.company_info(&secret("acc"), "1").await.unwrap_err().verdict, Verdict::Transient);
    assert_eq!(intuit.seen()[1].path, "/v3/company/1/companyinfo/1");
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_refused_unsent() {
    let intuit = Fake::answering(&[(200, "{}")]).await;
    let providers = intuit.providers();
    let failure = providers.quickbooks().unwrap().company_info(&secret("a\nb"), "1").await.unwrap_err();
    assert_eq!((failure.verdict, failure.rule), (Verdict::TokenRefused, "token_unsendable"));
    assert!(intuit.seen().is_empty());
}

#[tokio::test]
async fn a_search_pages_by_key() {
    let page = r#"{"total":2,"results":[{"id":"5","properties":{"hs_total_price":"10.00","hs_tax":null,
        "hs_lastmodifieddate":"2026-01-01T00:00:00.123Z"},"createdAt":"x","archived":false}]}"#;
    let hubspot = Fake::answering(&[(200, page)]).await;
    let providers = hubspot.providers();
    let api = providers.hubspot().unwrap();
    let from = DateTime::<Utc>::from_timestamp_millis(1_767_225_600_000).unwrap();
    let found = api.search_orders(&secret("acc"), from, None, 200).await.unwrap();
    assert_eq!((found.total, found.orders[0].id.as_str()), (2, "5"));
    assert_eq!(found.orders[0].modified_at.timestamp_millis(), 1_767_225_600_123);
    assert_eq!(found.orders[0].properties["hs_total_price"].as_deref(), Some("10.00"));
    assert_eq!(found.orders[0].properties["hs_tax"], None);
    api.search_orders_at(&secret("acc"), from, Some("5"), None, 100).await.unwrap();

    let seen = hubspot.seen();
    assert_eq!(seen[0].path, "/crm/objects/2026-09/orders/search");
    let modified =
        |operator: &str| json!({"propertyName": "hs_lastmodifieddate", "operator": operator, "value": "1767225600000"});
    let body = seen[0].json();
    assert_eq!(body["filterGroups"], json!([{ "filters": [modified("GTE")] }]));
    assert_eq!(body["sorts"], json!([{"propertyName": "hs_lastmodifieddate", "direction": "ASCENDING"}]));
    assert_eq!((&body["limit"], &body["after"]), (&json!(200), &json!("0")));
    let body = seen[1].json();
    let above = json!({"propertyName": "hs_object_id", "operator": "GT", "value": "5"});
    assert_eq!(body["filterGroups"], json!([{ "filters": [modified("EQ"), above] }]));
    assert_eq!(body["sorts"], json!([{"propertyName": "hs_object_id", "direction": "ASCENDING"}]));
}

#[tokio::test]
async fn relations_are_gathered_over_chunks_and_pages() {
    let first = r#"{"status":"COMPLETE","results":[{"from":{"id":"1"},"to":[{"toObjectId":11,"associationTypes":[]}],
        "paging":{"next":{"after":"p2","link":"x"}}}]}"#;
    let second = r#"{"status":"COMPLETE","results":[],"numErrors":1,"errors":[{"category":"OBJECT_NOT_FOUND"}]}"#;
    let third = r#"{"results":[{"from":{"id":"1"},"to":[{"toObjectId":"12"},{"toObjectId":11}]}]}"#;
    let hubspot = Fake::answering(&[(200, first), (207, second), (200, third)]).await;
    let providers = hubspot.providers();
    let ids: Vec<String> = (1..=101).map(|id| id.to_string()).collect();
    let api = providers.hubspot().unwrap();
    let related = api.associated(&secret("acc"), &ids, Related::LineItems).await.unwrap();
    assert_eq!(related.len(), 1);
    assert_eq!(related["1"], ["11", "12"]);
    let seen = hubspot.seen();
    assert_eq!(seen[0].path, "/crm/associations/2026-09/orders/line_items/batch/read");
    assert_eq!(seen[0].json()["inputs"].as_array().unwrap().len(), 100);
    assert_eq!(seen[1].json(), json!({"inputs": [{"id": "101"}]}));
    assert_eq!(seen[2].json(), json!({"inputs": [{"id": "1", "after": "p2"}]}));
}

#[tokio::test]
async fn a_partial_batch_names_what_is_missing() {
    let partial = r#"{"status":"COMPLETE","results":[{"id":"11","properties":{"name":"Hat","quantity":"2"}}],
        "numErrors":1,"errors":[{"status":"error","category":"OBJECT_NOT_FOUND","context":{"ids":["12"]}}]}"#;
    let hubspot = Fake::answering(&[(207, partial)]).await;
    let providers = hubspot.providers();
    let api = providers.hubspot().unwrap();
    let ids = ["11".to_owned(), "12".to_owned(), "11".to_owned()];
    let batch = api.line_items(&secret("acc"), &ids).await.unwrap();
    assert_eq!(batch.found[0].name.as_deref(), Some("Hat"));
    assert_eq!(batch.missing, ["12"]);
    let body = hubspot.only().json();
    assert_eq!(body["inputs"], json!([{"id": "11"}, {"id": "12"}]));
    assert_eq!(body["propertiesWithHistory"], json!([]));
    assert!(api.contacts(&secret("acc"), &[]).await.unwrap().found.is_empty());
}

#[tokio::test]
async fn a_batch_with_any_other_error_is_read_again_later() {
    let partial = r#"{"results":[{"id":"11","properties":{}}],"errors":[{"category":"INTERNAL_ERROR"}]}"#;
    let hubspot = Fake::answering(&[(207, partial)]).await;
    let providers = hubspot.providers();
    let failure = providers.hubspot().unwrap().contacts(&secret("acc"), &["11".into(), "12".into()]).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Transient);
}

#[tokio::test]
async fn portal_and_token_are_asked_about() {
    let details = r#"{"portalId":123,"accountType":"STANDARD","timeZone":"US/Eastern","companyCurrency":"USD",
        "uiDomain":"app.hubspot.com"}"#;
    let hubspot = Fake::answering(&[(200, details), (200, r#"{"active":false}"#)]).await;
    let providers = hubspot.providers();
    let api = providers.hubspot().unwrap();
    let account = api.account_details(&secret("acc")).await.unwrap();
    assert_eq!((account.portal_id.as_str(), account.currency.as_deref()), ("123", Some("USD")));
    assert!(!api.introspect(&secret("tok")).await.unwrap().active);
    let seen = hubspot.seen();
    assert_eq!(seen[0].path, "/account-info/2026-09/details");
    assert_eq!(seen[1].form(), pairs(&[("client_id", "id"), ("client_secret", "shh"), ("token", "tok")]));
    assert_eq!(seen[1].header("authorization"), None);
}
