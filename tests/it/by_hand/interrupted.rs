//! Ending a connection while somebody renews it, ends it too, connects it again, or dies in the middle.

use std::{sync::Mutex, time::Duration};

use lamplighter::{
    keeper::{
        farewell::Goodbye,
        renewal::{access_place, refresh_place},
    },
    provider::Provider::Quickbooks,
    sandbox::{Outage, Rotation, Scope, World},
    store::{
        connections::Status,
        farewells::{self, Answer, Begun, Blank, Holder},
    },
    vault::Vault,
};
use secrecy::SecretString;

use crate::harness::{OWNER, REALM, TestApp, minutes};

const LEASE: Duration = Duration::from_secs(600);

impl TestApp {
    async fn until_spending(&self) {
        let spending = |world: &World| world.is_spending(Quickbooks).then_some(());
        self.sandbox.wait_until(Duration::from_secs(5), spending).await.expect("somebody spends");
    }

    fn slow(&self, latency: u64) {
        self.sandbox.switch(Quickbooks, |switches| {
            switches.rotation = Rotation::EveryCall;
            switches.latency = Duration::from_millis(latency);
        });
    }

    /// A round has only this token to spend, and looks for no other while it is under way.
    async fn only_quickbooks_is_due(&self) {
        self.advance(minutes(40));
        let others = "update tokens set renew_at = renew_at + interval '1 day'
                      where connection_id <> (select id from connections where provider = 'quickbooks')";
        assert_eq!(self.execute(others).await, 1);
    }

    /// Makes every lease run out and its tokens free to be taken over, as if its holder stood still for long.
    async fn leases_run_out(&self) {
        self.execute(
            "update tokens set lease_until = clock_timestamp() - interval '1 second', leased_by = 'takeover'
             where lease_until is not null",
        )
        .await;
    }

