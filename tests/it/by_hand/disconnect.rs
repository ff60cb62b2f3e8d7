//! Ending a connection: here, at the provider, and what it means for orders, alerts and a later connect.

use lamplighter::{
    config::Environment,
    keeper::{
        access::Unavailable,
        farewell::{Goodbye, Kept},
        renewal::{access_place, refresh_place},
    },
    provider::Provider::{self, Hubspot, Quickbooks},
    sandbox::{Outage, Scope},
    store::{connections::Status, orders},
    vault::Vault,
};
use secrecy::ExposeSecret as _;

use crate::harness::{HUB, OWNER, REALM, TestApp, minutes, order};

impl TestApp {
    /// The stored access and refresh token of a connection, opened.
    async fn stored(&self, provider: Provider) -> (String, String) {
        let vault = Vault::load(&self.config.vault.keys_file).unwrap();
        let id = self.connection(provider).await.id;
        let sealed: (String, String) =
            sqlx::query_as("select access_sealed, refresh_sealed from tokens where connection_id = $1")
                .bind(id)
                .fetch_one(&self.app.pool)
                .await
                .unwrap();
        let open = |place, sealed: &str| vault.open(place, sealed).unwrap().expose_secret().to_owned();
        (open(access_place(id), &sealed.0), open(refresh_place(id), &sealed.1))
    }

    async fn check(&self, id: &str) -> lamplighter::health::Check {
        let checks = self.app.health.checks(lamplighter::health::Depth::Quick).await;
        checks.into_iter().find(|check| check.id == id).unwrap()
    }
}

fn was_there(goodbye: &Goodbye) -> bool {
    match goodbye {
        Goodbye::GivenBack { was_there, .. } => *was_there,
        other => panic!("{other:?}"),
    }
}

