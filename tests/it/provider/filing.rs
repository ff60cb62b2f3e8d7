//! Documents after they were made, and many at once, seen from QuickBooks' side.

use lamplighter::provider::Verdict;
use lamplighter::provider::quickbooks::{DocumentBody, DocumentKind, Line, Reference, SalesItemLineDetail, Standing};
use rust_decimal::Decimal;
use serde_json::json;

use super::{Fake, pairs, secret};

fn body(number: &str) -> DocumentBody {
    let amount = Decimal::new(10, 2) + Decimal::new(20, 2);
    let detail = SalesItemLineDetail { item_ref: Reference::to("4"), qty: None, unit_price: None, tax_code_ref: None };
    DocumentBody { doc_number: number.into(), line: vec![Line::item(amount, None, detail)], ..DocumentBody::default() }
}

const STANDING: Standing<'_> = Standing { kind: DocumentKind::SalesReceipt, id: "263", sync_token: "4" };
const REPLY: &str = r#"{"SalesReceipt":{"Id":"263","SyncToken":"5","DocNumber":"HS-1","TotalAmt":0.30,
    "PrivateNote":"n","MetaData":{"LastUpdatedTime":"2026-01-09T10:00:00-08:00"}},"time":"x"}"#;

#[tokio::test]
async fn a_document_is_read_by_its_id() {
    let intuit = Fake::answering(&[(200, REPLY)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let read = api.document(&secret("acc"), "1", DocumentKind::SalesReceipt, "26/3").await.unwrap();
    assert_eq!((read.sync_token.as_str(), read.private_note.as_deref()), ("5", Some("n")));
    assert_eq!(read.updated_at().unwrap().to_rfc3339(), "2026-01-09T18:00:00+00:00");
    let seen = intuit.only();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/v3/company/1/salesreceipt/26%2F3"));
}

#[tokio::test]
async fn an_update_names_what_it_was_decided_on_and_keeps_every_digit() {
    let intuit = Fake::answering(&[(200, REPLY)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let changed = api.update_document(&secret("acc"), "1", STANDING, &body("HS-1"), "req-2").await.unwrap();
    assert_eq!((changed.sync_token.as_str(), changed.total), ("5", Decimal::new(30, 2)));
    let seen = intuit.only();
    assert_eq!(seen.query, pairs(&[("minorversion", "75"), ("requestid", "req-2")]));
    let sent = concat!(
        r#"{"Id":"263","SyncToken":"4","sparse":true,"DocNumber":"HS-1","Line":[{"Amount":0.30,"#,
        r#""DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"4"}}}]}"#
    );
    assert_eq!(seen.body, sent);
}

#[tokio::test]
async fn each_kind_is_voided_in_its_own_way() {
    let invoice = REPLY.replace("SalesReceipt", "Invoice");
    let intuit = Fake::answering(&[(200, REPLY), (200, &invoice)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    api.void_document(&secret("acc"), "1", STANDING, "v").await.unwrap();
    let standing = Standing { kind: DocumentKind::Invoice, ..STANDING };
    api.void_document(&secret("acc"), "1", standing, "v").await.unwrap();
    let seen = intuit.seen();
    let how = |n: usize| seen[n].query.iter().filter(|(key, _)| key != "minorversion").cloned().collect::<Vec<_>>();
    assert_eq!(how(0), pairs(&[("operation", "update"), ("include", "void"), ("requestid", "v")]));
    assert_eq!(how(1), pairs(&[("operation", "void"), ("requestid", "v")]));
    assert_eq!((seen[0].path.as_str(), seen[1].path.as_str()), ("/v3/company/1/salesreceipt", "/v3/company/1/invoice"));
    assert_eq!(seen[0].json(), json!({"Id": "263", "SyncToken": "4", "sparse": true}));
}

#[tokio::test]
async fn a_stale_and_a_gone_document_are_told_apart() {
    let fault = |code: &str| {
        format!(r#"{{"Fault":{{"Error":[{{"Message":"m","Detail":"d","code":"{code}"}}],"type":"ValidationFault"}}}}"#)
    };
    let (stale, gone) = (fault("5010"), fault("610"));
    let intuit = Fake::answering(&[(400, &stale), (400, &gone), (504, "")]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let mut judged = Vec::new();
    for _ in 0..3 {
        let failure = api.update_document(&secret("acc"), "1", STANDING, &body("HS-1"), "r").await.unwrap_err();
        judged.push((failure.verdict, failure.code));
    }
    let rejected = |code: &str| (Verdict::Rejected, Some(code.to_owned()));
    assert_eq!(judged, [rejected("5010"), rejected("610"), (Verdict::OutcomeUnknown, None)]);
}

#[tokio::test]
async fn a_batch_answers_each_of_its_documents() {
    // Out of order, one refused, one not answered at all.
    let reply = r#"{"BatchItemResponse":[
        {"bId":"2","Fault":{"Error":[{"Message":"Duplicate","Detail":"d","code":"6140"}],"type":"ValidationFault"}},
        {"bId":"0","SalesReceipt":{"Id":"7","SyncToken":"0","TotalAmt":9007199254740993.01}}],"time":"x"}"#;
    let intuit = Fake::answering(&[(200, reply)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let bodies = [body("HS-1"), body("HS-2"), body("HS-3")];
    let kinds = [DocumentKind::SalesReceipt, DocumentKind::Invoice, DocumentKind::SalesReceipt];
    let documents: Vec<_> = kinds.into_iter().zip(&bodies).collect();
    let made = api.create_documents(&secret("acc"), "1", &documents, "batch-1").await.unwrap();
    assert_eq!(made[0].as_ref().unwrap().total.to_string(), "9007199254740993.01");
    assert_eq!(made[1].as_ref().unwrap_err().verdict, Verdict::OutcomeUnknown);
    let refused = made[2].as_ref().unwrap_err();
    assert_eq!((refused.verdict, refused.code.as_deref()), (Verdict::Rejected, Some("6140")));

    let seen = intuit.only();
    assert_eq!(seen.path, "/v3/company/1/batch");
    assert_eq!(seen.query, pairs(&[("minorversion", "75"), ("requestid", "batch-1")]));
    assert!(
        seen.body.starts_with(r#"{"BatchItemRequest":[{"bId":"0","operation":"create","SalesReceipt":{"DocNumber""#)
    );
    assert!(seen.body.contains(r#""Invoice":{"DocNumber":"HS-2","Line":[{"Amount":0.30,"#), "{}", seen.body);
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_is_one_failure() {
    let throttled = r#"{"Fault":{"Error":[{"Message":"ThrottleExceeded","code":"3001"}],"type":"SERVICE"}}"#;
    let intuit = Fake::answering(&[(429, throttled), (200, "<html></html>")]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let body = body("HS-1");
    let documents = [(DocumentKind::SalesReceipt, &body)];
    for verdict in [Verdict::Transient, Verdict::OutcomeUnknown] {
        let failure = api.create_documents(&secret("acc"), "1", &documents, "b").await.unwrap_err();
        assert_eq!(failure.verdict, verdict);
    }
}

#[tokio::test]
async fn a_company_says_where_it_is_and_how_it_books() {
    let info = r#"{"CompanyInfo":{"CompanyName":"Harbor","Country":"CA","DefaultTimeZone":"America/Halifax"}}"#;
    let preferences = r#"{"Preferences":{"CurrencyPrefs":{"HomeCurrency":{"value":"CAD"},"MultiCurrencyEnabled":true},
        "SalesFormsPrefs":{"CustomTxnNumbers":true},"TaxPrefs":{"UsingSalesTax":true}}}"#;
    let bare = r#"{"CompanyInfo":{"CompanyName":"Harbor"}}"#;
    let intuit = Fake::answering(&[(200, info), (200, bare), (200, preferences)]).await;
    let providers = intuit.providers();
    let api = providers.quickbooks().unwrap();
    let company = api.company_info(&secret("acc"), "1").await.unwrap();
    assert_eq!((company.country.as_deref(), company.time_zone.as_deref()), (Some("CA"), Some("America/Halifax")));
    assert_eq!(api.company_info(&secret("acc"), "1").await.unwrap().time_zone, None);
    let read = api.preferences(&secret("acc"), "1").await.unwrap();
    assert_eq!((read.home_currency.as_deref(), read.multi_currency), (Some("CAD"), true));
    assert!(read.custom_numbers && read.sales_tax && !read.automated_tax);
}
