//! What is only looked at.

use lamplighter::{api_keys::Scope, provider::Provider};

use crate::harness::{REALM, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_listed_and_the_status_shows_it() {
    let (app, _) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Read], None).await;
    assert!(app.get(&key, "/outages").await.items().is_empty());
    app.execute(
        "insert into outages (id, provider, endpoint, opened_at, evidence, canary_at)
         values (gen_random_uuid(), 'quickbooks', 'api', now(), 'five failures in a row', now())",
    )
    .await;
    let open = app.get(&key, "/outages?provider=quickbooks&open=true").await;
    assert_eq!(open.items()[0]["endpoint"], "api", "{}", open.body);
    assert!(app.get(&key, "/outages?provider=hubspot").await.items().is_empty());
    let status = app.get(&key, "/status").await;
    let halves = status.is(200)["providers"].as_array().unwrap();
    let half = halves.iter().find(|half| half["provider"] == "quickbooks" && half["endpoint"] == "api").unwrap();
    assert!(half["out_since"].is_string(), "{half}");
    assert!(status.body["checks"].as_array().unwrap().iter().any(|check| check["id"] == "database"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_connections_are_found_as_in_the_dashboard() {
    let (app, account) = TestApp::connected().await;
    let lake = app.account("Lake Books").await;
    let all = app.program_key(&[Scope::Read], None).await;
    let own = app.program_key(&[Scope::Read], Some(&lake)).await;
    let found = async |key: &str, path: &str| app.get(key, path).await.items().len();
    for (search, number) in [("lake", 1), ("ADA", 2), ("%40harborbooks", 2), ("%25", 0), ("", 2)] {
        assert_eq!(found(&all, &format!("/accounts?search={search}")).await, number, "{search}");
    }
    assert_eq!(found(&own, "/accounts?search=harbor%20books").await, 0, "another account's");
    for (search, number) in [("harbor", 2), (REALM, 1), (&REALM[3..9], 1), ("nothing", 0)] {
        assert_eq!(found(&all, &format!("/connections?search={search}")).await, number, "{search}");
        assert_eq!(found(&own, &format!("/connections?search={search}")).await, 0, "{search}");
    }
    let narrowed = format!("/connections?search=harbor&provider=hubspot&account={}", account.id);
    assert_eq!(app.get(&all, &narrowed).await.items()[0]["provider"], Provider::Hubspot.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_shown_without_its_secrets() {
    let app = TestApp::start().await;
    let key = app.program_key(&[Scope::Read], None).await;
    let shown = app.get(&key, "/configuration").await;
    assert_eq!(shown.is(200)["keeper"]["check_interval"]["value"], "30m", "{}", shown.body);
    let quickbooks = &shown.body["providers"]["quickbooks"];
    assert_eq!(quickbooks["client_id"]["value"], "sandbox-quickbooks-app", "{quickbooks}");
    assert!(!quickbooks["client_secret"].to_string().contains("sandbox"), "{quickbooks}");
    let account = app.account("Harbor Books").await;
    let own = app.program_key(&[Scope::Read], Some(&account)).await;
    app.get(&own, "/configuration").await.problem(403);
}
