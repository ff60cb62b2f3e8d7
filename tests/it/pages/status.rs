//! The operator's status page: who sees it, and what it shows.

use lamplighter::provider::Provider;
use reqwest::{Method, StatusCode};

use super::ask;
use crate::harness::{HUB, REALM, TestApp, minutes, order};

/// What proxies add.
const PROXIED: [(&str, &str); 4] = [
    ("x-forwarded-for", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9"),
    ("x-real-ip", "203.0.113.9"),
    ("via", "1.1 proxy.example"),
];

#[tokio::test(flavor = "multi_thread")]
async fn only_a_direct_request_from_this_machine_sees_it() {
    let app = TestApp::start().await;
    app.account("Harbor Books").await;
    let direct = ask(Method::GET, &app.url("/"), &[]).await;
    assert_eq!(direct.status, StatusCode::OK);
    assert!(direct.body.contains("Make a link that connects an account’s QuickBooks"), "{}", direct.body);
    for proxied in PROXIED {
        let hidden = ask(Method::GET, &app.url("/"), &[proxied]).await;
        assert_eq!(hidden.status, StatusCode::SEE_OTHER, "{}", proxied.0);
        assert_eq!((hidden.header("location"), hidden.body.as_str()), ("/sign-in?next=%2F", ""), "{}", proxied.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_nobody_sees_it() {
    let app = TestApp::start_with(&[("web.status_page", "off")]).await;
    app.account("Harbor Books").await;
    let hidden = ask(Method::GET, &app.url("/"), &[]).await;
    assert_eq!(hidden.status, StatusCode::SEE_OTHER);
    assert!(!hidden.body.contains("Harbor"), "{}", hidden.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn opened_up_a_proxy_may_show_it() {
    let app = TestApp::start_with(&[("web.status_page", "open")]).await;
    for proxied in PROXIED {
        assert_eq!(ask(Method::GET, &app.url("/"), &[proxied]).await.status, StatusCode::OK, "{}", proxied.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_deployment_is_told_how_to_begin() {
    let app = TestApp::start().await;
    let page = ask(Method::GET, &app.url("/"), &[]).await.body;
    for said in ["Nothing is connected yet", "Light the first lamp", "lamplighter account add"] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_everything_there_is_and_takes_no_name_for_markup() {
    let app = TestApp::start().await;
    app.sandbox.add_company(REALM, "Fern & <b>Fable</b>");
    let account = app.account("Harbor <script>alert(1)</script>").await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.connect(&account, Provider::Hubspot, HUB).await;
    let lit = ask(Method::GET, &app.url("/"), &[]).await.body;
    assert!(lit.contains("All 2 lamps are lit"), "{lit}");
    app.advance(minutes(10));
    app.sandbox.place_order(HUB, order("#1001 <img src=x>", 1_250));
    app.rounds().await;
    app.advance(minutes(30));
    app.app.keeper.round().await.unwrap();
    app.sandbox.revoke(Provider::Hubspot, HUB);
    app.advance(minutes(30));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    let page = ask(Method::GET, &app.url("/"), &[]).await.body;
    assert_eq!(page.matches("<script").count(), 1, "ours: {page}");
    assert!(!page.contains("<script>") && !page.contains("<b>Fable") && !page.contains("<img"), "{page}");
    let number = app.order("#1001 <img src=x>").await.document_number;
    for shown in [
        "1 connection waits for its owner",
        "Harbor &#60;script&#62;alert(1)&#60;/script&#62;",
        "Fern &#38; &#60;b&#62;Fable&#60;/b&#62;",
        "harborbooks.example",
        "lapsed",
        "revoked at the provider: the owner was mailed a reconnect link",
        "<dt>Access</dt>",
        "<dt>Refresh</dt>",
        "<dt>Hard cap</dt>",
        "in 4 y 11 mo",
        "seen to work <time",
        "#1001 &#60;img src=x&#62;",
        "12.50 USD",
        number.as_str(),
        "posted",
        "Connection lapsed",
        "1 sent",
        "<b>connections</b>",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_and_how_the_providers_stand_is_said_with_what_to_do() {
    let (app, _) = TestApp::connected_with(&[("outage.open_after", "1")]).await;
    let well = ask(Method::GET, &app.url("/"), &[]).await.body;
    assert!(!well.contains("Orders for a person"), "{well}");
    assert!(well.contains("<b>QuickBooks</b> answers<") && well.contains("<b>HubSpot</b> answers<"), "{well}");
    app.sandbox.close_books(REALM, chrono::NaiveDate::from_ymd_opt(2030, 12, 31));
    app.sandbox.place_order(HUB, order("#1001 <b>", 1_250));
    app.rounds().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.outage = lamplighter::sandbox::Outage::Status503);
    app.sandbox.place_order(HUB, order("#1002", 1_250));
    app.advance(minutes(6));
    app.rounds().await;
    let page = ask(Method::GET, &app.url("/"), &[]).await.body;
    let retry = format!("href=\"/orders/{}\"", app.order("#1001 <b>").await.id);
    for shown in [
        "Orders for a person",
        "#1001 &#60;b&#62;",
        "The account period has closed",
        "To do: the period is closed in QuickBooks: reopen it",
        ">6210</td>",
        retry.as_str(),
        "<b>QuickBooks</b> out, began <time",
        "<b>HubSpot</b> answers<",
        "<b>the token endpoint of QuickBooks</b> answers<",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("#1001 <b>"), "{page}");
    app.mails(1).await;
}