    /// Ends it here, and no more: what a crash before the provider was told leaves.
    async fn begin(&self) -> Begun {
        let found = self.found(Quickbooks).await;
        let mut conn = self.conn().await;
        let holder = Holder { name: "crashed", lease: LEASE, takeover: Duration::from_secs(6) };
        farewells::begin(&mut conn, found.id, found.connected_at, holder, self.clock.now()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_under_way_is_waited_for_and_its_new_token_given_back() {
    let (app, _) = TestApp::connected().await;
    app.slow(2_000);
    let second = app.second_daemon().await;
    app.only_quickbooks_is_due().await;
    let found = app.found(Quickbooks).await;
    let waited = Mutex::new(Vec::new());
    let ending = async {
        app.until_spending().await;
        app.app
            .keeper
            .disconnect(found.id, found.connected_at, |lease| waited.lock().unwrap().push(lease.by.clone()))
            .await
    };
    let (round, goodbye) = tokio::join!(second.keeper.round(), ending);
    assert_eq!(round.unwrap().renewed, 1, "the renewal came through");
    assert!(matches!(goodbye.unwrap(), Goodbye::GivenBack { was_there: true, .. }));
    assert_eq!(waited.into_inner().unwrap().len(), 1);
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.renew_at, row.generation), (Status::Disconnected, None, 3));
    assert!(app.sandbox.connected(Quickbooks).is_empty());
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_end_it_at_once_tell_the_provider_once() {
    let (app, _) = TestApp::connected().await;
    let second = app.second_daemon().await;
    let found = app.found(Quickbooks).await;
    let calls = app.sandbox.oauth_calls(Quickbooks);
    let (a, b) = tokio::join!(
        app.app.keeper.disconnect(found.id, found.connected_at, |_| {}),
        second.keeper.disconnect(found.id, found.connected_at, |_| {}),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    let one_each = matches!(
        (&a, &b),
        (Goodbye::GivenBack { .. }, Goodbye::Over(_)) | (Goodbye::Over(_), Goodbye::GivenBack { .. })
    );
    assert!(one_each, "{a:?} {b:?}");
    assert_eq!(app.sandbox.oauth_calls(Quickbooks), calls + 1);
    assert_eq!(app.count("select attempts::bigint from farewells").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_provider_was_told_is_found_and_finished() {
    let (app, _) = TestApp::connected().await;
    let Begun::Held(held) = app.begin().await else { panic!("it is free") };
    assert_eq!(held.generation, 2);
    app.advance(minutes(60));
    app.rounds().await;
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.generation), (Status::Disconnected, 2), "nobody revives or renews it");
    assert!(app.app.keeper.renew_generation(row.id, 1).await.is_err());
    assert_eq!(app.sandbox.connected(Quickbooks), [REALM]);
    assert_eq!(app.left_behind().await, 1, "and the doctor knows");
    // Its lease is respected.
    assert!(matches!(app.begin().await, Begun::Busy(lease) if lease.by == "crashed" && lease.ends_in > 500.0));
    app.leases_run_out().await;
    assert!(matches!(app.disconnect(Quickbooks).await, Goodbye::GivenBack { was_there: true, .. }));
    assert!(app.sandbox.connected(Quickbooks).is_empty());
    assert_eq!(app.left_behind().await, 0);
    // The crashed one wakes up: its fence is passed.
    let answer = Answer { rule: Some("late".to_owned()), ..Answer::default() };
    let blank = Blank { access_sealed: "late".to_owned(), refresh_sealed: "late".to_owned() };
    let late = farewells::finish(&mut *app.conn().await, &held, &answer, Some(&blank), app.clock.now()).await.unwrap();
    assert!(!late);
    assert_eq!(app.count("select count(*) from tokens where refresh_sealed = 'late'").await, 0);
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reply_revives_nothing_and_what_it_brought_is_given_back_too() {
    let (app, _) = TestApp::connected().await;
    app.slow(3_000);
    let second = app.second_daemon().await;
    app.only_quickbooks_is_due().await;
    let ending = async {
        app.until_spending().await;
        // The holder stands still beyond its lease; the provider has rotated the token and cannot be told of the end.
        app.leases_run_out().await;
        app.sandbox.switch(Quickbooks, |switches| {
            switches.outage = Outage::Status503;
            switches.outage_scope = Scope::OAuth;
        });
        let goodbye = app.disconnect(Quickbooks).await;
        app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
        assert_eq!(app.sandbox.connected(Quickbooks), [REALM]);
        goodbye
    };
    let (round, goodbye) = tokio::join!(second.keeper.round(), ending);
    assert!(matches!(goodbye, Goodbye::StillThere(_)), "{goodbye:?}");
    let report = round.unwrap();
    assert_eq!((report.discarded, report.renewed), (1, 0), "{report:?}");
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.renew_at, row.generation), (Status::Disconnected, None, 2));
    assert!(app.sandbox.connected(Quickbooks).is_empty(), "nobody else knew the token that came late");
    assert!(matches!(app.disconnect(Quickbooks).await, Goodbye::GivenBack { .. }));
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_comes_late_mails_nobody() {
    let (app, _) = TestApp::connected().await;
    app.slow(3_000);
    let second = app.second_daemon().await;
    app.only_quickbooks_is_due().await;
    assert!(app.sandbox.revoke(Quickbooks, REALM));
    let ending = async {
        app.until_spending().await;
        app.leases_run_out().await;
        app.disconnect(Quickbooks).await
    };
    let (round, goodbye) = tokio::join!(second.keeper.round(), ending);
    assert!(matches!(goodbye, Goodbye::GivenBack { .. }), "{goodbye:?}");
    let report = round.unwrap();
    assert_eq!((report.lapsed, report.adopted), (0, 1), "{report:?}");
    assert_eq!(app.connection(Quickbooks).await.status, Status::Disconnected);
    assert_eq!(app.count("select count(*) from alerts").await, 0);
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_waited_on_disk_revives_nothing_either() {
    let (app, _) = TestApp::connected().await;
    app.slow(1_500);
    app.advance(minutes(40));
    let cut = app.second_daemon().await;
    let closing = async {
        app.until_spending().await;
        cut.pool.close().await;
    };
    let (round, ()) = tokio::join!(cut.keeper.round(), closing);
    assert!(round.is_err());
    // The directory of another machine: this one does not see the file before it ends the connection.
    let (spool, aside) = (app.directory.path().join("spool"), app.directory.path().join("aside"));
    std::fs::rename(&spool, &aside).unwrap();
    std::fs::create_dir(&spool).unwrap();
    app.leases_run_out().await;
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::Status503);
    assert!(matches!(app.disconnect(Quickbooks).await, Goodbye::StillThere(_)));
    app.sandbox.switch(Quickbooks, |switches| {
        switches.outage = Outage::None;
        switches.latency = Duration::ZERO;
    });
    std::fs::remove_dir(&spool).unwrap();
    std::fs::rename(&aside, &spool).unwrap();
    app.app.keeper.round().await.unwrap();
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.renew_at), (Status::Disconnected, None));
    assert_eq!(app.count("select count(*) from spends where outcome = 'discarded'").await, 1);
    assert!(app.sandbox.connected(Quickbooks).is_empty(), "what waited was given back");
    app.execute("update tokens set lease_until = null, leased_by = null").await;
    app.mails(0).await;
    app.leaves_something_open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_in_between_is_left_alone() {
    let (app, account) = TestApp::connected().await;
    let seen = app.found(Quickbooks).await;
    app.advance(minutes(1));
    app.connect(&account, Quickbooks, REALM).await;
    let calls = app.sandbox.oauth_calls(Quickbooks);
    let goodbye = app.app.keeper.disconnect(seen.id, seen.connected_at, |_| {}).await.unwrap();
    assert!(matches!(goodbye, Goodbye::Reconnected));
    assert_eq!(app.connection(Quickbooks).await.status, Status::Connected);

    // And one that comes while the provider is being told.
    let Begun::Held(held) = app.begin().await else { panic!("it is free") };
    app.advance(minutes(1));
    app.connect(&account, Quickbooks, REALM).await;
    let (answer, blank) =
        (Answer::default(), Blank { access_sealed: "blank".to_owned(), refresh_sealed: "blank".to_owned() });
    assert!(!farewells::finish(&mut *app.conn().await, &held, &answer, Some(&blank), app.clock.now()).await.unwrap());
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, app.left_behind().await), (Status::Connected, 0), "an old end is history");
    assert_eq!(app.sandbox.oauth_calls(Quickbooks), calls + 2, "one consent, one code");
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    // The farewell that was left open does not stand in the way of the next one.
    assert!(matches!(app.disconnect(Quickbooks).await, Goodbye::GivenBack { was_there: true, .. }));
    assert_eq!(app.count("select count(*) from farewells where given_back_at is not null").await, 1);
    assert_eq!(app.left_behind().await, 0);
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_never_reached_us_is_ended_with_the_access_token_or_named() {
    for access_known in [true, false] {
        let (app, _) = TestApp::connected_with(&[("keeper.deadline", "1s")]).await;
        app.sandbox.switch(Quickbooks, |switches| switches.lost_token_replies = 1);
        app.advance(minutes(40));
        assert_eq!(app.app.keeper.round().await.unwrap().unknown, 1);
        // As the provider would: it knows the older values no more.
        let vault = Vault::load(&app.config.vault.keys_file).unwrap();
        let id = app.connection(Quickbooks).await.id;
        let gone = SecretString::from("gone");
        sqlx::query("update tokens set refresh_sealed = $2 where connection_id = $1")
            .bind(id)
            .bind(vault.seal(refresh_place(id), &gone))
            .execute(&app.app.pool)
            .await
            .unwrap();
        if !access_known {
            sqlx::query("update tokens set access_sealed = $2 where connection_id = $1")
                .bind(id)
                .bind(vault.seal(access_place(id), &gone))
                .execute(&app.app.pool)
                .await
                .unwrap();
        }
        let goodbye = app.disconnect(Quickbooks).await;
        let Goodbye::GivenBack { was_there, unsettled, .. } = goodbye else { panic!("{goodbye:?}") };
        assert_eq!((was_there, unsettled), (access_known, !access_known));
        assert_eq!(app.sandbox.connected(Quickbooks).is_empty(), access_known);
        assert!(app.sandbox.mails().iter().all(|mail| mail.to.iter().all(|to| !to.contains(OWNER))));
    }
}
