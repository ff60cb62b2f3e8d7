//! The portal: orders found by their modification date, with what hangs on them.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use lamplighter::{
    provider::Provider::Hubspot,
    sandbox::{NewContact, NewLine, NewOrder},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{HUB, Said, Town};

async fn call(town: &Town, bearer: &str, path: &str, body: Value) -> Said {
    town.post(&format!("{}/crm/{path}", town.at(Hubspot).api_url), bearer, &body).await
}

fn tea() -> NewOrder {
    NewOrder {
        name: "#1001".to_owned(),
        tax: Some("1.10".parse::<Decimal>().unwrap()),
        lines: vec![NewLine {
            name: "Tea".to_owned(),
            sku: "T-1".to_owned(),
            quantity: "3".parse::<Decimal>().unwrap(),
            price: "3.40".parse::<Decimal>().unwrap(),
            amount: None,
        }],
        contact: Some(NewContact { email: "ada@x.io".to_owned(), first: "Ada".to_owned(), last: String::new() }),
        ..NewOrder::default()
    }
}

#[tokio::test]
async fn an_order_is_read_with_its_lines_and_its_buyer() {
    let town = Town::start().await;
    let bearer = town.connect(Hubspot).await.text("access_token");
    let id = town.sandbox.place_order(HUB, tea());
    let found = call(
        &town,
        &bearer,
        "objects/2026-09/orders/search",
        json!({
            "filterGroups": [{"filters": [{"propertyName": "hs_object_id", "operator": "EQ", "value": id}]}],
            "properties": ["hs_total_price", "hs_order_note"],
        }),
    )
    .await;
    assert_eq!((found.status, &found.body["total"]), (200, &json!(1)));
    let properties = &found.body["results"][0]["properties"];
    assert_eq!((&properties["hs_total_price"], &properties["hs_order_note"]), (&json!("11.30"), &Value::Null));
    assert_eq!(properties["hs_lastmodifieddate"], "2026-11-21T12:00:00.000Z");

    let inputs = json!({"inputs": [{"id": id}, {"id": "1"}]});
    let links = call(&town, &bearer, "associations/2026-09/orders/line_items/batch/read", inputs).await;
    assert_eq!((links.status, &links.body["numErrors"]), (207, &json!(1)));
    let line = links.body["results"][0]["to"][0]["toObjectId"].as_str().unwrap().to_owned();
    let asked = json!({"properties": ["hs_sku", "amount"], "inputs": [{"id": line}]});
    let lines = call(&town, &bearer, "objects/2026-09/line_items/batch/read", asked).await;
    assert_eq!((lines.status, &lines.body["results"][0]["properties"]["amount"]), (200, &json!("10.20")));

    let url = format!("{}/crm/objects/v3/orders/{id}?associations=line_items", town.at(Hubspot).api_url);
    let read = super::said(town.http.get(url).bearer_auth(&bearer).send().await.unwrap()).await;
    assert_eq!(read.body["associations"]["line items"]["results"][0]["id"], line);
}

#[tokio::test]
async fn an_edit_moves_the_modification_date_and_search_sees_it_later() {
    let town = Town::start().await;
    town.sandbox.switch(Hubspot, |s| s.indexing_delay = Duration::from_secs(30));
    let bearer = town.connect(Hubspot).await.text("access_token");
    let id = town.sandbox.place_order(HUB, tea());
    town.clock.advance(TimeDelta::minutes(10));
    assert!(town.sandbox.edit_order(HUB, &id, &BTreeMap::from([("hs_order_note".to_owned(), "gift".to_owned())])));
    let search = json!({"filterGroups": [{"filters": [
        {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": town.clock.now().timestamp_millis().to_string()},
    ]}]});
    let early = call(&town, &bearer, "objects/2026-09/orders/search", search.clone()).await;
    assert_eq!(early.body["total"], 0);
    town.clock.advance(TimeDelta::seconds(30));
    assert_eq!(call(&town, &bearer, "objects/2026-09/orders/search", search).await.body["total"], 1);
}

#[tokio::test]
async fn a_token_must_be_alive_and_wide_enough() {
    let town = Town::start().await;
    let bearer = town.connect(Hubspot).await.text("access_token");
    let details = format!("{}/account-info/2026-09/details", town.at(Hubspot).api_url);
    let seen = super::said(town.http.get(&details).bearer_auth(&bearer).send().await.unwrap()).await;
    assert_eq!(seen.body["portalId"], 1_234_567);
    town.clock.advance(TimeDelta::minutes(30));
    let expired = super::said(town.http.get(&details).bearer_auth(&bearer).send().await.unwrap()).await;
    assert_eq!((expired.status, expired.text("category").as_str()), (401, "EXPIRED_AUTHENTICATION"));
    assert_eq!(expired.text("message"), "The OAuth token used to make this call expired 0 second(s) ago.");

    let at = town.at(Hubspot);
    let query = [("client_id", at.client_id.as_str()), ("redirect_uri", super::BACK), ("scope", "oauth")];
    let reply = town.http.get(at.authorize_url).query(&query).send().await.unwrap();
    let back = reply.headers()["location"].to_str().unwrap().parse().unwrap();
    let narrow = town.exchange(Hubspot, &super::parameter(&back, "code")).await.text("access_token");
    let refused = call(&town, &narrow, "objects/2026-09/orders/search", json!({})).await;
    assert_eq!((refused.status, refused.text("category").as_str()), (403, "MISSING_SCOPES"));
}
