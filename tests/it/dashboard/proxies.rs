//! A proxy that signs people in, and those that claim to be one; and tries that are slowed down by where they come from.

use lamplighter::store::operators::{self, Role};
use reqwest::{Method, StatusCode};

use super::{PASSWORD, post};
use crate::{
    harness::TestApp,
    pages::{Answer, ask},
};

const HEADER: &str = "x-forwarded-user";

async fn behind(proxy: &str, page: &str) -> TestApp {
    let settings = [
        ("web.status_page", page),
        ("web.identity_header", HEADER),
        ("web.trusted_proxies", &format!(r#"["{proxy}"]"#)),
    ];
    let app = TestApp::start_with(&settings).await;
    app.operator("ada", Role::Operator).await;
    app.operator("eve", Role::Viewer).await;
    app
}

async fn get(app: &TestApp, headers: &[(&'static str, &str)]) -> Answer {
    ask(Method::GET, &app.url("/accounts"), headers).await
}

fn token_on(page: &Answer) -> String {
    let (_, rest) = page.body.split_once(r#"name="form_token" value=""#).expect("the page has a form");
    rest.split('"').next().unwrap().to_owned()
}

const NEW: [(&str, &str); 3] = [("name", "Tidewater"), ("owner_name", "Ada"), ("owner_email", "ada@tidewater.example")];

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_proxy_says_counts_only_once_and_only_if_it_is_known() {
    // Whoever comes through a proxy does not sit at this machine, whatever the proxy says of where they come from.
    for page in ["off", "local"] {
        let app = behind("127.0.0.1", page).await;
        assert_eq!(get(&app, &[(HEADER, "ada")]).await.status, StatusCode::OK);
        assert_eq!(get(&app, &[(HEADER, " ADA ")]).await.status, StatusCode::OK, "names are compared as people do");
        let odd: [&[(&'static str, &str)]; 8] = [
            &[],
            &[(HEADER, "")],
            &[(HEADER, "nobody")],
            &[(HEADER, "ada,eve")],
            &[(HEADER, "ada"), (HEADER, "ada")],
            &[(HEADER, "eve"), (HEADER, "ada")],
            &[("x-forwarded-email", "ada")],
            &[("remote-user", "ada")],
        ];
        for headers in odd {
            assert_eq!(get(&app, headers).await.status, StatusCode::SEE_OTHER, "{page}: {headers:?}");
        }
        let mut conn = app.conn().await;
        let (ada, _) = operators::find(&mut conn, "ada").await.unwrap().unwrap();
        operators::remove(&mut conn, ada.id, app.clock.now()).await.unwrap();
        assert_eq!(get(&app, &[(HEADER, "ada")]).await.status, StatusCode::SEE_OTHER, "she was removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_proxy_names_acts_in_their_role_and_with_their_own_forms() {
    let app = behind("127.0.0.1", "off").await;
    app.operator("bob", Role::Operator).await;
    let hers = token_on(&get(&app, &[(HEADER, "ada")]).await);
    let his = token_on(&get(&app, &[(HEADER, "bob")]).await);
    let add = async |name: &str, token: &str| {
        let fields: Vec<_> = NEW.into_iter().chain([("form_token", token)]).collect();
        post(&app, "/accounts", &fields, &[(HEADER, name)]).await.status
    };
    // A page elsewhere lets the browser send the form through the same proxy, which names its user as always.
    assert_eq!(add("ada", "").await, StatusCode::FORBIDDEN);
    assert_eq!(add("ada", &his).await, StatusCode::FORBIDDEN);
    assert_eq!(add("eve", &hers).await, StatusCode::FORBIDDEN, "a viewer looks");
    assert_eq!(add("nobody", &hers).await, StatusCode::UNAUTHORIZED);
    assert_eq!(app.count("select count(*) from accounts").await, 0);
    assert_eq!(add("ada", &hers).await, StatusCode::SEE_OTHER);
    assert_eq!(app.count("select count(*) from audit_log where actor = 'operator ada'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_somebody_who_is_no_trusted_proxy_is_nothing() {
    let app = behind("203.0.113.1", "off").await;
    let claims: [&[(&'static str, &str)]; 3] = [
        &[(HEADER, "ada")],
        &[(HEADER, "ada"), ("x-forwarded-for", "203.0.113.1")],
        &[(HEADER, "ada"), ("forwarded", "for=203.0.113.1"), ("x-real-ip", "203.0.113.1")],
    ];
    for headers in claims {
        assert_eq!(get(&app, headers).await.status, StatusCode::SEE_OTHER, "{headers:?}");
        let tried = post(&app, "/accounts", &NEW, headers).await;
        assert_eq!(tried.status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    assert_eq!(app.count("select count(*) from accounts").await, 0);
    // From the machine itself one may look, and the claim adds nothing.
    let app = behind("203.0.113.1", "local").await;
    let looked = get(&app, &[(HEADER, "ada")]).await;
    assert_eq!(looked.status, StatusCode::OK);
    assert!(!looked.body.contains("Add an account") && !looked.body.contains("Sign out"), "{}", looked.body);
}

/// Tries names from an address until it is slowed down; how many were looked at.
async fn until_slowed(app: &TestApp, headers: &[(&'static str, &str)]) -> usize {
    for n in 0..60 {
        let tried = app.sign_in(&format!("guess-{n}"), "guess", headers).await;
        if tried.status == StatusCode::TOO_MANY_REQUESTS {
            return n;
        }
        assert_eq!(tried.status, StatusCode::UNAUTHORIZED);
    }
    panic!("nobody slows it down");
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_are_slowed_down_by_address_whatever_names_they_try() {
    let app = behind("203.0.113.1", "off").await;
    assert!(until_slowed(&app, &[]).await >= 10);
    let right = app.sign_in("ada", PASSWORD, &[]).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "the right one is not looked at either");
    let made_up = app.sign_in("ada", PASSWORD, &[("x-forwarded-for", "198.51.100.9")]).await;
    assert_eq!(made_up.status, StatusCode::TOO_MANY_REQUESTS, "nobody who is no proxy names another address");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_each_browser_has_tries_of_its_own() {
    let app = behind("127.0.0.1", "off").await;
    let hasty = [("x-forwarded-for", "198.51.100.9, 198.51.100.7")];
    until_slowed(&app, &hasty).await;
    // What stands before the proxy's own entry was made up by the browser.
    let again = app.sign_in("ada", PASSWORD, &[("x-forwarded-for", "192.0.2.1, 198.51.100.7")]).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS);
    let calm = app.sign_in("ada", PASSWORD, &[("x-forwarded-for", "198.51.100.8")]).await;
    assert_eq!(calm.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_without_signing_in_sits_here_and_means_here() {
    let app = behind("203.0.113.1", "local").await;
    assert_eq!(get(&app, &[]).await.status, StatusCode::OK);
    assert_eq!(get(&app, &[("host", "localhost:8737")]).await.status, StatusCode::OK);
    // A page elsewhere whose name leads here, and a proxy on this machine that says nothing of itself.
    for host in ["evil.example", "lamps.example:8737", "127.0.0.1.evil.example", "localhost.evil.example", "a b"] {
        assert_eq!(get(&app, &[("host", host)]).await.status, StatusCode::SEE_OTHER, "{host}");
    }
    let settings = [("web.status_page", "local"), ("web.public_url", "https://lamps.example")];
    let app = TestApp::start_with(&settings).await;
    let here = format!("http://{}/accounts", app.config.web.listen);
    let looked = ask(Method::GET, &here.parse().unwrap(), &[]).await;
    assert_eq!(looked.status, StatusCode::SEE_OTHER, "its browsers come through a proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_proxy_names_is_not_who_sat_there_before() {
    let app = behind("127.0.0.0/8", "off").await;
    app.operator("José", Role::Operator).await;
    let session = super::cookie_of(&app.sign_in("ada", PASSWORD, &[]).await);
    let page = get(&app, &[("cookie", &session), (HEADER, "José")]).await;
    let token = token_on(&page);
    let fields: Vec<_> = NEW.into_iter().chain([("form_token", token.as_str())]).collect();
    let added = post(&app, "/accounts", &fields, &[("cookie", &session), (HEADER, "José")]).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER);
    assert_eq!(app.count("select count(*) from audit_log where actor = 'operator José'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_our_own_proxies_is_seen_through() {
    let settings = [("web.trusted_proxies", r#"["127.0.0.1", "10.0.0.0/8"]"#)];
    let app = TestApp::start_with(&settings).await;
    let of = |list: &'static str| [("x-forwarded-for", list)];
    assert!(until_slowed(&app, &of("203.0.113.7:4711, 10.1.2.3")).await >= 10);
    let tried = async |list| app.sign_in("guess", "guess", &of(list)).await.status;
    assert_eq!(
        tried("198.51.100.1, 203.0.113.7").await,
        StatusCode::TOO_MANY_REQUESTS,
        "what stands before is made up"
    );
    assert_eq!(tried("203.0.113.8, 10.1.2.3").await, StatusCode::UNAUTHORIZED, "another browser");
    assert_eq!(tried("[2001:db8::1]:4711, 10.1.2.3").await, StatusCode::UNAUTHORIZED);
}
