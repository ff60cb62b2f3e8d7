//! What a probe asks, and what it makes of the answers.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    keeper::probe::Outcome,
    provider::{
        Cause,
        Provider::{self, Hubspot, Quickbooks},
    },
    sandbox::Rotation,
    store::{
        accounts::Account,
        connections::{self, Company, Connection, Status},
        probes::{self, Proof},
    },
};

use sqlx::PgConnection;

use crate::harness::{OPERATOR, REALM, TestApp};

const PATIENCE: Duration = Duration::from_secs(30);

async fn connection(app: &TestApp, provider: Provider) -> Connection {
    let id = app.connection(provider).await.id;
    connections::get(&mut *app.conn().await, id).await.unwrap().expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn hubspot_is_asked_for_the_account_only_while_an_access_token_lives_anyway() {
    let (app, _) = TestApp::connected().await;
    app.advance(TimeDelta::hours(24));
    let before = (app.sandbox.api_calls(Hubspot), app.sandbox.oauth_calls(Hubspot));
    let generation = app.connection(Hubspot).await.generation;
    let finding = app.app.prober.one(&connection(&app, Hubspot).await).await.unwrap();
    assert_eq!(finding.outcome, Outcome::Verified);
    assert_eq!((app.sandbox.api_calls(Hubspot), app.sandbox.oauth_calls(Hubspot)), (before.0, before.1 + 1));
    assert_eq!(app.connection(Hubspot).await.generation, generation, "no renewal for a probe");
    app.app.keeper.round().await.unwrap();
    let before = (app.sandbox.api_calls(Hubspot), app.sandbox.oauth_calls(Hubspot));
    let finding = app.app.prober.one(&connection(&app, Hubspot).await).await.unwrap();
    let asked: Vec<_> = finding.answers.iter().map(|answer| (answer.asked, answer.good)).collect();
    assert_eq!(asked, [("introspection of the refresh token", true), ("account details", true)]);
    assert_eq!((app.sandbox.api_calls(Hubspot), app.sandbox.oauth_calls(Hubspot)), (before.0 + 1, before.1 + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn quickbooks_is_asked_once_with_a_token_that_is_renewed_first_if_it_must_be() {
    let (app, _) = TestApp::connected().await;
    app.advance(TimeDelta::hours(24));
    let (calls, generation) = (app.sandbox.api_calls(Quickbooks), app.connection(Quickbooks).await.generation);
    assert_eq!(app.app.prober.round().await.unwrap().verified, 2);
    assert_eq!(app.sandbox.api_calls(Quickbooks), calls + 1);
    assert_eq!(app.connection(Quickbooks).await.generation, generation + 1);
    assert_eq!(app.verified_at(Quickbooks).await, Some(app.clock.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_access_token_is_renewed_once_and_the_question_asked_again() {
    let (app, _) = TestApp::quiet(&[]).await;
    // The stored access token is good by our clock, but not the one that QuickBooks knows.
    let id = app.connection(Quickbooks).await.id;
    let place = lamplighter::keeper::renewal::access_place(id);
    let vault = lamplighter::vault::Vault::load(&app.config.vault.keys_file).unwrap();
    let sealed = vault.seal(place, &"eyJforgotten".to_owned().into());
    let change = "update tokens set access_sealed = $1 where connection_id = $2";
    sqlx::query(change).bind(sealed).bind(id).execute(&app.app.pool).await.unwrap();
    let (calls, generation) = (app.sandbox.api_calls(Quickbooks), app.connection(Quickbooks).await.generation);
    let finding = app.app.prober.one(&connection(&app, Quickbooks).await).await.unwrap();
    assert_eq!(finding.outcome, Outcome::Verified);
    assert_eq!(finding.answers[0].rule, Some("token_refused"));
    assert_eq!(app.sandbox.api_calls(Quickbooks), calls + 2);
    assert_eq!(app.connection(Quickbooks).await.generation, generation + 1);
}

/// QuickBooks says no, and before the verdict gets at the row, `replace` puts other tokens there.
async fn is_void(replace: impl AsyncFnOnce(&mut PgConnection, &Account, DateTime<Utc>), asked_again_after: TimeDelta) {
    let (app, account) = TestApp::quiet(&[]).await;
    app.sandbox.lose_permission(REALM, true);
    let now = app.advance(TimeDelta::hours(24));
    let calls = app.sandbox.api_calls(Quickbooks);
    let mut holder = app.app.pool.begin().await.unwrap();
    replace(&mut holder, &account, now).await;
    let moved = "update tokens set generation = generation + 1
                 where connection_id = (select id from connections where provider = 'quickbooks')";
    sqlx::query(moved).execute(&mut *holder).await.unwrap();
    let moving = async {
        let asked = app.sandbox.wait_until(PATIENCE, |world| (world.api_calls(Quickbooks) > calls).then_some(()));
        asked.await.expect("the probe asks");
        while app.count("select count(*) from pg_locks where not granted").await == 0 {}
        holder.commit().await.unwrap();
    };
    let subject = connection(&app, Quickbooks).await;
    let (finding, ()) = tokio::join!(app.app.prober.one(&subject), moving);
    assert_eq!(finding.unwrap().outcome, Outcome::Void);
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.cause), (Status::Connected, None));
    app.mails(0).await;
    app.advance(asked_again_after);
    assert_eq!(app.app.prober.round().await.unwrap().lapsed, 1, "asked again soon, with the tokens of today");
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_on_tokens_that_were_renewed_meanwhile_is_void() {
    is_void(async |_, _, _| (), TimeDelta::zero()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_on_tokens_that_a_reconnect_replaced_is_void() {
    let reconnect = async |conn: &mut PgConnection, account: &Account, now: DateTime<Utc>| {
        let company = Company {
            provider: Quickbooks,
            environment: "sandbox".to_owned(),
            id: REALM.to_owned(),
            name: "Harbor Books".to_owned(),
        };
        connections::connect(conn, uuid::Uuid::now_v7(), account.id, &company, now).await.unwrap();
    };
    is_void(reconnect, TimeDelta::minutes(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_meanwhile_does_not_make_a_probe_end_a_grant() {
    let (app, _) = TestApp::quiet(&[]).await;
    app.sandbox.switch(Hubspot, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_secs(3);
    });
    app.advance(TimeDelta::hours(24));
    let (id, generation) = {
        let row = app.connection(Hubspot).await;
        (row.id, row.generation)
    };
    // HubSpot has replaced the value, and the reply is on its way: asked about now, the stored one is inactive.
    let probing = async {
        let spending = app.sandbox.wait_until(PATIENCE, |world| world.is_spending(Hubspot).then_some(()));
        spending.await.expect("the token is being renewed");
        app.app.prober.one(&connection(&app, Hubspot).await).await.unwrap()
    };
    let (renewed, finding) = tokio::join!(app.app.keeper.renew_generation(id, generation), probing);
    renewed.unwrap();
    assert_eq!(finding.answers[0].rule, Some("introspected_inactive"), "{finding:?}");
    assert_eq!(finding.outcome, Outcome::Verified, "{finding:?}");
    let row = app.connection(Hubspot).await;
    assert_eq!((row.status, row.generation), (Status::Connected, generation + 1), "one renewal, shared");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_from_before_the_connect_is_none() {
    let (app, account) = TestApp::quiet(&[]).await;
    let id = app.connection(Quickbooks).await.id;
    let before = app.clock.now();
    app.advance(TimeDelta::minutes(5));
    app.sandbox.lose_permission(REALM, true);
    app.connect(&account, Quickbooks, REALM).await;
    let late = Proof { connection_id: id, at: before, probe_at: before + TimeDelta::days(1) };
    assert_eq!(probes::prove(&mut *app.conn().await, &[late]).await.unwrap(), 0);
    assert_eq!(app.verified_at(Quickbooks).await, None);
    app.advance(TimeDelta::minutes(1));
    assert_eq!(app.app.prober.round().await.unwrap().lapsed, 1, "its own probe is still due");
    assert_eq!(app.connection(Quickbooks).await.cause, Some(Cause::PermissionLost));
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_fault_pages_once_and_lapses_nobody() {
    let (app, _) = TestApp::quiet(&[]).await;
    app.sandbox.switch(Hubspot, |switches| switches.invalid_client = true);
    let report = app.hours(72).await;
    assert!(report.operator_fault > 40, "{report:?}");
    assert_eq!(report.lapsed, 0);
    assert_eq!(app.connection(Hubspot).await.status, Status::Connected);
    let mails = app.mails(1).await;
    assert!(mails[0].to.iter().all(|to| to.contains(OPERATOR)));
}
