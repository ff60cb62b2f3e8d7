//! `kill -9` of the daemon, at the worst moments, while tokens rotate on every call and orders cross.

use std::time::Duration;

use lamplighter::{
    provider::Provider,
    sandbox::{Rotation, World},
};

use super::{Installation, number, town, until};
use crate::harness::{HUB, REALM, left_behind, new_database, order};

const PATIENCE: Duration = Duration::from_secs(60);

fn calls(world: &World) -> u64 {
    Provider::ALL.iter().map(|provider| world.api_calls(*provider) + world.oauth_calls(*provider)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_loses_no_grant_and_doubles_no_order() {
    let (sandbox, database) = (town().await, new_database().await);
    sandbox.switch(Provider::Quickbooks, |switches| {
        // A new value on every call; the one before is honoured for as long as a crash may take.
        switches.rotation = Rotation::Daily { period: Duration::ZERO, grace: Duration::from_secs(60) };
        switches.latency = Duration::from_millis(300);
    });
    let installation = Installation::on(&sandbox, &database).await;
    let mut daemon = installation.up().await;
    installation.connect(&sandbox).await;
    let mut placed = 0;
    for life in 0..6 {
        let documents = sandbox.documents(REALM).len();
        for _ in 0..2 {
            placed += 1;
            sandbox.place_order(HUB, order(&format!("KILL-{placed}"), 1_000 + placed));
        }
        let moment = match life % 3 {
            // The value is spent and rotated, and its reply is on the way.
            0 => {
                let spending = |world: &World| world.is_spending(Provider::Quickbooks).then_some(());
                sandbox.wait_until(PATIENCE, spending).await
            }
            // The document is made, and nobody was told.
            1 => {
                sandbox.switch(Provider::Quickbooks, |switches| switches.lost_create_replies = 1);
                let made = |world: &World| (world.documents(REALM).len() > documents).then_some(());
                sandbox.wait_until(PATIENCE, made).await
            }
            // In the middle of whatever call comes then.
            _ => {
                let goal = calls(&sandbox) + rand::random_range(1..12);
                sandbox.wait_until(PATIENCE, |world| (calls(world) >= goal).then_some(())).await
            }
        };
        moment.expect("the daemon works");
        daemon.kill_hard().await;
        let before = sandbox.token_calls(Provider::Quickbooks).len();
        daemon = installation.up().await;
        let renewed = sandbox
            .wait_until(PATIENCE, |world| (world.token_calls(Provider::Quickbooks).len() > before).then_some(()));
        renewed.await.expect("the next one carries on");
    }
    let placed = usize::try_from(placed).unwrap();
    let arrived = sandbox.wait_until(PATIENCE, |world| (world.documents(REALM).len() >= placed).then_some(())).await;
    assert!(arrived.is_some(), "{} of {placed} orders arrived", sandbox.documents(REALM).len());
    for provider in Provider::ALL {
        let generation = installation.connection(provider).await["generation"].as_i64().unwrap();
        until("renewals that work", async || {
            let row = installation.connection(provider).await;
            assert_eq!(row["cause"], serde_json::Value::Null, "{row}");
            (row["status"] == "connected" && row["generation"].as_i64().unwrap() > generation + 1).then_some(())
        })
        .await;
    }
    until("every order settled", async || {
        (number(&database, "select count(*) from orders where status <> 'posted'").await == 0).then_some(())
    })
    .await;
    until("the leases of the dead to run out", async || (left_behind(database.clone()).await == 0).then_some(())).await;
    daemon.terminate().await;
    let mut numbers: Vec<_> = sandbox.documents(REALM).into_iter().map(|document| document.doc_number).collect();
    numbers.sort();
    assert_eq!(numbers.len(), placed, "an order was posted twice: {numbers:?}");
    numbers.dedup();
    assert_eq!(numbers.len(), placed, "an order was posted twice: {numbers:?}");
    assert_eq!(sandbox.concurrent_spends(), 0, "a refresh token was spent twice at the same time");
    assert_eq!(sandbox.mails().len(), 0, "somebody was mailed about a crash that healed");
    assert!(number(&database, "select count(*) from spends where outcome = 'unknown'").await >= 2);
    assert_eq!(left_behind(database).await, 0, "a spend, an attempt or a lease was left open");
}
