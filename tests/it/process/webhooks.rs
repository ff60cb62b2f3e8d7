//! `kill -9` between what an endpoint has taken and the note that it has.

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt as _};

use lamplighter::store::webhooks::Event;
use nix::sys::signal::Signal;
use secrecy::SecretString;
use sqlx::{Connection as _, PgConnection};

use super::{Installation, changes::dying_at, number, town, until};
use crate::{
    harness::{HUB, left_behind, new_database, order},
    webhooks::Receiver,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_after_sending_sends_the_same_message_again_and_loses_none() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let receiver = Receiver::start().await;
    let add = ["webhook", "add", &receiver.url, "--event", Event::OrderPosted.as_str()];
    let secret = SecretString::from(installation.run(&add).await.ok().stdout.trim());
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    daemon.terminate().await;
    let names = ["KILL-1", "KILL-2", "KILL-3", "KILL-4", "KILL-5", "KILL-6"];
    for name in names {
        sandbox.place_order(HUB, order(name, 1_000));
    }
    let mut conn = PgConnection::connect_with(&database).await.unwrap();
    let mut cut_off = BTreeSet::new();
    for _ in 0..2 {
        let mut daemon = dying_at(&installation, "webhook_sent");
        assert_eq!(daemon.ended().await.signal(), Some(Signal::SIGKILL as i32), "{}", daemon.output());
        cut_off.extend(receiver.received().into_iter().map(|message| message.id));
        assert!(!cut_off.is_empty(), "it was sent before it died");
        let told = number(&database, "select count(*) from webhook_deliveries where delivered_at is not null").await;
        assert_eq!(told, 0, "and nobody knows");
        // As time would.
        sqlx::query("update webhook_deliveries set lease_until = clock_timestamp() - interval '1 s' where leased_by is not null")
            .execute(&mut conn)
            .await
            .unwrap();
    }
    let daemon = installation.up().await;
    until("every order to be told", async || {
        let posted = number(&database, "select count(*) from webhook_deliveries where delivered_at is not null").await;
        (posted == names.len() as i64 && left_behind(database.clone()).await == 0).then_some(())
    })
    .await;
    daemon.terminate().await;
    let received = receiver.received();
    assert!(received.iter().all(|message| message.signed_with(&secret)), "{received:?}");
    let told: BTreeSet<_> =
        received.iter().map(|one| one.json()["data"]["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, names.map(str::to_owned).into(), "nothing is lost");
    let ids: BTreeSet<_> = received.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids.len(), names.len(), "a repeat has the id of the first: {received:?}");
    for id in &cut_off {
        let copies: Vec<_> = received.iter().filter(|message| message.id == *id).collect();
        assert!(copies.len() >= 2 && copies.iter().all(|copy| copy.body == copies[0].body), "{copies:?}");
    }
    for arguments in [
        vec!["webhook", "list", "--json"],
        vec!["webhook", "deliveries", "--json"],
        vec!["config", "show"],
        vec!["alert", "list", "--all", "--json"],
        vec!["status", "--json"],
    ] {
        let said = installation.run(&arguments).await;
        let said = format!("{}{}", said.stdout, said.stderr);
        assert!(!said.contains("whsec_"), "{arguments:?}: {said}");
    }
    let log = std::fs::read_to_string(installation.home.path().join("output")).unwrap();
    assert!(!log.contains("whsec_") && !log.contains("endpoint-secret") && !log.contains("KILL-1"), "{log}");
}