fn nothing() -> (String, String) {
    (String::new(), String::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grant_is_given_back_in_the_providers_dialect_and_the_tokens_are_erased() {
    let (app, _) = TestApp::connected().await;
    for (provider, company) in [(Quickbooks, REALM), (Hubspot, HUB)] {
        assert_eq!(app.sandbox.connected(provider), [company]);
        let calls = app.sandbox.oauth_calls(provider);
        let goodbye = app.disconnect(provider).await;
        let id = matches!(&goodbye, Goodbye::GivenBack { correlation_id: Some(id), .. } if !id.is_empty());
        assert!(was_there(&goodbye) && id, "{goodbye:?}");
        assert_eq!(app.sandbox.oauth_calls(provider), calls + 1);
        assert!(app.sandbox.connected(provider).is_empty(), "the sandbox understood it");
        let row = app.connection(provider).await;
        assert_eq!((row.status, row.cause, row.renew_at), (Status::Disconnected, None, None));
        assert_eq!(app.stored(provider).await, nothing());
        assert!(matches!(app.disconnect(provider).await, Goodbye::Over(_)));
        assert_eq!(app.sandbox.oauth_calls(provider), calls + 1, "a second time there is nothing to do");
        assert!(matches!(app.app.keeper.access_token(row.id).await, Err(Unavailable::Lapsed)));
    }
    for _ in 0..3 {
        app.advance(minutes(60));
        app.rounds().await;
    }
    assert_eq!(app.count("select count(*) from spends").await, 0, "nothing is renewed any more");
    assert_eq!(app.left_behind().await, 0);
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_leaves_it_disconnected_here_until_it_is_told_again() {
    let (app, _) = TestApp::connected_with(&[("keeper.deadline", "1s")]).await;
    app.sandbox.switch(Quickbooks, |switches| switches.outage_scope = Scope::Both);
    let secrets = app.stored(Quickbooks).await;
    for outage in [Outage::Status503, Outage::Html, Outage::Hang] {
        app.sandbox.switch(Quickbooks, |switches| switches.outage = outage);
        let goodbye = app.disconnect(Quickbooks).await;
        assert!(matches!(goodbye, Goodbye::StillThere(Kept::Provider(_))), "{outage:?}: {goodbye:?}");
        assert_eq!(app.connection(Quickbooks).await.status, Status::Disconnected);
        assert_eq!(app.stored(Quickbooks).await, secrets, "what has to be given back is kept");
        assert_eq!(app.left_behind().await, 1);
        app.advance(minutes(60));
        app.rounds().await;
    }
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
    let check = app.check("farewells").await;
    assert_eq!(check.state, lamplighter::health::State::Warn);
    assert!(check.remedy.unwrap().contains(&app.connection(Quickbooks).await.id.to_string()));
    assert_eq!(app.sandbox.connected(Quickbooks), [REALM], "it lives there");
    assert!(was_there(&app.disconnect(Quickbooks).await));
    assert!(app.sandbox.connected(Quickbooks).is_empty());
    assert_eq!(app.stored(Quickbooks).await, nothing());
    assert_eq!(app.check("farewells").await.state, lamplighter::health::State::Ok);
    assert_eq!(app.count("select attempts::bigint from farewells").await, 4);
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_fault_gives_nothing_back_and_says_so() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Quickbooks, |switches| switches.invalid_client = true);
    assert!(
        matches!(app.disconnect(Quickbooks).await, Goodbye::StillThere(Kept::Provider(f)) if f.rule == "client_refused")
    );
    app.sandbox.switch(Quickbooks, |switches| switches.invalid_client = false);
    // The tokens of one app in the hands of another: the provider would say that it does not know them.
    let mut config = app.config.clone();
    if let Some(quickbooks) = &mut config.providers.quickbooks {
        quickbooks.environment = Environment::Production;
    }
    let mistaken = lamplighter::app::App::build(&config, app.app.pool.clone(), app.clock.clone(), &[]).await.unwrap();
    let found = app.found(Quickbooks).await;
    let calls = app.sandbox.oauth_calls(Quickbooks);
    let goodbye = mistaken.keeper.disconnect(found.id, found.connected_at, |_| {}).await.unwrap();
    assert!(matches!(goodbye, Goodbye::StillThere(Kept::Provider(f)) if f.rule == "issued_to_another_app"));
    assert_eq!(app.sandbox.oauth_calls(Quickbooks), calls, "nothing reached the provider");
    // A row that does not open says nothing that could be given back.
    let sealed: String = sqlx::query_scalar("select refresh_sealed from tokens where connection_id = $1")
        .bind(found.id)
        .fetch_one(&app.app.pool)
        .await
        .unwrap();
    let put = async |value: &str| {
        let sql = "update tokens set refresh_sealed = $2 where connection_id = $1";
        sqlx::query(sql).bind(found.id).bind(value).execute(&app.app.pool).await.unwrap();
    };
    put("1.deadbeef.AAAA").await;
    assert!(matches!(app.disconnect(Quickbooks).await, Goodbye::StillThere(Kept::Vault(_))));
    put(&sealed).await;
    assert!(was_there(&app.disconnect(Quickbooks).await));
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_can_be_ended_and_its_alert_goes_without_a_word() {
    let (app, account) = TestApp::connected().await;
    // The owner was not mailed yet: that mail is dropped.
    assert!(app.sandbox.revoke(Quickbooks, REALM));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    assert!(!was_there(&app.disconnect(Quickbooks).await) || app.sandbox.connected(Quickbooks).is_empty());
    assert_eq!(app.connection(Quickbooks).await.status, Status::Disconnected);
    assert_eq!(app.count("select count(*) from alerts where resolved_at is null").await, 0);
    app.mails(0).await;
    // The owner was mailed: no all-clear follows, neither now nor when the company is connected again.
    assert!(app.sandbox.revoke(Hubspot, HUB));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    assert!(app.mails(1).await[0].to.iter().all(|to| to.contains(OWNER)));
    app.disconnect(Hubspot).await;
    assert_eq!(app.stored(Hubspot).await, nothing());
    app.mails(1).await;
    app.connect(&account, Hubspot, HUB).await;
    assert_eq!(app.connection(Hubspot).await.status, Status::Connected);
    app.rounds().await;
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_wait_and_flow_again_after_a_new_connect_of_the_same_company() {
    let (app, account) = TestApp::connected().await;
    let before = app.connection(Quickbooks).await;
    app.sandbox.place_order(HUB, order("A-1", 100));
    app.app.intake.round().await.unwrap();
    app.disconnect(Quickbooks).await;
    app.sandbox.place_order(HUB, order("A-2", 200));
    for _ in 0..3 {
        app.advance(minutes(10));
        app.rounds().await;
    }
    for name in ["A-1", "A-2"] {
        let order = app.order(name).await;
        assert_eq!((order.status, order.attempts), (orders::Status::Queued, 0), "{name} waits and burns nothing");
    }
    app.connect(&account, Quickbooks, REALM).await;
    let after = app.connection(Quickbooks).await;
    assert_eq!((after.id, after.status), (before.id, Status::Connected), "the same connection");
    app.rounds().await;
    assert_eq!(app.sandbox.documents(REALM).len(), 2);
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2, "and it is renewed again");

    app.disconnect(Hubspot).await;
    app.sandbox.place_order(HUB, order("A-3", 300));
    app.advance(minutes(10));
    app.rounds().await;
    assert_eq!(app.sandbox.documents(REALM).len(), 2, "nothing is read");
    app.connect(&account, Hubspot, HUB).await;
    app.rounds().await;
    assert_eq!(app.sandbox.documents(REALM).len(), 3, "what was placed meanwhile is found");
    assert_eq!(app.left_behind().await, 0);
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_one_leaves_an_outage_and_its_end_to_the_others() {
    let (app, account) = TestApp::connected_with(&[("outage.open_after", "1")]).await;
    app.sandbox.place_order(HUB, order("A-1", 100));
    app.app.intake.round().await.unwrap();
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::Status503);
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.count("select count(*) from outages where closed_at is null").await, 1);
    assert!(matches!(app.disconnect(Quickbooks).await, Goodbye::StillThere(_)));
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
    app.advance(minutes(30));
    app.rounds().await;
    assert!(app.sandbox.documents(REALM).is_empty(), "no canary flies with an ended connection");
    assert!(was_there(&app.disconnect(Quickbooks).await));
    app.connect(&account, Quickbooks, REALM).await;
    app.advance(minutes(30));
    app.rounds().await;
    assert_eq!(app.sandbox.documents(REALM).len(), 1);
    // The operator hears of the outage and of its end; the owner of nothing.
    assert!(app.mails(2).await.iter().all(|mail| mail.to.iter().all(|to| !to.contains(OWNER))));
}
