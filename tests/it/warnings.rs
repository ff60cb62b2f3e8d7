//! Early warnings: an owner before the hard cap, the operator before refresh windows that nothing renews; once per step,
//! whoever looks and however the clocks move.

mod caps;
mod windows;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    app::App,
    keeper::warnings::{Report, Throttle},
    provider::Provider,
    sandbox::Mail,
    store::accounts::Account,
};

use crate::harness::{HUB, REALM, TestApp, minutes};

const DAY: Duration = Duration::from_secs(86_400);

/// Both providers connected, with `days` until QuickBooks' hard cap.
async fn capped(days: u32) -> (TestApp, Account) {
    let app = TestApp::start().await;
    cap(&app, days);
    let account = app.account("Harbor Books").await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.connect(&account, Provider::Hubspot, HUB).await;
    (app, account)
}

fn cap(app: &TestApp, days: u32) {
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.hard_lifetime = Some(DAY * days));
}

/// What the keeper's loop and the outbox do, once.
async fn turn(app: &App) -> Report {
    app.keeper.round().await.unwrap();
    let report = app.keeper.warn_round().await.unwrap();
    app.outbox.round().await.unwrap();
    report
}

/// Half a day goes by, again and again.
async fn days(app: &TestApp, days: i64) {
    for _ in 0..days * 2 {
        app.advance(TimeDelta::hours(12));
        turn(&app.app).await;
    }
}

async fn cap_of(app: &TestApp) -> DateTime<Utc> {
    app.connection(Provider::Quickbooks).await.refresh_hard_expires_at.expect("it is known")
}

fn subjects(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.subject.as_str()).collect()
}

fn words(mail: &Mail) -> String {
    mail.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_warns_once_per_check_interval() {
    let (app, _) = capped(61).await;
    let throttle = Throttle::default();
    assert_eq!(app.app.keeper.warn_if_due(&throttle).await.unwrap(), Report::default());
    app.advance(TimeDelta::days(1) - minutes(20));
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.app.keeper.warn_if_due(&throttle).await.unwrap(), Report::default(), "it is a little early");
    app.advance(minutes(25));
    assert_eq!(app.app.keeper.warn_if_due(&throttle).await.unwrap(), Report::default(), "and now it is throttled");
    app.advance(minutes(5));
    assert_eq!(app.app.keeper.warn_if_due(&throttle).await.unwrap().mailed, 1);
    app.mails(1).await;
}
