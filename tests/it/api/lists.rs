//! What is only looked at.

use lamplighter::api_keys::Scope;

use crate::harness::TestApp;

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
