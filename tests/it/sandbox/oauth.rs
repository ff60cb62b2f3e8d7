//! Codes, refresh tokens, rotation, and what ends a grant.

use std::time::Duration;

use chrono::TimeDelta;
use lamplighter::{
    provider::Provider::{Hubspot, Quickbooks},
    sandbox::{Rotation, TokenOutcome},
};
use serde_json::json;

use super::{BACK, HUB, REALM, Town, parameter};

#[tokio::test]
async fn intuit_names_the_company_in_the_redirect_and_the_lifetimes_in_the_reply() {
    let town = Town::start().await;
    let back = town.consent(Quickbooks).await;
    assert_eq!((parameter(&back, "realmId").as_str(), parameter(&back, "state").as_str()), (REALM, "s1"));
    let form = [("grant_type", "authorization_code"), ("code", &parameter(&back, "code")), ("redirect_uri", BACK)];
    let request = town.token_request(Quickbooks, &form).header("x-include-refresh-token-hard-expires-in", "true");
    let reply = request.send().await.unwrap();
    assert!(reply.headers().contains_key("intuit_tid"));
    let body: serde_json::Value = reply.json().await.unwrap();
    assert_eq!(body["expires_in"], 3_600);
    assert_eq!(body["x_refresh_token_expires_in"], 8_726_400);
    assert_eq!(body["x_refresh_token_hard_expires_in"], 157_680_000);
    let later = town.spend(Quickbooks, body["refresh_token"].as_str().unwrap()).await;
    assert!(later.body.get("x_refresh_token_hard_expires_in").is_none(), "only on request");
}

#[tokio::test]
async fn hubspot_names_the_portal_in_the_reply_and_never_rotates() {
    let town = Town::start().await;
    let first = town.connect(Hubspot).await;
    assert_eq!((first.status, &first.body["hub_id"]), (200, &json!(1_234_567)));
    town.clock.advance(TimeDelta::days(400));
    let second = town.spend(Hubspot, &first.text("refresh_token")).await;
    assert_eq!(second.text("refresh_token"), first.text("refresh_token"));
    assert_ne!(second.text("access_token"), first.text("access_token"));
    let at = town.at(Hubspot);
    let form = [("client_id", at.client_id.as_str()), ("client_secret", "sandbox-hubspot-secret"), ("token", "gone")];
    let asked = town.http.post(at.introspect_url.unwrap()).form(&form).send().await.unwrap();
    assert_eq!(super::said(asked).await.body, json!({"active": false}));
}

#[tokio::test]
async fn a_value_is_replaced_after_a_day_and_dead_at_once() {
    let town = Town::start().await;
    let first = town.connect(Quickbooks).await.text("refresh_token");
    town.clock.advance(TimeDelta::hours(23));
    let same = town.spend(Quickbooks, &first).await;
    assert_eq!(same.text("refresh_token"), first);
    assert_eq!(same.body["x_refresh_token_expires_in"], 8_726_400 - 23 * 3_600, "what is left of that value");
    town.clock.advance(TimeDelta::hours(1));
    let second = town.spend(Quickbooks, &first).await.text("refresh_token");
    assert_ne!(second, first);
    town.sandbox.switch(Quickbooks, |s| s.reuse_revokes_family = false);
    let refused = town.spend(Quickbooks, &first).await;
    assert_eq!((refused.status, refused.body), (400, json!({"error": "invalid_grant"})));
    assert_eq!(town.spend(Quickbooks, &second).await.status, 200);
    let outcomes: Vec<_> = town.sandbox.token_calls(Quickbooks).into_iter().map(|call| call.outcome).collect();
    let refused = TokenOutcome::Refused("invalid_grant".to_owned());
    use TokenOutcome::{Kept, Rotated};
    assert_eq!(outcomes, [Rotated, Kept, Rotated, refused, Kept]);
}

