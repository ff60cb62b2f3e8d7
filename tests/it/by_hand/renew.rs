//! A renewal that a person asks for: the same protocol, and what may be overridden.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lamplighter::{
    keeper::by_hand::{Haste, Renewal},
    provider::Provider::{self, Quickbooks},
    sandbox::{Outage, Rotation, Scope},
    store::{connections::Status, farewells::Lease, spends::Outcome, tokens},
};
use uuid::Uuid;

use super::nobody;
use crate::harness::{OPERATOR, OWNER, REALM, TestApp, minutes};

impl TestApp {
    async fn renew(&self, id: Uuid, haste: Haste) -> Renewal {
        self.app.keeper.renew_by_hand(id, haste, nobody).await.unwrap()
    }

    fn calls(&self) -> u64 {
        self.sandbox.oauth_calls(Quickbooks)
    }
}

fn outcome(renewal: &Renewal) -> Option<Outcome> {
    match renewal {
        Renewal::Spent { outcome, .. } => *outcome,
        other => panic!("{other:?}"),
    }
}

fn is_resting(renewal: &Renewal, unanswered: bool) -> bool {
    matches!(renewal, Renewal::Resting(pause) if pause.unanswered == unanswered)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_due_is_renewed_under_the_whole_protocol() {
    let (app, _) = TestApp::connected().await;
    let before = app.connection(Quickbooks).await;
    app.advance(minutes(10));
    let renewal = app.renew(before.id, Haste::Patient).await;
    assert_eq!(outcome(&renewal), Some(Outcome::Renewed));
    let after = app.connection(Quickbooks).await;
    assert_eq!((after.generation, after.renewed_at), (2, app.clock.now()));
    assert!(after.renew_at > before.renew_at);
    let ledger =
        "select count(*) from spends where outcome = 'renewed' and generation = 1 and correlation_id is not null";
    assert_eq!(app.count(ledger).await, 1);
    assert_eq!(outcome(&app.renew(before.id, Haste::Patient).await), Some(Outcome::Renewed), "and once more");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_a_daemon_renews_is_waited_for() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_secs(2);
    });
    let second = app.second_daemon().await;
    let id = app.connection(Quickbooks).await.id;
    app.advance(minutes(40));
    let calls = app.calls();
    let waited = AtomicU32::new(0);
    let by_hand = async {
        let spending = |world: &lamplighter::sandbox::World| world.is_spending(Quickbooks).then_some(());
        app.sandbox.wait_until(Duration::from_secs(5), spending).await.expect("the daemon spends");
        app.app.keeper.renew_by_hand(id, Haste::OverUnanswered, |_| _ = waited.fetch_add(1, Ordering::SeqCst)).await
    };
    let (round, renewal) = tokio::join!(second.keeper.round(), by_hand);
    assert_eq!(round.unwrap().renewed, 2);
    assert!(matches!(renewal.unwrap(), Renewal::Elsewhere));
    assert_eq!(waited.into_inner(), 1, "it is said once who is at it");
    assert_eq!(app.calls(), calls + 1, "not even the greatest haste overrides a live lease");
    assert_eq!(app.connection(Quickbooks).await.generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_at_once_share_one_renewal() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_millis(300);
    });
    let second = app.second_daemon().await;
    app.app.keeper.round().await.unwrap();
    second.keeper.round().await.unwrap();
    let id = app.connection(Quickbooks).await.id;
    let calls = app.calls();
    let (a, b) = tokio::join!(
        app.app.keeper.renew_by_hand(id, Haste::Patient, |_| {}),
        second.keeper.renew_by_hand(id, Haste::Patient, |_| {}),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    let one_each =
        matches!((&a, &b), (Renewal::Spent { .. }, Renewal::Elsewhere) | (Renewal::Elsewhere, Renewal::Spent { .. }));
    assert!(one_each, "{a:?} {b:?}");
    assert_eq!((app.calls(), app.connection(Quickbooks).await.generation), (calls + 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pause_after_a_failure_is_overridden_only_when_asked_for() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Quickbooks, |switches| {
        switches.outage = Outage::Status503;
        switches.outage_scope = Scope::OAuth;
    });
    let id = app.connection(Quickbooks).await.id;
    assert_eq!(outcome(&app.renew(id, Haste::Patient).await), Some(Outcome::Transient));
    assert_eq!(app.connection(Quickbooks).await.status, Status::Failing);
    let calls = app.calls();
    assert!(is_resting(&app.renew(id, Haste::Patient).await, false));
    assert_eq!(app.calls(), calls);
    assert_eq!(outcome(&app.renew(id, Haste::OverPause).await), Some(Outcome::Transient));
    assert_eq!((app.calls(), app.connection(Quickbooks).await.failures), (calls + 1, 2));
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
    assert_eq!(outcome(&app.renew(id, Haste::OverPause).await), Some(Outcome::Renewed));
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.failures), (Status::Connected, 0));
    assert_eq!(outcome(&app.renew(id, Haste::Patient).await), Some(Outcome::Renewed), "a new generation has no pause");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_never_answered_is_not_repeated_unless_that_is_named() {
    let (app, _) = TestApp::connected_with(&[("keeper.deadline", "1s")]).await;
    app.sandbox.switch(Quickbooks, |switches| {
        switches.rotation = Rotation::Never;
        switches.lost_token_replies = 1;
    });
    let id = app.connection(Quickbooks).await.id;
    assert_eq!(outcome(&app.renew(id, Haste::Patient).await), Some(Outcome::Unknown));
    let calls = app.calls();
    for haste in [Haste::Patient, Haste::OverPause] {
        assert!(is_resting(&app.renew(id, haste).await, true), "{haste:?}");
    }
    assert_eq!(app.calls(), calls);
    assert_eq!(outcome(&app.renew(id, Haste::OverUnanswered).await), Some(Outcome::Renewed));
    app.sandbox.switch(Quickbooks, |switches| switches.lost_token_replies = 1);
    assert_eq!(outcome(&app.renew(id, Haste::Patient).await), Some(Outcome::Unknown));
    app.advance(minutes(1));
    assert_eq!(outcome(&app.renew(id, Haste::Patient).await), Some(Outcome::Renewed), "its pause is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_died_is_waited_for_and_its_spend_counts_as_unanswered() {
    let (app, _) = TestApp::connected_with(&[("keeper.takeover", "6s")]).await;
    let row = app.connection(Quickbooks).await;
    let crash = async |lease: Duration| {
        let (mut conn, now) = (app.conn().await, app.clock.now());
        let generation = app.connection(Quickbooks).await.generation;
        let claim = tokens::claim_one(&mut conn, now, "crashed", lease, row.id, generation, now).await.unwrap();
        assert!(claim.is_some());
    };
    crash(Duration::from_millis(500)).await;
    let waited = Mutex::new(Vec::new());
    let note = |lease: &Lease| waited.lock().unwrap().push(lease.by.clone());
    let renewal = app.app.keeper.renew_by_hand(row.id, Haste::OverPause, note).await.unwrap();
    assert!(is_resting(&renewal, true), "{renewal:?}");
    assert_eq!(*waited.lock().unwrap(), ["crashed", tokens::TAKEOVER], "for its lease, then for a late reply");
    app.advance(minutes(40));
    assert_eq!(outcome(&app.renew(row.id, Haste::Patient).await), Some(Outcome::Renewed), "due, as for the keeper");
    assert_eq!(app.count("select count(*) from spends where daemon = 'crashed' and rule = 'lease_ran_out'").await, 1);
    crash(Duration::from_secs(600)).await;
    app.app.stopping.cancel();
    let stopped = app.app.keeper.renew_by_hand(row.id, Haste::Patient, |_| {}).await.unwrap();
    assert!(matches!(stopped, Renewal::Busy(lease) if lease.by == "crashed" && lease.ends_in > 500.0));
    app.leaves_something_open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_lapses_with_one_mail_and_is_not_tried_again() {
    let (app, _) = TestApp::connected().await;
    let id = app.connection(Quickbooks).await.id;
    assert!(app.sandbox.revoke(Quickbooks, REALM));
    assert_eq!(outcome(&app.renew(id, Haste::Patient).await), Some(Outcome::DeadGrant));
    let calls = app.calls();
    assert!(matches!(app.renew(id, Haste::OverUnanswered).await, Renewal::Lapsed));
    assert_eq!(app.calls(), calls);
    assert!(app.mails(1).await[0].to.iter().all(|to| to.contains(OWNER)));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_fault_pages_the_operator_and_touches_nothing() {
    let (app, _) = TestApp::connected().await;
    let id = app.connection(Provider::Quickbooks).await.id;
    app.sandbox.switch(Quickbooks, |switches| switches.invalid_client = true);
    assert_eq!(outcome(&app.renew(id, Haste::Patient).await), Some(Outcome::OperatorFault));
    assert_eq!(app.connection(Quickbooks).await.status, Status::Connected);
    assert!(is_resting(&app.renew(id, Haste::Patient).await, false));
    app.sandbox.switch(Quickbooks, |switches| switches.invalid_client = false);
    assert_eq!(outcome(&app.renew(id, Haste::OverPause).await), Some(Outcome::Renewed));
    assert!(app.mails(1).await[0].to.iter().all(|to| to.contains(OPERATOR)));
}
