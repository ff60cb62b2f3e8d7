//! Links that must not start anything.

use chrono::TimeDelta;
use lamplighter::provider::Provider;
use reqwest::{Method, StatusCode, header};
use url::Url;
use uuid::Uuid;

use super::exchanges;
use crate::{
    harness::{REALM, TestApp},
    pages::{Answer, ask},
};

/// Opens a link and asserts that nothing was begun.
async fn refused(app: &TestApp, link: &Url) -> Answer {
    let answer = ask(Method::GET, link, &[]).await;
    assert!(answer.headers.get(header::LOCATION).is_none(), "{link} leads somewhere");
    assert!(answer.headers.get(header::SET_COOKIE).is_none(), "{link} sets a cookie");
    assert_eq!(app.count("select count(*) from oauth_states").await, 0, "{link} began something");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_to_its_last_second_and_not_longer() {
    let app = TestApp::start_with(&[("web.link_lifetime", "1h")]).await;
    let account = app.account("Harbor Books").await;
    let link = app.link(&account, Provider::Quickbooks);
    app.advance(TimeDelta::minutes(60));
    let over = refused(&app, &link).await;
    assert_eq!(over.status, StatusCode::GONE);
    assert!(over.body.contains("This link has run out"), "{}", over.body);
    let link = app.link(&account, Provider::Quickbooks);
    app.advance(TimeDelta::minutes(59));
    app.sandbox.choose(Provider::Quickbooks, REALM);
    assert_eq!(app.visitor.open(&link).await.unwrap().status, StatusCode::OK);
    assert_eq!(exchanges(&app, Provider::Quickbooks), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_cut_changed_or_made_up_is_not_recognised() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let link = app.link(&account, Provider::Quickbooks);
    let token = link.path().strip_prefix("/connect/").unwrap().to_owned();
    let middle = token.len() / 2;
    let other = if token.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
    let longer = format!("{token}AAAA");
    let cut = token[..token.len() - 5].to_owned();
    let half = token[..20].to_owned();
    for odd in [&changed, &longer, &cut, &half, "x", "%00", "%FF", "..%2F..%2Fetc", "%F0%9F%92%A1"] {
        let answer = refused(&app, &app.url(&format!("/connect/{odd}"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{odd}");
        assert!(answer.body.contains("We do not recognise this link"), "{odd}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_an_account_that_is_gone_is_not_recognised() {
    let app = TestApp::start().await;
    let (link, _) = app.app.links.make(Uuid::now_v7(), Provider::Hubspot, app.clock.now());
    let answer = refused(&app, &link).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body.contains("We do not recognise this link"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_can_be_opened_as_often_as_it_takes() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let link = app.link(&account, Provider::Quickbooks);
    app.sandbox.choose(Provider::Quickbooks, REALM);
    app.sandbox.deny_next(Provider::Quickbooks);
    let denied = app.visitor.open(&link).await.unwrap();
    assert!(denied.body.contains("was not connected"), "{}", denied.body);
    let agreed = app.visitor.open(&link).await.unwrap();
    assert!(agreed.body.contains("QuickBooks is connected"), "{}", agreed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_kind_of_link_and_nobody_elses_opens_anything() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let account = app.account("Harbor Books").await;
    let now = app.clock.now();
    let token = |link: &Url| link.path().rsplit('/').next().unwrap().to_owned();
    let reconnect = token(&app.link(&account, Provider::Quickbooks));
    let owners = token(&app.app.links.make_owners(account.id, now).0);
    let elsewhere = token(&other.app.links.make(account.id, Provider::Quickbooks, now).0);
    let elsewheres = token(&other.app.links.make_owners(account.id, now).0);
    let refused_paths = [
        "/connect".to_owned(),
        "/connect/".to_owned(),
        "/owner".to_owned(),
        "/owner/".to_owned(),
        format!("/connect/{owners}"),
        format!("/owner/{reconnect}"),
        format!("/connect/{elsewhere}"),
        format!("/owner/{elsewheres}"),
        format!("/owner/{}", token(&app.app.links.make_owners(Uuid::now_v7(), now).0)),
    ];
    for path in refused_paths {
        let answer = refused(&app, &app.url(&path)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.body.contains("Harbor Books"), "{path}: {}", answer.body);
    }
    assert_eq!(ask(Method::GET, &app.url(&format!("/owner/{owners}")), &[]).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owners_form_behind_a_link_that_does_not_hold_ends_nothing() {
    let (app, account) = TestApp::connected().await;
    let (other, now) = (TestApp::start().await, app.clock.now());
    let connection = app.connection(Provider::Quickbooks).await.id.to_string();
    let link = app.app.links.make_owners(account.id, now).0.path().to_owned();
    let reconnect = app.link(&account, Provider::Quickbooks).path().replace("/connect/", "/owner/");
    let elsewhere = other.app.links.make_owners(account.id, now).0.path().to_owned();
    let strangers = app.app.links.make_owners(app.account("Tidewater").await.id, now).0.path().to_owned();
    let press = async |link: &str| {
        let post = async |form| {
            let path = format!("{link}/{form}");
            crate::dashboard::post(&app, &path, &[("connection", &connection)], &[]).await.status
        };
        let status = post("disconnect").await;
        // A stranger's link is good for the stranger's own orders.
        let sent_again = post("send-again").await;
        assert!(
            sent_again == status || link == strangers && sent_again == StatusCode::SEE_OTHER,
            "{link}: {sent_again}"
        );
        status
    };
    for odd in ["/owner/", "/owner/x", &link[..link.len() - 2], &reconnect, &elsewhere, &strangers] {
        assert_eq!(press(odd).await, StatusCode::NOT_FOUND, "{odd}");
    }
    app.advance(TimeDelta::days(8));
    assert_eq!(press(&link).await, StatusCode::GONE, "it ran out");
    let link = app.app.links.make_owners(account.id, app.clock.now()).0.path().to_owned();
    lamplighter::store::accounts::revoke_links(&mut *app.conn().await, account.id, app.clock.now()).await.unwrap();
    assert_eq!(press(&link).await, StatusCode::GONE, "it was revoked");
    assert_eq!(app.connection(Provider::Quickbooks).await.status.as_str(), "connected");
    assert_eq!(app.count("select count(*) from audit_log").await, 0);
}
