//! A verdict, its alert and its mail are stored together or not at all.

use lamplighter::{provider::Provider::Quickbooks, store::connections::Status};

use crate::harness::{OWNER, REALM, TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn a_lapse_whose_mail_cannot_be_queued_is_none_and_is_told_later() {
    let (app, _) = TestApp::connected().await;
    assert!(app.sandbox.revoke(Quickbooks, REALM));
    app.advance(minutes(40));
    app.execute("create function refuse() returns trigger language plpgsql as 'begin raise exception $$full$$; end'")
        .await;
    app.execute("create trigger refuse before insert on mails for each row execute function refuse()").await;
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 0);
    assert_eq!(app.connection(Quickbooks).await.status, Status::Connected, "nobody was told of a lapse");
    assert_eq!(app.count("select count(*) from alerts").await, 0);
    app.execute("drop trigger refuse on mails").await;
    app.execute(
        "update tokens set lease_until = clock_timestamp() - interval '1 second', leased_by = 'takeover'
         where lease_until is not null",
    )
    .await;
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    assert_eq!(app.connection(Quickbooks).await.status, Status::Lapsed);
    assert!(app.mails(1).await[0].to.iter().all(|to| to.contains(OWNER)));
}
