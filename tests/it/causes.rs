//! One test for each cause that an owner can act on: from what the provider does, through the evidence that tells it
//! apart, to the mail that the owner gets.

use std::time::Duration;

use chrono::TimeDelta;
use lamplighter::{
    provider::{
        Cause,
        Provider::{Hubspot, Quickbooks},
    },
    sandbox::{Outage, Rotation, Scope},
    store::connections::Status,
};
use serde_json::Value;

use crate::harness::{HUB, OWNER, REALM, TestApp, minutes, order};

/// An app with QuickBooks connected and nothing else.
async fn books(set: &[(&str, &str)]) -> TestApp {
    let app = TestApp::start_with(set).await;
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    app
}

/// The keeper's next round, in which the one connection lapses.
async fn lapses(app: &TestApp, after: TimeDelta) {
    app.advance(after);
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
}

/// The one lapsed connection has this cause, and its owner one mail with these words in its subject and its text. The
/// answer is the evidence.
async fn told(app: &TestApp, cause: Cause, subject: &str, text: &str) -> Value {
    let (stored, evidence): (Cause, Value) =
        sqlx::query_as("select cause, evidence from connections where status = 'lapsed'")
            .fetch_one(&app.app.pool)
            .await
            .unwrap();
    assert_eq!(stored, cause, "{evidence}");
    let mails = app.mails(1).await;
    assert_eq!(mails[0].to, [OWNER]);
    assert!(mails[0].subject.contains(subject), "{}", mails[0].subject);
    let read = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(read.contains(text), "{read}");
    evidence
}

const REVOKED: (&str, &str) = ("reconnect QuickBooks for Harbor Books", "has withdrawn the permission");

