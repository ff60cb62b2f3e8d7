//! A link that has run out is no dead end, and no way to flood anybody.

use chrono::TimeDelta;
use lamplighter::{provider::Provider, store::accounts};
use reqwest::{Method, StatusCode};
use url::Url;

use super::page_of;
use crate::{
    dashboard::post,
    harness::{OWNER, TestApp},
    pages::{Answer, ask},
};

const DEEDS: &str = "select count(*) from audit_log where actor = 'owner' and action = 'account.mail_link'";

/// Presses the button that the page behind a link has, or would have.
async fn press(app: &TestApp, link: &Url) -> Answer {
    post(app, &format!("{}/fresh-link", link.path()), &[], &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_has_run_out_mails_a_fresh_one_to_the_stored_address() {
    let app = TestApp::start_with(&[("web.link_lifetime", "1h")]).await;
    let account = app.account("Harbor Books").await;
    let old = [app.link(&account, Provider::Quickbooks), page_of(&app, &account)];
    app.advance(TimeDelta::days(60));
    for (link, so_far) in old.iter().zip(0..) {
        let over = ask(Method::GET, link, &[]).await;
        assert_eq!(over.status, StatusCode::GONE);
        let form = format!("<form class=\"action\" method=\"post\" action=\"{}/fresh-link\">", link.path());
        assert!(over.body.contains(&form), "{form}: {}", over.body);
        app.mails(so_far).await;
        let said = press(&app, link).await;
        assert_eq!(said.status, StatusCode::OK);
        assert!(!said.body.contains(OWNER) && !said.body.contains("Harbor Books"), "{}", said.body);
        let mails = app.mails(so_far + 1).await;
        let mail = &mails[so_far];
        assert_eq!(
            (mail.subject.as_str(), &mail.to[..]),
            ("Your fresh link for Harbor Books", &[OWNER.to_owned()][..])
        );
        let until = (app.clock.now() + TimeDelta::hours(1)).format("works until %-d %b %Y, %H:%M UTC").to_string();
        let text = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&until), "{until}: {text}");
        let fresh = text.split(' ').find(|word| word.contains("/owner/")).expect("the mail has a link");
        assert_eq!(ask(Method::GET, &Url::parse(fresh).unwrap(), &[]).await.status, StatusCode::OK);
        app.advance(TimeDelta::hours(2));
    }
    assert_eq!(app.count(DEEDS).await, 2);
    assert_eq!(
        app.count("select count(*) from alerts where resolved_at is null").await,
        0,
        "nobody has to do anything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_flooded_however_often_it_is_asked() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let link = page_of(&app, &account);
    app.advance(TimeDelta::days(8));
    let (a, b, c) = tokio::join!(press(&app, &link), press(&app, &link), press(&app, &link));
    assert!(a.body == b.body && b.body == c.body, "the same words whatever happens");
    app.mails(1).await;
    for _ in 0..11 {
        app.advance(TimeDelta::minutes(5));
        assert_eq!(press(&app, &link).await.body, a.body);
        app.mails(1).await;
    }
    app.advance(TimeDelta::minutes(5));
    app.sandbox.refuse_mail(Some(451));
    for _ in 0..6 {
        press(&app, &link).await;
        app.app.outbox.round().await.unwrap();
        app.advance(TimeDelta::minutes(61));
    }
    app.sandbox.refuse_mail(None);
    app.mails(2).await;
    assert_eq!(app.count(DEEDS).await, 2, "one that still waits is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_link_of_the_account_mails_nobody_and_says_the_same() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let account = app.account("Harbor Books").await;
    let void = [app.link(&account, Provider::Hubspot), page_of(&app, &account)];
    app.advance(TimeDelta::minutes(1));
    accounts::revoke_links(&mut *app.conn().await, account.id, app.clock.now()).await.unwrap();
    app.advance(TimeDelta::days(8));
    let mut odd: Vec<String> = void.iter().map(|link| link.path().to_owned()).collect();
    for link in &void {
        let answer = ask(Method::GET, link, &[]).await;
        assert_eq!(answer.status, StatusCode::GONE);
        assert!(answer.body.contains("Somebody who runs this integration has made it void"), "{}", answer.body);
        assert!(!answer.body.contains("<form"), "{}", answer.body);
    }
    odd.push(page_of(&other, &account).path().to_owned());
    odd.push(void[0].path().replace("/connect/", "/owner/"));
    odd.extend(["/owner/nonsense".to_owned(), "/connect/%FF".to_owned()]);
    odd.push(app.app.links.make_owners(uuid::Uuid::now_v7(), app.clock.now()).0.path().to_owned());
    let usual = press(&app, &page_of(&app, &account)).await.body;
    app.mails(1).await;
    app.advance(TimeDelta::hours(2));
    for path in odd {
        let answer = press(&app, &app.url(&path)).await;
        assert_eq!((answer.status, answer.body == usual), (StatusCode::OK, true), "{path}: {}", answer.body);
    }
    app.mails(1).await;
    assert_eq!(app.count(DEEDS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_refused_is_the_owners_and_not_the_operators() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.sandbox.refuse_recipient(OWNER, true);
    press(&app, &page_of(&app, &account)).await;
    app.app.outbox.round().await.unwrap();
    let incident: String = sqlx::query_scalar("select incident from alerts where resolved_at is null")
        .fetch_one(&app.app.pool)
        .await
        .unwrap();
    assert_eq!(incident, format!("recipient_refused/{}", account.id));
}
