//! In, out, and everything that must not get in.

use lamplighter::{
    operators::SignIn,
    store::operators::{self, Role},
};
use reqwest::{StatusCode, header};

use super::{PASSWORD, cookie_of, post};
use crate::harness::{TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_its_password_open_the_pages_until_one_signs_out() {
    let app = TestApp::start_with(&[("web.status_page", "off")]).await;
    let away = crate::pages::ask(reqwest::Method::GET, &app.url("/orders?status=parked"), &[]).await;
    assert_eq!(away.header(header::LOCATION), "/sign-in?next=%2Forders%3Fstatus%3Dparked");
    let browser = app.browser("Ada", Role::Operator).await;
    let page = browser.get("/orders").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Ada") && page.body.contains("Sign out"), "{}", page.body);
    let unread = crate::pages::ask(reqwest::Method::POST, &app.url("/sign-out"), &[("cookie", &browser.cookie)]).await;
    assert_eq!(unread.status, StatusCode::BAD_REQUEST);
    assert!(unread.body.contains("<h1>"), "a page, as for every form that cannot be read: {}", unread.body);
    let gone = browser.submit("/orders", "/sign-out", &[]).await;
    assert!(gone.body.contains("Sign in"), "{}", gone.body);
    assert_eq!(browser.get("/orders").await.status, StatusCode::SEE_OTHER);
    assert_eq!(app.count("select count(*) from sessions").await, 0);
    assert_eq!(app.count("select count(*) from audit_log where action = 'operator.sign_in'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_without_saying_which() {
    let app = TestApp::start_with(&[("web.status_page", "off")]).await;
    app.operator("ada", Role::Operator).await;
    let wrong = app.sign_in("ada", "not her password", &[]).await;
    let unknown = app.sign_in("eve", PASSWORD, &[]).await;
    for answer in [&wrong, &unknown] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.headers.get(header::SET_COOKIE).is_none());
        assert!(!answer.body.contains(PASSWORD));
    }
    assert_eq!(wrong.body.replace("ada", "eve"), unknown.body);
    let foreign = app.sign_in("ada", PASSWORD, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(app.sign_in("ADA", PASSWORD, &[("sec-fetch-site", "same-origin")]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_often_is_slowed_down() {
    let app = TestApp::start().await;
    app.operator("ada", Role::Operator).await;
    let mut last = None;
    for _ in 0..6 {
        last = Some(app.sign_in("ada", "guess", &[]).await);
    }
    let last = last.unwrap();
    assert_eq!((last.status, last.header(header::RETRY_AFTER)), (StatusCode::TOO_MANY_REQUESTS, "60"));
    // The right password is not looked at either: it would tell that it is right.
    assert_eq!(app.sign_in("ada", PASSWORD, &[]).await.status, StatusCode::TOO_MANY_REQUESTS);
    // She herself is somewhere else, and gets in.
    let (name, password) = ("ada".to_owned(), PASSWORD.into());
    let elsewhere = "203.0.113.9".parse().unwrap();
    let let_in = app.app.web.doorkeeper.sign_in(&name, &password, elsewhere, app.clock.now()).await.unwrap();
    assert!(matches!(let_in, SignIn::Welcome(..)), "{let_in:?}");
    // Made-up addresses do not help: no proxy is trusted here.
    let made_up = app.sign_in("bob", PASSWORD, &[("x-forwarded-for", "203.0.113.7")]).await;
    assert_eq!(made_up.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_in_time_and_with_its_operator() {
    let app = TestApp::start_with(&[("web.status_page", "off"), ("web.session_lifetime", "1h")]).await;
    let browser = app.browser("ada", Role::Operator).await;
    app.advance(minutes(59));
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    app.advance(minutes(2));
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
    let browser = app.browser("bob", Role::Operator).await;
    let mut conn = app.conn().await;
    let (bob, _) = operators::find(&mut conn, "BOB").await.unwrap().unwrap();
    operators::remove(&mut conn, bob.id, app.clock.now()).await.unwrap();
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(app.sign_in("bob", PASSWORD, &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_s_cookie_is_for_the_browser_alone_and_nobody_else_s_works() {
    let app = TestApp::start_with(&[("web.status_page", "off")]).await;
    app.operator("ada", Role::Operator).await;
    let answer = app.sign_in("ada", PASSWORD, &[]).await;
    let cookie = answer.header(header::SET_COOKIE);
    for kept in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(kept), "{cookie}");
    }
    assert_eq!(answer.header(header::LOCATION), "/orders");
    let token = cookie_of(&answer);
    for forged in ["lamplighter_session=", "lamplighter_session=AAAA", &token[..token.len() - 1], &format!("{token}x")]
    {
        let page = crate::pages::ask(reqwest::Method::GET, &app.url("/"), &[("cookie", forged)]).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{forged}");
    }
    let stored: Vec<u8> = sqlx::query_scalar("select token_hash from sessions").fetch_one(&app.app.pool).await.unwrap();
    assert_eq!(stored.len(), 32, "only a hash is stored");
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "evil"] {
        let fields = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        let answer = post(&app, "/sign-in", &fields, &[]).await;
        assert_eq!(answer.header(header::LOCATION), "/", "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_must_be_ours_and_fresh_and_its_sender_s_own() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.browser("ada", Role::Operator).await, app.browser("bob", Role::Operator).await);
    let eve = app.browser("eve", Role::Viewer).await;
    let fields = |token: &str| {
        [
            ("form_token", token.to_owned()),
            ("name", "Shop".to_owned()),
            ("owner_name", "O".to_owned()),
            ("owner_email", "o@shop.example".to_owned()),
        ]
    };
    let send = async |browser: &super::Browser<'_>, token: &str| {
        let fields = fields(token);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        post(&app, "/accounts", &fields, &[("cookie", &browser.cookie)]).await.status
    };
    let (hers, his, viewers) =
        (ada.token("/accounts").await, bob.token("/accounts").await, eve.token("/accounts").await);
    assert_eq!(send(&ada, "").await, StatusCode::FORBIDDEN);
    assert_eq!(send(&ada, "AAAA").await, StatusCode::FORBIDDEN);
    assert_eq!(send(&ada, &his).await, StatusCode::FORBIDDEN, "somebody else's");
    assert_eq!(send(&eve, &viewers).await, StatusCode::FORBIDDEN, "a viewer's");
    let nobody = super::Browser { app: &app, cookie: "x=y".to_owned() };
    assert_eq!(send(&nobody, &hers).await, StatusCode::UNAUTHORIZED, "nobody's");
    app.advance(minutes(12 * 60));
    assert_eq!(send(&ada, &hers).await, StatusCode::FORBIDDEN, "an old one");
    assert_eq!(app.count("select count(*) from accounts").await, 0);
    let fresh = ada.token("/accounts").await;
    assert_eq!(send(&ada, &fresh).await, StatusCode::SEE_OTHER);
    assert_eq!(app.count("select count(*) from accounts").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_names_the_operator_and_nobody_else_may() {
    let settings = [
        ("web.status_page", "off"),
        ("web.identity_header", "x-forwarded-user"),
        ("web.trusted_proxies", r#"["127.0.0.1"]"#),
    ];
    let app = TestApp::start_with(&settings).await;
    app.operator("ada", Role::Operator).await;
    let get = async |headers: &[(&'static str, &str)]| {
        crate::pages::ask(reqwest::Method::GET, &app.url("/accounts"), headers).await
    };
    let known = get(&[("x-forwarded-user", "ada")]).await;
    assert!(known.status == StatusCode::OK && known.body.contains("Add an account"), "{}", known.status);
    assert_eq!(get(&[("x-forwarded-user", "eve")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(get(&[("x-forwarded-user", "")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(get(&[("x-remote-user", "ada")]).await.status, StatusCode::SEE_OTHER);
    let settings = [
        ("web.status_page", "off"),
        ("web.identity_header", "x-forwarded-user"),
        ("web.trusted_proxies", r#"["203.0.113.1"]"#),
    ];
    let app = TestApp::start_with(&settings).await;
    app.operator("ada", Role::Operator).await;
    let lie = crate::pages::ask(reqwest::Method::GET, &app.url("/"), &[("x-forwarded-user", "ada")]).await;
    assert_eq!(lie.status, StatusCode::SEE_OTHER, "from elsewhere the header is a lie");
}
