//! `connection probe`, beside a daemon that runs.

use std::time::Duration;

use lamplighter::provider::Provider;

use super::{Installation, number, town, until};
use crate::harness::{OWNER, REALM, new_database};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_asks_whether_a_grant_works() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;

    let said = installation.run(&["connection", "probe", "Harbor Books/quickbooks"]).await.ok();
    for words in ["Asked: company info. Answer: it answers", "The grant works.", "Last seen to work: 20", "Z\n"] {
        assert!(said.stdout.contains(words), "{words:?} is missing in\n{}", said.stdout);
    }
    let row = installation.connection(Provider::Hubspot).await;
    assert!(row["verified_at"].is_string(), "{row}");
    let id = row["id"].as_str().unwrap();
    let told = installation.run(&["connection", "probe", id, "--json"]).await.ok().json();
    assert_eq!((&told["verified"], &told["finding"]["outcome"]), (&true.into(), &"verified".into()), "{told}");
    assert_eq!(told["finding"]["answers"][0]["asked"], "introspection of the refresh token");
    let nobody = installation.run(&["connection", "probe", "Nobody/hubspot"]).await;
    assert_eq!(nobody.code, 1, "{}", nobody.stdout);
    assert!(nobody.stderr.contains("names no connection") && nobody.stderr.contains("connection list"));

    sandbox.lose_permission(REALM, true);
    let said = installation.run(&["connection", "probe", REALM]).await;
    assert_eq!(said.code, 3, "{}", said.stderr);
    for words in ["rule rights_lost, status 403, code 120, correlation id", "does not work any more", "permission lost"]
    {
        assert!(said.stdout.contains(words), "{words:?} is missing in\n{}", said.stdout);
    }
    let told = sandbox
        .wait_until(Duration::from_secs(60), |world| world.mails().iter().any(|mail| mail.to == [OWNER]).then_some(()));
    told.await.expect("the daemon tells the owner");
    let again = installation.run(&["connection", "probe", REALM, "--json"]).await;
    assert_eq!(again.code, 3, "{}", again.stderr);
    assert!(again.json()["finding"].is_null(), "a lapsed one is not asked about: {}", again.stdout);
    until("nothing to be open", async || {
        (number(&database, "select count(*) from spends where finished_at is null").await == 0).then_some(())
    })
    .await;
    assert_eq!(sandbox.mails().len(), 1);
    daemon.terminate().await;
}
