//! Two daemons: on one data directory, and on one database.

use std::{collections::BTreeSet, time::Duration};

use lamplighter::provider::Provider;

use super::{Installation, free_address, number, town, until};
use crate::harness::{HUB, REALM, left_behind, new_database, order};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_one_data_directory_is_turned_away() {
    let installation = Installation::beside(&town().await);
    installation.run(&["key", "generate"]).await.ok();
    let daemon = installation.up().await;
    let elsewhere = format!("web.listen={}", free_address());
    let said = installation.run(&["serve", "--set", &elsewhere]).await;
    assert_eq!(said.code, 1, "{}", said.stderr);
    let data = installation.data();
    for word in ["another lamplighter is running on", data.to_str().unwrap(), "database.url"] {
        assert!(said.stderr.contains(word), "{word:?} is missing in\n{}", said.stderr);
    }
    assert_eq!(daemon.status("readyz").await, Some(200), "the first one was disturbed");
    daemon.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_share_one_database_and_its_work() {
    let (sandbox, database) = (town().await, new_database().await);
    // Long enough for the other one to try the same.
    sandbox.switch(Provider::Quickbooks, |switches| switches.latency = Duration::from_millis(300));
    let first = Installation::on(&sandbox, &database).await;
    let keys = first.data().join("vault.keys");
    let second = Installation::on(&sandbox, &database).await.set("vault.keys_file", keys.to_str().unwrap());
    let (one, two) = (first.up().await, second.up().await);
    first.connect(&sandbox).await;
    for number in 1..=20 {
        sandbox.place_order(HUB, order(&format!("SHARED-{number}"), 1_000 + number));
    }
    let arrived =
        sandbox.wait_until(Duration::from_secs(60), |world| (world.documents(REALM).len() >= 20).then_some(())).await;
    assert!(arrived.is_some(), "{} of 20 orders arrived", sandbox.documents(REALM).len());
    until("both to renew tokens", async || {
        (number(&database, "select count(distinct daemon) from spends").await == 2).then_some(())
    })
    .await;
    // What one of them leaves behind is the other's.
    one.kill_hard().await;
    let spent = sandbox.token_calls(Provider::Quickbooks).len();
    let renewed = sandbox.wait_until(Duration::from_secs(60), |world| {
        (world.token_calls(Provider::Quickbooks).len() > spent + 1).then_some(())
    });
    renewed.await.expect("the other one goes on");
    sandbox.place_order(HUB, order("SHARED-21", 2_100));
    until("all orders settled", async || {
        (number(&database, "select count(*) from orders where status = 'posted'").await == 21).then_some(())
    })
    .await;
    until("the leases of the dead to run out", async || (left_behind(database.clone()).await == 0).then_some(())).await;
    two.terminate().await;
    let documents = sandbox.documents(REALM);
    let numbers: BTreeSet<_> = documents.iter().map(|document| document.doc_number.clone()).collect();
    assert_eq!((documents.len(), numbers.len()), (21, 21), "an order was posted twice");
    assert_eq!(sandbox.concurrent_spends(), 0, "a refresh token was spent twice at the same time");
    assert_eq!(left_behind(database).await, 0, "a spend, an attempt or a lease was left open");
}
