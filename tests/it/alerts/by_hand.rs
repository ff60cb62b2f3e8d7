//! What people do about an incident, and that it is written down.

use chrono::TimeDelta;
use lamplighter::{
    alerts::by_hand::{self, Decision, Refused},
    provider::Provider,
    store::{
        alerts::{self, Alert},
        audit_log::{self, Actor},
    },
};

use super::lapsed;
use crate::harness::{REALM, TestApp};

fn ada() -> Actor {
    Actor::Operator("ada".to_owned())
}

async fn only(app: &TestApp) -> Alert {
    let mut found = alerts::recent(&mut *app.conn().await, 10).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn days(app: &TestApp, days: i64) {
    for _ in 0..days {
        app.advance(TimeDelta::days(1));
        app.app.watch.round().await.unwrap();
        app.app.outbox.round().await.unwrap();
    }
}

async fn deeds(app: &TestApp, alert: &Alert) -> Vec<(String, String)> {
    let deeds = audit_log::of_alert(&mut *app.conn().await, alert.id, 10).await.unwrap();
    deeds.into_iter().map(|deed| (deed.action, deed.actor)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_is_not_reminded_and_the_all_clear_still_comes() {
    let (app, account) = lapsed().await;
    app.mails(1).await;
    let (alert, now) = (only(&app).await, app.clock.now());
    let known = by_hand::decide(&mut *app.conn().await, alert.id, Decision::Acknowledge, &ada(), now).await.unwrap();
    assert_eq!((known.acknowledged_at, known.acknowledged_by.as_deref()), (Some(now), Some("operator ada")));
    assert_eq!(deeds(&app, &alert).await, [("alert.acknowledge".to_owned(), "operator ada".to_owned())]);
    days(&app, 40).await;
    app.mails(1).await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    assert!(app.mails(2).await[1].subject.starts_with("All clear"));
    let over = by_hand::decide(&mut *app.conn().await, alert.id, Decision::Acknowledge, &ada(), app.clock.now()).await;
    assert!(matches!(over, Err(Refused::Over(_))), "{over:?}");
    assert_eq!(deeds(&app, &alert).await.len(), 1, "what was refused is not written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_that_was_due_meanwhile_comes_after_the_snooze() {
    let (app, _) = lapsed().await;
    app.mails(1).await;
    let (alert, now) = (only(&app).await, app.clock.now());
    let until = now + TimeDelta::days(10);
    let late = by_hand::decide(&mut *app.conn().await, alert.id, Decision::Snooze(now), &ada(), now).await;
    assert!(matches!(late, Err(Refused::Passed(_))), "{late:?}");
    let snoozed =
        by_hand::decide(&mut *app.conn().await, alert.id, Decision::Snooze(until), &ada(), now).await.unwrap();
    assert!(snoozed.is_quiet(now) && !snoozed.is_quiet(until));
    days(&app, 9).await;
    app.mails(1).await;
    days(&app, 2).await;
    assert!(app.mails(2).await[1].subject.starts_with("Reminder after 1"), "the latest step, once");

    // A reminder that is on its way when somebody asks for quiet is not lost.
    app.advance(TimeDelta::days(4));
    assert_eq!(app.app.watch.round().await.unwrap().reminded, 1);
    let now = app.clock.now();
    by_hand::decide(&mut *app.conn().await, alert.id, Decision::Snooze(now + TimeDelta::days(1)), &ada(), now)
        .await
        .unwrap();
    app.mails(2).await;
    days(&app, 2).await;
    assert!(app.mails(3).await[2].subject.starts_with("Last reminder"));
    let actions: Vec<_> = deeds(&app, &alert).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["alert.snooze", "alert.snooze"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_closed_by_hand_stays_closed_and_the_next_incident_is_told() {
    let (app, account) = lapsed().await;
    let alert = only(&app).await;
    let closed =
        by_hand::decide(&mut *app.conn().await, alert.id, Decision::Resolve, &ada(), app.clock.now()).await.unwrap();
    assert_eq!((closed.resolved_at, closed.resolved_by.as_deref()), (Some(app.clock.now()), Some("operator ada")));
    days(&app, 30).await;
    app.mails(0).await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.mails(0).await;
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(TimeDelta::minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    app.mails(1).await;
    assert_eq!(app.count("select count(*) from alerts").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_again_and_again_cannot_be_closed_but_quietened() {
    let app = TestApp::start().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.hard_lifetime = Some(std::time::Duration::from_secs(50 * 86_400));
    });
    let account = app.account("Harbor Books").await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.app.keeper.warn_round().await.unwrap();
    app.mails(1).await;
    let alert = only(&app).await;
    let refused = by_hand::decide(&mut *app.conn().await, alert.id, Decision::Resolve, &ada(), app.clock.now())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("acknowledge or snooze it"), "{refused}");
    by_hand::decide(&mut *app.conn().await, alert.id, Decision::Acknowledge, &ada(), app.clock.now()).await.unwrap();
    for _ in 0..48 {
        app.advance(TimeDelta::days(1));
        app.app.keeper.round().await.unwrap();
        app.app.keeper.warn_round().await.unwrap();
        app.app.outbox.round().await.unwrap();
    }
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_found_by_either_end_of_its_id() {
    let (app, _) = lapsed().await;
    app.mails(1).await;
    let alert = only(&app).await;
    let id = alert.id.to_string();
    for part in [id.as_str(), &id[..8], &alert.short_id(), &id.to_uppercase()] {
        assert_eq!(by_hand::find(&mut *app.conn().await, part).await.unwrap().id, alert.id, "{part}");
    }
    for part in ["", "%", "______", &id[..5], "00000000"] {
        let missing = by_hand::find(&mut *app.conn().await, part).await;
        assert!(matches!(missing, Err(Refused::Missing(_))), "{part}: {missing:?}");
    }
    app.execute("insert into alerts (id, incident, kind, detail, opened_at, seen_at)
         select overlay(id::text placing 'aaaaaa' from 31)::uuid, 'another', 'operator_fault', '{}', opened_at, seen_at from alerts")
        .await;
    let both = by_hand::find(&mut *app.conn().await, &id[..8]).await;
    assert!(matches!(both, Err(Refused::Ambiguous(_))), "{both:?}");
}
