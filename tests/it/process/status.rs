//! The screen of whoever is on call, and the commands around it, as a shell sees them.

use lamplighter::provider::Provider;

use super::{Installation, program, run, town, until};
use crate::{
    harness::{OWNER, REALM, TestApp, minutes, new_database},
    webhooks::Receiver,
};

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_needs_a_person_and_works_while_the_daemon_is_down() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let down = installation.run(&["status"]).await;
    assert_eq!(down.code, 3, "{}", down.stderr);
    assert!(down.stdout.contains("no daemon runs") && down.stdout.contains("systemctl start"), "{}", down.stdout);
    assert!(!down.stdout.contains('\u{1b}'), "no colours into a pipe");

    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    let well = until("all to be well", async || {
        let said = installation.run(&["status", "--json"]).await;
        (said.code == 0).then_some(said)
    })
    .await;
    assert_eq!(well.json()["daemons"].as_array().unwrap().len(), 1);
    assert!(well.json()["attention"].as_array().unwrap().iter().all(|item| item["urgency"] == "watch"));
    let shown = installation.run(&["status"]).await.ok();
    assert!(shown.stdout.contains("1 daemon works") && shown.stdout.contains("QuickBooks"), "{}", shown.stdout);

    sandbox.revoke(Provider::Quickbooks, REALM);
    let lapsed = until("the lapse to be shown", async || {
        let said = installation.run(&["status", "--json"]).await;
        let items = said.json()["attention"].clone();
        items.as_array().unwrap().iter().any(|item| item["id"] == "lapsed").then_some(said)
    })
    .await;
    assert_eq!((lapsed.code, lapsed.json()["state"].as_str()), (3, Some("act")));
    drop(daemon);
}

/// What the screen says needs a person of this kind: the words, who is named, and the remedy.
async fn item(installation: &Installation, id: &str) -> Option<(String, String, String)> {
    let said = installation.run(&["status", "--json"]).await;
    assert_eq!(said.code, 3, "{}", said.stderr);
    let items = said.json()["attention"].as_array().unwrap().clone();
    let item = items.iter().find(|item| item["id"] == id)?;
    assert_eq!(item["urgency"], "act");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Some((text(&item["message"]), text(&item["named"][0]["what"]), text(&item["remedy"])))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_that_mails_to_owners_are_held_until_somebody_decides() {
    let app = TestApp::start_with(&[("alerts.storm_after", "1")]).await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    for (name, realm) in [("Ann's", "4620816365212400001"), ("Bea's", "4620816365212400002")] {
        app.sandbox.add_company(realm, name);
        let account = app.account(name).await;
        app.connect(&account, Provider::Quickbooks, realm).await;
        assert!(app.sandbox.revoke(Provider::Quickbooks, realm));
    }
    app.advance(minutes(45));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 2);
    app.mails(1).await;
    let (message, _, remedy) = item(&installation, "held").await.unwrap();
    assert!(message.ends_with("very many connections lapsed at once: 2 at QuickBooks"), "{message}");
    assert_eq!(remedy, "lamplighter alert release quickbooks, or with --drop");
    installation.run(&["alert", "release", "quickbooks"]).await.ok();
    assert_eq!(item(&installation, "held").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_whose_address_takes_no_mail() {
    let (app, account) = TestApp::connected().await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    assert_eq!(item(&installation, "refused").await, None);
    app.sandbox.refuse_recipient(OWNER, true);
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(45));
    app.app.keeper.round().await.unwrap();
    app.app.outbox.round().await.unwrap();
    app.mails(1).await;
    let (message, named, remedy) = item(&installation, "refused").await.unwrap();
    assert_eq!(message, "1 address takes no mail: what was to be told there waits");
    assert!(named.starts_with(&format!("{}: ", account.name)) && named.contains("550"), "{named}");
    assert_eq!(remedy, "lamplighter account owner \"Harbor Books\" --email ADDRESS");
    let repaired = ["account", "owner", "Harbor Books", "--email", "mara@harborbooks.example"];
    installation.run(&repaired).await.ok();
    app.mails(3).await;
    assert_eq!(item(&installation, "refused").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_added_tried_listed_and_removed_by_hand() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let receiver = Receiver::start().await;
    let add = |url: &str| vec!["webhook".to_owned(), "add".to_owned(), url.to_owned()];
    let run_all = async |arguments: &[String]| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        installation.run(&arguments).await
    };
    let plain = run_all(&add("http://books.example/hooks")).await;
    assert_eq!(plain.code, 1);
    assert!(plain.stderr.contains("https://"), "{}", plain.stderr);
    let added = run_all(&add(&receiver.url)).await.ok();
    let secret = added.stdout.trim().to_owned();
    assert!(secret.starts_with("whsec_"), "{}", added.stdout);
    assert!(added.stderr.contains("lamplighter webhook test"), "{}", added.stderr);
    assert_eq!(run_all(&add(&receiver.url)).await.code, 1, "the same twice");

    let listed = installation.run(&["webhook", "list", "--json"]).await.ok();
    let id = listed.json()[0]["id"].as_str().unwrap().to_owned();
    let short = &id[..13];
    installation.run(&["webhook", "test", short]).await.ok();
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(receiver.received()[0].json()["type"], "webhook.test");
    receiver.answer(&[500]);
    let refused = installation.run(&["webhook", "test", &id]).await;
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("it answered 500"), "{}", refused.stderr);
    let messages = installation.run(&["webhook", "deliveries"]).await.ok();
    assert!(messages.stdout.contains("No message yet"), "{}", messages.stdout);
    let everything = super::everything(&database).await;
    assert!(everything.contains("webhook.add") && !everything.contains(&secret), "the secret lies open");
    installation.run(&["webhook", "remove", &id]).await.ok();
    let gone = installation.run(&["webhook", "test", &id]).await;
    assert_eq!(gone.code, 1);
    assert!(gone.stderr.contains("lamplighter webhook list"), "{}", gone.stderr);
    assert!(super::everything(&database).await.contains("webhook.remove"));
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_manual_pages_need_no_configuration() {
    let bash = run(program(&["completions", "bash"])).await.ok();
    assert!(bash.stdout.contains("_lamplighter()") && bash.stdout.contains("deliveries"), "{}", bash.stdout.len());
    let man = run(program(&["man"])).await.ok();
    assert!(man.stdout.contains(".TH lamplighter 1") && man.stdout.contains("Exit codes"), "{}", man.stdout);
    let directory = tempfile::tempdir().unwrap();
    let wrote = run(program(&["man", "--dir", directory.path().to_str().unwrap()])).await.ok();
    assert!(wrote.stdout.contains("manual pages"), "{}", wrote.stdout);
    let page = std::fs::read_to_string(directory.path().join("lamplighter-order-list.1")).unwrap();
    assert!(page.contains("superseded") && page.contains("Exit codes"), "{page}");
    let help = run(program(&["order", "list", "--help"])).await.ok();
    assert!(help.stdout.contains("Exit codes: 0 done"), "{}", help.stdout);
}
