//! The owner and the hard cap.

use chrono::TimeDelta;
use lamplighter::{
    keeper::warnings::Report,
    provider::{Cause, Provider},
    store::connections::Status,
};

use super::{cap, cap_of, capped, days, subjects, turn, words};
use crate::harness::{OWNER, REALM, minutes};

const OPEN_WARNINGS: &str = "select count(*) from alerts where kind = 'hard_cap_near' and resolved_at is null";

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_warned_at_60_30_and_7_days_and_told_once_more_at_the_cap() {
    let (app, _) = capped(75).await;
    let end = cap_of(&app).await;
    days(&app, 14).await;
    app.mails(0).await;
    let mut told = Vec::new();
    while app.clock.now() < end + TimeDelta::days(3) {
        days(&app, 1).await;
        let mails = app.sandbox.mails();
        for mail in &mails[told.len()..] {
            told.push(((end - app.clock.now()).num_hours() / 24, mail.subject.clone()));
        }
    }
    let expected = [
        (60, "60 days left: renew the QuickBooks permission for Harbor Books"),
        (30, "Reminder: 30 days left to renew the QuickBooks permission for Harbor Books"),
        (7, "Last call: 7 days left to renew the QuickBooks permission for Harbor Books"),
        (0, "Action needed: renew QuickBooks for Harbor Books (time limit reached)"),
    ];
    let told: Vec<_> = told.iter().map(|(left, subject)| (*left, subject.as_str())).collect();
    // The look at the end of a day comes up to a day after the step.
    for ((left, subject), (due, expected)) in told.iter().zip(expected) {
        assert!(*subject == expected && (due - 1..=due).contains(left), "{told:?}");
    }
    let mails = app.mails(4).await;
    for mail in &mails {
        assert!(mail.to.iter().all(|to| to.contains(OWNER)), "{:?}", mail.to);
        assert!(mail.text.contains("UTC") && mail.html.contains("/connect/"));
    }
    assert!(words(&mails[0]).contains(&end.format("it ends on %-d %b %Y, %H:%M UTC").to_string()), "{}", mails[0].text);
    let row = app.connection(Provider::Quickbooks).await;
    assert_eq!((row.status, row.cause), (Status::Lapsed, Some(Cause::HardCapReached)));
    assert_eq!(app.count(OPEN_WARNINGS).await, 0, "the lapse took its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_in_a_warning_reconnects_and_the_owner_is_thanked_once() {
    let (app, _) = capped(50).await;
    turn(&app.app).await;
    let mails = app.mails(1).await;
    let start = app.url("connect/");
    let link = mails[0].text.split_whitespace().find(|word| word.starts_with(start.as_str())).expect("a link");
    cap(&app, 5 * 365);
    app.sandbox.choose(Provider::Quickbooks, REALM);
    assert!(app.visitor.open(&link.parse().unwrap()).await.unwrap().status.is_success());
    let mails = app.mails(2).await;
    assert_eq!(mails[1].subject, "All clear: the QuickBooks permission for Harbor Books is renewed");
    assert!(mails[1].to.iter().all(|to| to.contains(OWNER)));
    let end = cap_of(&app).await;
    assert!(
        words(&mails[1]).contains(&end.format("holds until %-d %b %Y, %H:%M UTC").to_string()),
        "{}",
        mails[1].text
    );
    assert_eq!(app.count(OPEN_WARNINGS).await, 0);
    days(&app, 3).await;
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_before_anything_was_sent_is_silent() {
    let (app, account) = capped(50).await;
    assert_eq!(app.app.keeper.warn_round().await.unwrap(), Report { mailed: 1, ended: 0 });
    cap(&app, 5 * 365);
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.mails(0).await;
    assert_eq!(app.count("select count(*) from mails").await, 0);
    assert_eq!(app.count(OPEN_WARNINGS).await, 0);

    // Before there was a warning at all.
    cap(&app, 61);
    app.connect(&account, Provider::Quickbooks, REALM).await;
    turn(&app.app).await;
    cap(&app, 5 * 365);
    app.connect(&account, Provider::Quickbooks, REALM).await;
    days(&app, 5).await;
    app.mails(0).await;
    assert_eq!(app.count("select count(*) from alerts").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_that_brings_no_later_end_leaves_the_warning_as_it_is() {
    let (app, account) = capped(50).await;
    turn(&app.app).await;
    app.advance(TimeDelta::hours(20));
    app.connect(&account, Provider::Quickbooks, REALM).await;
    turn(&app.app).await;
    app.mails(1).await;
    assert_eq!(app.count(OPEN_WARNINGS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_starts_late_is_sent_one_mail_and_not_three() {
    let (app, _) = capped(20).await;
    for _ in 0..3 {
        turn(&app.app).await;
    }
    let mails = app.mails(1).await;
    assert_eq!(
        mails[0].subject, "20 days left: renew the QuickBooks permission for Harbor Books",
        "nothing came before it"
    );
    days(&app, 12).await;
    app.mails(1).await;
    days(&app, 2).await;
    assert!(app.mails(2).await[1].subject.starts_with("Last call: 7 days left"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_wobbles_is_the_same_end_and_one_that_moves_is_another() {
    let (app, _) = capped(61).await;
    let life = |by: TimeDelta| {
        let life = TimeDelta::days(61) + by;
        app.sandbox.switch(Provider::Quickbooks, |switches| switches.hard_lifetime = life.to_std().ok());
    };
    // Across the first two steps the provider says a little more or less each time.
    for n in 0..140 {
        life(TimeDelta::hours(if n % 2 == 0 { 11 } else { -11 }));
        app.advance(TimeDelta::hours(6));
        turn(&app.app).await;
    }
    let mails = app.mails(2).await;
    assert!(mails[0].subject.starts_with("60 days left"), "{}", mails[0].subject);
    assert!(mails[1].subject.starts_with("Reminder: 29 days left"), "{}", mails[1].subject);
    assert_eq!(app.count("select count(*) from alerts").await, 1);

    // A correction to far ahead, without a reconnect: noticed when the next step would be due, and said.
    life(TimeDelta::days(900));
    days(&app, 21).await;
    assert!(app.mails(3).await[2].subject.starts_with("All clear"));
    assert_eq!(app.count(OPEN_WARNINGS).await, 0);

    // And back, to less than a week: another end, another warning.
    life(TimeDelta::zero());
    days(&app, 1).await;
    assert!(app.mails(4).await[3].subject.starts_with("5 days left"), "{:?}", subjects(&app.sandbox.mails()));
    assert_eq!(app.count("select count(*) from alerts").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapse_for_another_reason_ends_the_warning_without_a_word() {
    let (app, account) = capped(40).await;
    app.app.keeper.warn_round().await.unwrap();
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(40));
    turn(&app.app).await;
    let mails = app.mails(1).await;
    assert!(mails[0].subject.starts_with("Action needed: reconnect QuickBooks"), "the warning was not sent any more");
    assert_eq!(app.count(OPEN_WARNINGS).await, 0, "it ended with the lapse");
    days(&app, 45).await;
    app.mails(1).await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    turn(&app.app).await;
    let mails = app.mails(3).await;
    assert!(mails[1].subject.starts_with("All clear: QuickBooks is connected again"), "{}", mails[1].subject);
    assert!(mails[2].subject.starts_with("40 days left"), "a new term, a new warning: {}", mails[2].subject);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_somebody_ended_is_not_warned_of() {
    let (app, _) = capped(61).await;
    days(&app, 2).await;
    app.mails(1).await;
    app.execute("update tokens set renew_at = null").await;
    app.execute("update connections set status = 'disconnected' where provider = 'quickbooks'").await;
    days(&app, 40).await;
    app.mails(1).await;
    assert_eq!(app.count(OPEN_WARNINGS).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_daemons_send_each_step_once() {
    let (app, _) = capped(62).await;
    let second = app.second_daemon().await;
    while app.clock.now() < cap_of(&app).await - TimeDelta::days(1) {
        app.advance(TimeDelta::hours(12));
        let (a, b, c) =
            tokio::join!(app.app.keeper.warn_round(), second.keeper.warn_round(), app.app.keeper.warn_round());
        assert!(a.unwrap().mailed + b.unwrap().mailed + c.unwrap().mailed <= 1);
        app.app.keeper.round().await.unwrap();
        tokio::try_join!(app.app.outbox.round(), second.outbox.round()).unwrap();
    }
    let mails = app.mails(3).await;
    let starts = ["60 days left", "Reminder: 30 days left", "Last call: 7 days left"];
    assert!(mails.iter().zip(starts).all(|(mail, start)| mail.subject.starts_with(start)), "{:?}", subjects(&mails));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_was_away_for_weeks_delivers_only_the_latest_step() {
    let (app, _) = capped(61).await;
    app.sandbox.refuse_mail(Some(451));
    days(&app, 55).await;
    assert_eq!(app.count("select count(*) from mails").await, 1);
    app.sandbox.refuse_mail(None);
    app.advance(TimeDelta::hours(2));
    let mails = app.mails(1).await;
    assert!(mails[0].subject.starts_with("6 days left"), "{}", mails[0].subject);
}
