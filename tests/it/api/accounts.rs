//! Accounts, their settings and their links.

use lamplighter::{api_keys::Scope, provider::Provider::Quickbooks};
use reqwest::Method;
use serde_json::{Value, json};

use super::actor;
use crate::harness::{REALM, TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_added_changed_and_connected() {
    let app = TestApp::start().await;
    let key = app.program_key(&[Scope::Read, Scope::Manage], None).await;
    let new = json!({"name": " Harbor Books ", "owner_name": "Ada Harbor", "owner_email": "ada@harborbooks.example"});
    let account = app.post(&key, "/accounts", &new).await.is(201).clone();
    assert_eq!(account["name"], "Harbor Books");
    let id = account["id"].as_str().unwrap();
    app.post(&key, "/accounts", &new).await.problem(409);
    app.post(&key, "/accounts", &json!({"name": "Lake", "owner_name": "Bo", "owner_email": "bo@lake.example"}))
        .await
        .is(201);
    let path = format!("/accounts/{id}");
    let change = async |body: Value| app.ask(&key, Method::PATCH, &path, Some(&body.to_string())).await;
    let changed = change(json!({"owner_email": "grace@harborbooks.example"})).await;
    assert_eq!(changed.is(200)["owner_email"], "grace@harborbooks.example");
    assert_eq!(changed.body["owner_name"], "Ada Harbor", "what is left out stays");
    change(json!({"name": "Lake"})).await.problem(409);
    for wrong in [
        json!({"name": " "}),
        json!({"name": "a\nb"}),
        json!({"name": "019aa7b2-5c1e-7cc0-8a51-0d5f6f6f1a11"}),
        json!({"owner_email": "nobody"}),
        json!({"owner_name": "x".repeat(201)}),
    ] {
        change(wrong).await.problem(422);
    }
    assert_eq!(app.get(&key, &path).await.is(200), &changed.body);

    let link =
        app.post(&key, &format!("{path}/connect-links"), &json!({"provider": "quickbooks"})).await.is(201).clone();
    app.sandbox.choose(Quickbooks, REALM);
    let visit = app.visitor.open(&link["url"].as_str().unwrap().parse().unwrap()).await.unwrap();
    assert!(visit.status.is_success(), "{}", visit.body);
    let shown = app.get(&key, &path).await;
    assert_eq!(shown.body["connections"][0]["status"], "connected", "{}", shown.body);

    let page =
        app.post(&key, &format!("{path}/page-links"), &json!({})).await.is(201)["url"].as_str().unwrap().to_owned();
    let shown = app.visitor.open(&page.parse().unwrap()).await.unwrap();
    assert!(shown.status.is_success() && shown.body.contains("Harbor Books"), "{}", shown.body);
    app.advance(minutes(1));
    app.post(&key, &format!("{path}/revoke-links"), &json!({})).await.is(200);
    assert_eq!(app.visitor.open(&page.parse().unwrap()).await.unwrap().status, 410, "it is void");

    let deeds = app.audited().await;
    let actions: Vec<_> = deeds.iter().map(|(action, _)| action.as_str()).collect();
    let made = ["account.add", "account.add", "account.change", "connection.link"];
    assert_eq!(actions, [&made[..], &["account.page_link", "account.revoke_links"]].concat(), "a refusal is no deed");
    assert!(deeds.iter().all(|(_, by)| *by == actor(&key)), "{deeds:?}");
    let listed = app.get(&key, "/audit-log?limit=1").await;
    assert_eq!(listed.items()[0]["action"], "account.revoke_links");
    let kept: String =
        sqlx::query_scalar("select string_agg(l::text, ' ') from audit_log l").fetch_one(&app.app.pool).await.unwrap();
    assert!(!kept.contains("/connect/") && !kept.contains("/owner/"), "the link stays out of the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_set_all_together_or_not_at_all() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let key = app.program_key(&[Scope::Read, Scope::Manage], Some(&account)).await;
    let path = format!("/accounts/{}/settings", account.id);
    let put = async |body: Value| app.ask(&key, Method::PUT, &path, Some(&body.to_string())).await;
    let before = app.get(&key, &path).await.is(200).clone();
    assert_eq!(before["invoice_days"]["from"], "default");
    let set = put(json!({"document": "invoice", "invoice_days": "14"})).await;
    assert_eq!(set.is(200)["invoice_days"]["value"], "14", "{}", set.body);
    assert_eq!(set.body["document"]["from"], "account");
    for wrong in [json!({"document": "letter"}), json!({"income_account": "Sales", "nothing": "x"})] {
        put(wrong).await.problem(422);
    }
    assert_eq!(app.get(&key, &path).await.body, set.body, "a refused change changes nothing");
    assert_eq!(put(json!({})).await.is(200), &before, "what is left out goes back to the default");
    assert_eq!(app.audited().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let app = TestApp::start().await;
    let key = app.program_key(&[Scope::Read], None).await;
    let mut expected = Vec::new();
    for name in ["Aker", "Birch & Sons", "Çelik", "Dock 4", "Elm/Oak"] {
        app.account(name).await;
        expected.push(name.to_owned());
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for page in 1.. {
        let said = app.get(&key, &format!("/accounts?limit=2{cursor}")).await;
        assert!(said.items().len() <= 2);
        seen.extend(said.items().iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        match said.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => {
                assert_eq!(page, 3);
                break;
            }
        }
        if page == 1 {
            app.account("A comes in between").await;
        }
    }
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}
