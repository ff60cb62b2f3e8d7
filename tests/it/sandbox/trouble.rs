//! Outages, throttling, lost replies, and the same over `/control`.

use std::time::Duration;

use lamplighter::vault::fingerprint;
use lamplighter::{
    clock::Clock,
    provider::Provider::{Hubspot, Quickbooks},
    sandbox::{Ending, Error, Listen, Outage, Rotation, Sandbox, Scope, TokenOutcome, TokenTrouble, Trouble},
};
use serde_json::{Value, json};

use super::{HUB, REALM, Said, Town, said};

async fn control(town: &Town, body: Value) -> Said {
    let url = town.sandbox.http_url().join("control").unwrap();
    said(town.http.post(url).json(&body).send().await.unwrap()).await
}

#[tokio::test]
async fn an_outage_has_its_scope_and_is_counted() {
    let town = Town::start().await;
    let grant = town.connect(Quickbooks).await;
    town.sandbox.switch(Quickbooks, |s| {
        s.outage = Outage::Status503;
        s.outage_scope = Scope::Api;
        s.retry_after = Some(Duration::from_secs(60));
    });
    let before = town.sandbox.api_calls(Quickbooks);
    let request = town.http.get(town.books("query?query=select")).bearer_auth(grant.text("access_token"));
    let down = request.send().await.unwrap();
    assert_eq!((down.status().as_u16(), down.headers()["retry-after"].to_str().unwrap()), (503, "60"));
    assert!(down.headers().contains_key("intuit_tid") && down.text().await.unwrap().starts_with("<html>"));
    assert_eq!(town.sandbox.api_calls(Quickbooks), before + 1);
    assert_eq!(town.spend(Quickbooks, &grant.text("refresh_token")).await.status, 200, "tokens are not covered");

    town.sandbox.switch(Quickbooks, |s| (s.outage, s.outage_scope) = (Outage::Html, Scope::Both));
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let page = town.token_request(Quickbooks, &form).send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), page.headers()["content-type"].as_bytes()),
        (200, &b"text/html; charset=utf-8"[..])
    );
}

#[tokio::test]
async fn a_hanging_provider_lets_go_when_it_recovers() {
    let town = Town::start().await;
    let value = town.connect(Hubspot).await.text("refresh_token");
    town.sandbox.switch(Hubspot, |s| s.outage = Outage::Hang);
    let form = [("grant_type", "refresh_token"), ("refresh_token", value.as_str())];
    let calls = town.sandbox.oauth_calls(Hubspot);
    let hanging = town.token_request(Hubspot, &form).send();
    let recover = async {
        let arrived = |world: &lamplighter::sandbox::World| (world.oauth_calls(Hubspot) > calls).then_some(());
        town.sandbox.wait_until(Duration::from_secs(10), arrived).await.unwrap();
        town.sandbox.switch(Hubspot, |s| s.outage = Outage::None);
    };
    let (cut, ()) = tokio::join!(hanging, recover);
    assert!(cut.unwrap_err().status().is_none(), "no reply at all");
    assert_eq!(town.spend(Hubspot, &value).await.status, 200);
}

#[tokio::test]
async fn a_throttle_speaks_each_dialect() {
    let town = Town::start().await;
    for provider in [Quickbooks, Hubspot] {
        town.sandbox.switch(provider, |s| s.throttle = true);
    }
    let intuit = town.spend(Quickbooks, "x").await;
    assert_eq!((intuit.status, &intuit.body["Fault"]["Error"][0]["code"]), (429, &json!("3001")));
    let hubspot = town.spend(Hubspot, "x").await;
    assert_eq!((hubspot.status, hubspot.text("policyName").as_str()), (429, "TEN_SECONDLY_ROLLING"));
}

#[tokio::test]
async fn a_lost_reply_was_carried_out() {
    let town = Town::start().await;
    let grant = town.connect(Quickbooks).await;
    let value = grant.text("refresh_token");
    town.sandbox.switch(Quickbooks, |s| {
        s.rotation = Rotation::EveryCall;
        s.lost_token_replies = 1;
        s.lost_create_replies = 1;
    });
    let form = [("grant_type", "refresh_token"), ("refresh_token", value.as_str())];
    assert!(town.token_request(Quickbooks, &form).send().await.is_err());
    let call = town.sandbox.token_calls(Quickbooks).pop().unwrap();
    assert!(call.reply_lost && call.company_id.as_deref() == Some(REALM));

    let line =
        json!({"Amount": 5, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "4"}}});
    let url = town.books("salesreceipt?requestid=one");
    let create = || town.http.post(&url).bearer_auth(grant.text("access_token")).json(&json!({"Line": [line]})).send();
    assert!(create().await.is_err());
    assert_eq!(town.sandbox.documents(REALM).len(), 1);
    assert_eq!(create().await.unwrap().status(), 200, "replayed");
    assert_eq!(town.sandbox.documents(REALM).len(), 1);
    assert_eq!(town.spend(Quickbooks, &value).await.status, 400, "the old value was replaced");
}

