//! What a probe must not cost: reads that traffic makes needless, questions while a provider is out, work done twice.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use lamplighter::{
    keeper::probe::Report,
    provider::Provider::{self, Hubspot, Quickbooks},
};

use crate::harness::{HUB, TestApp, minutes, order};

#[tokio::test(flavor = "multi_thread")]
async fn traffic_that_proves_the_grant_spares_the_probe() {
    let (app, _) = TestApp::connected().await;
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    for half_hour in 0..144 {
        app.advance(minutes(30));
        if half_hour % 4 == 0 {
            app.sandbox.place_order(HUB, order(&format!("#{half_hour}"), 100));
        }
        app.rounds().await;
        let calls = |app: &TestApp| Provider::ALL.map(|of| app.sandbox.api_calls(of) + app.sandbox.oauth_calls(of));
        let before = calls(&app);
        assert_eq!(app.app.prober.round().await.unwrap(), Report::default());
        assert_eq!(calls(&app), before);
        for (provider, seen) in Provider::ALL.into_iter().zip(&mut seen) {
            let at = app.verified_at(provider).await.expect("it is verified");
            assert!(app.clock.now() - at <= TimeDelta::hours(8), "{provider}: half an hour more than traffic can say");
            seen.insert(at);
        }
    }
    for (provider, seen) in Provider::ALL.into_iter().zip(seen) {
        assert!((9..=13).contains(&seen.len()), "{provider}: one write in six hours, not {} in three days", seen.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_or_an_order_that_only_waits_is_no_proof() {
    let (app, _) = TestApp::connected().await;
    app.advance(TimeDelta::hours(23));
    app.sandbox.lose_permission(crate::harness::REALM, true);
    let before = app.verified_at(Quickbooks).await;
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.verified_at(Quickbooks).await, before);
    app.sandbox.place_order(HUB, order("#1", 100));
    app.rounds().await;
    assert_eq!(app.verified_at(Quickbooks).await, before);
    assert_eq!(app.verified_at(Hubspot).await, Some(app.clock.now()), "its portal was read");
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn off_means_off_until_a_person_asks() {
    let (app, _) = TestApp::quiet(&[("keeper.probe_interval", "off")]).await;
    let before = Provider::ALL.map(|of| app.sandbox.api_calls(of) + app.sandbox.oauth_calls(of));
    assert_eq!(app.hours(24 * 5).await, Report::default());
    assert_eq!(Provider::ALL.map(|of| app.sandbox.api_calls(of) + app.sandbox.oauth_calls(of)), before);
    let checks = app.app.health.checks(lamplighter::health::Depth::Quick).await;
    let check = checks.iter().find(|check| check.id == "probes").expect("it is there");
    assert_eq!(check.state, lamplighter::health::State::Ok, "nobody wants to know: {}", check.message);
    let id = app.connection(Quickbooks).await.id;
    let connection = lamplighter::store::connections::get(&mut *app.conn().await, id).await.unwrap().unwrap();
    app.app.prober.one(&connection).await.unwrap();
    assert_eq!(app.verified_at(Quickbooks).await, Some(app.clock.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_interval_finds_out_sooner() {
    let (app, _) = TestApp::quiet(&[("keeper.probe_interval", "30m")]).await;
    for _ in 0..10 {
        app.advance(minutes(30));
        assert_eq!(app.app.prober.round().await.unwrap().verified, 2);
        let idle = app.app.prober.idle_for().await.unwrap();
        assert_eq!(idle.as_secs(), 600, "the next ones are due in 24 to 30 minutes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_never_try_out_the_same_grant() {
    let app = TestApp::start().await;
    app.both(|switches| switches.access_lifetime = super::WEEK);
    app.customers(8).await;
    let other = app.second_daemon().await;
    for _ in 0..5 {
        app.advance(TimeDelta::hours(24));
        let before = (app.sandbox.api_calls(Quickbooks), app.sandbox.oauth_calls(Hubspot));
        let (one, two) = tokio::try_join!(app.app.prober.round(), other.prober.round()).unwrap();
        assert_eq!(one.verified + two.verified, 16);
        assert_eq!(app.sandbox.api_calls(Quickbooks), before.0 + 8);
        assert_eq!(app.sandbox.oauth_calls(Hubspot), before.1 + 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_crashed_is_made_again_after_an_hour() {
    let (app, _) = TestApp::quiet(&[]).await;
    let now = app.advance(TimeDelta::hours(24));
    let claims = {
        let mut conn = app.conn().await;
        let again = now + TimeDelta::hours(1);
        lamplighter::store::probes::claim_due(&mut conn, Quickbooks, now, again, 10).await.unwrap()
    };
    assert_eq!(claims.len(), 1);
    assert_eq!(app.app.prober.round().await.unwrap().verified, 1, "only the other provider's");
    app.advance(minutes(59));
    assert_eq!(app.app.prober.round().await.unwrap(), Report::default());
    app.advance(minutes(1));
    assert_eq!(app.app.prober.round().await.unwrap().verified, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_begins_no_probe() {
    let (app, _) = TestApp::quiet(&[]).await;
    app.advance(TimeDelta::hours(24));
    app.app.stopping.cancel();
    assert_eq!(app.app.prober.round().await.unwrap(), Report::default());
}
