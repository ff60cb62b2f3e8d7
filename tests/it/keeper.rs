//! The keeper against the sandbox: what it renews, what it keeps, what it judges.

mod late;
mod outage;
mod takeover;
mod whole;

use std::time::Duration;

use chrono::TimeDelta;
use lamplighter::{
    keeper::Report,
    provider::{Cause, Provider},
    sandbox::{Outage, Rotation, Scope, TokenOutcome, World},
    store::connections::Status,
    vault::Vault,
};

use crate::harness::{HUB, OPERATOR, OWNER, REALM, TestApp, minutes};

async fn keeper_spends(app: &TestApp) {
    let spending = |world: &World| world.is_spending(Provider::Quickbooks).then_some(());
    app.sandbox.wait_until(Duration::from_secs(5), spending).await.expect("the keeper spends");
}

/// A round of a second daemon, for which the database goes away between a spend and its commit.
async fn cut_off_while_spending(app: &TestApp) {
    let cut = app.second_daemon().await;
    let closing = async {
        keeper_spends(app).await;
        cut.pool.close().await;
    };
    let (round, ()) = tokio::join!(cut.keeper.round(), closing);
    assert!(round.is_err(), "{round:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_before_they_end_by_what_the_provider_reports() {
    let (app, _) = TestApp::connected().await;
    let before = app.connection(Provider::Quickbooks).await;
    let life = before.access_expires_at - before.renewed_at;
    assert_eq!(life, TimeDelta::hours(1));
    assert!(before.refresh_hard_expires_at.is_some(), "the hard cap is asked for and stored");
    assert_eq!(app.app.keeper.round().await.unwrap(), Report::default(), "nothing is due yet");
    app.advance(minutes(40));
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.renewed, report.spent()), (2, 2));
    let after = app.connection(Provider::Quickbooks).await;
    assert_eq!(after.generation, 2);
    assert_eq!(after.renewed_at, app.clock.now());
    assert!(after.renew_at.unwrap() < after.access_expires_at);
    let hubspot = app.connection(Provider::Hubspot).await;
    assert_eq!(hubspot.access_expires_at - hubspot.renewed_at, minutes(30));
    assert_eq!(hubspot.refresh_expires_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_renewals_with_rotation_on_every_call_loses_nothing() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.rotation = Rotation::EveryCall);
    for _ in 0..48 {
        app.advance(minutes(30));
        app.app.keeper.round().await.unwrap();
    }
    let row = app.connection(Provider::Quickbooks).await;
    assert_eq!(row.status, Status::Connected);
    assert!(row.generation > 24, "generation {}", row.generation);
    let refused = app.sandbox.token_calls(Provider::Quickbooks).into_iter();
    assert_eq!(refused.filter(|call| matches!(call.outcome, TokenOutcome::Refused(_))).count(), 0);
    assert_eq!(app.count("select count(*) from spends where outcome <> 'renewed'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_nobody_uses_survives_the_hundred_days() {
    let (app, _) = TestApp::connected().await;
    for _ in 0..120 {
        app.advance(TimeDelta::days(1));
        app.app.keeper.round().await.unwrap();
    }
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
    assert!(app.connection(Provider::Quickbooks).await.refresh_expires_at.unwrap() > app.clock.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_omitted_refresh_token_and_lifetime_keep_the_old_token_and_assume_a_life() {
    let (app, _) = TestApp::connected().await;
    for provider in Provider::ALL {
        app.sandbox.switch(provider, |switches| {
            switches.omit_refresh_token = true;
            switches.report_expires_in = false;
            switches.rotation = Rotation::Never;
        });
    }
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    let row = app.connection(Provider::Quickbooks).await;
    assert_eq!(row.access_expires_at - row.renewed_at, TimeDelta::hours(1));
    assert_eq!(app.connection(Provider::Hubspot).await.access_expires_at - app.clock.now(), minutes(30));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2, "the kept token still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_burns_nothing_and_is_tried_again_with_growing_pauses() {
    let (app, _) = TestApp::connected_with(&[("outage.open_after", "1000")]).await;
    for outage in [Outage::Status503, Outage::Html] {
        app.sandbox.switch(Provider::Quickbooks, |switches| {
            switches.outage = outage;
            switches.outage_scope = Scope::OAuth;
        });
        app.advance(minutes(40));
        let report = app.app.keeper.round().await.unwrap();
        assert_eq!(report.renewed, 1, "HubSpot is not held up");
        assert_eq!(report.transient + report.unknown, 1);
        let row = app.connection(Provider::Quickbooks).await;
        assert_eq!(row.status, Status::Failing);
        let first_pause = row.renew_at.unwrap() - app.clock.now();
        assert!(first_pause > TimeDelta::zero() && first_pause <= TimeDelta::seconds(30), "{first_pause}");
        for _ in 0..12 {
            app.advance(minutes(31));
            app.app.keeper.round().await.unwrap();
        }
        let row = app.connection(Provider::Quickbooks).await;
        let late_pause = row.renew_at.unwrap() - app.clock.now();
        assert!(late_pause >= minutes(15) && late_pause <= minutes(30), "{late_pause}");
        assert_eq!(row.status, Status::Failing, "however long it lasts");
        app.sandbox.switch(Provider::Quickbooks, |switches| switches.outage = Outage::None);
        app.advance(minutes(31));
        app.app.keeper.round().await.unwrap();
        let row = app.connection(Provider::Quickbooks).await;
        assert_eq!((row.status, row.failures), (Status::Connected, 0));
    }
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_fault_changes_no_customer_and_pages_the_operator_once() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.invalid_client = true);
    app.advance(minutes(40));
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.operator_fault, report.renewed, report.lapsed), (1, 1, 0));
    for _ in 0..5 {
        app.advance(minutes(31));
        app.app.keeper.round().await.unwrap();
        app.app.outbox.round().await.unwrap();
    }
    let row = app.connection(Provider::Quickbooks).await;
    assert_eq!((row.status, row.failures), (Status::Connected, 0));
    let mails = app.mails(1).await;
    assert!(mails[0].to.iter().all(|to| to.contains(OPERATOR)), "{:?}", mails[0].to);
    let said = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in
        ["invalid_client", "The renewal of 1 connection has met it so far", "Compare client_id and client_secret"]
    {
        assert!(said.contains(words), "{words:?} is missing in\n{said}");
    }
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.invalid_client = false);
    app.advance(minutes(31));
    assert_eq!(app.app.keeper.round().await.unwrap().operator_fault, 0);
    let mails = app.mails(2).await;
    assert!(mails[1].to.iter().all(|to| to.contains(OPERATOR)));
    assert_eq!(app.count("select count(*) from alerts where resolved_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_lapses_with_its_evidence_and_its_owner_is_mailed_once() {
    let (app, account) = TestApp::connected().await;
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    let row = app.connection(Provider::Quickbooks).await;
    assert_eq!((row.status, row.cause, row.renew_at), (Status::Lapsed, Some(Cause::Revoked), None));
    let evidence: serde_json::Value = sqlx::query_scalar("select evidence from connections where status = 'lapsed'")
        .fetch_one(&app.app.pool)
        .await
        .unwrap();
    assert_eq!(evidence["code"], "invalid_grant");
    assert_eq!(evidence["generation"], 1);
    assert!(evidence["correlation_id"].as_str().is_some_and(|id| !id.is_empty()), "{evidence}");
    for _ in 0..3 {
        app.advance(TimeDelta::hours(1));
        app.rounds().await;
    }
    let mails = app.mails(1).await;
    let mail = &mails[0];
    assert!(mail.to.iter().all(|to| to.contains(OWNER)));
    assert!(mail.html.contains("/connect/"));
    let header =
        |name: &str| mail.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    assert!(header("Auto-Submitted").is_some_and(|value| value.contains("auto-generated")));
    assert!(header("Message-ID").is_some());

    let start = app.url("connect/");
    let link = mail.text.split_whitespace().find(|word| word.starts_with(start.as_str())).expect("a link");
    app.sandbox.choose(Provider::Quickbooks, REALM);
    assert!(app.visitor.open(&link.parse().unwrap()).await.unwrap().status.is_success());
    let again = app.connection(Provider::Quickbooks).await;
    assert_eq!((again.id, again.status, again.cause), (row.id, Status::Connected, None));
    assert_eq!(again.generation, 2);
    let mails = app.mails(2).await;
    assert!(mails[1].subject.contains("All clear"), "{}", mails[1].subject);
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 0);
    assert_eq!(account.owner_email, OWNER);
}

