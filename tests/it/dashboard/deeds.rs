//! What the forms do, and that it is written down.

use lamplighter::{provider::Provider, sandbox::NewOrder, store::operators::Role};
use reqwest::StatusCode;

use crate::harness::{HUB, REALM, TestApp, order};

/// One that does not add up, so that it is parked.
fn wrong(name: &str) -> NewOrder {
    NewOrder { total: Some("99.99".parse().unwrap()), ..order(name, 100) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_there_for_whoever_looks() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.place_order(HUB, order("1001", 100));
    app.rounds().await;
    let browser = app.browser("eve", Role::Viewer).await;
    let order = app.id("select id from orders").await;
    let connection = app.id("select id from connections where provider = 'quickbooks'").await;
    let paths = [
        ("/".to_owned(), "Harbor"),
        ("/accounts".to_owned(), "Harbor"),
        (format!("/accounts/{}", account.id), "Harbor"),
        ("/connections".to_owned(), "Harbor"),
        (format!("/connections/{connection}"), "Its owner agreed on"),
        ("/orders".to_owned(), "1001"),
        (format!("/orders/{order}"), "QuickBooks made its document"),
        ("/alerts".to_owned(), "Nobody had to be told anything"),
        ("/outages".to_owned(), "No outage so far"),
        ("/ledger".to_owned(), "No refresh token was spent yet"),
        ("/audit".to_owned(), "operator eve"),
        ("/settings".to_owned(), "[keeper]"),
    ];
    for (path, said) in paths {
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.contains(said), "{path}: {}", page.body);
        assert!(!page.body.contains("<form method=\"post\" action=\"/orders"), "{path}: a viewer has nothing to press");
    }
    for path in [
        "/orders/nonsense",
        "/connections/nonsense",
        "/accounts/nobody",
        "/orders/019aa8f0-0000-7000-8000-000000000b01",
    ] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_skipped_and_put_back_by_name() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.place_order(HUB, wrong("1001"));
    app.rounds().await;
    let id = app.id("select id from orders where status = 'parked'").await;
    let (browser, at) = (app.browser("ada", Role::Operator).await, format!("/orders/{id}"));
    let empty = browser.submit(&at, &format!("{at}/skip"), &[("reason", " ")]).await;
    assert!(empty.body.contains("say why"), "{}", empty.body);
    let skipped = browser.submit(&at, &format!("{at}/skip"), &[("reason", "a test")]).await;
    assert!(skipped.body.contains("Skipped: it will not be posted"), "{}", skipped.body);
    assert!(skipped.body.contains("kipped by operator ada: a test"), "{}", skipped.body);
    assert!(!browser.get(&at).await.body.contains("Skipped: it will not"), "it is said once");
    let back = browser.submit(&at, &format!("{at}/retry"), &[]).await;
    assert!(back.body.contains("Back in the queue"), "{}", back.body);
    let again = browser.submit(&at, &format!("{at}/skip"), &[("reason", "again")]).await;
    assert!(again.body.contains("Skipped"), "{}", again.body);
    let all = browser
        .submit("/orders?status=parked", "/orders/retry", &[("account", ""), ("search", ""), ("code", "")])
        .await;
    assert!(all.body.contains("no orders back in the queue"), "{}", all.body);
    let audit = browser.get("/audit").await.body;
    for said in ["operator ada", "order.skip", "order.retry", "a test"] {
        assert!(audit.contains(said), "{said}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_orders_go_back_together() {
    let (app, _) = TestApp::connected().await;
    for name in ["1001", "1002", "1003"] {
        app.sandbox.place_order(HUB, wrong(name));
    }
    app.rounds().await;
    let browser = app.browser("ada", Role::Operator).await;
    let fields = [("status", "parked"), ("account", ""), ("search", "100"), ("code", ""), ("before", "")];
    let back = browser.submit("/orders?status=parked", "/orders/retry", &fields).await;
    assert!(back.body.contains("3 orders back in the queue"), "{}", back.body);
    assert_eq!(app.count("select count(*) from orders where status = 'queued'").await, 3);
    assert_eq!(app.count("select count(*) from audit_log where action = 'order.retry'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_added_and_connected_from_its_page() {
    let app = TestApp::start().await;
    let browser = app.browser("ada", Role::Operator).await;
    let fields = [("name", "Harbor <Books>"), ("owner_name", "Ada"), ("owner_email", "ada@harbor.example")];
    let added = browser.submit("/accounts", "/accounts", &fields).await;
    assert!(added.body.contains("Harbor &#60;Books&#62;") && added.body.contains("Added."), "{}", added.body);
    let twice = browser.submit("/accounts", "/accounts", &fields).await;
    assert!(twice.body.contains("exists already"), "{}", twice.body);
    let bad =
        browser.submit("/accounts", "/accounts", &[("name", "B"), ("owner_name", "B"), ("owner_email", "b")]).await;
    assert!(bad.body.contains("no mail address"), "{}", bad.body);
    let id = app.id("select id from accounts").await;
    let at = format!("/accounts/{id}");
    let link = browser.submit(&at, &format!("{at}/connect"), &[("provider", "quickbooks"), ("how", "link")]).await;
    assert!(
        link.body.contains("Send this link to ada@harbor.example") && link.body.contains("/connect/"),
        "{}",
        link.body
    );
    let (_, rest) = link.body.split_once("else: ").unwrap();
    let url = rest.split('<').next().unwrap().parse().unwrap();
    app.sandbox.choose(Provider::Quickbooks, REALM);
    let page = app.visitor.open(&url).await.unwrap();
    assert!(page.body.contains("QuickBooks is connected"), "{}", page.body);
    let shown = browser.get(&at).await.body;
    assert!(shown.contains("Reconnect QuickBooks") && shown.contains("connection.link"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_renewed_and_ended_from_its_page() {
    let (app, _) = TestApp::connected().await;
    let id = app.id("select id from connections where provider = 'quickbooks'").await;
    let (browser, at) = (app.browser("ada", Role::Operator).await, format!("/connections/{id}"));
    let renewed = browser.submit(&at, &format!("{at}/renew"), &[]).await;
    assert!(renewed.body.contains("Renewed."), "{}", renewed.body);
    assert_eq!(app.count("select count(*) from spends where outcome = 'renewed'").await, 1);
    let ended = browser.submit(&at, &format!("{at}/disconnect"), &[]).await;
    assert!(ended.body.contains("Disconnected; QuickBooks has its grant back"), "{}", ended.body);
    assert!(ended.body.contains("Its tokens are erased."), "{}", ended.body);
    let over = browser.submit(&at, &format!("{at}/renew"), &[]).await;
    assert!(over.body.contains("it is disconnected"), "{}", over.body);
    assert_eq!(
        app.count("select count(*) from audit_log where actor = 'operator ada' and action like 'connection.%'").await,
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_read_again_from_an_account_s_page() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.place_order(HUB, order("1001", 100));
    let (browser, at) = (app.browser("ada", Role::Operator).await, format!("/accounts/{}", account.id));
    let today = app.clock.now().date_naive().to_string();
    let wrong = browser.submit(&at, &format!("{at}/sync"), &[("from", "2030-01-02"), ("to", "2030-01-01")]).await;
    assert!(wrong.body.contains("Nothing was read"), "{}", wrong.body);
    let read = browser.submit(&at, &format!("{at}/sync"), &[("from", &today), ("to", &today)]).await;
    assert!(read.body.contains("HubSpot is being read"), "{}", read.body);
    app.app.web.under_way.close();
    app.app.web.under_way.wait().await;
    assert_eq!(app.count("select count(*) from orders").await, 1);
    assert!(browser.get(&at).await.body.contains("&#34;new&#34;:1"));
}
