//! What services of the operator's own are told: by whom it is written, how it is signed, and that nothing is lost on the
//! way. The receiver is a small server of its own; its signatures are computed from the bytes that came, without our code.

mod endings;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lamplighter::{
    keeper::lapse,
    provider::{Cause, Failure, Provider, Verdict},
    store::webhooks::{self, Event, NewWebhook},
    webhooks::Report,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::harness::{HUB, REALM, TestApp, minutes, order};

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) id: String,
    timestamp: String,
    signature: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The signature as the convention defines it.
    pub(crate) fn signed_with(&self, secret: &SecretString) -> bool {
        let key = STANDARD.decode(secret.expose_secret().strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        for part in [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", self.body.as_bytes()] {
            mac.update(part);
        }
        self.signature == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[derive(Clone, Default)]
struct Script {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

pub(crate) type Answer = (u16, Vec<(&'static str, String)>);

/// A service that takes messages; it answers as it was told, then with 204.
pub(crate) struct Receiver {
    pub(crate) url: String,
    script: Script,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks?token=endpoint-secret", listener.local_addr().unwrap());
        let script = Script::default();
        let router = Router::new().route("/hooks", post(take)).with_state(script.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    pub(crate) fn answer(&self, answers: &[u16]) {
        self.script.answers.lock().unwrap().extend(answers.iter().map(|status| (*status, Vec::new())));
    }

    pub(crate) fn answer_with(&self, answer: Answer) {
        self.script.answers.lock().unwrap().push_back(answer);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.script.received.lock().unwrap().clone()
    }

    /// Registers it.
    pub(crate) async fn register(&self, app: &TestApp, events: &[Event]) -> (Uuid, SecretString) {
        let id = Uuid::now_v7();
        let (secret, secret_sealed) = app.app.webhooks.new_secret(id);
        let new = NewWebhook { id, url: &self.url, events, secret_sealed: &secret_sealed };
        assert!(webhooks::add(&mut *app.conn().await, &new, app.clock.now()).await.unwrap());
        (id, secret)
    }
}

async fn take(State(script): State<Script>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    script.received.lock().unwrap().push(Received {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let (status, more) = script.answers.lock().unwrap().pop_front().unwrap_or((204, Vec::new()));
    let mut response = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in more {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

pub(crate) async fn delivered(app: &TestApp) -> Report {
    app.app.webhooks.round().await.unwrap()
}

pub(crate) async fn post_an_order(app: &TestApp, name: &str) {
    app.advance(minutes(10));
    app.sandbox.place_order(HUB, order(name, 1_250));
    app.rounds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_order_is_told_once_and_signed() {
    let (app, account) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    let (_, secret) = receiver.register(&app, &Event::ALL).await;
    post_an_order(&app, "#1001").await;
    assert_eq!(delivered(&app).await, Report { delivered: 1, ..Report::default() });
    assert_eq!(delivered(&app).await, Report::default(), "once");
    let [message] = &receiver.received()[..] else { panic!("{:?}", receiver.received()) };
    assert!(message.signed_with(&secret), "{message:?}");
    assert_eq!(message.timestamp, app.clock.now().timestamp().to_string());
    let (told, posted) = (message.json(), app.order("#1001").await);
    assert_eq!(told["type"], "order.posted");
    assert_eq!(told["data"]["order_id"], posted.id.to_string());
    assert_eq!(told["data"]["document_id"], posted.document_id.clone().unwrap());
    assert_eq!(told["data"]["document_number"], posted.document_number);
    assert_eq!((&told["data"]["name"], &told["data"]["total"]), (&"#1001".into(), &"12.50".into()));
    assert_eq!(
        (&told["data"]["account_id"], &told["data"]["account"]),
        (&account.id.to_string().into(), &"Harbor Books".into())
    );
    let at: chrono::DateTime<chrono::Utc> = told["timestamp"].as_str().unwrap().parse().unwrap();
    assert!((posted.posted_at.unwrap() - at).abs() < TimeDelta::seconds(1), "{told}");
    assert!(!message.body.contains("reader@post.example"), "no address of a buyer leaves this way: {}", message.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_hears_only_of_what_it_asked_for_and_nobody_registered_costs_no_row() {
    let (app, _) = TestApp::connected().await;
    post_an_order(&app, "#1000").await;
    assert_eq!(app.count("select count(*) from webhook_deliveries").await, 0);
    let receiver = Receiver::start().await;
    receiver.register(&app, &[Event::OrderParked, Event::ConnectionLapsed]).await;
    post_an_order(&app, "#1001").await;
    assert_eq!(app.count("select count(*) from webhook_deliveries").await, 0);
    let mut wrong = order("#1002", 1_250);
    wrong.total = Some(rust_decimal::Decimal::new(9_900, 2));
    app.advance(minutes(10));
    app.sandbox.place_order(HUB, wrong);
    app.rounds().await;
    assert_eq!(delivered(&app).await.delivered, 1);
    let told = receiver.received()[0].json();
    let parked = app.order("#1002").await;
    assert_eq!((&told["type"], &told["data"]["status"]), (&"order.parked".into(), &"parked".into()));
    assert_eq!(told["data"]["remedy"], parked.remedy.clone().unwrap());
    assert_eq!(told["data"]["message"], parked.last_message.clone().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapse_and_the_recovery_are_told_with_the_cause() {
    let (app, account) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    receiver.register(&app, &[Event::ConnectionLapsed, Event::ConnectionRecovered]).await;
    let (orders_only, lapses_only) = (Receiver::start().await, Receiver::start().await);
    orders_only.register(&app, &[Event::OrderPosted, Event::OrderParked]).await;
    lapses_only.register(&app, &[Event::ConnectionLapsed]).await;
    app.sandbox.revoke(Provider::Quickbooks, REALM);
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    delivered(&app).await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    delivered(&app).await;
    app.mails(2).await;
    // Agreeing once more is no recovery.
    app.connect(&account, Provider::Quickbooks, REALM).await;
    delivered(&app).await;
    assert_eq!((orders_only.received().len(), lapses_only.received().len()), (0, 1), "each hears what it asked for");
    let told: Vec<_> = receiver.received().iter().map(Received::json).collect();
    let types: Vec<_> = told.iter().map(|told| told["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["connection.lapsed", "connection.recovered"]);
    assert_eq!((&told[0]["data"]["cause"], &told[0]["data"]["status"]), (&"revoked".into(), &"lapsed".into()));
    assert_eq!((&told[1]["data"]["cause"], &told[1]["data"]["status"]), (&Value::Null, &"connected".into()));
    for told in told {
        assert_eq!(told["data"]["company_id"], REALM);
        assert_eq!(told["data"]["account_id"], account.id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapse_that_is_taken_back_by_itself_is_told_as_a_recovery_too() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    receiver.register(&app, &Event::ALL).await;
    let row = app.connection(Provider::Quickbooks).await;
    let verdict = Verdict::Lapsed(Cause::ReplyLost);
    let refusal = Failure::without_reply(Provider::Quickbooks, "refresh", verdict, "test", "refused");
    app.app.keeper.lapse(row.id, row.generation, Cause::ReplyLost, &refusal).await.unwrap();
    delivered(&app).await;
    for _ in 0..2 {
        // The second time there is nothing to take back, and nothing to tell.
        lapse::revive(&mut *app.conn().await, row.id, app.clock.now()).await.unwrap();
        delivered(&app).await;
    }
    let told: Vec<_> = receiver.received().iter().map(Received::json).collect();
    let types: Vec<_> = told.iter().map(|told| told["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["connection.lapsed", "connection.recovered"]);
    assert_eq!((&told[0]["data"]["cause"], &told[1]["data"]["status"]), (&"reply_lost".into(), &"connected".into()));
    app.app.outbox.round().await.unwrap();
    app.mails(app.sandbox.mails().len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_over_refused_and_waiting_is_measured() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    receiver.register(&app, &Event::ALL).await;
    receiver.answer(&[204, 500]);
    for name in ["#1001", "#1002"] {
        post_an_order(&app, name).await;
        delivered(&app).await;
    }
    post_an_order(&app, "#1003").await;
    let page = crate::pages::ask(reqwest::Method::GET, &app.url("/metrics"), &[]).await.body;
    for line in [
        r#"lamplighter_webhooks_total{outcome="delivered"} 1"#,
        r#"lamplighter_webhooks_total{outcome="failed"} 1"#,
        r#"lamplighter_webhooks_total{outcome="given_up"} 0"#,
        r#"lamplighter_webhooks_waiting{status="failing"} 1"#,
        r#"lamplighter_webhooks_waiting{status="fresh"} 1"#,
        "lamplighter_webhooks_switched_off 0",
    ] {
        assert!(page.lines().any(|one| one == line), "{line}: {page}");
    }
}
