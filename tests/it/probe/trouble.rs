//! A provider in trouble: nobody lapses, nobody is asked in vain for long.

use chrono::TimeDelta;
use lamplighter::{
    keeper::probe::Report,
    provider::Provider::{self, Hubspot, Quickbooks},
    sandbox::Outage,
    store::connections::Status,
};

use crate::harness::{OPERATOR, TestApp};

async fn all_connected(app: &TestApp) {
    for provider in Provider::ALL {
        assert_eq!(app.connection(provider).await.status, Status::Connected, "{provider}");
    }
}

/// Three days of answers that say nothing of a grant.
async fn says_nothing(outage: Outage) {
    let (app, _) = TestApp::quiet(&[("outage.open_after", "1000")]).await;
    let before = app.verified_at(Hubspot).await;
    app.both(|switches| switches.outage = outage);
    let calls = app.sandbox.api_calls(Quickbooks);
    let report = app.hours(72).await;
    assert_eq!((report.lapsed, report.verified, report.void, report.operator_fault), (0, 0, 0, 0), "{outage:?}");
    let asked = app.sandbox.api_calls(Quickbooks) - calls;
    assert!((48..=54).contains(&asked), "{outage:?}: once in an hour from when it was due, not {asked} times");
    all_connected(&app).await;
    assert_eq!(app.verified_at(Hubspot).await, before);
    app.mails(0).await;
    app.both(|switches| switches.outage = Outage::None);
    assert_eq!(app.hours(1).await.verified, 2, "{outage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_broken_servers_end_nothing() {
    says_nothing(Outage::Status503).await;
    says_nothing(Outage::Html).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_ends_nothing_and_its_pause_is_kept() {
    let (app, _) = TestApp::quiet(&[]).await;
    app.both(|switches| {
        switches.throttle = true;
        switches.retry_after = Some(std::time::Duration::from_secs(5 * 3600));
    });
    app.advance(TimeDelta::hours(24));
    assert_eq!(app.app.prober.round().await.unwrap().transient, 2);
    app.both(|switches| switches.throttle = false);
    assert_eq!(app.hours(4).await, Report::default());
    assert_eq!(app.hours(1).await.verified, 2);
    all_connected(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_provider_is_out_nobody_is_asked() {
    let app = TestApp::start_with(&[("outage.open_after", "3")]).await;
    app.both(|switches| switches.access_lifetime = super::WEEK);
    app.customers(40).await;
    app.app.dispatch.round().await.unwrap();
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::Status503);
    app.advance(TimeDelta::hours(24));
    let calls = app.sandbox.api_calls(Quickbooks);
    let report = app.app.prober.round().await.unwrap();
    assert_eq!((report.lapsed, report.verified), (0, 40), "HubSpot answers for all of its own");
    assert_eq!(app.count("select count(*) from outages where closed_at is null").await, 1, "probes are evidence too");
    let met = app.sandbox.api_calls(Quickbooks) - calls;
    assert!((3..=6).contains(&met), "only those under way when it opened, not {met}");
    app.mails(1).await;
    let calls = app.sandbox.api_calls(Quickbooks);
    for _ in 0..48 {
        app.advance(TimeDelta::hours(1));
        app.app.prober.round().await.unwrap();
        assert!(app.app.prober.idle_for().await.unwrap().as_secs() >= 1);
    }
    assert_eq!(app.sandbox.api_calls(Quickbooks), calls, "not one question in two days");
    assert_eq!(app.count("select count(*) from connections where status <> 'connected'").await, 0);
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.count("select count(*) from outages where closed_at is null").await, 0, "its canary came back");
    let verified = app.app.prober.round().await.unwrap().verified;
    assert!(verified >= 40, "{verified}");
    let mails = app.mails(2).await;
    assert!(mails.iter().all(|mail| mail.to == [OPERATOR]), "no owner hears of it");
}