#[tokio::test]
async fn a_replaced_value_works_in_its_grace_and_brings_the_new_one() {
    let town = Town::start().await;
    let (period, grace) = (Duration::from_secs(86_400), Duration::from_secs(600));
    town.sandbox.switch(Quickbooks, |s| s.rotation = Rotation::Daily { period, grace });
    let first = town.connect(Quickbooks).await.text("refresh_token");
    town.clock.advance(TimeDelta::days(1));
    let second = town.spend(Quickbooks, &first).await.text("refresh_token");
    town.clock.advance(TimeDelta::minutes(9));
    assert_eq!(town.spend(Quickbooks, &first).await.text("refresh_token"), second);
    town.clock.advance(TimeDelta::minutes(1));
    assert_eq!(town.spend(Quickbooks, &first).await.status, 400);
    assert_eq!(town.spend(Quickbooks, &second).await.status, 400, "reuse revoked the family");
}

#[tokio::test]
async fn one_value_spent_twice_at_once_kills_the_winner_too() {
    let town = Town::start().await;
    let value = town.connect(Quickbooks).await.text("refresh_token");
    town.sandbox.switch(Quickbooks, |s| s.latency = Duration::from_millis(200));
    let (one, two) = tokio::join!(town.spend(Quickbooks, &value), town.spend(Quickbooks, &value));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert_eq!(town.sandbox.concurrent_spends(), 1);
    assert_eq!(town.spend(Quickbooks, &value).await.status, 400);
    assert_eq!(town.sandbox.token_calls(Quickbooks)[2].in_flight_peers, 1);
}

#[tokio::test]
async fn a_code_is_spent_once_and_only_where_it_was_asked_for() {
    let town = Town::start().await;
    let code = parameter(&town.consent(Quickbooks).await, "code");
    let elsewhere = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", "https://other.example/")];
    assert_eq!(town.token_request(Quickbooks, &elsewhere).send().await.unwrap().status(), 400);
    let won = town.exchange(Quickbooks, &code).await;
    assert_eq!(won.status, 200);
    assert_eq!(town.exchange(Quickbooks, &code).await.text("error"), "invalid_grant");
    assert_eq!(town.spend(Quickbooks, &won.text("refresh_token")).await.status, 400, "the second exchange poisons");

    let stale = parameter(&town.consent(Hubspot).await, "code");
    town.clock.advance(TimeDelta::minutes(10));
    assert_eq!(town.exchange(Hubspot, &stale).await.text("status"), "BAD_AUTH_CODE");
}

#[tokio::test]
async fn the_clocks_run_out() {
    let town = Town::start().await;
    let idle = town.connect(Quickbooks).await.text("refresh_token");
    town.clock.advance(TimeDelta::days(101));
    assert_eq!(town.spend(Quickbooks, &idle).await.text("error_description"), "Incorrect or invalid refresh token");

    town.sandbox.switch(Quickbooks, |s| s.hard_lifetime = Some(Duration::from_secs(100)));
    let capped = town.connect(Quickbooks).await;
    assert_eq!(capped.body["x_refresh_token_expires_in"], 100, "never more than the cap");
    town.clock.advance(TimeDelta::seconds(100));
    assert_eq!(town.spend(Quickbooks, &capped.text("refresh_token")).await.status, 400);
}

