//! Mails: one per incident and step, whatever the SMTP server does and however many daemons send.

pub(crate) mod bounces;
mod by_hand;
mod caught_up;
mod digests;
mod recipients;
mod reminders;
mod slow;
mod spool;
mod storm;

use chrono::TimeDelta;
use lamplighter::{alerts::outbox::Report, health::Depth, provider::Provider, store::connections::Status};

use crate::harness::{OWNER, REALM, TestApp, minutes};

async fn lapsed() -> (TestApp, lamplighter::store::accounts::Account) {
    let (app, account) = TestApp::connected().await;
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    (app, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_smtp_server_that_refuses_loses_no_mail_and_its_error_names_no_address() {
    let (app, _) = lapsed().await;
    app.sandbox.refuse_mail(Some(451));
    assert_eq!(app.app.outbox.round().await.unwrap(), Report { sent: 0, failed: 1 });
    assert_eq!(app.app.outbox.round().await.unwrap(), Report::default(), "it waits for its turn");
    let error: String = sqlx::query_scalar("select last_error from mails where sent_at is null")
        .fetch_one(&app.app.pool)
        .await
        .unwrap();
    assert!(error.contains("451") && !error.contains(OWNER), "{error}");
    let checks = app.app.health.checks(Depth::Quick).await;
    let mail = checks.iter().find(|check| check.id == "mail").expect("there is a check of the mail");
    assert!(mail.message.contains("1 mail"), "{}", mail.message);
    assert!(mail.remedy.as_ref().is_some_and(|remedy| remedy.contains("[smtp]")));
    for _ in 0..20 {
        app.advance(minutes(61));
        assert_eq!(app.app.outbox.round().await.unwrap().failed, 1, "it never gives up");
    }
    app.sandbox.refuse_mail(None);
    app.advance(minutes(61));
    assert_eq!(app.app.outbox.round().await.unwrap(), Report { sent: 1, failed: 0 });
    app.advance(TimeDelta::days(1));
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_daemons_send_a_mail_once() {
    let (app, _) = lapsed().await;
    let second = app.second_daemon().await;
    let (a, b, c) = tokio::join!(app.app.outbox.round(), second.outbox.round(), app.app.outbox.round());
    assert_eq!(a.unwrap().sent + b.unwrap().sent + c.unwrap().sent, 1);
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_overtaken_by_the_reconnect_is_not_sent_and_needs_no_all_clear() {
    let (app, account) = lapsed().await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.mails(0).await;
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_tried_may_have_arrived_and_is_followed_by_the_all_clear() {
    let (app, account) = lapsed().await;
    app.sandbox.refuse_mail(Some(451));
    assert_eq!(app.app.outbox.round().await.unwrap().failed, 1);
    app.sandbox.refuse_mail(None);
    app.connect(&account, Provider::Quickbooks, REALM).await;
    let mails = app.mails(1).await;
    assert!(mails[0].subject.contains("All clear"), "{}", mails[0].subject);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_incident_of_the_same_connection_is_told_again() {
    let (app, account) = lapsed().await;
    app.mails(1).await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.mails(2).await;
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    let mails = app.mails(3).await;
    assert_ne!(mails[0].text, mails[2].text, "with a link of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_all_over_the_world_arrive_whole() {
    let (app, _) = lapsed().await;
    let sql = "update accounts set name = 'Bücher & Söhne <GmbH>', owner_name = 'Zoë “Z” Łukasiewicz, Øre'";
    app.execute(sql).await;
    let mails = app.mails(1).await;
    assert!(mails[0].subject.contains("Bücher & Söhne <GmbH>"), "{}", mails[0].subject);
    assert!(mails[0].text.contains("Zoë “Z” Łukasiewicz, Øre"), "{}", mails[0].text);
    assert!(mails[0].html.contains("Bücher &#38; Söhne &#60;GmbH&#62;"), "escaped in HTML");
    assert!(mails[0].to.iter().any(|to| to.contains(OWNER)));
}
