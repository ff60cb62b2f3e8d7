//! `lamplighter connection forecast`, as a person and as a script reads it.

use super::{ACCOUNT, Installation};
use crate::harness::{REALM, TestApp, minutes};
use lamplighter::{provider::Provider, sandbox::Visitor};

async fn execute(app: &TestApp, sql: &'static str) {
    assert!(app.execute(sql).await > 0, "{sql}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forecast_tells_what_comes_what_is_at_risk_and_what_has_lapsed() {
    let (app, account) = TestApp::connected().await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    let quiet = installation.run(&["connection", "forecast"]).await.ok();
    assert_eq!(quiet.stdout.matches("  none").count(), 4, "{}", quiet.stdout);
    assert!(!quiet.stdout.contains("connection link"), "{}", quiet.stdout);

    // The cap is 40 days away and its owner knows; HubSpot's grant is gone.
    execute(&app, "update tokens set refresh_hard_expires_at = now() + interval '40 days' where refresh_hard_expires_at is not null").await;
    app.app.keeper.warn_round().await.unwrap();
    app.mails(1).await;
    assert!(app.sandbox.revoke(Provider::Hubspot, crate::harness::HUB));
    app.advance(minutes(20));
    app.app.keeper.round().await.unwrap();
    app.mails(2).await;
    // Another one's window runs out.
    let other = app.account("Tide & Co").await;
    app.sandbox.add_company("77", "Tide Company");
    app.sandbox.choose(Provider::Quickbooks, "77");
    assert!(Visitor::new().unwrap().open(&app.link(&other, Provider::Quickbooks)).await.unwrap().status.is_success());
    execute(
        &app,
        "update tokens set refresh_expires_at = now() + interval '12 days', renew_at = now() - interval '2 days'
                   where connection_id = (select id from connections where company_id = '77')",
    )
    .await;

    let said = installation.run(&["connection", "forecast", "--months", "3"]).await.ok().stdout;
    let month: String =
        sqlx::query_scalar("select to_char((now() + interval '40 days') at time zone 'UTC', 'YYYY-MM')")
            .fetch_one(&app.app.pool)
            .await
            .unwrap();
    for line in [
        &format!("{month}: 1 reconnect due at QuickBooks (hard cap)"),
        "told",
        "first mail",
        "hard cap",
        "Tide & Co",
        "Tide Company",
        "none since it is due",
        "revoked at the provider",
        "UTC (in 39 d)",
        "UTC (in 11 d)",
        &format!("lamplighter connection link --account \"{ACCOUNT}\" --provider hubspot"),
    ] {
        assert!(said.contains(line), "{line:?} is missing in\n{said}");
    }
    let json = installation.run(&["connection", "forecast", "--json"]).await.ok().json();
    assert_eq!(json["months"][0], serde_json::json!({ "month": month, "provider": "quickbooks", "reconnects": 1 }));
    assert_eq!(json["months"].as_array().unwrap().len(), 1, "the other cap is years away: {json}");
    let due = &json["hard_cap_due"][0];
    assert_eq!((&due["account"], &due["told_step"]), (&account.name.clone().into(), &"opened".into()));
    assert!(due["told_at"].is_string() && due["ends_at"].as_str().unwrap().ends_with('Z'), "{due}");
    let at_risk = &json["refresh_window_at_risk"];
    assert_eq!((at_risk.as_array().unwrap().len(), &at_risk[0]["account"]), (1, &"Tide & Co".into()));
    let lapsed = &json["lapsed"];
    assert_eq!((lapsed.as_array().unwrap().len(), &lapsed[0]["cause"]), (1, &"revoked".into()));
    assert!(lapsed[0]["told_at"].is_string(), "{lapsed}");

    let all = installation.run(&["connection", "forecast", "--months", "61", "--json"]).await.ok().json();
    let counted: i64 = all["months"].as_array().unwrap().iter().map(|row| row["reconnects"].as_i64().unwrap()).sum();
    assert_eq!(counted, 2);
    let wrong = installation.run(&["connection", "forecast", "--months", "0"]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    assert_eq!(REALM, app.connection(Provider::Quickbooks).await.company_id);
}
