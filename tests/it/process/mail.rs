//! A mail server that is not there: nothing is lost, and it is said.

use std::{fs, time::Duration};

use lamplighter::{
    clock::Clock,
    provider::Provider,
    sandbox::{Listen, Sandbox},
};

use super::{Installation, Said, free_address, number, run, town, until};
use crate::{
    alerts::bounces::notification,
    harness::{OPERATOR, OWNER, REALM, new_database},
};

#[tokio::test(flavor = "multi_thread")]
async fn mails_wait_for_their_server() {
    let (sandbox, database) = (town().await, new_database().await);
    let post_office = free_address();
    let installation = Installation::on(&sandbox, &database).await.set("smtp.port", &post_office.port().to_string());
    let daemon = installation.up().await;
    until("the warning", async || {
        let output = daemon.output();
        let warning = output.lines().find(|line| line.contains("the SMTP server cannot be used"))?.to_owned();
        assert!(warning.contains("WARN") && warning.contains("correct [smtp]"), "{warning}");
        Some(())
    })
    .await;
    let doctor = installation.run(&["doctor"]).await;
    assert_eq!(doctor.code, 3, "{}{}", doctor.stdout, doctor.stderr);
    let complaint = doctor.stdout.lines().find(|line| line.starts_with("FAIL")).unwrap();
    assert!(complaint.contains("the SMTP server cannot be used"), "{complaint}");
    assert!(doctor.stdout.contains("-> correct [smtp]"), "{}", doctor.stdout);

    installation.connect(&sandbox).await;
    assert!(sandbox.revoke(Provider::Quickbooks, REALM));
    until("a mail that was tried", async || {
        (number(&database, "select count(*) from mails where attempts > 1 and sent_at is null").await == 1)
            .then_some(())
    })
    .await;
    assert_eq!(daemon.status("healthz").await, Some(200));

    let at = Listen { smtp: post_office, ..Listen::default() };
    let office = Sandbox::start(Clock::system(), at).await.unwrap();
    let mails =
        office.wait_until(Duration::from_secs(60), |world| Some(world.mails()).filter(|mails| !mails.is_empty()));
    let mails = mails.await.expect("the mail goes out");
    assert!(mails[0].to.iter().any(|to| to.contains(OWNER)), "{:?}", mails[0].to);
    until("the mail to be ticked off", async || {
        (number(&database, "select count(*) from mails where sent_at is null").await == 0).then_some(())
    })
    .await;
    installation.run(&["doctor"]).await.ok();
    daemon.terminate().await;
    assert_eq!(office.mails().len(), 1, "one incident, one mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mail_server_returns_is_read_from_standard_input() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    assert!(sandbox.revoke(Provider::Quickbooks, REALM));
    let first = until("the mail", async || sandbox.mails().into_iter().find(|mail| mail.to == [OWNER])).await;
    until("the mail to be ticked off", async || {
        (number(&database, "select count(*) from mails where sent_at is null").await == 0).then_some(())
    })
    .await;
    let (_, id) = first.headers.iter().find(|(name, _)| name == "Message-ID").unwrap();
    let read = async |mail: String, json: bool| -> Said {
        let file = installation.home.path().join("returned");
        fs::write(&file, mail).unwrap();
        let arguments = ["alert", "bounce", "--json"];
        let mut command = installation.command(&arguments[..2 + usize::from(json)]);
        command.stdin(fs::File::open(&file).unwrap());
        run(command).await
    };
    let no_mail = read("Hello".to_owned(), false).await;
    assert!(no_mail.code == 3 && no_mail.stderr.contains("RFC 3464"), "{}", no_mail.stderr);
    let foreign = read(notification("<1@shop.example>", "failed"), false).await;
    assert!(foreign.code == 3 && foreign.stdout.contains("nothing was noted"), "{}", foreign.stdout);
    let late = read(notification(id, "delayed"), true).await.ok().json();
    assert_eq!(late["outcome"], "not_final");
    let noted = read(notification(id, "failed"), false).await.ok().stdout;
    assert!(noted.contains("about Harbor Books: it came back"), "{noted}");
    assert_eq!(read(notification(id, "failed"), true).await.ok().json()["outcome"], "known");
    until("the operator to be told", async || sandbox.mails().iter().any(|mail| mail.to == [OPERATOR]).then_some(()))
        .await;
    daemon.terminate().await;
}
