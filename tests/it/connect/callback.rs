//! What comes back from a provider: used once, by the browser that began it, in time, or not at all.

use std::time::Duration;

use lamplighter::{
    provider::Provider,
    sandbox::{Outage, Scope, Visitor},
    store::{accounts, connections::Status},
};
use reqwest::{Method, StatusCode};
use url::Url;

use super::{begin, exchanges, standing, stored};
use crate::{
    harness::{HUB, OPERATOR, REALM, TestApp, minutes},
    pages::ask,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_the_provider_stores_nothing_and_can_be_made_good() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    for (provider, company) in [(Provider::Quickbooks, REALM), (Provider::Hubspot, HUB)] {
        let before = stored(&app).await;
        app.sandbox.deny_next(provider);
        let denied = begin(&app, &account, provider, company).await.deliver().await;
        assert_eq!(denied.status, StatusCode::OK);
        assert!(denied.body.contains(&format!("{} was not connected", provider.title())), "{}", denied.body);
        assert_eq!((stored(&app).await, exchanges(&app, provider)), (before, 0));
        app.visitor.open(&denied.button()).await.unwrap();
        assert_eq!(app.connection(provider).await.company_id, company);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_a_quarter_of_an_hour_is_too_late_and_its_code_is_not_spent() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    app.advance(minutes(16));
    let late = begun.deliver().await;
    assert_eq!(late.status, StatusCode::GONE);
    assert!(late.body.contains("took a little too long"), "{}", late.body);
    assert_eq!((stored(&app).await, exchanges(&app, Provider::Quickbooks)), (0, 0));
    app.visitor.open(&late.button()).await.unwrap();
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_and_a_second_exchange_never_reaches_the_provider() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    assert_eq!(begun.deliver().await.status, StatusCode::OK);
    let after_first = standing(&app).await;
    for _ in 0..2 {
        let again = begun.deliver().await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        assert!(again.body.contains("This answer was already used"), "{}", again.body);
    }
    app.advance(minutes(20));
    assert_eq!(begun.deliver().await.status, StatusCode::CONFLICT, "used stays used when its time is over too");
    assert_eq!(exchanges(&app, Provider::Quickbooks), 1);
    assert_eq!(standing(&app).await, after_first);
    assert_eq!(app.sandbox.connected(Provider::Quickbooks), [REALM], "the grant lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_deliveries_at_once_one_counts() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    let (one, two, three) = tokio::join!(begun.deliver(), begun.deliver(), begun.deliver());
    let mut statuses = [one.status.as_u16(), two.status.as_u16(), three.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409]);
    assert_eq!(exchanges(&app, Provider::Quickbooks), 1);
    assert_eq!(app.sandbox.connected(Provider::Quickbooks), [REALM]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_answer_is_refused_and_does_not_burn_the_true_one() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    let stranger = Visitor::new().unwrap();
    assert_eq!(stranger.step(&app.link(&account, Provider::Quickbooks)).await.unwrap().status, StatusCode::SEE_OTHER);
    let from_stranger = stranger.step(&begun.callback).await.unwrap();
    assert_eq!(from_stranger.status, StatusCode::BAD_REQUEST);
    assert!(from_stranger.body.contains("We could not tell that this was you"), "{}", from_stranger.body);
    let without_cookie = ask(Method::GET, &begun.callback, &[]).await;
    assert_eq!(without_cookie.status, StatusCode::BAD_REQUEST);
    let twice = Url::parse(&format!("{}&state={}", begun.callback, begun.state())).unwrap();
    for odd in [begun.callback_with("state", Some("made-up")), begun.callback_with("state", None), twice] {
        let forged = begun.deliver_to(&odd).await;
        assert_eq!(forged.status, StatusCode::BAD_REQUEST, "{odd}");
        assert!(forged.body.contains("We could not tell that this was you"), "{odd}: {}", forged.body);
        assert!(!forged.body.contains("class=\"button\""), "a forged answer is not led on");
    }
    assert_eq!((stored(&app).await, exchanges(&app, Provider::Quickbooks)), (0, 0));
    assert_eq!(begun.deliver().await.status, StatusCode::OK, "the browser that began it can still finish");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_on_the_other_providers_path_exchanges_nothing() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    let mut elsewhere = begun.callback.clone();
    elsewhere.set_path("/oauth/hubspot/callback");
    let mixed = begun.deliver_to(&elsewhere).await;
    assert_eq!(mixed.status, StatusCode::BAD_REQUEST);
    assert!(mixed.body.contains("We sent you to QuickBooks"), "{}", mixed.body);
    elsewhere.set_path("/oauth/nobody/callback");
    assert_eq!(begun.deliver_to(&elsewhere).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stored(&app).await, 0);
    assert_eq!(exchanges(&app, Provider::Quickbooks) + exchanges(&app, Provider::Hubspot), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_realm_id_the_code_is_not_exchanged() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let long = "1".repeat(33);
    for odd in [None, Some(""), Some("12a4"), Some("-1"), Some("1/../2"), Some(" 1"), Some("٤٢"), Some(long.as_str())]
    {
        let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
        let refused = begun.deliver_to(&begun.callback_with("realmId", odd)).await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{odd:?}");
        assert!(refused.body.contains("QuickBooks could not be connected"), "{odd:?}: {}", refused.body);
        refused.button();
    }
    assert_eq!((stored(&app).await, exchanges(&app, Provider::Quickbooks)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_ahead_does_not_spend_the_code() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    for purpose in ["prefetch", "prefetch;prerender"] {
        let ahead = [("cookie", begun.carried()), ("sec-purpose", purpose)];
        let answer = ask(Method::GET, &begun.callback, &ahead).await;
        assert!(!answer.status.is_success(), "a browser would show it on the real visit: {}", answer.status);
    }
    let head = ask(Method::HEAD, &begun.callback, &[("cookie", begun.carried())]).await;
    assert!(!head.status.is_success(), "{}", head.status);
    assert_eq!((stored(&app).await, exchanges(&app, Provider::Quickbooks)), (0, 0));
    assert_eq!(begun.deliver().await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_the_provider_refuses_leaves_nothing_but_a_way_to_start_again() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    for (provider, company) in [(Provider::Quickbooks, REALM), (Provider::Hubspot, HUB)] {
        let before = stored(&app).await;
        let begun = begin(&app, &account, provider, company).await;
        let made_up = begun.callback_with("code", Some("made-up"));
        let refused = begun.deliver_to(&made_up).await;
        assert_eq!((refused.status, exchanges(&app, provider)), (StatusCode::BAD_GATEWAY, 1));
        assert!(refused.body.contains("no longer honoured the agreement"), "{}", refused.body);
        assert!(refused.body.contains("Reference: <code>"), "support can find it: {}", refused.body);
        assert_eq!(stored(&app).await, before);
        app.visitor.open(&refused.button()).await.unwrap();
        assert_eq!(app.connection(provider).await.company_id, company);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_the_exchange_is_never_asked_for_again() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.lost_token_replies = 1);
    let lost = begun.deliver().await;
    assert_eq!(lost.status, StatusCode::BAD_GATEWAY);
    assert!(lost.body.contains("did not answer us properly"), "{}", lost.body);
    assert_eq!((stored(&app).await, exchanges(&app, Provider::Quickbooks)), (0, 1));
    assert_eq!(begun.deliver().await.status, StatusCode::CONFLICT, "the code is gone, whatever became of it");
    assert_eq!(exchanges(&app, Provider::Quickbooks), 1);
    app.visitor.open(&lost.button()).await.unwrap();
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_during_the_exchange_leaves_a_way_to_start_again() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    for outage in [Outage::Status503, Outage::Html] {
        let begun = begin(&app, &account, Provider::Hubspot, HUB).await;
        app.sandbox.switch(Provider::Hubspot, |switches| {
            (switches.outage, switches.outage_scope) = (outage, Scope::OAuth);
        });
        let down = begun.deliver().await;
        assert_eq!(down.status, StatusCode::BAD_GATEWAY);
        assert!(down.body.contains("did not answer us properly"), "{}", down.body);
        assert_eq!(stored(&app).await, 0);
        app.sandbox.switch(Provider::Hubspot, |switches| switches.outage = Outage::None);
        down.button();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_fault_at_the_exchange_is_told_to_the_operator_once() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.invalid_client = true);
    for _ in 0..2 {
        let refused = begin(&app, &account, Provider::Quickbooks, REALM).await.deliver().await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY);
        assert!(refused.body.contains("does not accept our own setup"), "{}", refused.body);
        assert!(refused.body.contains("open the link that you were given once more"), "{}", refused.body);
        assert_eq!(stored(&app).await, 0);
    }
    let mails = app.mails(1).await;
    assert_eq!(mails[0].to, [OPERATOR]);
    assert!(mails[0].subject.contains("invalid_client"), "{}", mails[0].subject);
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.invalid_client = false);
    app.connect(&account, Provider::Quickbooks, REALM).await;
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_is_closed_midway_does_not_cost_the_grant() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    app.sandbox.switch(Provider::Quickbooks, |switches| switches.latency = Duration::from_millis(400));
    let spent =
        |world: &lamplighter::sandbox::World| (!world.token_calls(Provider::Quickbooks).is_empty()).then_some(());
    tokio::select! {
        _ = begun.deliver() => panic!("the provider has not answered yet"),
        spent = app.sandbox.wait_until(PATIENCE, spent) => spent.expect("the code is spent"),
    }
    // The company's name is asked for after the tokens were stored.
    let named = |world: &lamplighter::sandbox::World| (world.api_calls(Provider::Quickbooks) > 0).then_some(());
    app.sandbox.wait_until(PATIENCE, named).await.expect("the connect goes on without its browser");
    assert_eq!(app.connection(Provider::Quickbooks).await.company_id, REALM);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_begun_by_a_link_that_was_revoked_meanwhile_connects_nothing_and_leads_nowhere() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let (begun, late) = (
        begin(&app, &account, Provider::Quickbooks, REALM).await,
        begin(&app, &account, Provider::Quickbooks, REALM).await,
    );
    let others = begin(&app, &app.account("Lake Books").await, Provider::Hubspot, HUB).await;
    app.advance(minutes(1));
    accounts::revoke_links(&mut *app.conn().await, account.id, app.clock.now()).await.unwrap();
    let refused = begun.deliver().await;
    assert_eq!(refused.status, StatusCode::GONE);
    // Whoever had the leaked link gets no fresh one instead: neither after a refusal at the provider nor when time is up.
    let mut denied = begun.callback_with("code", None);
    denied.query_pairs_mut().append_pair("error", "access_denied");
    app.advance(minutes(15));
    for page in [refused, begun.deliver_to(&denied).await, late.deliver().await] {
        assert_eq!(page.status, StatusCode::GONE, "{}", page.body);
        assert!(!page.body.contains("/connect/"), "{}", page.body);
    }
    assert_eq!((stored(&app).await, exchanges(&app, Provider::Quickbooks)), (0, 0));
    assert_eq!(others.deliver().await.status, StatusCode::GONE, "too late, and not revoked");
    assert!(others.deliver().await.body.contains("/connect/"));
    app.connect(&account, Provider::Quickbooks, REALM).await;
}
