//! Grants that die in silence: they are found within a day although no order flows, asking costs little, and a provider's
//! trouble is nobody's lapse.

mod asking;
mod sparing;
mod trouble;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    keeper::probe::Report,
    provider::{
        Cause,
        Provider::{self, Hubspot, Quickbooks},
    },
    sandbox::Switches,
    store::{accounts::Account, connections::Status},
};

use crate::harness::{HUB, OWNER, REALM, TestApp};

const WEEK: Duration = Duration::from_secs(7 * 86_400);

impl TestApp {
    /// Connected, with access tokens that live for a week: no renewal tells what a probe should find.
    async fn quiet(set: &[(&str, &str)]) -> (Self, Account) {
        let app = Self::start_with(set).await;
        app.both(|switches| switches.access_lifetime = WEEK);
        let account = app.account("Harbor Books").await;
        app.connect(&account, Quickbooks, REALM).await;
        app.connect(&account, Hubspot, HUB).await;
        (app, account)
    }

    fn both(&self, change: impl Fn(&mut Switches)) {
        Provider::ALL.iter().for_each(|provider| self.sandbox.switch(*provider, &change));
    }

    /// Lets hours pass in which nothing runs but probes.
    async fn hours(&self, count: u32) -> Report {
        let mut all = Report::default();
        for _ in 0..count {
            self.advance(TimeDelta::hours(1));
            let report = self.app.prober.round().await.unwrap();
            all.verified += report.verified;
            all.lapsed += report.lapsed;
            all.void += report.void;
            all.operator_fault += report.operator_fault;
            all.transient += report.transient;
        }
        all
    }

    async fn verified_at(&self, provider: Provider) -> Option<DateTime<Utc>> {
        self.connection(provider).await.verified_at
    }
}

/// Something ends a grant; no order flows, and nobody renews.
async fn is_found_within_a_day(provider: Provider, cause: Cause, subject: &str, end: impl FnOnce(&TestApp) -> bool) {
    let (app, _) = TestApp::quiet(&[]).await;
    assert!(end(&app), "{cause:?}");
    let report = app.hours(24).await;
    assert_eq!(report, Report { lapsed: 1, verified: 1, ..Report::default() }, "{cause:?}: the other one works");
    let row = app.connection(provider).await;
    assert_eq!((row.status, row.cause), (Status::Lapsed, Some(cause)));
    let mails = app.mails(1).await;
    assert!(mails[0].to.iter().all(|to| to.contains(OWNER)));
    assert!(mails[0].subject.contains(subject), "{cause:?}: {}", mails[0].subject);
    let later = app.hours(48).await;
    assert_eq!((later.lapsed, later.transient), (0, 0), "{cause:?}: it is not asked about again");
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_revocation_is_found_within_a_day_at_either_provider() {
    let (intuit, hubspot) = ("reconnect QuickBooks", "reconnect HubSpot");
    is_found_within_a_day(Quickbooks, Cause::Revoked, intuit, |app| app.sandbox.revoke(Quickbooks, REALM)).await;
    is_found_within_a_day(Hubspot, Cause::Revoked, hubspot, |app| app.sandbox.revoke(Hubspot, HUB)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_grant_that_still_renews_is_found_too() {
    let permission = |app: &TestApp| app.sandbox.lose_permission(REALM, true);
    is_found_within_a_day(Quickbooks, Cause::PermissionLost, "QuickBooks", permission).await;
    let subscription = |app: &TestApp| app.sandbox.lapse_subscription(REALM, true);
    is_found_within_a_day(Quickbooks, Cause::SubscriptionLapsed, "QuickBooks", subscription).await;
    is_found_within_a_day(Hubspot, Cause::PortalDeleted, "HubSpot", |app| app.sandbox.delete_portal(HUB)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_proves_its_grant_unless_the_company_did_not_answer() {
    let (app, _) = TestApp::quiet(&[]).await;
    for provider in Provider::ALL {
        assert_eq!(app.verified_at(provider).await, Some(app.clock.now()));
    }
    let idle = app.app.prober.idle_for().await.unwrap();
    assert_eq!(idle, Duration::from_secs(600), "nothing is due before the day is nearly over");

    let app = TestApp::start().await;
    app.sandbox.lose_permission(REALM, true);
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    assert_eq!(app.verified_at(Quickbooks).await, None, "a consent of somebody without rights proves nothing");
    assert_eq!(app.app.prober.idle_for().await.unwrap(), Duration::from_secs(60));
    app.advance(TimeDelta::minutes(1));
    assert_eq!(app.app.prober.round().await.unwrap().lapsed, 1);
    assert_eq!(app.connection(Quickbooks).await.cause, Some(Cause::PermissionLost));
    app.mails(1).await;

    // A reconnect is another grant: what the first one proved does not count.
    app.sandbox.lose_permission(REALM, false);
    app.connect(&account, Quickbooks, REALM).await;
    assert_eq!(app.verified_at(Quickbooks).await, Some(app.clock.now()));
    app.sandbox.lose_permission(REALM, true);
    app.connect(&account, Quickbooks, REALM).await;
    assert_eq!(app.verified_at(Quickbooks).await, None);
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_how_many_were_not_seen_to_work_for_long() {
    let (app, _) = TestApp::quiet(&[]).await;
    let check = async |id: &str| {
        let checks = app.app.health.checks(lamplighter::health::Depth::Quick).await;
        let check = checks.into_iter().find(|check| check.id == id).expect("it is checked");
        (check.state, check.message, check.remedy)
    };
    app.advance(TimeDelta::hours(49));
    assert_eq!(check("probes").await.0, lamplighter::health::State::Ok);
    app.advance(TimeDelta::seconds(1));
    let (state, message, remedy) = check("probes").await;
    assert_eq!(state, lamplighter::health::State::Warn);
    assert!(message.contains("2 connected grants not seen to work for more than 2 d"), "{message}");
    assert!(remedy.is_some_and(|remedy| remedy.contains("lamplighter connection probe")));
    assert_eq!(app.app.prober.round().await.unwrap().verified, 2);
    assert_eq!(check("probes").await.0, lamplighter::health::State::Ok);
    let metrics = app.app.web.metrics.render();
    for provider in Provider::ALL {
        let counted = format!("lamplighter_probes_total{{provider=\"{provider}\",outcome=\"verified\"}} 1");
        assert!(metrics.contains(&counted), "{metrics}");
    }
}
