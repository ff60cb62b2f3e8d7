//! HubSpot says that something changed: the portal is read sooner, and nothing else happens.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lamplighter::{provider::Provider::Hubspot, sandbox::Outage};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use super::number;
use crate::harness::{HUB, REALM, TestApp, minutes, order};

impl TestApp {
    fn signature(&self, body: &str, at: i64) -> String {
        let secret = self.sandbox.endpoints(Hubspot).client_secret;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).unwrap();
        mac.update(format!("POST{}{body}{at}", self.url("/webhooks/hubspot")).as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    async fn announce(&self, body: &str, at: DateTime<Utc>, signature: &str) -> u16 {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(self.url("/webhooks/hubspot"))
            .header("X-HubSpot-Signature-v3", signature)
            .header("X-HubSpot-Request-Timestamp", at.timestamp_millis().to_string())
            .body(body.to_owned());
        request.send().await.unwrap().status().as_u16()
    }

    async fn announce_signed(&self, body: &str) -> u16 {
        let now = self.clock.now();
        self.announce(body, now, &self.signature(body, now.timestamp_millis())).await
    }

    async fn poll_at(&self) -> DateTime<Utc> {
        sqlx::query_scalar("select poll_at from intakes").fetch_one(&self.app.pool).await.unwrap()
    }
}

fn event(portal: &str) -> String {
    format!(r#"[{{"eventId":1,"portalId":{portal},"objectTypeId":"0-123","subscriptionType":"object.creation"}}]"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_arrives_sooner_and_a_replay_changes_nothing() {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    app.advance(TimeDelta::seconds(10));
    let id = app.place(order("#1", 1_000));
    app.rounds().await;
    assert!(app.numbers(REALM).is_empty(), "its turn has not come");
    for _ in 0..3 {
        assert_eq!(app.announce_signed(&event(HUB)).await, 204);
        app.rounds().await;
        assert_eq!(app.numbers(REALM), [number(&id)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_believed_that_hubspot_did_not_sign_just_now() {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    let (stands, now) = (app.poll_at().await, app.clock.now());
    let body = event(HUB);
    let old = now - TimeDelta::milliseconds(300_001);
    assert_eq!(app.announce(&body, now, "").await, 401);
    assert_eq!(app.announce(&body, old, &app.signature(&body, old.timestamp_millis())).await, 401);
    assert_eq!(app.announce(&event("1"), now, &app.signature(&body, now.timestamp_millis())).await, 401);
    assert_eq!(app.announce_signed(&event("999")).await, 204, "a portal that nobody connected");
    assert_eq!(app.announce_signed("[]").await, 204);
    assert_eq!(app.announce_signed("hello").await, 422);
    let many = format!("[{}]", vec![event(HUB).trim_matches(['[', ']']).to_owned(); 101].join(","));
    assert_eq!(app.announce_signed(&many).await, 413);
    assert_eq!(app.poll_at().await, stands);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_rests_after_a_failure_is_left_to_rest() {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    app.sandbox.switch(Hubspot, |switches| switches.outage = Outage::Status503);
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap();
    let stands = app.poll_at().await;
    assert_eq!(app.announce_signed(&event(HUB)).await, 204);
    assert_eq!(app.poll_at().await, stands);
}
