//! A mail server that is not there: nothing is lost, and it is said.

use std::time::Duration;

use lamplighter::{
    clock::Clock,
    provider::Provider,
    sandbox::{Listen, Sandbox},
};

use super::{Installation, free_address, number, town, until};
use crate::harness::{OWNER, REALM, new_database};

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
