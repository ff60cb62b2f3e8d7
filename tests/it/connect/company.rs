//! Which company was authorized: the one that is repaired, another one, or somebody else's.

use lamplighter::{
    provider::Provider,
    store::{alerts, connections::Status},
};
use reqwest::StatusCode;

use super::{begin, exchanges, standing, stored};
use crate::harness::{HUB, OWNER, REALM, TestApp, minutes};

const OTHER_REALM: &str = "4620816365999999999";
const OTHER_HUB: &str = "70707";

#[tokio::test(flavor = "multi_thread")]
async fn another_company_than_the_connected_one_is_refused_and_both_are_named() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.add_company(OTHER_REALM, "Tidewater <Supply>");
    app.sandbox.add_portal(OTHER_HUB, "tidewater.example");
    for (provider, right, other, expected, got) in [
        (Provider::Quickbooks, REALM, OTHER_REALM, "Harbor Books", "Tidewater &#60;Supply&#62;"),
        (Provider::Hubspot, HUB, OTHER_HUB, "harborbooks.example", "tidewater.example"),
    ] {
        let before = standing(&app).await;
        let refused = begin(&app, &account, provider, other).await.deliver().await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        let said = format!("You chose “{got}”, but this link repairs “{expected}”");
        assert!(refused.body.contains(&said), "{said}: {}", refused.body);
        assert_eq!(standing(&app).await, before, "the stored tokens stay as they were");
        app.sandbox.choose(provider, right);
        app.visitor.open(&refused.button()).await.unwrap();
        assert_eq!(app.connection(provider).await.generation, 2, "the button leads to another try");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_of_another_account_is_refused_and_stays_where_it_is() {
    let (app, _) = TestApp::connected().await;
    let rival = app.account("Rival Ledger").await;
    let before = standing(&app).await;
    for (provider, company, name) in
        [(Provider::Quickbooks, REALM, "Harbor Books"), (Provider::Hubspot, HUB, "harborbooks.example")]
    {
        let refused = begin(&app, &rival, provider, company).await.deliver().await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(refused.body.contains(&format!("“{name}” is connected elsewhere")), "{}", refused.body);
        assert!(!refused.body.contains(OWNER) && !refused.body.contains("Ada"), "no word of the other owner");
        assert_eq!(standing(&app).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_that_connect_one_company_at_once_do_not_share_it() {
    let app = TestApp::start().await;
    let (one, two) = (app.account("Harbor Books").await, app.account("Rival Ledger").await);
    let (first, second) =
        (begin(&app, &one, Provider::Quickbooks, REALM).await, begin(&app, &two, Provider::Quickbooks, REALM).await);
    let (first, second) = tokio::join!(first.deliver(), second.deliver());
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{}\n{}", first.body, second.body);
    assert_eq!(app.count("select count(*) from connections").await, 1);
    assert_eq!(app.count("select generation from tokens").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_renews_the_same_row_and_ends_the_incident() {
    let (app, account) = TestApp::connected().await;
    let before = app.connection(Provider::Quickbooks).await;
    app.sandbox.revoke(Provider::Quickbooks, REALM);
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    let lapsed = app.connection(Provider::Quickbooks).await;
    assert_eq!((lapsed.status, lapsed.renew_at), (Status::Lapsed, None));
    app.mails(1).await;
    let visit = app.connect(&account, Provider::Quickbooks, REALM).await;
    assert!(visit.body.contains("There is nothing more to do"), "{}", visit.body);
    let after = app.connection(Provider::Quickbooks).await;
    assert_eq!((after.id, after.status, after.cause), (before.id, Status::Connected, None));
    assert_eq!(after.generation, before.generation + 1);
    assert!(after.renew_at.is_some_and(|at| at > app.clock.now()), "the keeper renews it again");
    assert_eq!((after.renewed_at, after.status_changed_at), (app.clock.now(), app.clock.now()));
    assert_eq!(app.count("select count(*) from connections where provider = 'quickbooks'").await, 1);
    let alerts = alerts::recent(&mut *app.conn().await, 10).await.unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].resolved_at, Some(app.clock.now()));
    let mails = app.mails(2).await;
    assert_eq!(mails[1].to, [OWNER]);
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2, "the new grant works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_id_that_the_token_reply_leaves_out_is_asked_for() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.sandbox.switch(Provider::Hubspot, |switches| switches.report_hub_id = false);
    app.connect(&account, Provider::Hubspot, HUB).await;
    let connection = app.connection(Provider::Hubspot).await;
    assert_eq!((connection.company_id.as_str(), connection.company_name.as_str()), (HUB, "harborbooks.example"));
    app.connect(&account, Provider::Hubspot, HUB).await;
    assert_eq!(app.connection(Provider::Hubspot).await.generation, 2, "the same portal is the same row");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_whose_name_cannot_be_read_is_connected_and_named_later() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.sandbox.lose_permission(REALM, true);
    let visit = app.connect(&account, Provider::Quickbooks, REALM).await;
    assert!(visit.body.contains("QuickBooks is connected") && visit.body.contains(REALM), "{}", visit.body);
    assert_eq!(app.connection(Provider::Quickbooks).await.company_name, REALM);
    app.sandbox.lose_permission(REALM, false);
    app.connect(&account, Provider::Quickbooks, REALM).await;
    assert_eq!(app.connection(Provider::Quickbooks).await.company_name, "Harbor Books");
    app.sandbox.lose_permission(REALM, true);
    app.connect(&account, Provider::Quickbooks, REALM).await;
    assert_eq!(app.connection(Provider::Quickbooks).await.company_name, "Harbor Books", "a known name is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_that_was_disconnected_can_move_to_another_account() {
    let (app, account) = TestApp::connected().await;
    app.execute("update connections set status = 'disconnected' where provider = 'quickbooks'").await;
    app.execute("update tokens set renew_at = null where refresh_hard_expires_at is not null").await;
    let heir = app.account("Harbor Books (new owner)").await;
    app.connect(&heir, Provider::Quickbooks, REALM).await;
    let moved = app.connection(Provider::Quickbooks).await;
    assert_eq!((moved.account.as_str(), moved.status), ("Harbor Books (new owner)", Status::Connected));
    assert_eq!(moved.generation, 2);
    let refused = begin(&app, &account, Provider::Quickbooks, REALM).await.deliver().await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    assert_eq!((stored(&app).await, exchanges(&app, Provider::Quickbooks)), (6, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_company_in_the_providers_other_world_is_another_one() {
    let (app, account) = TestApp::connected().await;
    app.execute("update connections set environment = 'production' where provider = 'hubspot'").await;
    let refused = begin(&app, &account, Provider::Hubspot, HUB).await.deliver().await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    assert!(refused.body.contains("this link repairs “harborbooks.example (production)”"), "{}", refused.body);
    assert_eq!(app.connection(Provider::Hubspot).await.generation, 1);
}
