//! Postgres goes away under a running daemon: somebody else's, and our own.

use std::{fs, time::Duration};

use lamplighter::{provider::Provider, sandbox::Rotation, store::embedded};
use nix::sys::signal::{Signal, kill};
use tempfile::TempDir;

use super::{Daemon, Installation, is_gone, town, until};
use crate::harness::{HUB, REALM, left_behind, order, scratch};

async fn ready(daemon: &Daemon, status: u16) {
    until(&format!("/readyz to answer {status}"), async || {
        assert_eq!(daemon.status("healthz").await, Some(200), "{}", daemon.output());
        (daemon.status("readyz").await == Some(status)).then_some(())
    })
    .await;
}

async fn start(options: &embedded::Options) -> embedded::Server {
    let options = options.clone();
    tokio::task::spawn_blocking(move || embedded::Server::start(&options).unwrap()).await.unwrap()
}

fn directory() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::Builder::new().prefix("lamplighter-process-").tempdir_in(scratch()).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_in_the_middle_of_a_renewal_costs_nothing() {
    let (sandbox, place) = (town().await, directory());
    // What is spent while the database is away must be kept: the value before it is dead at once.
    sandbox.switch(Provider::Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_millis(1_500);
    });
    let options = embedded::Options { root: place.path().join("postgres"), bin_dir: None, durable: false };
    let mut server = start(&options).await;
    let database = embedded::ensure_database(&server, "lamplighter").await.unwrap();
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    ready(&daemon, 200).await;

    let spending = sandbox
        .wait_until(Duration::from_secs(60), |world| world.is_spending(Provider::Quickbooks).then_some(()))
        .await;
    spending.expect("a token is renewed");
    tokio::task::spawn_blocking(move || server.stop().map(|()| drop(server)).unwrap()).await.unwrap();
    let spool = installation.data().join("spool");
    let spooled = || {
        let files = fs::read_dir(&spool).unwrap().flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "json")).count()
    };
    until("the reply on disk", async || (spooled() == 1).then_some(())).await;
    let spent = sandbox.token_calls(Provider::Quickbooks).len();
    ready(&daemon, 503).await;
    let visit = daemon.get("readyz").await.unwrap();
    assert!(visit.body.contains("database.url") && visit.body.contains("renewed token"), "{}", visit.body);
    assert_eq!(sandbox.token_calls(Provider::Quickbooks).len(), spent, "something was spent without a claim");
    sandbox.place_order(HUB, order("WAITED-1", 1_500));

    let server = start(&options).await;
    ready(&daemon, 200).await;
    until("the reply stored", async || (spooled() == 0).then_some(())).await;
    let arrived =
        sandbox.wait_until(Duration::from_secs(60), |world| (world.documents(REALM).len() == 1).then_some(())).await;
    arrived.expect("the order that waited arrives");
    let generation = installation.connection(Provider::Quickbooks).await["generation"].as_i64().unwrap();
    until("renewals that work", async || {
        let row = installation.connection(Provider::Quickbooks).await;
        (row["status"] == "connected" && row["generation"].as_i64().unwrap() > generation).then_some(())
    })
    .await;
    daemon.terminate().await;
    assert_eq!(sandbox.concurrent_spends(), 0);
    assert_eq!(sandbox.mails().len(), 0);
    assert_eq!(left_behind(database).await, 0, "a spend, an attempt or a lease was left open");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_postgres_is_started_again_when_it_is_killed() {
    let sandbox = town().await;
    let installation = Installation::beside(&sandbox);
    installation.run(&["key", "generate"]).await.ok();
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    ready(&daemon, 200).await;
    // The second time it pauses before it starts.
    for _ in 0..2 {
        let killed = installation.postmaster().expect("Postgres runs");
        kill(killed, Signal::SIGKILL).unwrap();
        let started = until("another Postgres", async || {
            assert_eq!(daemon.status("healthz").await, Some(200), "{}", daemon.output());
            installation.postmaster().filter(|pid| *pid != killed)
        })
        .await;
        assert!(is_gone(killed));
        ready(&daemon, 200).await;
        let generation = installation.connection(Provider::Quickbooks).await["generation"].as_i64().unwrap();
        until("renewals that work", async || {
            let row = installation.connection(Provider::Quickbooks).await;
            (row["status"] == "connected" && row["generation"].as_i64().unwrap() > generation).then_some(())
        })
        .await;
        assert_eq!(installation.postmaster(), Some(started));
    }
    let output = daemon.output();
    assert!(output.contains("ended by itself: starting it again"), "{output}");
    let started = installation.postmaster().unwrap();
    daemon.terminate().await;
    assert!(is_gone(started) && !installation.postmaster_file().exists(), "Postgres outlived its daemon");
    assert_eq!(sandbox.concurrent_spends(), 0);
}
