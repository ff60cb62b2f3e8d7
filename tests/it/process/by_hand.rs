//! `connection explain`, `renew` and `disconnect` as a person meets them: words, exit codes, JSON; beside a daemon that runs.

use std::time::Duration;

use lamplighter::{
    provider::Provider::{self, Hubspot, Quickbooks},
    sandbox::{Outage, Rotation, World},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{ACCOUNT, Installation, Said, number, town, until};
use crate::harness::{HUB, OWNER, REALM, new_database, order};

impl Installation {
    async fn on_connection(&self, verb: &str, named: &str, more: &[&str]) -> Said {
        self.run(&[&["connection", verb, named], more].concat()).await
    }
}

#[track_caller]
fn holds(said: &Said, words: &[&str]) {
    for word in words {
        assert!(said.stdout.contains(word) || said.stderr.contains(word), "{word:?}\n{}\n{}", said.stdout, said.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_by_hand() {
    let (sandbox, database) = (town().await, new_database().await);
    // Generations are counted here: the daemon must not renew on its own while somebody types.
    for provider in Provider::ALL {
        sandbox.switch(provider, |switches| switches.access_lifetime = Duration::from_secs(3_600));
    }
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    let id = installation.connection(Quickbooks).await["id"].as_str().unwrap().to_owned();
    let books = format!("{ACCOUNT}/quickbooks");

    let said = installation.on_connection("explain", &books, &[]).await.ok();
    holds(&said, &["CONNECTED", OWNER, REALM, &id, "Access token", "UTC", "renewal", "none yet", "connection renew"]);
    let said = installation.on_connection("renew", REALM, &[]).await.ok();
    holds(&said, &["Renewed", "generation 2", "correlation id", "Access token", "UTC"]);
    let said = installation.on_connection("renew", &id, &["--json"]).await.ok().json();
    assert_eq!((&said["renewed"], &said["connection"]["generation"]), (&true.into(), &3.into()), "{said}");
    assert_eq!(said["spend"]["outcome"], "renewed");
    let said = installation.on_connection("explain", &id, &["--json"]).await.ok().json();
    assert_eq!(said["facts"]["spends"].as_array().map(Vec::len), Some(2), "{said}");
    assert_eq!(said["facts"]["connection"]["status"], "connected");
    assert!(said["why"][0].is_string() && said["next"][0]["what"].is_string() && said["try"][0].is_string(), "{said}");

    for verb in ["explain", "renew", "disconnect"] {
        let said = installation.on_connection(verb, "Nobody/quickbooks", &[]).await;
        assert_eq!(said.code, 1);
        holds(&said, &["\"Nobody/quickbooks\" names no connection", "lamplighter connection list"]);
    }

    let would = installation.on_connection("disconnect", &id, &[]).await;
    assert_eq!(would.code, 2, "{}", would.stdout);
    holds(&would, &["Nothing was done", "--yes", "QuickBooks is told", "connection link --account \"Harbor Books\""]);
    assert_eq!(installation.connection(Quickbooks).await["status"], "connected");
    let done = installation.on_connection("disconnect", &id, &["--yes"]).await.ok();
    holds(&done, &["QuickBooks took its grant back", "correlation id", "erased"]);
    assert!(sandbox.connected(Quickbooks).is_empty());
    let again = installation.on_connection("disconnect", &id, &["--yes", "--json"]).await.ok().json();
    assert_eq!((&again["disconnected"], &again["given_back"]), (&true.into(), &true.into()), "{again}");
    let said = installation.on_connection("disconnect", &id, &[]).await;
    holds(&said, &["nothing: it was disconnected"]);
    let said = installation.on_connection("renew", &id, &["--now"]).await;
    assert_eq!(said.code, 1);
    holds(&said, &["is disconnected", "connection link"]);
    let said = installation.on_connection("explain", &id, &[]).await.ok();
    holds(&said, &["DISCONNECTED", "Somebody chose to end it", "has its grant back", "tokens are erased"]);

    let deeds = installation.run(&["audit", "--account", "Harbor Books", "--json"]).await.ok().json();
    let deeds: Vec<_> = deeds.as_array().unwrap().iter().map(|deed| deed["action"].as_str().unwrap()).collect();
    let (end, renewal) = ("connection.disconnect", "connection.renew");
    assert_eq!(deeds[..5], [renewal, end, end, renewal, renewal], "the latest first; a look is no deed");
    assert_eq!(deeds.last(), Some(&"account.add"), "{deeds:?}");

    // A new connect of the same company: the orders that waited flow, by the daemon that ran all the time.
    sandbox.place_order(HUB, order("A-1", 100));
    until("the order to come in", async || {
        (number(&database, "select count(*) from orders where status = 'queued'").await == 1).then_some(())
    })
    .await;
    installation_reconnects(&installation, &sandbox).await;
    until("the order to be posted", async || (sandbox.documents(REALM).len() == 1).then_some(())).await;
    assert_eq!(installation.connection(Quickbooks).await["id"], id.as_str());

    // The portal's grant dies there: found out by hand, told once.
    assert!(sandbox.revoke(Hubspot, HUB));
    let said = installation.on_connection("renew", HUB, &[]).await;
    assert_eq!(said.code, 3, "{}{}", said.stdout, said.stderr);
    holds(&said, &["has lapsed", "Only its owner can repair it", "connection link"]);
    until("the lapse", async || (installation.connection(Hubspot).await["status"] == "lapsed").then_some(())).await;
    assert_eq!(installation.on_connection("renew", HUB, &["--now", "--risk-unanswered"]).await.code, 3);
    until("the owner's mail", async || (sandbox.mails().len() == 1).then_some(())).await;
    let said = installation.on_connection("explain", HUB, &[]).await.ok();
    holds(
        &said,
        &["LAPSED", "revoked at the provider", "rule grant_dead", "BAD_REFRESH_TOKEN", "the owner was mailed"],
    );
    daemon.terminate().await;
    assert_eq!(sandbox.mails().len(), 1, "nobody is mailed about what somebody chose");
    assert_eq!(sandbox.concurrent_spends(), 0);
}

async fn installation_reconnects(installation: &Installation, sandbox: &lamplighter::sandbox::Sandbox) {
    sandbox.choose(Provider::Quickbooks, REALM);
    let link = installation.link(Quickbooks).await;
    let visit = lamplighter::sandbox::Visitor::new().unwrap().open(&link).await.unwrap();
    assert!(visit.status.is_success(), "{}", visit.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_now_is_said_with_what_to_do() {
    let (sandbox, database) = (town().await, new_database().await);
    // Pauses outlast the test.
    let installation =
        Installation::on(&sandbox, &database).await.set("keeper.retry_min", "10m").set("keeper.retry_max", "1h");
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    daemon.terminate().await;
    let id = installation.connection(Quickbooks).await["id"].as_str().unwrap().to_owned();
    sandbox.switch(Quickbooks, |switches| switches.outage = Outage::Status503);
    let said = installation.on_connection("renew", &id, &[]).await;
    assert_eq!(said.code, 1);
    holds(&said, &["Not renewed", "QuickBooks has a problem of its own", "HTTP 503", "Next try", "UTC"]);
    let said = installation.on_connection("renew", &id, &[]).await;
    assert_eq!(said.code, 1);
    holds(&said, &["it rests until", "--now"]);
    assert!(!said.stdout.contains("risk-unanswered"));
    sandbox.switch(Quickbooks, |switches| {
        switches.outage = Outage::None;
        switches.rotation = Rotation::Never;
        switches.lost_token_replies = 1;
    });
    let said = installation.on_connection("renew", &id, &["--now"]).await;
    assert_eq!(said.code, 1);
    holds(&said, &["its reply never arrived whole"]);
    let said = installation.on_connection("renew", &id, &["--now"]).await;
    assert_eq!(said.code, 1);
    holds(&said, &["never answered", "can end the grant", "--now --risk-unanswered"]);
    assert_eq!(
        installation.on_connection("renew", &id, &["--risk-unanswered"]).await.code,
        2,
        "it must be named with --now"
    );
    let said = installation.on_connection("explain", &id, &[]).await.ok();
    holds(&said, &["FAILING", "2 failed renewals in a row", "rule reply_lost", "next try", "transient", "unknown"]);
    installation.on_connection("renew", &id, &["--now", "--risk-unanswered"]).await.ok();

    sandbox.switch(Quickbooks, |switches| switches.outage = Outage::Status503);
    let said = installation.on_connection("disconnect", &id, &["--yes"]).await;
    assert_eq!(said.code, 1);
    holds(
        &said,
        &["still lives at QuickBooks", "try it again", &format!("lamplighter connection disconnect {id} --yes")],
    );
    let doctor = installation.run(&["doctor", "--quick"]).await;
    holds(&doctor, &["1 grant disconnected here", &format!("lamplighter connection disconnect {id} --yes")]);
    let said = installation.on_connection("explain", &id, &[]).await.ok();
    holds(&said, &["DISCONNECTED", "may still live at QuickBooks", "HTTP 503", "nothing by itself"]);
    sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
    installation.on_connection("disconnect", &id, &["--yes"]).await.ok();
    assert!(sandbox.connected(Quickbooks).is_empty());
    assert!(sandbox.mails().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_does_not_abandon_a_spend() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    daemon.terminate().await;
    sandbox.switch(Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_millis(1_500);
    });
    let child = installation
        .command(&["connection", "renew", REALM])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let spending = |world: &World| world.is_spending(Quickbooks).then_some(());
    sandbox.wait_until(Duration::from_secs(30), spending).await.expect("it spends");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let (words, complaint) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{words}\n{complaint}");
    assert!(words.contains("Renewed") && complaint.contains("under way"), "{words}\n{complaint}");
    let row: Value = installation.connection(Quickbooks).await;
    assert_eq!((&row["generation"], &row["status"]), (&2.into(), &"connected".into()));
    assert_eq!(number(&database, "select count(*) from spends where outcome = 'renewed'").await, 1);
}