#[tokio::test(flavor = "multi_thread")]
async fn revoked() {
    let app = books(&[]).await;
    assert!(app.sandbox.revoke(Quickbooks, REALM));
    let calls = app.sandbox.api_calls(Quickbooks);
    lapses(&app, minutes(40)).await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), calls + 1, "one look");
    let evidence = told(&app, Cause::Revoked, REVOKED.0, REVOKED.1).await;
    assert_eq!((&evidence["rule"], &evidence["code"]), (&"grant_dead".into(), &"invalid_grant".into()));
    let look = &evidence["second_look"];
    assert_eq!((&look["rule"], &look["status"]), (&"token_refused".into(), &401.into()), "{evidence}");
    assert!(look["correlation_id"].as_str().is_some_and(|id| id.starts_with("1-")), "{evidence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_by_another_authorization() {
    let app = books(&[]).await;
    assert!(app.sandbox.replace(Quickbooks, REALM));
    lapses(&app, minutes(40)).await;
    let evidence = told(&app, Cause::Replaced, "(connected a second time)", "Keep only one such connection").await;
    assert_eq!(evidence["rule"], "grant_dead");
    assert_eq!(evidence["second_look"], serde_json::json!({ "rule": "company_info_works" }));
    assert_eq!(app.sandbox.connected(Quickbooks), [REALM], "the grant lives");
    let account = app.connection(Quickbooks).await.account;
    assert_eq!(account, "Harbor Books");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_without_a_usable_answer_leaves_it_revoked() {
    for (outage, shown) in [(Outage::Status503, "server_error"), (Outage::Html, "read_unusable")] {
        let app = books(&[]).await;
        assert!(app.sandbox.replace(Quickbooks, REALM));
        app.sandbox.switch(Quickbooks, |switches| (switches.outage, switches.outage_scope) = (outage, Scope::Api));
        lapses(&app, minutes(40)).await;
        let evidence = told(&app, Cause::Revoked, REVOKED.0, REVOKED.1).await;
        assert_eq!(evidence["second_look"]["rule"], shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_not_answered_ends_within_the_lease() {
    let keys = [("keeper.deadline", "2s"), ("keeper.commit_budget", "2s"), ("keeper.lease", "4600ms")];
    let app = books(&keys).await;
    assert!(app.sandbox.replace(Quickbooks, REALM));
    app.sandbox.switch(Quickbooks, |switches| (switches.outage, switches.outage_scope) = (Outage::Hang, Scope::Api));
    let begun = std::time::Instant::now();
    lapses(&app, minutes(40)).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let evidence = told(&app, Cause::Revoked, REVOKED.0, REVOKED.1).await;
    assert_eq!(evidence["second_look"]["rule"], "no_answer_in_time");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_look_when_it_would_not_fit_into_the_lease() {
    let keys = [("keeper.deadline", "2s"), ("keeper.commit_budget", "2s"), ("keeper.lease", "4400ms")];
    let app = books(&keys).await;
    assert!(app.sandbox.replace(Quickbooks, REALM));
    let calls = app.sandbox.api_calls(Quickbooks);
    lapses(&app, minutes(40)).await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), calls);
    let evidence = told(&app, Cause::Revoked, REVOKED.0, REVOKED.1).await;
    assert_eq!(evidence["second_look"]["rule"], "no_time_left");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_look_through_an_access_token_that_has_run_out() {
    let app = books(&[]).await;
    assert!(app.sandbox.replace(Quickbooks, REALM));
    let calls = app.sandbox.api_calls(Quickbooks);
    lapses(&app, minutes(61)).await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), calls);
    let evidence = told(&app, Cause::Revoked, REVOKED.0, REVOKED.1).await;
    assert_eq!(evidence["second_look"]["rule"], "access_token_over");
}

#[tokio::test(flavor = "multi_thread")]
async fn hubspots_access_tokens_outlive_a_revocation_so_they_are_not_asked() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.connect(&account, Hubspot, HUB).await;
    assert!(app.sandbox.revoke(Hubspot, HUB));
    let calls = app.sandbox.api_calls(Hubspot);
    lapses(&app, minutes(20)).await;
    assert_eq!(app.sandbox.api_calls(Hubspot), calls);
    let evidence = told(&app, Cause::Revoked, "reconnect HubSpot", "uninstalls our app in HubSpot").await;
    assert_eq!((&evidence["code"], &evidence["second_look"]), (&"BAD_REFRESH_TOKEN".into(), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_by_inactivity() {
    let app = books(&[]).await;
    lapses(&app, TimeDelta::days(102)).await;
    let evidence =
        told(&app, Cause::InactivityExpired, "permission for Harbor Books has expired", "for about 100 days").await;
    assert_eq!(evidence["second_look"], Value::Null, "nothing is left to ask");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_that_cuts_the_window_short_is_told_as_the_cap() {
    let app = TestApp::start().await;
    app.sandbox.switch(Quickbooks, |switches| switches.hard_lifetime = Some(Duration::from_secs(30 * 86_400)));
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    let row = app.connection(Quickbooks).await;
    assert_eq!(row.refresh_expires_at, row.refresh_hard_expires_at, "Intuit never promises more than the cap");
    for _ in 0..29 {
        app.advance(TimeDelta::days(1));
        assert_eq!(app.app.keeper.round().await.unwrap().renewed, 1);
    }
    lapses(&app, TimeDelta::hours(25)).await;
    told(&app, Cause::HardCapReached, "(time limit reached)", "at most five years").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_and_the_window_explain_a_refusal_before_a_lost_reply_does() {
    for (cap, cause, subject) in [
        (Some(Duration::from_secs(86_400)), Cause::HardCapReached, "(time limit reached)"),
        (None, Cause::InactivityExpired, "has expired"),
    ] {
        let app = TestApp::start().await;
        app.sandbox.switch(Quickbooks, |switches| {
            switches.hard_lifetime = cap;
            switches.refresh_lifetime = Some(Duration::from_secs(86_400));
            switches.rotation = Rotation::EveryCall;
        });
        let account = app.account("Harbor Books").await;
        app.connect(&account, Quickbooks, REALM).await;
        app.sandbox.switch(Quickbooks, |switches| switches.lost_token_replies = 1);
        app.advance(minutes(40));
        assert_eq!(app.app.keeper.round().await.unwrap().unknown, 1);
        lapses(&app, TimeDelta::days(1)).await;
        told(&app, cause, subject, "permission that you gave us").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_and_the_reply_was_lost() {
    let app = books(&[]).await;
    app.sandbox.switch(Quickbooks, |switches| {
        (switches.rotation, switches.lost_token_replies, switches.reuse_revokes_family) =
            (Rotation::EveryCall, 1, false);
    });
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().unknown, 1);
    let calls = app.sandbox.api_calls(Quickbooks);
    lapses(&app, minutes(1)).await;
    assert_eq!(app.sandbox.api_calls(Quickbooks), calls, "the ledger explains it, so nobody looks");
    let evidence = told(&app, Cause::ReplyLost, "(a reply was lost)", "its reply never reached us").await;
    assert_eq!(evidence["second_look"], Value::Null);
}

/// An order meets the trouble first.
async fn order_lapses(strike: impl FnOnce(&TestApp)) -> TestApp {
    let (app, _) = TestApp::connected().await;
    app.sandbox.place_order(HUB, order("A-1", 1_000));
    strike(&app);
    app.rounds().await;
    assert_eq!(app.connection(Quickbooks).await.status, Status::Lapsed);
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_lost() {
    let app = order_lapses(|app| assert!(app.sandbox.lose_permission(REALM, true))).await;
    let evidence = told(&app, Cause::PermissionLost, "an admin must reconnect", "may no longer open its data").await;
    assert_eq!((&evidence["rule"], &evidence["code"]), (&"rights_lost".into(), &"120".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn subscription_lapsed() {
    let app = order_lapses(|app| assert!(app.sandbox.lapse_subscription(REALM, true))).await;
    let evidence = told(&app, Cause::SubscriptionLapsed, "subscription of", "has no active subscription").await;
    assert_eq!((&evidence["rule"], &evidence["code"]), (&"subscription_lapsed".into(), &"6190".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_finds_the_better_reason_tells_it() {
    let app = books(&[]).await;
    assert!(app.sandbox.replace(Quickbooks, REALM) && app.sandbox.lapse_subscription(REALM, true));
    lapses(&app, minutes(40)).await;
    let evidence = told(&app, Cause::SubscriptionLapsed, "subscription of", "has no active subscription").await;
    assert_eq!(evidence["rule"], "grant_dead");
    let look = &evidence["second_look"];
    assert_eq!((&look["rule"], &look["code"]), (&"subscription_lapsed".into(), &"6190".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn portal_deleted() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.connect(&account, Hubspot, HUB).await;
    assert!(app.sandbox.delete_portal(HUB));
    lapses(&app, minutes(20)).await;
    let evidence = told(&app, Cause::PortalDeleted, "no longer finds the account", "does not exist any more").await;
    assert_eq!((&evidence["rule"], &evidence["code"]), (&"portal_deleted".into(), &"BAD_HUB".into()));
}
