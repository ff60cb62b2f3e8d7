//! The all-clear after a reconnect says what was caught up, and does not wait for ever to say it.

use lamplighter::{provider::Provider, store::mails};

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

/// HubSpot's grant was withdrawn and given again; meanwhile orders were placed there that nobody could see.
async fn unseen(orders: &[&str]) -> TestApp {
    let (app, account) = TestApp::connected().await;
    assert!(app.sandbox.revoke(Provider::Hubspot, HUB));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    app.mails(1).await;
    for name in orders {
        app.sandbox.place_order(HUB, order(name, 1_000));
    }
    app.advance(minutes(6));
    app.connect(&account, Provider::Hubspot, HUB).await;
    app
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn after_hubspot_is_back_it_waits_until_what_was_missed_is_read_and_posted() {
    let app = unseen(&["A-1", "A-2"]).await;
    app.mails(1).await;
    app.advance(chrono::TimeDelta::seconds(5));
    app.app.intake.round().await.unwrap();
    app.mails(1).await;
    app.advance(chrono::TimeDelta::seconds(5));
    app.app.dispatch.round().await.unwrap();
    let said = words(&app.mails(2).await[1].text);
    assert!(said.contains("What was missed is caught up: 2 orders went into QuickBooks since"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_hubspot_is_back_and_nothing_was_missed_it_goes_out_once_that_is_known() {
    let app = unseen(&[]).await;
    app.mails(1).await;
    app.app.intake.round().await.unwrap();
    app.advance(chrono::TimeDelta::seconds(5));
    let said = words(&app.mails(2).await[1].text);
    assert!(said.contains("We have looked through everything since it stopped: no order waits"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_wait_for_hubspot_to_be_read_for_ever() {
    let app = unseen(&["A-1"]).await;
    app.advance(minutes(1));
    app.mails(1).await;
    app.advance(minutes(1));
    let said = words(&app.mails(2).await[1].text);
    assert!(said.contains("We are fetching every order that came in meanwhile"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_not_said_to_be_on_their_way_while_quickbooks_is_out_too() {
    let (app, account) = TestApp::connected().await;
    assert!(app.sandbox.revoke(Provider::Hubspot, HUB) && app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(60));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 2);
    app.mails(2).await;
    app.sandbox.place_order(HUB, order("A-1", 1_000));
    app.advance(minutes(6));
    app.connect(&account, Provider::Hubspot, HUB).await;
    app.app.intake.round().await.unwrap();
    let said = words(&app.mails(3).await[2].text);
    assert!(said.contains("Orders flow as soon as QuickBooks is connected as well; 1 order waits here"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_come_before_or_without_the_mail_that_it_answers() {
    let (app, account) = lapsed().await;
    // Somebody has taken the first mail and is about to send it.
    let lease = std::time::Duration::from_secs(600);
    let taken = mails::claim_due(&mut *app.conn().await, app.clock.now(), "another", lease, 10, None).await.unwrap();
    assert_eq!(taken.len(), 1);
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.mails(0).await;
    assert_eq!(app.count("select count(*) from mails").await, 2, "the all-clear waits");
    // It stopped before it began; whoever takes the mail up now finds that it comes too late.
    app.execute("update mails set lease_until = null, leased_by = null, attempts = 0 where step = 'opened'").await;
    app.advance(minutes(5));
    app.mails(0).await;
    assert_eq!(app.count("select count(*) from mails").await, 0, "nobody was told, so there is nothing to clear");
}
