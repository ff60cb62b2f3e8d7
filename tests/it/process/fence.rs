//! The program on a restored database: it stays up, touches nothing, says what to do, and goes on when told.

use lamplighter::provider::Provider;

use super::{Daemon, Installation, database_url, town, until};
use crate::{
    fence::{copy, restore},
    harness::new_database,
};

async fn ready(daemon: &Daemon, status: u16) -> String {
    until(&format!("/readyz to answer {status}"), async || {
        assert_eq!(daemon.status("healthz").await, Some(200), "{}", daemon.output());
        let visit = daemon.get("readyz").await?;
        (visit.status.as_u16() == status).then_some(visit.body)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_database_holds_the_daemon_back_until_it_is_told() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let nothing = installation.run(&["resume"]).await.ok();
    assert!(nothing.stdout.contains("Nothing to resume"), "{}", nothing.stdout);
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    ready(&daemon, 200).await;
    let renewed = until("a renewal", async || {
        let row = installation.connection(Provider::Quickbooks).await;
        row["generation"].as_i64().filter(|generation| *generation > 1)
    });
    renewed.await;
    daemon.terminate().await;
    let copied = copy(&database, "copied").await;

    let installation = installation.set("database.url", &database_url(&copied));
    let daemon = installation.up().await;
    let body = ready(&daemon, 503).await;
    assert!(body.contains("\"fence\"") && body.contains("lamplighter resume"), "{body}");
    let spent = |sandbox: &lamplighter::sandbox::Sandbox| sandbox.oauth_calls(Provider::Quickbooks);
    let before = spent(&sandbox);
    until("the operator's mail", async || (sandbox.mails().len() == 1).then_some(())).await;
    let doctor = installation.run(&["doctor", "--quiet"]).await;
    assert_eq!(doctor.code, 3, "{}", doctor.stdout);
    assert!(doctor.stdout.contains("this database is a copy"), "{}", doctor.stdout);
    let shown = installation.run(&["resume"]).await;
    assert_eq!(shown.code, 3, "{}", shown.stderr);
    for words in ["this database is a copy", "2 connections", "--accept-restored-tokens", "database.url", "Nothing was"]
    {
        assert!(shown.stdout.contains(words), "{words:?} is missing in\n{}", shown.stdout);
    }
    let json = installation.run(&["resume", "--json"]).await;
    assert_eq!((json.code, json.json()["fenced"].as_bool()), (3, Some(true)));
    assert_eq!(json.json()["report"]["finding"]["case"], "moved", "{}", json.stdout);
    assert_eq!((spent(&sandbox), sandbox.mails().len()), (before, 1), "something went out");
    assert_eq!(daemon.output().matches("RESTORE FENCE").count(), 1, "{}", daemon.output());

    let accepted = installation.run(&["resume", "--accept-restored-tokens"]).await.ok();
    assert!(accepted.stdout.contains("epoch 2"), "{}", accepted.stdout);
    ready(&daemon, 200).await;
    until("it to go on without a restart", async || (spent(&sandbox) > before).then_some(())).await;
    installation.run(&["resume"]).await.ok();
    daemon.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_under_a_running_daemon_is_noticed() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    ready(&daemon, 200).await;
    let saved = copy(&database, "saved").await;
    let calls = sandbox.oauth_calls(Provider::Quickbooks);
    until("renewals after the backup", async || (sandbox.oauth_calls(Provider::Quickbooks) > calls + 1).then_some(()))
        .await;
    restore(&database, &saved, true).await;
    let body = ready(&daemon, 503).await;
    assert!(body.contains("was set back"), "{body}");
    assert_eq!(sandbox.concurrent_spends(), 0);
    let accepted = installation.run(&["resume", "--accept-restored-tokens", "--json"]).await.ok().json();
    assert_eq!((accepted["fenced"].as_bool(), accepted["accepted_epoch"].as_i64()), (Some(false), Some(2)));
    ready(&daemon, 200).await;
    daemon.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_machine_joins_the_daemons_that_work_already() {
    let (sandbox, database) = (town().await, new_database().await);
    let first = Installation::on(&sandbox, &database).await;
    let one = first.up().await;
    first.connect(&sandbox).await;
    ready(&one, 200).await;
    let keys = first.data().join("vault.keys");
    let second = Installation::on(&sandbox, &database).await.set("vault.keys_file", keys.to_str().unwrap());
    let two = second.up().await;
    ready(&two, 200).await;
    until("the word that it joins", async || two.output().contains("joining it").then_some(())).await;
    assert!(sandbox.mails().is_empty(), "nobody is asked");
    two.terminate().await;
    one.terminate().await;
}
