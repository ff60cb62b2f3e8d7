//! The operator and the refresh windows that nothing renews.

use chrono::TimeDelta;
use lamplighter::{
    keeper::warnings::Report,
    provider::{Cause, Provider},
    sandbox::{Outage, Scope},
    store::connections::Status,
};

use super::{capped, days, subjects, turn, words};
use crate::harness::{OPERATOR, OWNER, TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_nothing_renews_are_the_operators_to_know_and_no_owners() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.invalid_client = true);
    let end = app.connection(Provider::Quickbooks).await.refresh_expires_at.unwrap();
    let mut told = Vec::new();
    for _ in 0..95 {
        days(&app, 1).await;
        let mails = app.sandbox.mails();
        for mail in &mails[told.len()..] {
            told.push(((end - app.clock.now()).num_days(), mail.subject.clone()));
        }
    }
    let mails = app.mails(4).await;
    assert!(mails[0].subject.starts_with("Lamplighter setup fault"), "{}", mails[0].subject);
    let expected = [
        (60, "60 days left, and 1 connection at QuickBooks is not being renewed"),
        (30, "Reminder: 30 days left, and 1 connection at QuickBooks is not being renewed"),
        (7, "Last call: 7 days left, and 1 connection at QuickBooks is not being renewed"),
    ];
    for ((left, subject), (due, expected)) in told[1..].iter().zip(expected) {
        assert!(subject == expected && (due - 1..=due).contains(left), "{told:?}");
    }
    for mail in &mails {
        assert!(mail.to.iter().all(|to| to.contains(OPERATOR)), "no owner hears of it: {:?}", mail.to);
    }
    assert!(words(&mails[1]).contains("invalid_client"), "the reason is named: {}", mails[1].text);
    assert!(words(&mails[1]).contains(&end.format("ends on %-d %b %Y, %H:%M UTC").to_string()), "{}", mails[1].text);
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);

    app.sandbox.switch(Provider::Quickbooks, |switches| switches.invalid_client = false);
    days(&app, 1).await;
    let mails = app.mails(6).await;
    let all_clear = mails[4..].iter().find(|mail| mail.subject.starts_with("All clear")).expect("an all-clear");
    assert_eq!(all_clear.subject, "All clear: no refresh window at QuickBooks is at risk any more");
    assert!(words(all_clear).contains("None was lost to it"), "{}", all_clear.text);
    assert!(mails[4..].iter().all(|mail| mail.to.iter().all(|to| to.contains(OPERATOR))));
    assert_eq!(app.count("select count(*) from alerts where resolved_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_ran_out_are_counted_in_the_all_clear() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.outage = Outage::Status503;
        switches.outage_scope = Scope::OAuth;
    });
    days(&app, 104).await;
    let mails = app.sandbox.mails();
    let warnings = mails.iter().filter(|mail| mail.subject.contains("not being renewed")).count();
    assert_eq!(warnings, 3, "{:?}", subjects(&mails));
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.outage = Outage::None);
    days(&app, 1).await;
    assert_eq!(app.connection(Provider::Quickbooks).await.cause, Some(Cause::InactivityExpired));
    let mails = app.sandbox.mails();
    let all_clear = mails.iter().find(|mail| mail.subject.starts_with("All clear: no refresh window")).expect("told");
    assert!(words(all_clear).contains("1 connection had run out before that"), "{}", all_clear.text);
    app.mails(mails.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_by_choice_near_its_end_is_not_at_risk() {
    let (app, _) = TestApp::connected().await;
    app.advance(minutes(40));
    turn(&app.app).await;
    let near = "update tokens set refresh_expires_at = renewed_at + interval '20 days'
                where refresh_expires_at is not null";
    app.execute(near).await;
    app.execute("update tokens set renew_at = renewed_at + interval '10 days'").await;
    assert_eq!(app.app.keeper.warn_round().await.unwrap(), Report::default(), "it is not due");
    app.execute("update tokens set renew_at = renewed_at + interval '2 hours'").await;
    assert_eq!(app.app.keeper.warn_round().await.unwrap(), Report::default(), "nor when it soon is");
    app.advance(TimeDelta::hours(20));
    assert_eq!(app.app.keeper.warn_round().await.unwrap(), Report::default(), "nor when it just was");
    app.advance(TimeDelta::hours(10));
    assert_eq!(app.app.keeper.warn_round().await.unwrap().mailed, 1, "but nobody has come for a day");
    // Somebody has come and is at it: the warning neither ends nor is told again.
    app.execute("update tokens set lease_until = clock_timestamp() + interval '1 minute', leased_by = 'other'").await;
    assert_eq!(app.app.keeper.warn_round().await.unwrap(), Report::default());
    app.execute("update tokens set lease_until = null, leased_by = null").await;
    assert!(words(&app.mails(1).await[0]).contains("no daemon has tried to renew"));
    turn(&app.app).await;
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_off_for_weeks_renews_first_and_warns_of_nothing() {
    let (app, _) = TestApp::connected().await;
    app.advance(TimeDelta::days(95));
    assert_eq!(turn(&app.app).await, Report::default());
    app.mails(0).await;
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_keeper_never_warns() {
    let (app, _) = TestApp::connected().await;
    for _ in 0..400 {
        app.advance(TimeDelta::days(1));
        assert_eq!(turn(&app.app).await, Report::default());
    }
    app.mails(0).await;
    assert_eq!(app.count("select count(*) from alerts").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_the_hard_cap_cuts_short_is_the_owners_to_renew() {
    let (app, _) = capped(40).await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.invalid_client = true);
    days(&app, 20).await;
    let mails = app.mails(3).await;
    let to_operator: Vec<_> = mails.iter().filter(|mail| mail.to.iter().all(|to| to.contains(OPERATOR))).collect();
    assert_eq!(to_operator.len(), 1);
    assert!(to_operator[0].subject.starts_with("Lamplighter setup fault"), "{:?}", subjects(&mails));
    assert_eq!(mails.iter().filter(|mail| mail.to.iter().all(|to| to.contains(OWNER))).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_never_taken_back_when_the_first_in_line_is_saved() {
    let (app, _) = TestApp::connected().await;
    let unrenewed = "update tokens set refresh_expires_at = renewed_at + interval '20 days',
                                       renew_at = renewed_at - interval '2 days' where refresh_expires_at is not null";
    app.execute(unrenewed).await;
    let warn = async || app.app.keeper.warn_round().await.unwrap();
    assert_eq!(warn().await, Report { mailed: 1, ended: 0 });
    assert!(app.mails(1).await[0].subject.starts_with("20 days left"));
    app.execute(
        "update tokens set refresh_expires_at = renewed_at + interval '50 days' where refresh_expires_at is not null",
    )
    .await;
    assert_eq!(warn().await, Report::default(), "the next in line has more time, and its operator knows");
    app.advance(TimeDelta::days(25));
    assert_eq!(warn().await, Report::default());
    app.advance(TimeDelta::days(19));
    assert_eq!(warn().await, Report { mailed: 1, ended: 0 });
    assert!(app.mails(2).await[1].subject.starts_with("Last call: 6 days left"));
}
