//! An address that the mail server refuses for good, and a server that cannot be used.

use lamplighter::{
    health::Depth,
    provider::Provider,
    store::{
        accounts::by_hand::{self, Change},
        alerts,
        audit_log::{self, Actor},
    },
};

use super::lapsed;
use crate::harness::{HUB, OPERATOR, OWNER, TestApp, minutes};

async fn open_kinds(app: &TestApp) -> Vec<&'static str> {
    let open = alerts::open_ones(&mut *app.conn().await, 10).await.unwrap();
    let mut kinds: Vec<_> = open.iter().map(|alert| alert.kind.title()).collect();
    kinds.sort_unstable();
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_whose_address_is_refused_is_the_operators_to_find_and_the_new_address_gets_the_mail() {
    let (app, account) = lapsed().await;
    app.sandbox.refuse_recipient(OWNER, true);
    for _ in 0..10 {
        app.app.outbox.round().await.unwrap();
        app.advance(minutes(61));
    }
    let mails = app.mails(1).await;
    assert_eq!(
        (mails[0].to[0].as_str(), mails[0].subject.as_str()),
        (OPERATOR, "Lamplighter cannot mail the owner of Harbor Books")
    );
    assert!(mails[0].text.contains(OWNER) && mails[0].text.contains("account owner"), "{}", mails[0].text);
    assert_eq!(open_kinds(&app).await, ["Connection lapsed", "Mail address refused"]);

    let actor = Actor::Operator("ada".to_owned());
    let wanted = Change { owner_email: Some("mara@harborbooks.example"), ..Change::default() };
    for _ in 0..2 {
        let done = by_hand::change(&mut *app.conn().await, account.id, wanted, &actor, app.clock.now()).await;
        assert_eq!(done.unwrap(), Ok(()), "the second time there is nothing left to do");
    }
    let mails = app.mails(3).await;
    assert_eq!(mails[1].to, ["mara@harborbooks.example"], "at once");
    assert!(mails[1].subject.starts_with("Action needed: reconnect"), "{}", mails[1].subject);
    assert_eq!(mails[2].subject, "Lamplighter reaches the owner of Harbor Books again");
    assert_eq!(open_kinds(&app).await, ["Connection lapsed"]);
    let deeds = audit_log::recent(&mut *app.conn().await, Some(account.id), None, 10).await.unwrap();
    assert_eq!((deeds.len(), deeds[0].action.as_str(), deeds[0].actor.as_str()), (1, "account.change", "operator ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_is_about_us_is_not_the_owners() {
    let (app, _) = lapsed().await;
    // Not about the address: the server takes no mail from us.
    app.sandbox.refuse_mail(Some(454));
    for _ in 0..3 {
        app.app.outbox.round().await.unwrap();
        app.advance(minutes(61));
    }
    assert_eq!(open_kinds(&app).await, ["Connection lapsed"], "a moment's trouble is none");
    app.app.outbox.round().await.unwrap();
    assert_eq!(open_kinds(&app).await, ["Connection lapsed", "Mail server cannot be used"]);
    app.sandbox.refuse_mail(None);
    app.advance(minutes(61));
    app.mails(1).await;
    assert_eq!(open_kinds(&app).await, ["Connection lapsed"]);
    let checks = app.app.health.checks(Depth::Quick).await;
    let mail = checks.iter().find(|check| check.id == "mail").unwrap();
    assert_eq!(mail.message, "no mail is stuck");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_fails_while_others_go_through_is_its_recipients_trouble() {
    let (app, _) = lapsed().await;
    app.sandbox.refuse_recipient_with(OWNER, Some(452));
    app.app.outbox.round().await.unwrap();
    assert!(app.sandbox.revoke(Provider::Hubspot, HUB));
    app.advance(minutes(61));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    app.execute("update mails set recipient = 'mara@lakebooks.example' where attempts = 0").await;
    for _ in 0..2 {
        app.app.outbox.round().await.unwrap();
        app.advance(minutes(61));
    }
    assert_eq!(app.sandbox.mails().len(), 1, "three times may be chance");
    let mails = app.mails(2).await;
    assert_eq!(mails[0].to, ["mara@lakebooks.example"]);
    assert_eq!((mails[1].to[0].as_str(), app.count("select max(attempts)::bigint from mails").await), (OPERATOR, 4));
    assert_eq!(open_kinds(&app).await, ["Connection lapsed", "Connection lapsed", "Mail address refused"]);
    let checks = app.app.health.checks(Depth::Quick).await;
    let mail = checks.into_iter().find(|check| check.id == "mail").unwrap();
    assert_eq!(mail.message, "mail does not reach the owner of Harbor Books: see `lamplighter alert list`");
    assert!(mail.remedy.is_some_and(|remedy| remedy.contains("account owner \"Harbor Books\" --email")));
    for _ in 0..5 {
        app.advance(minutes(61));
        app.mails(2).await;
    }
    app.sandbox.refuse_recipient_with(OWNER, None);
    app.advance(minutes(61));
    assert_eq!(app.mails(4).await[3].subject, "Lamplighter reaches the owner of Harbor Books again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_other_letters_arrives_where_the_server_can_and_is_told_where_it_cannot() {
    let (app, account) = lapsed().await;
    let wanted = Change { owner_email: Some("zoë@büro.example"), ..Change::default() };
    let actor = Actor::Operator("ada".to_owned());
    let done = by_hand::change(&mut *app.conn().await, account.id, wanted, &actor, app.clock.now()).await;
    assert_eq!(done.unwrap(), Ok(()));
    app.sandbox.only_ascii_mail(true);
    app.app.outbox.round().await.unwrap();
    let mails = app.mails(1).await;
    assert_eq!(mails[0].to, [OPERATOR]);
    assert!(mails[0].text.contains("SMTPUTF8"), "{}", mails[0].text);
    app.sandbox.only_ascii_mail(false);
    app.advance(minutes(61));
    let mails = app.mails(3).await;
    assert_eq!(mails[1].to, ["zoë@xn--bro-hoa.example"]);
}