#[tokio::test]
async fn strangers_are_told_so_in_each_dialect() {
    let town = Town::start().await;
    let value = town.connect(Quickbooks).await.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", value.as_str()), ("client_id", "twice")];
    let twice = town.token_request(Quickbooks, &form).send().await.unwrap();
    assert_eq!(twice.status(), 401);
    assert_eq!(twice.text().await.unwrap(), r#"{"error":"invalid_client"}"#);
    assert_eq!(town.spend(Quickbooks, &value).await.status, 200, "no grant was touched");
    town.sandbox.switch(Hubspot, |s| s.invalid_client = true);
    let refused = town.connect(Hubspot).await;
    assert_eq!((refused.status, refused.text("status").as_str()), (400, "BAD_CLIENT_ID"));
}

#[tokio::test]
async fn disconnecting_and_deleting_end_a_grant() {
    let town = Town::start().await;
    let (books, portal) = (town.connect(Quickbooks).await, town.connect(Hubspot).await);
    assert!(town.sandbox.revoke(Quickbooks, REALM));
    assert_eq!(town.spend(Quickbooks, &books.text("refresh_token")).await.text("error"), "invalid_grant");
    let refused = town.query(&books.text("access_token"), "select * from Item").await;
    assert_eq!((refused.status, &refused.body["fault"]["error"][0]["code"]), (401, &json!("3200")));
    town.sandbox.delete_portal(HUB);
    let gone = town.spend(Hubspot, &portal.text("refresh_token")).await;
    assert_eq!((gone.text("status"), gone.text("error")), ("BAD_HUB".to_owned(), "access_denied".to_owned()));
}

#[tokio::test]
async fn intuit_takes_a_revocation_as_json() {
    let town = Town::start().await;
    let grant = town.connect(Quickbooks).await;
    let at = town.at(Quickbooks);
    let request = town.http.post(at.revoke_url).basic_auth(&at.client_id, Some("sandbox-quickbooks-secret"));
    let token = json!({"token": grant.text("access_token")});
    assert_eq!(request.json(&token).send().await.unwrap().status(), 200);
    assert_eq!(town.spend(Quickbooks, &grant.text("refresh_token")).await.status, 400, "the whole set is void");
}

#[tokio::test]
async fn a_person_can_choose_and_refuse() {
    let town = Town::start().await;
    town.sandbox.add_company("9130347596842110002", "<Quill> & Sons");
    let at = town.at(Quickbooks);
    let query = [("client_id", at.client_id.as_str()), ("redirect_uri", BACK), ("interactive", "1"), ("state", "s1")];
    let page = town.http.get(at.authorize_url.clone()).query(&query).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("&lt;Quill&gt; &amp; Sons") && page.contains("choice=9130347596842110002"));
    town.sandbox.deny_next(Quickbooks);
    assert_eq!(parameter(&town.consent(Quickbooks).await, "error"), "access_denied");
    town.sandbox.choose(Quickbooks, "9130347596842110002");
    assert_eq!(parameter(&town.consent(Quickbooks).await, "realmId"), "9130347596842110002");
}

#[tokio::test]
async fn lifetimes_and_tokens_can_be_left_out() {
    let town = Town::start().await;
    let first = town.connect(Quickbooks).await.text("refresh_token");
    town.sandbox.switch(Quickbooks, |s| {
        s.omit_refresh_token = true;
        s.report_expires_in = false;
    });
    town.clock.advance(TimeDelta::days(2));
    let bare = town.spend(Quickbooks, &first).await;
    let keys: Vec<_> = bare.body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["access_token", "token_type"]);
    assert_eq!(town.spend(Quickbooks, &first).await.status, 200, "what was spent stays good");
}

#[tokio::test]
async fn a_token_that_somebody_else_replaced_is_dead_while_its_grant_lives() {
    let town = Town::start().await;
    for provider in [Quickbooks, Hubspot] {
        let grant = town.connect(provider).await;
        let company = if provider == Quickbooks { REALM } else { HUB };
        let asked = json!({"replace": {"provider": provider, "company_id": company}});
        let control = town.sandbox.http_url().join("control").unwrap();
        assert_eq!(town.http.post(control).json(&asked).send().await.unwrap().status(), 200);
        for _ in 0..2 {
            assert_eq!(town.spend(provider, &grant.text("refresh_token")).await.status, 400);
        }
        assert_eq!(town.sandbox.connected(provider), [company], "spending it again harms nothing");
        if provider == Quickbooks {
            assert_eq!(town.query(&grant.text("access_token"), "select * from Item").await.status, 200);
        }
        assert!(!town.sandbox.replace(provider, "9"), "there is no such company");
    }
}
