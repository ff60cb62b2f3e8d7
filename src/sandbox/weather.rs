//! What stands in front of both providers: outages, throttling, lost replies and correlation ids.
//!
//! Every request is counted first, even when the outage swallows it, so a test can see how often a client knocks.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{self, ConnectInfo, Request},
    http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{grants::random_text, state::World, switches::Outage, wire::Cut};
use crate::provider::Provider;

/// A status and a body of JSON.
pub(super) type Reply = (StatusCode, Value);

/// How a response leaves; put on it for the layer that holds the connection.
#[derive(Clone, Copy)]
pub(super) struct Leaving {
    pub(super) way: Way,
    /// The token call that is told when the whole of it is out.
    pub(super) call: Option<usize>,
}

/// How much of a response its sender sees.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Whole,
    Halved,
    Lost,
}

impl Leaving {
    pub(super) fn put_on(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }
}

/// The id under which a provider's support would find this request.
#[derive(Clone)]
pub(super) struct Correlation(pub(super) String);

/// The layer in front of Intuit.
pub(super) async fn at_intuit(
    extract::State(world): extract::State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    pass(Provider::Quickbooks, &world, &cut, request, next).await
}

/// The layer in front of HubSpot.
pub(super) async fn at_hubspot(
    extract::State(world): extract::State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    pass(Provider::Hubspot, &world, &cut, request, next).await
}

async fn pass(provider: Provider, world: &Arc<World>, cut: &Cut, mut request: Request, next: Next) -> Response {
    let (id, header) = match provider {
        Provider::Quickbooks => (format!("1-{}-{}", random_hex(8), random_hex(24)), "intuit_tid"),
        Provider::Hubspot => (uuid::Uuid::new_v4().to_string(), "x-hubspot-correlation-id"),
    };
    request.extensions_mut().insert(Correlation(id.clone()));
    let oauth = request.uri().path().contains("/oauth");
    let mut response = match arrive(provider, world, oauth, &id) {
        Front::Open => next.run(request).await,
        Front::Answered(response) => *response,
        Front::Hanging => {
            hang(provider, world).await;
            cut.pull();
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
    };
    match response.extensions().get::<Leaving>().copied() {
        Some(Leaving { way: Way::Lost, .. }) => cut.pull(),
        Some(Leaving { way: Way::Halved, .. }) => cut.halve(),
        Some(Leaving { way: Way::Whole, call: Some(call) }) => {
            let world = Arc::clone(world);
            cut.when_written(move || world.change(|state| state.grants_mut(provider).delivered(call)));
        }
        Some(_) | None => (),
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static(header), id);
    }
    response
}

enum Front {
    Open,
    Answered(Box<Response>),
    Hanging,
}

/// Counts a request and looks at the sky.
fn arrive(provider: Provider, world: &World, oauth: bool, id: &str) -> Front {
    let switches = world.change(|state| {
        let grants = state.grants_mut(provider);
        *(if oauth { &mut grants.oauth_calls } else { &mut grants.api_calls }) += 1;
        grants.switches.clone()
    });
    if !switches.outage_scope.covers(oauth) {
        return Front::Open;
    }
    let mut response = match switches.outage {
        Outage::Hang => return Front::Hanging,
        Outage::Html => maintenance(),
        Outage::Status503 => unavailable(),
        Outage::None if switches.throttle => too_many(provider, id),
        Outage::None => return Front::Open,
    };
    if let Some(wait) = switches.retry_after.filter(|_| switches.outage != Outage::Html) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    Front::Answered(Box::new(response))
}

/// Waits until the switch is turned back or the sandbox stops. A client that gives up drops this.
async fn hang(provider: Provider, world: &World) {
    let over = |world: &World| {
        let outage = world.see(|state| state.grants(provider).switches.outage);
        (outage != Outage::Hang).then_some(())
    };
    tokio::select! {
        _ = world.wait_until(Duration::from_secs(86_400), over) => (),
        () = world.stop.cancelled() => (),
    }
}

fn throttled(provider: Provider, id: &str) -> Value {
    match provider {
        Provider::Quickbooks => json!({"Fault": {"Error": [{
            "Message": "message=ThrottleExceeded; errorCode=003001; statusCode=429",
            "Detail": "The request limit was reached. Try again later",
            "code": "3001",
        }], "type": "SERVICE"}}),
        Provider::Hubspot => json!({
            "status": "error",
            "message": "You have reached your ten_secondly_rolling limit.",
            "errorType": "RATE_LIMIT",
            "correlationId": id,
            "policyName": "TEN_SECONDLY_ROLLING",
            "groupName": "publicapi:private_app-api-calls-ten-secondly:sandbox",
        }),
    }
}

/// 200 with a page of HTML.
pub(super) fn maintenance() -> Response {
    Html(MAINTENANCE).into_response()
}

/// 503 with a page of HTML from the gateway.
pub(super) fn unavailable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Html(UNAVAILABLE)).into_response()
}

/// 429 in the provider's words.
pub(super) fn too_many(provider: Provider, id: &str) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, Json(throttled(provider, id))).into_response()
}

/// The answer to a call; when it is lost its connection is cut instead.
pub(super) fn answer((status, body): Reply, lost: bool) -> Response {
    let way = if lost { Way::Lost } else { Way::Whole };
    Leaving { way, call: None }.put_on((status, Json(body)).into_response())
}

fn random_hex(length: usize) -> String {
    random_text(length).bytes().map(|byte| char::from(b"0123456789abcdef"[usize::from(byte % 16)])).collect()
}

const MAINTENANCE: &str = "<!DOCTYPE html><html><head><title>We'll be right back</title></head><body>\
    <h1>We're doing some maintenance</h1><p>Please come back in a few minutes.</p></body></html>";

const UNAVAILABLE: &str = "<html><head><title>503 Service Temporarily Unavailable</title></head><body><center>\
    <h1>503 Service Temporarily Unavailable</h1></center></body></html>";
