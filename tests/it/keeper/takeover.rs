//! Crashes and a database that goes away between claim and commit: what is in hand is kept, what is abandoned is taken over.

use std::time::Duration;

use lamplighter::{
    app::App,
    keeper::spool::Spool,
    provider::Provider,
    sandbox::Rotation,
    store::{self, connections::Status, tokens},
};

use super::cut_off_while_spending;
use crate::harness::{TestApp, minutes};

const LEASES_RUN_OUT: &str = "update tokens set lease_until = clock_timestamp() - interval '1 second'";

/// Both tokens, claimed by a daemon that is never heard of again.
async fn crashed_daemons_claims(app: &TestApp) -> Vec<tokens::Claim> {
    let mut conn = app.conn().await;
    let mut claims = Vec::new();
    for provider in Provider::ALL {
        let due = tokens::Due { provider, by: app.clock.now(), limit: 10 };
        let lease = Duration::from_secs(600);
        claims.extend(tokens::claim_due(&mut conn, due, app.clock.now(), "crashed/1", lease).await.unwrap());
    }
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_outlasted_its_lease_on_disk_is_stored_before_anybody_takes_over() {
    let (app, _) = TestApp::connected_with(&[("database.restore_fence", "false")]).await;
    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_millis(300);
    });
    app.advance(minutes(40));
    // Nothing else is under way when the database goes away.
    app.execute("update tokens set renew_at = renew_at + interval '1 day' where provider = 'hubspot'").await;
    cut_off_while_spending(&app).await;
    // Another machine, with a disk of its own, is the first to see the database again, and the lease is over.
    let elsewhere = {
        let mut config = app.config.clone();
        config.data_dir = app.directory.path().join("elsewhere");
        let pool = store::open(app.database.clone(), 8, Duration::from_secs(10)).await.unwrap();
        App::build(&config, pool, app.clock.clone(), &[]).await.unwrap()
    };
    app.execute(
        "update tokens set lease_until = clock_timestamp() - interval '1 second' where lease_until is not null",
    )
    .await;
    let calls = app.sandbox.token_calls(Provider::Quickbooks).len();
    elsewhere.keeper.round().await.unwrap();
    assert_eq!(app.sandbox.token_calls(Provider::Quickbooks).len(), calls, "the replaced value was not spent");
    assert!(app.app.keeper.round().await.unwrap().replayed > 0);
    let row = app.connection(Provider::Quickbooks).await;
    assert_eq!((row.status, row.generation), (Status::Connected, 2));
    assert_eq!(app.count("select count(*) from tokens where lease_until is not null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_claim_and_reply_is_taken_over_when_its_lease_runs_out() {
    let (app, _) = TestApp::connected().await;
    app.advance(minutes(40));
    let claims = crashed_daemons_claims(&app).await;
    assert_eq!(claims.len(), 2);
    assert_eq!(app.app.keeper.round().await.unwrap().spent(), 0, "a lease is respected");
    let idle = app.app.keeper.idle_for().await.unwrap();
    assert!(
        idle > Duration::from_secs(500) && idle <= Duration::from_secs(600),
        "sleeps until the lease ends: {idle:?}"
    );
    app.execute(LEASES_RUN_OUT).await;
    assert_eq!(app.app.keeper.idle_for().await.unwrap(), Duration::ZERO);
    assert_eq!(app.app.keeper.round().await.unwrap().spent(), 0, "the former holder may have a reply to store");
    let idle = app.app.keeper.idle_for().await.unwrap();
    assert!(idle > Duration::from_secs(5) && idle <= app.config.keeper.takeover, "sleeps until then: {idle:?}");
    app.execute(LEASES_RUN_OUT).await;
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    let abandoned =
        "select count(*) from spends where daemon = 'crashed/1' and outcome = 'unknown' and rule = 'lease_ran_out'";
    assert_eq!(app.count(abandoned).await, 2);

    // The crashed one wakes up and finds its fence passed: its late success and its late verdict are both void.
    let claim = &claims[0];
    let late = tokens::SealedTokens {
        access_sealed: "late".to_owned(),
        refresh_sealed: "late".to_owned(),
        refresh_fingerprint: "late".to_owned(),
        access_expires_at: app.clock.now(),
        refresh_expires_at: None,
        refresh_hard_expires_at: None,
        renewed_at: app.clock.now(),
        renew_at: app.clock.now(),
    };
    let mut conn = app.conn().await;
    assert!(!tokens::keep(&mut conn, claim.connection_id, claim.generation, Some(claim.fence), &late).await.unwrap());
    assert!(!tokens::keep(&mut conn, claim.connection_id, claim.generation, None, &late).await.unwrap());
    assert!(!tokens::release(&mut conn, claim, app.clock.now(), true).await.unwrap());
    assert!(!tokens::rest(&mut conn, claim.connection_id, claim.generation, Some(claim.fence)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_arrived_while_the_database_was_away_waits_on_disk_and_is_replayed() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_millis(300);
    });
    app.advance(minutes(40));
    cut_off_while_spending(&app).await;
    let spool = Spool::open(&app.directory.path().join("spool")).unwrap();
    assert!(!spool.is_empty(), "the rotated token is on disk");
    let files: String = spool_files(&app).into_iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(!files.contains("RT1-"), "and it is sealed");
    let files = spool_files(&app);
    let kept: Vec<_> = files.iter().map(|path| (path, std::fs::read(path).unwrap())).collect();
    app.app.keeper.round().await.unwrap();
    assert!(spool.is_empty());
    // A crash before the file was removed replays it once more: the ledger must not forget what it brought.
    kept.iter().for_each(|(path, reply)| std::fs::write(path, reply).unwrap());
    app.app.keeper.round().await.unwrap();
    assert!(spool.is_empty());
    assert_eq!(app.count("select count(*) from spends where outcome = 'discarded'").await, 0);
    let row = app.connection(Provider::Quickbooks).await;
    assert_eq!((row.status, row.generation), (Status::Connected, 2));
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.latency = Duration::ZERO);
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.connection(Provider::Quickbooks).await.generation, 3, "the replayed token works");
    app.execute("update tokens set lease_until = null").await;
    app.leaves_something_open();
}

fn spool_files(app: &TestApp) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(app.directory.path().join("spool")).unwrap().flatten().map(|entry| entry.path()).collect()
}
