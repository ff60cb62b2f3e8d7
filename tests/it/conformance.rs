//! What Lamplighter sends to HubSpot, and what the simulated HubSpot replies, against HubSpot's published specifications. A
//! relay between the two keeps every call; excerpts of the specifications lie in `hubspot_openapi/`.

mod schema;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use chrono::TimeDelta;
use lamplighter::{
    provider::Provider::{Hubspot, Quickbooks},
    sandbox::NewOrder,
};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

use self::schema::Specification;
use crate::harness::{HUB, REALM, TestApp, minutes, order};

/// One call and its reply.
struct Call {
    method: String,
    path: String,
    sent: Value,
    status: u16,
    reply: Value,
}

/// Hands calls on to the sandbox and keeps them.
#[derive(Clone)]
struct Relay {
    client: reqwest::Client,
    to: Arc<Mutex<Option<Url>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

async fn relay(State(relay): State<Relay>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let to = relay.to.lock().unwrap().clone().expect("the sandbox is known");
    let mut request = relay.client.request(method.clone(), to.join(uri.path()).unwrap());
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let reply = request.body(body.clone()).send().await.unwrap();
    let status = reply.status();
    let bytes = reply.bytes().await.unwrap();
    let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
    relay.calls.lock().unwrap().push(Call {
        method: method.as_str().to_lowercase(),
        path: uri.path().trim_start_matches("/hubspot").to_owned(),
        sent: json(&body),
        status: status.as_u16(),
        reply: json(&bytes),
    });
    let status = StatusCode::from_u16(status.as_u16()).unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_replies_are_those_of_the_published_specifications() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let (door, listener) =
        (Relay { client, to: Arc::default(), calls: Arc::default() }, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let api_url = format!("http://{}/hubspot", listener.local_addr().unwrap());
    let service = Router::new().fallback(async |state: State<Relay>, request: Request| {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        relay(state, parts.method, parts.uri, parts.headers, body).await
    });
    let service = service.with_state(door.clone());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, service).await });

    let app = TestApp::start_with(&[("providers.hubspot.api_url", &api_url)]).await;
    *door.to.lock().unwrap() = Some(app.sandbox.http_url());
    let account = app.account("Harbor Books").await;
    app.connect(&account, Quickbooks, REALM).await;
    app.connect(&account, Hubspot, HUB).await;
    let start = app.clock.now();
    // More than a page within one millisecond, an order with everything, one with nothing.
    (0..210)
        .for_each(|n| drop(app.sandbox.place_order(HUB, NewOrder { name: format!("#{n}"), ..NewOrder::default() })));
    app.advance(TimeDelta::milliseconds(1));
    app.sandbox.place_order(HUB, order("#whole", 1_000));
    app.advance(minutes(6));
    app.rounds().await;
    let range = lamplighter::orders::intake::sync::Range {
        account_id: account.id,
        connection_id: app.connection(Hubspot).await.id,
        from: start,
        to: app.clock.now(),
    };
    app.app.intake.sync(range, |_, _| {}).await.1.unwrap();
    // A token that HubSpot does not know.
    let api = app.app.web.providers.hubspot().unwrap();
    let stranger = api.account_details(&"a-token-of-nobody".into()).await;
    assert_eq!(stranger.unwrap_err().status, Some(401));
    // Ids that are gone: a reply in part.
    let live = app.app.keeper.access_token(range.connection_id).await.unwrap();
    let gone = api.contacts(&live.token, &["1".to_owned()]).await.unwrap();
    assert_eq!(gone.missing, ["1"]);

    let specifications = [
        include_str!("hubspot_openapi/orders.json"),
        include_str!("hubspot_openapi/line_items.json"),
        include_str!("hubspot_openapi/contacts.json"),
        include_str!("hubspot_openapi/associations.json"),
        include_str!("hubspot_openapi/account_info.json"),
    ]
    .map(Specification::read);
    let calls = door.calls.lock().unwrap();
    let (mut met, mut statuses) = ([0; 5], Vec::new());
    for call in calls.iter() {
        let which = match call.path.split('/').collect::<Vec<_>>()[..] {
            ["", "crm", "objects", _, "orders", "search"] => 0,
            ["", "crm", "objects", _, "line_items", "batch", "read"] => 1,
            ["", "crm", "objects", _, "contacts", "batch", "read"] => 2,
            ["", "crm", "associations", ..] => 3,
            ["", "account-info", ..] => 4,
            _ => panic!("{} is specified nowhere", call.path),
        };
        met[which] += 1;
        statuses.push(call.status);
        let operation = specifications[which].operation(&call.method, &call.path).unwrap_or_else(|| {
            panic!("{} {} is no operation of HubSpot's", call.method, call.path);
        });
        let mut sent = call.sent.clone();
        // The specification has sorts as texts, which HubSpot's documentation contradicts, and its API ignores texts that
        // hold an object: github.com/HubSpot/hubspot-api-python/issues/236. The form here is the documentation's.
        if let Some(sorts) = sent.get_mut("sorts").and_then(Value::as_array_mut) {
            for sort in sorts {
                assert!(sort["propertyName"].is_string() && sort["direction"] == "ASCENDING", "{sort}");
                *sort = sort["propertyName"].clone();
            }
        }
        let wrong = operation.request(&sent);
        assert!(wrong.is_empty(), "sent to {}: {wrong:#?}\n{sent}", call.path);
        let wrong = operation.reply(call.status, &call.reply);
        assert!(wrong.is_empty(), "{} replied {}: {wrong:#?}\n{}", call.path, call.status, call.reply);
    }
    assert!(met.iter().all(|count| *count > 0), "{met:?}");
    for status in [200, 207, 401] {
        assert!(statuses.contains(&status), "{status} never came: {statuses:?}");
    }
}