#[tokio::test(flavor = "multi_thread")]
async fn causes_are_told_apart_by_our_own_clocks_and_ledger() {
    let (app, _) = TestApp::connected().await;
    app.advance(TimeDelta::days(102));
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.connection(Provider::Quickbooks).await.cause, Some(Cause::InactivityExpired));
    assert!(app.sandbox.delete_portal(HUB));
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.connection(Provider::Hubspot).await.cause, Some(Cause::PortalDeleted));
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_retried_with_the_same_value_and_told_as_such_when_it_is_refused() {
    let (app, _) = TestApp::connected_with(&[("keeper.deadline", "1s")]).await;
    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.rotation = Rotation::Never;
        switches.lost_token_replies = 1;
    });
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().unknown, 1);
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Failing);
    app.advance(minutes(1));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 1, "the value was still good");

    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.lost_token_replies = 1;
    });
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().unknown, 1);
    app.advance(minutes(1));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    assert_eq!(app.connection(Provider::Quickbooks).await.cause, Some(Cause::ReplyLost));
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_divide_the_work_and_never_spend_one_token_at_once() {
    let (app, _) = TestApp::connected().await;
    let second = app.second_daemon().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_millis(30);
    });
    for _ in 0..10 {
        app.advance(minutes(40));
        let id = app.connection(Provider::Quickbooks).await.id;
        let generation = app.connection(Provider::Quickbooks).await.generation;
        let (a, b, c, d) = tokio::join!(
            app.app.keeper.round(),
            second.keeper.round(),
            app.app.keeper.renew_generation(id, generation),
            second.keeper.renew_generation(id, generation),
        );
        assert_eq!(a.unwrap().lapsed + b.unwrap().lapsed, 0);
        assert_eq!(c.unwrap().generation, generation + 1, "all who wait share one renewal");
        assert_eq!(d.unwrap().generation, generation + 1);
    }
    assert_eq!(app.connection(Provider::Quickbooks).await.generation, 11);
    assert_eq!(app.sandbox.concurrent_spends(), 0);
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_void_when_somebody_renewed_meanwhile() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.latency = Duration::from_secs(2));
    app.advance(minutes(40));
    // The grant is replaced while the keeper's spend of the old one is under way, and the old one is refused.
    let renewing = app.app.keeper.round();
    let reconnecting = async {
        let spent = |world: &World| (world.token_calls(Provider::Quickbooks).len() > 1).then_some(());
        app.sandbox.wait_until(Duration::from_secs(5), spent).await.expect("the keeper spends");
        app.sandbox.switch(Provider::Quickbooks, |switches| switches.latency = Duration::ZERO);
        app.connect(&account, Provider::Quickbooks, REALM).await;
    };
    let (report, ()) = tokio::join!(renewing, reconnecting);
    let report = report.unwrap();
    assert_eq!(report.lapsed, 0);
    assert_eq!(report.adopted + report.discarded, 1, "{report:?}");
    let row = app.connection(Provider::Quickbooks).await;
    assert_eq!((row.status, row.generation), (Status::Connected, 2));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 0, "the reconnect's tokens were not overwritten");
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_that_does_not_open_is_set_aside_and_delays_no_other() {
    let (app, _) = TestApp::connected().await;
    let broken = "update tokens set refresh_sealed = '1.deadbeef.AAAA'
                  where connection_id = (select id from connections where provider = 'quickbooks')";
    app.execute(broken).await;
    app.advance(minutes(40));
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.set_aside, report.renewed), (1, 1));
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected, "the owner cannot help here");
    app.advance(minutes(61));
    app.app.keeper.round().await.unwrap();
    let mails = app.mails(1).await;
    assert!(mails[0].to.iter().all(|to| to.contains(OPERATOR)));
    assert!(mails[0].text.contains("deadbeef"), "the missing key is named: {}", mails[0].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_the_databases_key_does_not_start_and_changes_nothing() {
    let (app, _) = TestApp::connected().await;
    let config = {
        let mut config = app.config.clone();
        config.vault.keys_file = app.directory.path().join("other.keys");
        config
    };
    Vault::generate(&config.vault.keys_file).unwrap();
    let refused = lamplighter::app::App::build(&config, app.app.pool.clone(), app.clock.clone(), &[]).await.err();
    let words = refused.expect("refused").to_string();
    let key_id: String = sqlx::query_scalar("select id from vault_keys").fetch_one(&app.app.pool).await.unwrap();
    assert!(words.contains(&key_id) && words.contains("put that key back"), "{words}");
    assert_eq!(app.count("select count(*) from vault_keys").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keeper_sleeps_until_the_next_deadline_and_no_longer_than_the_check_interval() {
    let (app, _) = TestApp::connected().await;
    let idle = app.app.keeper.idle_for().await.unwrap();
    let first = app.connection(Provider::Hubspot).await.renew_at.unwrap();
    assert_eq!(idle, (first - app.clock.now()).to_std().unwrap());
    let lonely = TestApp::start().await;
    assert_eq!(lonely.app.keeper.idle_for().await.unwrap(), Duration::from_secs(1800));
    app.app.keeper.wake();
    tokio::time::timeout(Duration::from_secs(5), app.app.keeper.idle(Duration::from_secs(3600))).await.expect("woken");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_app_or_environment_are_never_spent_and_nobody_lapses() {
    let (app, _) = TestApp::connected().await;
    let mut config = app.config.clone();
    if let Some(quickbooks) = &mut config.providers.quickbooks {
        quickbooks.environment = lamplighter::config::Environment::Production;
    }
    let mistaken = lamplighter::app::App::build(&config, app.app.pool.clone(), app.clock.clone(), &[]).await.unwrap();
    let calls = app.sandbox.token_calls(Provider::Quickbooks).len();
    app.advance(minutes(40));
    let report = mistaken.keeper.round().await.unwrap();
    assert_eq!((report.operator_fault, report.lapsed, report.renewed), (1, 0, 1));
    let id = app.connection(Provider::Quickbooks).await.id;
    assert!(mistaken.keeper.access_token(id).await.is_err(), "nor is its access token used");
    assert_eq!(app.sandbox.token_calls(Provider::Quickbooks).len(), calls, "nothing reached the provider");
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
    let mails = app.mails(1).await;
    assert!(mails[0].to.iter().all(|to| to.contains(OPERATOR)));
    assert!(mails[0].text.contains("production"), "{}", mails[0].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_begins_nothing_new() {
    let (app, _) = TestApp::connected().await;
    app.advance(minutes(40));
    app.app.stopping.cancel();
    assert_eq!(app.app.keeper.round().await.unwrap(), Report::default());
    assert_eq!(app.count("select count(*) from spends").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_override_the_pause_after_a_failure() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.outage = Outage::Status503;
        switches.outage_scope = Scope::OAuth;
    });
    let row = app.connection(Provider::Quickbooks).await;
    let calls = app.sandbox.oauth_calls(Provider::Quickbooks);
    for _ in 0..5 {
        assert!(app.app.keeper.renew_generation(row.id, row.generation).await.is_err());
    }
    assert_eq!(app.sandbox.oauth_calls(Provider::Quickbooks), calls + 1);
}
