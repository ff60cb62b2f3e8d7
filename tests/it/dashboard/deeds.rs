//! What the forms do, and that it is written down.

use lamplighter::{provider::Provider, sandbox::NewOrder, store::operators::Role};
use reqwest::{StatusCode, header};

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
    assert!(bad.body.contains("the owner&#39;s address cannot be &#34;b&#34;"), "{}", bad.body);
    let long = "x".repeat(201);
    for name in ["", " ", "two\r\nlines", &long] {
        let fields = [("name", name), ("owner_name", "B"), ("owner_email", "b@harbor.example")];
        let bad = browser.submit("/accounts", "/accounts", &fields).await;
        assert!(bad.body.contains("Nothing was added: the account&#39;s name cannot be"), "{name:?}: {}", bad.body);
    }
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
    // No form may lead to another site, so no redirect answers this one.
    let here = browser.submit(&at, &format!("{at}/connect"), &[("provider", "hubspot"), ("how", "here")]).await;
    assert_eq!(here.status, StatusCode::OK);
    let onwards = here.header(header::REFRESH);
    let url = onwards.strip_prefix("0; url=").unwrap();
    assert!(here.body.contains("Off to HubSpot") && here.body.contains(url), "{}", here.body);
    app.sandbox.choose(Provider::Hubspot, HUB);
    let page = app.visitor.open(&url.parse().unwrap()).await.unwrap();
    assert!(page.body.contains("HubSpot is connected"), "{}", page.body);
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
    let overview = browser.get("/").await.body;
    let (_, row) = overview.split_once("disconnected</span></p>").unwrap();
    let (clocks, _) = row.split_once("</dl>").unwrap();
    assert!(!clocks.contains("<time"), "no clock runs for tokens that are erased: {clocks}");
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

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_acknowledged_and_refuses_what_cannot_be() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.revoke(Provider::Quickbooks, REALM);
    app.advance(crate::harness::minutes(45));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    let id = app.id("select id from alerts").await;
    let (browser, at) = (app.browser("ada", Role::Operator).await, format!("/alerts/{id}"));
    let noted = browser.submit("/alerts", &at, &[("wish", "acknowledge")]).await;
    assert!(noted.body.contains("acknowledged by operator ada"), "{}", noted.body);
    let snoozed = browser.submit("/alerts", &at, &[("wish", "snooze")]).await;
    assert!(snoozed.body.contains("snoozed until"), "{}", snoozed.body);
    let odd = browser.submit("/alerts", &at, &[("wish", "sing")]).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    let over = browser.submit("/alerts", &at, &[("wish", "resolve")]).await;
    assert!(over.body.contains("Resolved: nobody gets an all-clear"), "{}", over.body);
    assert_eq!(app.count("select count(*) from audit_log where action like 'alert.%'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_sees_what_is_wrong_and_repairs_or_ends_it_from_the_link_alone() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.place_order(HUB, order("1001", 100));
    app.rounds().await;
    app.sandbox.revoke(Provider::Quickbooks, REALM);
    app.advance(crate::harness::minutes(45));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    let open = async |link: &url::Url| crate::pages::ask(reqwest::Method::GET, link, &[]).await;
    let link = app.app.links.make_owners(account.id, app.clock.now()).0;
    let page = open(&link).await;
    for said in [
        "QuickBooks needs you",
        "QuickBooks no longer lets us in",
        "1 order came in, of which 1 is",
        "Disconnect HubSpot",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert!(!page.body.contains("<script"), "{}", page.body);
    // Nothing of another account is there for this link.
    let other = app.account("Tidewater").await;
    let others = app.app.links.make_owners(other.id, app.clock.now()).0;
    let hubspot = app.id("select id from connections where provider = 'hubspot'").await.to_string();
    let stranger = format!("{}/disconnect", others.path());
    let refused = super::post(&app, &stranger, &[("connection", &hubspot)], &[]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert_eq!(app.connection(Provider::Hubspot).await.status.as_str(), "connected");
    let again = page.button();
    app.sandbox.choose(Provider::Quickbooks, REALM);
    assert!(app.visitor.open(&again).await.unwrap().body.contains("QuickBooks is connected"));
    assert!(open(&link).await.body.contains("Everything works"));
    let ended = super::post(&app, &format!("{}/disconnect", link.path()), &[("connection", &hubspot)], &[]).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER);
    assert!(open(&link).await.body.contains("Not everything is connected"));
    assert_eq!(app.count("select count(*) from audit_log where actor = 'owner'").await, 1);
    // Links end in time, when they are revoked, and when something in them is changed.
    app.advance(crate::harness::minutes(1));
    lamplighter::store::accounts::revoke_links(&mut *app.conn().await, account.id, app.clock.now()).await.unwrap();
    assert_eq!(open(&link).await.status, StatusCode::GONE);
    assert_eq!(open(&again).await.status, StatusCode::GONE, "a reconnect link too");
    app.advance(crate::harness::minutes(1));
    let fresh = app.app.links.make_owners(account.id, app.clock.now()).0;
    assert_eq!(open(&fresh).await.status, StatusCode::OK);
    app.advance(crate::harness::minutes(8 * 24 * 60));
    assert_eq!(open(&fresh).await.status, StatusCode::GONE);
    assert_eq!(open(&app.url("/owner/nonsense")).await.status, StatusCode::NOT_FOUND);
    app.app.outbox.round().await.unwrap();
    app.mails(app.sandbox.mails().len()).await;
}
