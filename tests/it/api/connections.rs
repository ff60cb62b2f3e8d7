//! Connections: seen, renewed, probed, ended.

use lamplighter::{
    api_keys::Scope,
    provider::Provider::{Hubspot, Quickbooks},
    sandbox::{Outage, Scope as Half},
};
use serde_json::json;

use super::actor;
use crate::harness::{REALM, TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_listed_by_filter_and_explained() {
    let (app, account) = TestApp::connected().await;
    let other = app.customers(1).await.remove(0);
    let key = app.program_key(&[Scope::Read], None).await;
    let listed = async |query: &str| app.get(&key, &format!("/connections?{query}")).await.items().len();
    assert_eq!(listed("").await, 4);
    assert_eq!(listed(&format!("account={}", account.id)).await, 2);
    assert_eq!(listed(&format!("account={}&provider=hubspot", other.account.id)).await, 1);
    assert_eq!(listed("status=lapsed,failing").await, 0);
    assert_eq!(listed("status=connected,lapsed").await, 4);
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&key, &format!("/connections?limit=3{cursor}")).await;
        ids.extend(page.items().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let told = app.get(&key, &format!("/connections/{}", app.id_of(Quickbooks).await)).await;
    assert_eq!(told.is(200)["connection"]["status"], "connected");
    assert!(told.body["why"][0].as_str().unwrap().contains("owner agreed"), "{}", told.body);
    assert!(told.body["try"][0].as_str().unwrap().starts_with("lamplighter connection"), "{}", told.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_renewed_probed_and_ended_by_hand() {
    let (app, _) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Manage, Scope::Read], None).await;
    let id = app.id_of(Quickbooks).await;
    let path = |verb: &str| format!("/connections/{id}/{verb}");
    let before = app.connection(Quickbooks).await.generation;
    let renewed = app.post(&key, &path("renew"), &json!({})).await;
    assert_eq!(renewed.is(200)["connection"]["generation"], before + 1, "{}", renewed.body);
    assert_eq!(
        app.ask(&key, reqwest::Method::POST, &path("renew"), None).await.is(200)["elsewhere"],
        false,
        "no body is no wish"
    );
    let spends = app.get(&key, &format!("/spends?connection={id}&limit=1")).await;
    assert_eq!(spends.items()[0]["outcome"], "renewed");
    assert!(spends.body["next"].is_string(), "there is one more");
    assert_eq!(app.post(&key, &path("probe"), &json!({})).await.is(200)["outcome"], "verified");

    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::Status503);
    app.sandbox.switch(Quickbooks, |switches| switches.outage_scope = Half::OAuth);
    let said = app.post(&key, &path("renew"), &json!({})).await;
    said.problem(503);
    let said = app.post(&key, &path("renew"), &json!({})).await;
    assert!(said.problem(409)["remedy"].as_str().unwrap().contains("pause"), "it rests: {}", said.body);
    app.post(&key, &path("renew"), &json!({"override": "pause"})).await.problem(503);
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
    app.post(&key, &path("renew"), &json!({"override": "pause"})).await.is(200);

    let ended = app.post(&key, &path("disconnect"), &json!({})).await;
    assert_eq!(ended.is(200)["given_back"], true, "{}", ended.body);
    assert_eq!(app.post(&key, &path("disconnect"), &json!({})).await.is(200)["given_back"], true, "it is over");
    for verb in ["renew", "probe"] {
        let said = app.post(&key, &path(verb), &json!({})).await;
        assert!(said.problem(409)["remedy"].as_str().unwrap().contains("connect-links"), "{}", said.body);
    }
    let deeds = app.audited().await;
    assert!(deeds.iter().all(|(_, by)| *by == actor(&key)), "{deeds:?}");
    assert_eq!(deeds.iter().filter(|(action, _)| action == "connection.disconnect").count(), 2, "{deeds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_lapses_is_said_with_the_way_out() {
    let (app, account) = TestApp::connected().await;
    let key = app.program_key(&Scope::ALL, None).await;
    let id = app.id_of(Quickbooks).await;
    app.sandbox.revoke(Quickbooks, REALM);
    let said = app.post(&key, &format!("/connections/{id}/renew"), &json!({})).await;
    let remedy = said.problem(409)["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.contains(&account.id.to_string()) && remedy.contains("lamplighter connection link"), "{remedy}");
    app.mails(1).await;
    let alerts = app.get(&key, &format!("/alerts?open=true&account={}", account.id)).await;
    assert_eq!(alerts.items()[0]["kind"], "connection_lapsed");
    let alert = app.get(&key, &format!("/alerts/{}", alerts.items()[0]["id"].as_str().unwrap())).await;
    assert_eq!(alert.is(200)["connection_id"], id.to_string());
    assert!(app.get(&key, "/alerts?open=false").await.items().is_empty());
    let status = app.get(&key, "/status").await;
    assert_eq!(status.is(200)["connections"]["quickbooks"]["lapsed"], 1, "{}", status.body);
    // The other half of the account works on.
    app.advance(minutes(1));
    app.post(&key, &format!("/connections/{}/renew", app.id_of(Hubspot).await), &json!({})).await.is(200);
}
