//! What a person must know, and what a program can say of it.

use chrono::TimeDelta;
use lamplighter::{api_keys::Scope, provider::Provider::Quickbooks};
use serde_json::json;

use super::actor;
use crate::harness::{REALM, TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_acknowledged_snoozed_and_resolved() {
    let (app, account) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Read, Scope::Manage], Some(&account)).await;
    app.sandbox.revoke(Quickbooks, REALM);
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    let open = app.get(&key, "/alerts?open=true").await;
    let id = open.items()[0]["id"].as_str().unwrap().to_owned();
    let path = |deed: &str| format!("/alerts/{id}/{deed}");
    let told = app.get(&key, &format!("/alerts/{id}")).await;
    assert_eq!(told.is(200)["mails"][0]["step"], "opened", "{}", told.body);
    assert!(told.body["happened"][0].as_str().unwrap().contains("Harbor Books"), "{}", told.body);
    assert!(told.body["to_do"][0].as_str().unwrap().contains("Only its owner can repair it"), "{}", told.body);

    let known = app.post(&key, &path("acknowledge"), &json!({})).await;
    assert_eq!(known.is(200)["acknowledged_by"], actor(&key), "{}", known.body);
    let passed = json!({ "until": app.clock.now() });
    assert!(app.post(&key, &path("snooze"), &passed).await.problem(409)["detail"].as_str().unwrap().contains("passed"));
    let until = app.clock.now() + TimeDelta::days(1);
    let later = app.post(&key, &path("snooze"), &json!({ "until": until })).await;
    assert_eq!(later.is(200)["snoozed_by"], actor(&key), "{}", later.body);
    let over = app.post(&key, &path("resolve"), &json!({})).await;
    assert_eq!(over.is(200)["resolved_by"], actor(&key), "{}", over.body);
    for deed in ["acknowledge", "resolve"] {
        app.post(&key, &path(deed), &json!({})).await.problem(409);
    }
    assert!(app.get(&key, "/alerts?open=true").await.items().is_empty());
    let deeds: Vec<_> = app.audited().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(deeds, ["alert.acknowledge", "alert.snooze", "alert.resolve"], "a refusal is no deed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_by_itself_is_not_resolved_by_a_program() {
    let (app, _) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Read, Scope::Manage], None).await;
    app.execute(
        "insert into alerts (id, incident, kind, detail, opened_at, seen_at)
         values (gen_random_uuid(), 'a test', 'orders_parked', '{}', now(), now())",
    )
    .await;
    let id = app.get(&key, "/alerts").await.items()[0]["id"].as_str().unwrap().to_owned();
    let said = app.post(&key, &format!("/alerts/{id}/resolve"), &json!({})).await;
    assert!(said.problem(409)["detail"].as_str().unwrap().contains("no such order is parked"), "{}", said.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_mails_are_released_or_thrown_away_by_a_program_for_all_accounts() {
    for (drop, sent) in [(false, 5), (true, 1)] {
        let app = crate::dashboard::alerts::storm().await;
        let key = app.program_key(&[Scope::Read, Scope::Manage], None).await;
        let of = |kind: &str| format!("select id::text from alerts where kind = '{kind}' limit 1");
        let id = async |kind| -> String {
            sqlx::query_scalar(sqlx::AssertSqlSafe(of(kind))).fetch_one(&app.app.pool).await.unwrap()
        };
        let (storm, lapse) = (id("lapse_storm").await, id("connection_lapsed").await);
        app.post(&key, &format!("/alerts/{lapse}/release"), &json!({})).await.problem(409);
        let path = format!("/alerts/{storm}/release");
        let done = app.post(&key, &path, &json!({ "drop": drop })).await;
        assert_eq!((&done.is(200)["mails"], &done.body["dropped"]), (&json!(4), &json!(drop)), "{}", done.body);
        app.post(&key, &path, &json!({ "drop": drop })).await.problem(409);
        app.mails(sent).await;
        let action = if drop { "alert.drop" } else { "alert.release" };
        assert_eq!(app.audited().await, [(action.to_owned(), actor(&key))]);
    }
}
