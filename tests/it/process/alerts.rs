//! `lamplighter alert`, as an operator uses it.

use std::fs;

use lamplighter::provider::Provider;

use super::{Installation, free_address, town, until};
use crate::harness::{OWNER, REALM, new_database};

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_listed_shown_acknowledged_snoozed_and_closed() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let said = installation.run(&["alert", "list"]).await.ok();
    assert!(said.stdout.contains("Nothing is open."), "{}", said.stdout);
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    assert!(sandbox.revoke(Provider::Quickbooks, REALM));
    until("the mail", async || sandbox.mails().iter().any(|mail| mail.to == [OWNER]).then_some(())).await;

    let rows = installation.run(&["alert", "list", "--json"]).await.ok().json();
    assert_eq!(
        (&rows[0]["kind"], &rows[0]["account"]),
        (&"connection_lapsed".into(), &"Harbor Books".into()),
        "{rows}"
    );
    let id = rows[0]["id"].as_str().unwrap();
    let short = &id[id.len() - 8..];
    let listed = installation.run(&["alert", "list"]).await.ok().stdout;
    assert!(listed.contains(short) && listed.contains("Connection lapsed") && listed.contains("open"), "{listed}");

    let said = installation.run(&["alert", "snooze", short, "--for", "2d"]).await.ok().stdout;
    assert!(said.contains("nobody is reminded of it before") && said.contains("UTC"), "{said}");
    installation.run(&["alert", "ack", short]).await.ok();
    let shown = installation.run(&["alert", "show", short]).await.ok().stdout;
    for words in ["Mails to the owner", OWNER, "Done by hand", "alert.snooze by command line ", "connection explain"] {
        assert!(shown.contains(words), "{words:?} is missing in\n{shown}");
    }
    let told = installation.run(&["alert", "show", short, "--json"]).await.ok().json();
    assert_eq!(told["mails"][0]["step"], "opened", "{told}");
    assert_eq!(told["history"][0]["action"], "alert.acknowledge", "{told}");
    assert!(told["alert"]["acknowledged_by"].as_str().unwrap().contains('@'), "{told}");

    installation.run(&["alert", "resolve", id]).await.ok();
    let again = installation.run(&["alert", "resolve", id]).await;
    assert_eq!(again.code, 1, "{}", again.stdout);
    assert!(again.stderr.contains("is over since"), "{}", again.stderr);
    let missing = installation.run(&["alert", "ack", "123456"]).await;
    assert!(missing.code == 1 && missing.stderr.contains("alert list --all"), "{}", missing.stderr);
    assert!(installation.run(&["alert", "list", "--all"]).await.ok().stdout.contains("over, "));
    daemon.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mail_is_written_to_files() {
    let installation = Installation::bare().set("smtp.from", "Books <books@operator.example>");
    let dir = installation.home.path().join("mails");
    let dir_name = dir.display().to_string();
    let said = installation.run(&["alert", "preview", "--dir", &dir_name]).await.ok();
    assert!(said.stdout.contains("lapsed_quickbooks_revoked") && said.stdout.contains("Last reminder"));
    let count = |ending: &str| {
        let files = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|found| found == ending)).count()
    };
    assert!(count("txt") > 30 && count("txt") == count("html") && count("html") == count("eml"));
    let mail = fs::read_to_string(dir.join("recovered.eml")).unwrap();
    for header in ["From: Books <books@operator.example>", "Auto-Submitted: auto-generated", "Date: ", "Message-ID: <"]
    {
        assert!(mail.contains(header), "{header}\n{mail}");
    }
    let none = installation.run(&["alert", "preview", "--dir", &dir_name, "--mail", "nothing"]).await;
    assert!(none.code == 1 && none.stderr.contains("choose one of lapsed_"), "{}", none.stderr);
    let one = installation.run(&["alert", "preview", "--dir", &dir_name, "--mail", "reminder_last", "--json"]).await;
    assert_eq!(one.ok().json()["mails"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_mail_is_sent_and_the_servers_answer_is_said() {
    let sandbox = town().await;
    let installation = Installation::beside(&sandbox).set("alerts.reply_to", "Help <help@operator.example>");
    let said = installation.run(&["alert", "test", "--to", "Zoë Ø <zoe@post.example>"]).await.ok();
    assert!(said.stdout.contains("took the mail to zoe@post.example: 250 2.0.0 Kept"), "{}", said.stdout);
    let mails = sandbox.mails();
    assert_eq!(mails[0].to, ["zoe@post.example"]);
    assert!(mails[0].headers.iter().any(|(name, value)| name == "Reply-To" && value.contains("help@operator.example")));

    sandbox.refuse_mail(Some(550));
    let said = installation.run(&["alert", "test", "--to", "gone@post.example"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("550") && said.stderr.contains("-> the server refuses the address"),
        "{}",
        said.stderr
    );
    sandbox.refuse_mail(Some(451));
    let told = installation.run(&["alert", "test", "--to", "gone@post.example", "--json"]).await;
    assert_eq!(told.code, 1);
    assert!(told.json()["remedy"].as_str().unwrap().contains("greylisting"), "{}", told.stdout);
    let nowhere = installation.set("smtp.port", &free_address().port().to_string());
    let said = nowhere.run(&["alert", "test", "--to", "ada@post.example"]).await;
    assert!(said.code == 1 && said.stderr.contains("reachable from this machine"), "{}", said.stderr);
}
