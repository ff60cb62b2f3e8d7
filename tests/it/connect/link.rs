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
