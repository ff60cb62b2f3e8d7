use proptest::prelude::*;

use super::*;

const ID: &str = "019aa7b2-5c1e-7cc0-8a51-0d5f6f6f1a11";

/// As Postfix writes them.
fn notification(status: &str, returned: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example (Mail Delivery System)\r\nTo: lamplighter@lamps.example\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\r\n\r\n\
         This is a MIME-encapsulated message.\r\n\r\n--B\r\nContent-Description: Notification\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\nI'm sorry to have to inform you.\r\n\r\n--B\r\n\
         Content-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n{status}\r\n--B\r\n\
         {returned}\r\n--B--\r\n"
    )
}

const FAILED: &str = "Reporting-MTA: dns; mx.example\r\nX-Postfix-Queue-ID: 4F0\r\n\
    Arrival-Date: Sat, 21 Nov 2026 22:30:00 +0000 (UTC)\r\n\r\n\
    Final-Recipient: rfc822; ada@harborbooks.example\r\nOriginal-Recipient: rfc822;ada@harborbooks.example\r\n\
    Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mail.harborbooks.example\r\n\
    Diagnostic-Code: smtp; 550 5.1.1 <ada@harborbooks.example>: Recipient\r\n    address rejected: User unknown\r\n";

fn whole() -> String {
    format!("Content-Type: message/rfc822\r\n\r\nMessage-ID: <{ID}@lamps.example>\r\nSubject: x\r\n\r\nHello\r\n")
}

#[test]
fn a_failure_names_the_mail_the_address_and_the_reason() {
    let headers =
        format!("Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\nMessage-ID: <{ID}@lamps.example>\r\n");
    for returned in [whole(), headers] {
        let read = Notification::read(notification(FAILED, &returned).as_bytes()).unwrap();
        assert_eq!(read.ids, [Uuid::try_parse(ID).unwrap()], "{returned}");
        let failure = read.failure.unwrap();
        assert_eq!(failure.recipient.as_deref(), Some("ada@harborbooks.example"));
        assert_eq!(failure.reason, "550 5.1.1 <ada@harborbooks.example>: Recipient address rejected: User unknown");
    }
}

#[test]
fn a_mail_that_is_not_returned_is_named_by_its_envelope_or_by_its_address() {
    let nothing = "Content-Type: text/plain\r\n\r\nNothing is returned.\r\n";
    let named = format!("Original-Envelope-Id: {ID}\r\n{FAILED}");
    let read = Notification::read(notification(&named, nothing).as_bytes()).unwrap();
    assert_eq!(read.ids, [Uuid::try_parse(ID).unwrap()]);
    let read = Notification::read(notification(FAILED, nothing).as_bytes()).unwrap();
    assert!(read.names_nothing() && read.failure.is_some());
    let foreign = "Content-Type: message/rfc822\r\n\r\nMessage-ID: <1@shop.example>\r\n\r\nHello\r\n";
    let read = Notification::read(notification(FAILED, foreign).as_bytes()).unwrap();
    assert!(read.ids.is_empty() && !read.names_nothing(), "another program's mail to the same person");
}

#[test]
fn what_is_not_final_is_no_failure() {
    for action in ["delayed", "delivered", "relayed", "expanded"] {
        let status = FAILED.replace("failed", action);
        assert_eq!(Notification::read(notification(&status, &whole()).as_bytes()).unwrap().failure, None, "{action}");
    }
    let shouted = FAILED.replace("Action: failed", "ACTION: Failed (undeliverable)");
    assert!(Notification::read(notification(&shouted, &whole()).as_bytes()).unwrap().failure.is_some());
    let terse = "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\n";
    let read = Notification::read(notification(terse, &whole()).as_bytes()).unwrap();
    assert_eq!(read.failure.unwrap().reason, "no reason was given");
}

#[test]
fn what_is_no_notification_is_said_to_be_none() {
    for text in ["", "Hello", "From: ada@x.example\r\nSubject: I am away\r\n\r\nBack on Monday.\r\n"] {
        let error = Notification::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("no delivery status notification"), "{error}");
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_in_is_too_odd(cut in 0_usize..1_500, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut mail = notification(FAILED, &whole()).into_bytes();
        let at = cut.min(mail.len());
        mail.splice(at..at, bytes);
        drop(Notification::read(&mail));
        mail.truncate(at);
        drop(Notification::read(&mail));
    }
}
