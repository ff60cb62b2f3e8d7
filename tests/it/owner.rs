//! What an owner finds behind their link: whether orders flow, what was caught up, how to switch and how to stop.

mod fresh_link;

use lamplighter::{
    provider::Provider,
    store::{accounts::Account, connections::Status, orders},
};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::{
    dashboard::post,
    harness::{HUB, REALM, TestApp, minutes, order},
    pages::{Answer, ask},
};

const OTHER_REALM: &str = "4620816365999999999";

/// A fresh link to the owner's page.
fn page_of(app: &TestApp, account: &Account) -> Url {
    app.app.links.make_owners(account.id, app.clock.now()).0
}

async fn shown(app: &TestApp, account: &Account) -> String {
    let answer = ask(Method::GET, &page_of(app, account), &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.body.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Presses Disconnect on the owner's page.
async fn disconnect(app: &TestApp, account: &Account, provider: Provider) -> Answer {
    let connection = app.connection(provider).await.id.to_string();
    let path = format!("{}/disconnect", page_of(app, account).path());
    let body = shown(app, account).await;
    assert!(body.contains(&format!("name=\"connection\" value=\"{connection}\"")), "the page has the form: {body}");
    post(app, &path, &[("connection", &connection)], &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_not_said_to_flow_while_a_side_is_not_connected() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.place_order(HUB, order("A-1", 1_000));
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap();
    let flowing = shown(&app, &account).await;
    assert!(flowing.contains("<h1>Everything works</h1>") && flowing.contains("message good"), "{flowing}");
    assert!(flowing.contains("1 order waits and goes in by itself. None is lost."), "{flowing}");
    disconnect(&app, &account, Provider::Quickbooks).await;
    let half = shown(&app, &account).await;
    assert!(half.contains("<h1>Not everything is connected</h1>") && half.contains("message quiet"), "{half}");
    assert!(half.contains("1 order waits and goes in by itself once everything is connected. None is lost."), "{half}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_chose_another_company_is_told_how_to_switch_and_that_way_works() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.add_company(OTHER_REALM, "Tidewater");
    app.sandbox.place_order(HUB, order("A-1", 1_000));
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap();
    app.sandbox.choose(Provider::Quickbooks, OTHER_REALM);
    let refused = app.visitor.open(&app.link(&account, Provider::Quickbooks)).await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let way = "To connect “Tidewater” instead, open your page, press Disconnect at “Harbor Books” there, and then connect \
               “Tidewater”.";
    assert!(refused.body.contains(way) && refused.body.contains("/fresh-link"), "{}", refused.body);

    disconnect(&app, &account, Provider::Quickbooks).await;
    let connected = app.visitor.open(&app.link(&account, Provider::Quickbooks)).await.unwrap();
    assert!(connected.status.is_success(), "{}", connected.body);
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.order("A-1").await.status, orders::Status::Posted);
    assert_eq!((app.sandbox.documents(OTHER_REALM).len(), app.sandbox.documents(REALM).len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapse_on_purpose_is_ended_on_the_page_and_nobody_is_reminded_of_it() {
    let (app, account) = TestApp::connected().await;
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    let mail = app.mails(1).await.remove(0);
    let said = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("press Disconnect at “Harbor Books” on your page, and we stop writing"), "{said}");
    disconnect(&app, &account, Provider::Quickbooks).await;
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Disconnected);
    for _ in 0..20 {
        app.advance(minutes(24 * 60));
        app.app.watch.round().await.unwrap();
    }
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_what_was_caught_up_since_the_reconnect() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.place_order(HUB, order("A-0", 1_000));
    app.advance(minutes(6));
    app.rounds().await;
    assert!(!shown(&app, &account).await.contains("Connected again since"), "nothing lapsed so far");
    assert!(app.sandbox.revoke(Provider::Quickbooks, REALM));
    app.advance(minutes(60));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    for name in ["A-1", "A-2"] {
        app.sandbox.place_order(HUB, order(name, 1_000));
    }
    app.advance(minutes(6));
    app.rounds().await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    let before = shown(&app, &account).await;
    assert!(before.contains("No order went into QuickBooks since then"), "{before}");
    app.rounds().await;
    app.mails(2).await;
    let after = shown(&app, &account).await;
    assert!(after.contains("Connected again since"), "{after}");
    assert!(after.contains("Caught up since then: 2 orders went into QuickBooks, each once."), "{after}");
    app.advance(minutes(8 * 24 * 60));
    assert!(!shown(&app, &account).await.contains("Connected again since"), "that is no news any more");
}
