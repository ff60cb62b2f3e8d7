//! The owner who does not repair a connection: reminded on a ladder that stops by itself, each step once.

use chrono::TimeDelta;
use lamplighter::{app::App, provider::Provider, sandbox::Mail};

use super::lapsed;
use crate::harness::{OWNER, REALM, TestApp, minutes};

/// What the loops do about an open incident, once.
async fn turn(app: &App) {
    app.watch.round().await.unwrap();
    app.outbox.round().await.unwrap();
}

/// Half a day goes by, again and again.
async fn days(app: &TestApp, days: i64) {
    for _ in 0..days * 2 {
        app.advance(TimeDelta::hours(12));
        turn(&app.app).await;
    }
}

fn subjects(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.subject.as_str()).collect()
}

fn link(app: &TestApp, mail: &Mail) -> String {
    let start = app.url("connect/");
    mail.text.split_whitespace().find(|word| word.starts_with(start.as_str())).expect("a link").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_reminded_after_3_7_and_14_days_and_then_no_more() {
    let (app, _) = lapsed().await;
    turn(&app.app).await;
    app.mails(1).await;
    days(&app, 60).await;
    let mails = app.mails(4).await;
    let expected = [
        "Action needed: reconnect QuickBooks for Harbor Books",
        "Reminder after 3 days: reconnect QuickBooks for Harbor Books",
        "Reminder after 7 days: reconnect QuickBooks for Harbor Books",
        "Last reminder after 14 days: reconnect QuickBooks for Harbor Books",
    ];
    assert_eq!(subjects(&mails), expected);
    for (mail, after) in mails[1..].iter().zip([3, 7, 14]) {
        assert_eq!(mail.to, [OWNER]);
        let since = mail.at - mails[0].at;
        assert!((TimeDelta::days(after)..TimeDelta::days(after) + TimeDelta::hours(13)).contains(&since), "{since}");
    }
    let text = mails[3].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("has been out for 14 days") && text.contains("We will not remind you again."), "{text}");
    let mut links: Vec<_> = mails.iter().map(|mail| link(&app, mail)).collect();
    links.sort();
    links.dedup();
    assert_eq!(links.len(), 4, "each has a link of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_a_reminder_reconnects_and_ends_the_ladder() {
    let (app, _) = lapsed().await;
    turn(&app.app).await;
    days(&app, 8).await;
    let mails = app.mails(3).await;
    app.sandbox.choose(Provider::Quickbooks, REALM);
    let visit = app.visitor.open(&link(&app, &mails[2]).parse().unwrap()).await.unwrap();
    assert!(visit.status.is_success(), "{}", visit.body);
    days(&app, 30).await;
    assert!(app.mails(4).await[3].subject.starts_with("All clear"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_daemons_remind_once() {
    let (app, _) = lapsed().await;
    turn(&app.app).await;
    let second = app.second_daemon().await;
    for _ in 0..40 {
        app.advance(TimeDelta::hours(12));
        let (a, b, c) = tokio::join!(app.app.watch.round(), second.watch.round(), app.app.watch.round());
        assert!(a.unwrap().reminded + b.unwrap().reminded + c.unwrap().reminded <= 1);
        tokio::try_join!(app.app.outbox.round(), second.outbox.round()).unwrap();
    }
    app.mails(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_off_for_weeks_sends_only_the_latest_step() {
    let (app, _) = lapsed().await;
    turn(&app.app).await;
    app.advance(TimeDelta::days(30));
    for _ in 0..3 {
        turn(&app.app).await;
    }
    let mails = app.mails(2).await;
    assert_eq!(mails[1].subject, "Last reminder after 30 days: reconnect QuickBooks for Harbor Books");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_does_not_overtake_the_first_mail_nor_join_an_earlier_one() {
    let (app, _) = lapsed().await;
    app.sandbox.refuse_mail(Some(451));
    days(&app, 8).await;
    app.sandbox.refuse_mail(None);
    app.advance(minutes(61));
    turn(&app.app).await;
    assert!(app.mails(1).await[0].subject.starts_with("Action needed"), "whoever was not told is not reminded");

    // Now the server is away while two rungs go by.
    app.sandbox.refuse_mail(Some(451));
    days(&app, 7).await;
    app.sandbox.refuse_mail(None);
    app.advance(minutes(61));
    turn(&app.app).await;
    assert!(app.mails(2).await[1].subject.starts_with("Last reminder"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ladder_is_the_operators_choice() {
    let (app, _) = TestApp::connected_with(&[("alerts.reminders", "[\"90m\"]")]).await;
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    turn(&app.app).await;
    app.advance(minutes(89));
    turn(&app.app).await;
    app.mails(1).await;
    app.advance(minutes(1));
    turn(&app.app).await;
    let mails = app.mails(2).await;
    assert!(mails[1].subject.starts_with("Last reminder after 1 h 30 min: "), "{}", mails[1].subject);
    days(&app, 30).await;
    app.mails(2).await;
}
