//! Live access tokens for other services.

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    api_keys::Scope,
    provider::Provider::{Hubspot, Quickbooks},
    sandbox::{Outage, Scope as Half},
};
use serde_json::json;

use super::{Reply, actor};
use crate::harness::{HUB, REALM, TestApp};

impl TestApp {
    async fn token(&self, key: &str, provider: lamplighter::provider::Provider) -> Reply {
        self.post(key, &format!("/connections/{}/access-token", self.id_of(provider).await), &json!({})).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_is_renewed_when_it_ran_out_and_is_written_down() {
    let (app, account) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Tokens], Some(&account)).await;
    for (provider, company) in [(Quickbooks, REALM), (Hubspot, HUB)] {
        let said = app.token(&key, provider).await;
        let body = said.is(200).clone();
        assert_eq!(said.headers["cache-control"], "no-store");
        assert_eq!((&body["company_id"], &body["token_type"]), (&json!(company), &json!("Bearer")));
        assert_eq!(body["api_url"], app.sandbox.endpoints(provider).api_url.to_string());
        assert!(body["expires_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap() > app.clock.now());
        let spends = app.count("select count(*) from spends").await;
        assert_eq!(app.token(&key, provider).await.is(200)["access_token"], body["access_token"]);
        assert_eq!(app.count("select count(*) from spends").await, spends, "one that works is not renewed");
        app.advance(TimeDelta::seconds(body["expires_in"].as_i64().unwrap() - 30));
        let fresh = app.token(&key, provider).await;
        assert_ne!(fresh.is(200)["access_token"], body["access_token"], "half a minute is too little to work with");
        assert_eq!(app.count("select count(*) from spends").await, spends + 1);
        // What is handed out opens the API, and spends nothing.
        let token = fresh.body["access_token"].as_str().unwrap();
        let handed_out = app.sandbox.handed_out(provider);
        assert!(handed_out.iter().any(|value| value == token), "it is one of the provider's own");
        for refresh in ["refresh_token", "refresh"] {
            assert!(fresh.body.get(refresh).is_none());
        }
    }
    let deeds = app.audited().await;
    assert_eq!(deeds.len(), 6, "{deeds:?}");
    assert!(deeds.iter().all(|(action, by)| action == "connection.access_token" && *by == actor(&key)), "{deeds:?}");
    let kept: String =
        sqlx::query_scalar("select string_agg(l::text, ' ') from audit_log l").fetch_one(&app.app.pool).await.unwrap();
    assert!(
        app.sandbox.handed_out(Quickbooks).iter().all(|token| !kept.contains(token.as_str())),
        "no token is in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_connection_that_ended_there_is_none() {
    let (app, account) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Tokens, Scope::Manage], None).await;
    app.sandbox.revoke(Quickbooks, REALM);
    app.advance(TimeDelta::hours(2));
    for _ in 0..2 {
        let said = app.token(&key, Quickbooks).await;
        let detail = said.problem(409)["detail"].as_str().unwrap();
        assert!(detail.contains("has lapsed: revoked"), "{detail}");
        assert!(
            said.body["remedy"].as_str().unwrap().contains(&format!("accounts/{}/connect-links", account.id)),
            "{}",
            said.body
        );
    }
    app.mails(1).await;
    app.post(&key, &format!("/connections/{}/disconnect", app.id_of(Hubspot).await), &json!({})).await.is(200);
    let said = app.token(&key, Hubspot).await;
    assert!(said.problem(409)["detail"].as_str().unwrap().contains("is disconnected"), "{}", said.body);
    let tokens = app.audited().await.into_iter().filter(|(action, _)| action == "connection.access_token").count();
    assert_eq!(tokens, 0, "none was handed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_out_there_is_one_only_as_long_as_the_stored_one_works() {
    let (app, _) = TestApp::connected_with(&[("outage.open_after", "1")]).await;
    let key = app.program_key(&[Scope::Tokens], None).await;
    let lives = app.token(&key, Quickbooks).await.is(200)["expires_in"].as_i64().unwrap();
    app.sandbox.switch(Quickbooks, |switches| {
        switches.outage = Outage::Status503;
        switches.outage_scope = Half::OAuth;
    });
    app.token(&key, Quickbooks).await.is(200);
    app.advance(TimeDelta::seconds(lives));
    for _ in 0..2 {
        let said = app.token(&key, Quickbooks).await;
        said.problem(503);
        let wait: u64 = said.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&wait), "{wait}");
    }
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
    app.advance(TimeDelta::hours(1));
    app.app.keeper.round().await.unwrap();
    app.token(&key, Quickbooks).await.is(200);
    let mails = app.count("select count(*) from mails").await;
    app.mails(usize::try_from(mails).unwrap()).await;
}
