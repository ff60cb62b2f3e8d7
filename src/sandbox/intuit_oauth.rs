//! Intuit's OAuth dialect: Basic credentials and nothing in the body, bare `invalid_grant`, `x_` lifetimes.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{self, Extension},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL},
    },
    response::Response,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    grants::{Issued, Refusal},
    state::World,
    tokens::{Carried, Dialect, Form, client, named},
    weather::{Correlation, Reply, answer},
};
use crate::provider::Provider;

const INTUIT: Dialect = Dialect {
    provider: Provider::Quickbooks,
    refusal,
    grant_type: || named(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    code: "error",
};

/// `POST /oauth2/v1/tokens/bearer`
pub(super) async fn token(
    extract::State(world): extract::State<Arc<World>>,
    Extension(Correlation(id)): Extension<Correlation>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let form = Form::read(&body);
    // Credentials in two places are refused, as Intuit does.
    let twice = !form.get("client_id").is_empty() || !form.get("client_secret").is_empty();
    let identity = if twice { Err(stranger()) } else { identify(&world, &headers) };
    let (outcome, leaving) = match INTUIT.carry_out(&world, identity, &form, &id).await {
        Carried::Out(outcome, leaving) => (outcome, leaving),
        Carried::Instead(response) => return response,
    };
    let hard = headers.get("x-include-refresh-token-hard-expires-in").is_some_and(|value| value == "true");
    let report = world.see(|state| state.grants(Provider::Quickbooks).switches.report_expires_in);
    let reply = outcome.map_or_else(|refused| refused, |issued| (StatusCode::OK, grant(&issued, hard, report)));
    let mut response = leaving.put_on(answer(reply, false));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}

/// `POST /v2/oauth2/tokens/revoke`, which wants JSON where RFC 7009 has a form.
pub(super) async fn revoke(
    extract::State(world): extract::State<Arc<World>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = identify(&world, &headers) {
        return answer(refused, false);
    }
    let asked = serde_json::from_slice::<Value>(&body).ok();
    let token = asked.as_ref().and_then(|body| body["token"].as_str()).unwrap_or_default();
    if world.change(|state| state.grants_mut(Provider::Quickbooks).give_back(token)) {
        answer((StatusCode::OK, json!({})), false)
    } else {
        answer(named(StatusCode::BAD_REQUEST, "invalid_request"), false)
    }
}

fn identify(world: &World, headers: &HeaderMap) -> Result<(), Reply> {
    let (id, secret) = client(Provider::Quickbooks);
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
    let locked_out = world.see(|state| state.grants(Provider::Quickbooks).switches.invalid_client);
    let known = headers.get(AUTHORIZATION).is_some_and(|sent| sent.as_bytes() == expected.as_bytes());
    if known && !locked_out { Ok(()) } else { Err(stranger()) }
}

fn stranger() -> Reply {
    named(StatusCode::UNAUTHORIZED, "invalid_client")
}

fn refusal(why: Refusal) -> Reply {
    let described = |text: &str| json!({"error": "invalid_grant", "error_description": text});
    let body = match why {
        Refusal::Unknown | Refusal::Expired => described("Incorrect or invalid refresh token"),
        Refusal::WrongKind => described("Incorrect Token type or clientID"),
        Refusal::Replaced | Refusal::Code | Refusal::Redirect | Refusal::CompanyGone => {
            json!({"error": "invalid_grant"})
        }
    };
    (StatusCode::BAD_REQUEST, body)
}

fn grant(issued: &Issued, hard: bool, report: bool) -> Value {
    let mut body = json!({"access_token": issued.access, "token_type": "bearer"});
    if let Some(refresh) = &issued.refresh {
        body["refresh_token"] = json!(refresh);
    }
    if report {
        body["expires_in"] = json!(issued.access_left.as_secs());
        if let Some(left) = issued.refresh_left {
            body["x_refresh_token_expires_in"] = json!(left.as_secs());
        }
        if let Some(left) = issued.hard_left.filter(|_| hard) {
            body["x_refresh_token_hard_expires_in"] = json!(left.as_secs());
        }
    }
    body
}
