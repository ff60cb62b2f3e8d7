//! A mail that the server took and that came back.

use lamplighter::{
    alerts::bounce::{self, Notification, Outcome},
    provider::Provider,
    store::{
        accounts::by_hand::{self, Change},
        audit_log::Actor,
    },
};

use super::lapsed;
use crate::harness::{HUB, OPERATOR, OWNER, TestApp, minutes};

/// What a mail server returns.
pub(crate) fn notification(message_id: &str, action: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\r\n\r\n--B\r\n\
         Content-Type: text/plain\r\n\r\nSorry.\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; {OWNER}\r\nAction: {action}\r\n\
         Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 <{OWNER}> unknown\r\n\r\n--B\r\n\
         Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--B--\r\n"
    )
}

impl TestApp {
    async fn returned(&self, message_id: &str, action: &str) -> Outcome {
        let read = Notification::read(notification(message_id, action).as_bytes()).unwrap();
        let actor = Actor::CommandLine("postfix@mx".to_owned());
        bounce::read(&mut *self.conn().await, &read, &self.config.alerts, &actor, self.clock.now()).await.unwrap()
    }

    async fn unreached(&self) -> i64 {
        self.count("select count(*) from alerts where kind = 'recipient_refused' and resolved_at is null").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_comes_back_is_the_operators_to_know_and_goes_to_the_new_address() {
    let (app, account) = lapsed().await;
    let first = app.mails(1).await.remove(0);
    let (_, message_id) = first.headers.iter().find(|(name, _)| name == "Message-ID").unwrap();
    assert!(matches!(app.returned(message_id, "delayed").await, Outcome::NotFinal));
    assert!(matches!(app.returned("<1@shop.example>", "failed").await, Outcome::Foreign));
    assert_eq!(app.unreached().await, 0);
    assert!(matches!(app.returned(message_id, "failed").await, Outcome::Noted(_)));
    assert!(matches!(app.returned(message_id, "failed").await, Outcome::Known(_)));
    let mails = app.mails(2).await;
    assert_eq!((&mails[1].to[..], app.unreached().await), (&[OPERATOR.to_owned()][..], 1));
    let words = mails[1].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("it came back: 550 5.1.1 <the recipient> unknown"), "{words}");

    // A server that takes everything takes the next one, too: that is no all-clear.
    assert!(app.sandbox.revoke(Provider::Hubspot, HUB));
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    app.mails(3).await;
    assert_eq!(app.unreached().await, 1);

    let wanted = Change { owner_email: Some("mara@harborbooks.example"), ..Change::default() };
    let actor = Actor::Operator("ada".to_owned());
    let changed = by_hand::change(&mut *app.conn().await, account.id, wanted, &actor, app.clock.now()).await;
    assert_eq!(changed.unwrap(), Ok(()));
    let mails = app.mails(5).await;
    assert_eq!((&mails[3].to[..], &mails[3].subject), (&["mara@harborbooks.example".to_owned()][..], &first.subject));
    assert_eq!(mails[4].subject, "Lamplighter reaches the owner of Harbor Books again");
    assert_eq!(app.unreached().await, 0);
}