#[tokio::test]
async fn a_caller_that_gives_up_no_longer_counts_as_a_peer() {
    let town = Town::start().await;
    let value = town.connect(Quickbooks).await.text("refresh_token");
    town.sandbox.switch(Quickbooks, |s| s.latency = Duration::from_secs(60));
    let form = [("grant_type", "refresh_token"), ("refresh_token", value.as_str())];
    let impatient = town.token_request(Quickbooks, &form).timeout(Duration::from_millis(100)).send();
    assert!(impatient.await.unwrap_err().is_timeout());
    town.sandbox.switch(Quickbooks, |s| s.latency = Duration::ZERO);
    let alone = |_: &lamplighter::sandbox::World| (!town.sandbox.is_spending(Quickbooks)).then_some(());
    town.sandbox.wait_until(Duration::from_secs(10), alone).await.unwrap();
    assert_eq!(town.spend(Quickbooks, &value).await.status, 200);
    assert_eq!(town.sandbox.concurrent_spends(), 0);
}

#[tokio::test]
async fn everything_can_be_done_over_http() {
    let town = Town::start().await;
    let done = control(&town, json!({"provider": "quickbooks", "outage": "status_503"})).await;
    assert_eq!(done.body["now"]["providers"]["quickbooks"]["switches"]["outage"], "status_503");
    assert_eq!(town.sandbox.switches(Quickbooks).outage, Outage::Status503);
    let order = json!({"name": "#7", "lines": [{"name": "Tea", "quantity": 2, "price": "4.50"}]});
    let placed = control(&town, json!({"place_order": {"hub_id": HUB, "order": order}})).await;
    assert_eq!(placed.body["done"]["order_id"], "33451");
    assert_eq!(placed.body["now"]["portals"][HUB]["orders"], 1);
    for wrong in [
        json!({"provider": "quickbooks", "outrage": 1}),
        json!({"revoke": {"provider": "hubspot", "company_id": "9"}}),
        json!({"dance": {}}),
    ] {
        let refused = control(&town, wrong).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text("error").len() > 10);
    }
    let index = town.http.get(town.sandbox.http_url()).send().await.unwrap().text().await.unwrap();
    assert!(index.contains("Fern &amp; Fable Books") && !index.contains("<script"));
}

#[tokio::test]
async fn stopping_frees_the_ports() {
    let town = Town::start().await;
    let url = town.sandbox.http_url();
    let http = format!("127.0.0.1:{}", url.port().unwrap()).parse().unwrap();
    let at = Listen { http, smtp: town.sandbox.smtp_addr() };
    let taken = Sandbox::start(Clock::system(), at).await;
    assert!(matches!(taken, Err(Error::Listen { what: "HTTP", .. })));
    town.sandbox.stop().await;
    let again = Sandbox::start(Clock::system(), at).await.unwrap();
    assert_eq!(again.http_url(), url);
    again.stop().await;
}

#[tokio::test]
async fn trouble_of_single_calls_is_carried_out_and_written_down() {
    let town = Town::start().await;
    let spent = town.connect(Quickbooks).await.text("refresh_token");
    town.sandbox.switch(Quickbooks, |s| s.rotation = Rotation::EveryCall);
    let form = [("grant_type", "refresh_token"), ("refresh_token", spent.as_str())];
    let print = fingerprint(&spent.clone().into());
    let honoured = || town.sandbox.honours(Quickbooks, REALM, &print);
    let set = |trouble| town.sandbox.switch(Quickbooks, move |s| s.token_trouble = trouble);
    let none = TokenTrouble::default();
    for (trouble, status) in [
        (TokenTrouble { unavailable: 1_000, ..none }, 503),
        (TokenTrouble { throttled: 1_000, ..none }, 429),
        (TokenTrouble { html: 1_000, ..none }, 200),
    ] {
        set(trouble);
        let reply = town.token_request(Quickbooks, &form).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), status);
        assert!(honoured(), "nothing was done");
    }
    set(TokenTrouble { hung_before: 1_000, ..none });
    let hung = town.token_request(Quickbooks, &form).timeout(Duration::from_millis(200)).send().await;
    assert!(hung.unwrap_err().is_timeout() && honoured());
    let hung_up = |world: &lamplighter::sandbox::World| (!world.is_spending(Quickbooks)).then_some(());
    town.sandbox.wait_until(Duration::from_secs(10), hung_up).await.expect("the client's end is seen");

    set(TokenTrouble { truncated: 1_000, ..none });
    let half = town.token_request(Quickbooks, &form).send().await.unwrap();
    assert_eq!(half.status().as_u16(), 200);
    half.bytes().await.unwrap_err();
    assert!(!honoured(), "it was replaced");
    set(none);
    assert_eq!(town.spend(Quickbooks, &spent).await.status, 400);
    assert_eq!(town.sandbox.ending(Quickbooks, &print), Some(Ending::Reused));

    let calls: Vec<_> = town.sandbox.token_calls(Quickbooks).split_off(1);
    let troubles: Vec<_> = calls.iter().map(|call| call.trouble).collect();
    use Trouble::{Html, HungBefore, Throttled, Truncated, Unavailable};
    let expected = [Unavailable, Throttled, Html, HungBefore, Truncated];
    assert_eq!(troubles, expected.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
    let delivered: Vec<_> = calls.iter().map(|call| call.delivered).collect();
    assert_eq!(delivered, [true, true, true, false, false, true]);
    assert!(calls[..4].iter().all(|call| call.outcome == TokenOutcome::NotDone));
    assert_eq!(calls[4].outcome, TokenOutcome::Rotated);
    for call in &calls {
        assert_eq!((call.spent.as_ref(), call.family), (Some(&print), Some(0)));
        assert!(call.ended_at.is_some() && !call.correlation_id.is_empty(), "{call:?}");
    }
    assert!(calls[4].handed_out.is_some() && calls[4].handed_out != calls[4].spent);
}
