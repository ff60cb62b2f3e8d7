//! The all-clear after a reconnect says what was caught up, and does not wait for ever to say it.

use lamplighter::provider::Provider;

use super::lapsed;
use crate::harness::{HUB, REALM, TestApp, minutes, order};

/// A lapse was told, and two orders wait when the owner reconnects.
async fn two_waited() -> TestApp {
    let (app, account) = lapsed().await;
    app.mails(1).await;
    for name in ["A-1", "A-2"] {
        app.sandbox.place_order(HUB, order(name, 1_000));
    }
    app.advance(minutes(6));
    app.rounds().await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.mails(1).await;
    app
}

async fn all_clear(app: &TestApp) -> String {
    let mail = app.mails(2).await.remove(1);
    assert!(mail.subject.starts_with("All clear: QuickBooks is connected again"), "{}", mail.subject);
    mail.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_a_moment_and_counts_what_went_in() {
    let app = two_waited().await;
    app.app.dispatch.round().await.unwrap();
    app.advance(chrono::TimeDelta::seconds(5));
    let said = all_clear(&app).await;
    assert!(said.contains("What was missed is caught up: 2 orders went into QuickBooks since"), "{said}");
    assert_eq!(app.count("select max(attempts)::bigint from mails").await, 1, "a look is no attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_out_after_two_minutes_whatever_still_waits() {
    let app = two_waited().await;
    app.advance(minutes(1));
    app.mails(1).await;
    app.advance(minutes(1));
    let said = all_clear(&app).await;
    assert!(said.contains("The 2 orders that waited are on their way into QuickBooks now"), "{said}");
}
