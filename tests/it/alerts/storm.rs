//! Very many lapses at once: the operator decides before their owners are mailed.

use chrono::TimeDelta;
use lamplighter::{
    alerts::{
        by_hand::Refused,
        storm::{Decision, decide},
    },
    health::Depth,
    provider::Provider::{self, Hubspot, Quickbooks},
    sandbox::Mail,
    store::{accounts::Account, audit_log::Actor},
};

use crate::harness::{HUB, OPERATOR, TestApp, minutes};

/// `count` companies, the first of which are mailed as always.
async fn town(count: usize) -> (TestApp, Vec<(Account, String)>) {
    let app = TestApp::start_with(&[("alerts.storm_after", "3")]).await;
    let mut accounts = Vec::new();
    for n in 0..count {
        let realm = format!("46208163652124{n:05}");
        app.sandbox.add_company(&realm, &format!("Company {n}"));
        let account = app.account(&format!("Account {n}")).await;
        app.connect(&account, Quickbooks, &realm).await;
        accounts.push((account, realm));
    }
    (app, accounts)
}

async fn lapse(app: &TestApp, accounts: &[(Account, String)]) {
    for (_, realm) in accounts {
        assert!(app.sandbox.revoke(Quickbooks, realm));
    }
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed as usize, accounts.len());
}

async fn decided(app: &TestApp, decision: Decision) -> Result<u64, Refused> {
    let actor = Actor::Operator("ada".to_owned());
    decide(&mut *app.conn().await, Quickbooks, decision, &actor, app.clock.now()).await
}

fn to_operator(mails: &[Mail]) -> Vec<&Mail> {
    mails.iter().filter(|mail| mail.to == [OPERATOR]).collect()
}

async fn mail_check(app: &TestApp) -> String {
    let checks = app.app.health.checks(Depth::Quick).await;
    let check = checks.into_iter().find(|check| check.id == "mail").unwrap();
    format!("{} -> {}", check.message, check.remedy.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_limit_nothing_changes() {
    let (app, accounts) = town(4).await;
    lapse(&app, &accounts[..3]).await;
    app.mails(3).await;
    app.advance(minutes(30));
    lapse(&app, &accounts[3..]).await;
    app.mails(4).await;
    assert!(matches!(decided(&app, Decision::Release).await, Err(Refused::NothingHeld(Provider::Quickbooks))));
}

#[tokio::test(flavor = "multi_thread")]
async fn above_it_one_notice_goes_out_and_the_mails_on_a_persons_word() {
    let (app, accounts) = town(6).await;
    let account = app.account("Other").await;
    app.connect(&account, Hubspot, HUB).await;
    lapse(&app, &accounts[..5]).await;
    let second = app.second_daemon().await;
    tokio::try_join!(app.app.outbox.round(), second.outbox.round()).unwrap();
    let mails = app.mails(1).await;
    assert_eq!(mails[0].subject, "Lamplighter holds 5 mails to owners: 5 connections at QuickBooks lapsed at once");
    assert_eq!(mails[0].to, [OPERATOR]);
    let check = mail_check(&app).await;
    assert!(check.contains("5 mails at QuickBooks to owners") && check.contains("alert release quickbooks"), "{check}");

    // Another provider's owners are mailed as always; one who reconnects before the mail is not asked any more.
    assert!(app.sandbox.revoke(Hubspot, HUB));
    app.advance(minutes(45));
    app.app.keeper.round().await.unwrap();
    assert!(app.mails(2).await[1].subject.starts_with("Action needed: reconnect HubSpot"));
    app.connect(&accounts[0].0, Quickbooks, &accounts[0].1).await;
    // A later one joins them.
    lapse(&app, &accounts[5..]).await;
    app.mails(2).await;

    assert_eq!(decided(&app, Decision::Release).await.unwrap(), 5);
    let mails = app.mails(7).await;
    assert!(mails[2..].iter().all(|mail| mail.subject.starts_with("Action needed: reconnect QuickBooks")));
    assert_eq!(to_operator(&mails).len(), 1, "no second notice");
    assert!(mail_check(&app).await.contains("no mail is stuck"));
    app.advance(TimeDelta::hours(3));
    app.app.watch.round().await.unwrap();
    app.mails(7).await;
    assert!(decided(&app, Decision::Release).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_is_never_told_nor_reminded_of() {
    let (app, accounts) = town(5).await;
    lapse(&app, &accounts).await;
    app.mails(1).await;
    assert_eq!(decided(&app, Decision::Drop).await.unwrap(), 5);
    for _ in 0..20 {
        app.advance(TimeDelta::days(1));
        app.app.watch.round().await.unwrap();
        app.app.outbox.round().await.unwrap();
    }
    app.mails(1).await;
    assert_eq!(app.count("select count(*) from audit_log where action = 'alert.drop'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_which_nothing_is_left_passes_by_itself() {
    let (app, accounts) = town(4).await;
    lapse(&app, &accounts).await;
    app.mails(1).await;
    for (account, realm) in &accounts {
        app.connect(account, Quickbooks, realm).await;
    }
    app.app.watch.round().await.unwrap();
    app.mails(1).await;
    app.advance(minutes(61));
    app.app.watch.round().await.unwrap();
    let mails = app.mails(2).await;
    assert_eq!(mails[1].subject, "Lamplighter: no mail to owners at QuickBooks is held any more");
}
