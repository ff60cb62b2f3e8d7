//! A mail server that takes its time, or never says that it took a mail, and a daemon that was away meanwhile.

use std::time::Duration;

use chrono::TimeDelta;
use lamplighter::{alerts::outbox::Report, provider::Provider};

use crate::harness::{HUB, REALM, TestApp, minutes};

async fn lapsed(set: &[(&str, &str)]) -> TestApp {
    let (app, _) = TestApp::connected_with(set).await;
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_looks_into_a_mail_for_longer_than_its_deadline_is_waited_for() {
    let app = lapsed(&[("smtp.timeout", "1s")]).await;
    app.sandbox.delay_mail(Duration::from_millis(2_500));
    app.mails(1).await;
    assert_eq!(app.count("select count(*) from mails where sent_at is not null and last_error is null").await, 1);
    app.advance(TimeDelta::days(1));
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_never_acknowledged_is_sent_three_times_and_not_for_ever() {
    let app = lapsed(&[("smtp.answer_timeout", "1s")]).await;
    app.sandbox.delay_mail(Duration::from_secs(3_600));
    for sent in 1..=3 {
        assert_eq!(app.app.outbox.round().await.unwrap(), Report { sent: 0, failed: 1 });
        app.mails(sent).await;
        app.advance(minutes(239));
        assert_eq!(app.app.outbox.round().await.unwrap(), Report::default(), "not so soon");
        app.advance(minutes(2));
    }
    for _ in 0..10 {
        app.advance(TimeDelta::days(1));
        let mails = app.mails(3).await;
        let ids: std::collections::BTreeSet<_> =
            mails.iter().flat_map(|mail| &mail.headers).filter(|(name, _)| name == "Message-ID").collect();
        assert_eq!(ids.len(), 1, "recognisable as one: {ids:?}");
    }
    let sql = "select count(*) from alerts where kind = 'smtp_away' and resolved_at is null
               and detail ->> 'message' like '%3 times%answer_timeout%'";
    assert_eq!(app.count(sql).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_lease_was_taken_over_is_left_to_whoever_took_it() {
    let app = lapsed(&[]).await;
    assert!(app.sandbox.revoke(Provider::Hubspot, HUB));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    let second = app.second_daemon().await;
    app.sandbox.delay_mail(Duration::from_secs(4));
    let away = async {
        let first = app.sandbox.wait_until(Duration::from_secs(30), |world| world.mails().pop()).await.unwrap();
        app.sandbox.delay_mail(Duration::ZERO);
        let (_, id) = first.headers.iter().find(|(name, _)| name == "Message-ID").unwrap();
        let id = lamplighter::alerts::bounce::mail_id(id).unwrap();
        // As after a pause of the machine: the lease on the other mail is over.
        let sql = "update mails set lease_until = clock_timestamp() - interval '1 second' where id <> $1";
        assert_eq!(sqlx::query(sql).bind(id).execute(&app.app.pool).await.unwrap().rows_affected(), 1);
        second.outbox.round().await.unwrap()
    };
    let (first, second) = tokio::join!(app.app.outbox.round(), away);
    assert_eq!((first.unwrap().sent, second.sent), (1, 1), "each daemon one");
    app.mails(2).await;
}
