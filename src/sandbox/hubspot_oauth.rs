//! HubSpot's OAuth dialect: credentials in the body, a `status` beside the `error`, 200 for tokens it does not know.

use std::sync::Arc;

use axum::{
    extract::{self, Extension, Path},
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};

use super::{
    grants::{Issued, Refusal, Sight},
    state::World,
    switches::Switches,
    tokens::{Carried, Dialect, Form, client},
    weather::{Correlation, Reply, answer},
};
use crate::provider::Provider;

const HUBSPOT: Dialect = Dialect {
    provider: Provider::Hubspot,
    refusal,
    grant_type: || fault("unsupported_grant_type", "BAD_GRANT_TYPE", "missing or unknown grant type"),
    code: "status",
};

/// `POST /oauth/{version}/token`
pub(super) async fn token(
    extract::State(world): extract::State<Arc<World>>,
    Path(_version): Path<String>,
    Extension(Correlation(id)): Extension<Correlation>,
    body: String,
) -> Response {
    let form = Form::read(&body);
    let (outcome, leaving) = match HUBSPOT.carry_out(&world, identify(&world, &form), &form, &id).await {
        Carried::Out(outcome, leaving) => (outcome, leaving),
        Carried::Instead(response) => return response,
    };
    let switches = world.switches(Provider::Hubspot);
    let reply = match outcome {
        Ok(issued) => (StatusCode::OK, grant(&issued, &switches)),
        Err(refused) => with_id(refused, &id),
    };
    leaving.put_on(answer(reply, false))
}

/// `POST /oauth/{version}/token/introspect`
pub(super) async fn introspect(
    extract::State(world): extract::State<Arc<World>>,
    Path(_version): Path<String>,
    Extension(Correlation(id)): Extension<Correlation>,
    body: String,
) -> Response {
    let form = Form::read(&body);
    if let Err(refused) = identify(&world, &form) {
        return answer(with_id(refused, &id), false);
    }
    let token = form.get("token");
    let now = world.clock.now();
    let body = world.see(|state| {
        let grants = state.grants(Provider::Hubspot);
        let seen = grants.open(token, now).ok().map(|sight| (sight, "access_token"));
        let seen = seen.or_else(|| grants.see_refresh(token).map(|sight| (sight, "refresh_token")));
        let gone = |sight: &Sight<'_>| state.portals.get(sight.company).is_some_and(|portal| portal.deleted);
        let seen = seen.filter(|(sight, _)| !gone(sight));
        seen.map_or_else(
            || json!({"active": false}),
            |(sight, kind)| {
                let domain = state.portals.get(sight.company).map_or("", |portal| portal.domain.as_str());
                about(token, &sight, kind, domain)
            },
        )
    });
    answer((StatusCode::OK, body), false)
}

/// `POST /oauth/{version}/token/revoke`: the refresh token dies, its access tokens live on until they expire.
pub(super) async fn revoke(
    extract::State(world): extract::State<Arc<World>>,
    Path(_version): Path<String>,
    Extension(Correlation(id)): Extension<Correlation>,
    body: String,
) -> Response {
    let form = Form::read(&body);
    if let Err(refused) = identify(&world, &form) {
        return answer(with_id(refused, &id), false);
    }
    world.change(|state| state.grants_mut(Provider::Hubspot).give_back(form.get("token")));
    answer((StatusCode::OK, json!({})), false)
}

fn identify(world: &World, form: &Form) -> Result<(), Reply> {
    let (id, secret) = client(Provider::Hubspot);
    let locked_out = world.see(|state| state.grants(Provider::Hubspot).switches.invalid_client);
    if form.get("client_id") != id || locked_out {
        Err(fault("invalid_client", "BAD_CLIENT_ID", "missing or unknown client id"))
    } else if form.get("client_secret") != secret {
        Err(fault("invalid_client", "BAD_CLIENT_SECRET", "missing or invalid client secret"))
    } else {
        Ok(())
    }
}

fn refusal(why: Refusal) -> Reply {
    match why {
        Refusal::Unknown | Refusal::Expired | Refusal::Replaced | Refusal::WrongKind => {
            fault("invalid_grant", "BAD_REFRESH_TOKEN", "refresh token is invalid, expired or revoked")
        }
        Refusal::Code => fault("invalid_grant", "BAD_AUTH_CODE", "missing or unknown auth code"),
        Refusal::Redirect => fault("invalid_grant", "BAD_REDIRECT_URI", "missing or invalid redirect uri"),
        Refusal::CompanyGone => {
            let body = json!({"status": "BAD_HUB", "message": "missing or unknown hub id", "error": "access_denied"});
            (StatusCode::BAD_REQUEST, body)
        }
    }
}

fn fault(error: &str, status: &str, text: &str) -> Reply {
    let body = json!({"error": error, "error_description": text, "status": status, "message": text});
    (StatusCode::BAD_REQUEST, body)
}

fn with_id((status, mut body): Reply, id: &str) -> Reply {
    body["correlationId"] = json!(id);
    (status, body)
}

fn grant(issued: &Issued, switches: &Switches) -> Value {
    let mut body = json!({
        "token_type": "bearer",
        "token_use": "access_token",
        "access_token": issued.access,
        "user_id": 222_222,
        "scopes": issued.scopes,
    });
    if switches.report_hub_id {
        body["hub_id"] = json!(issued.company.parse::<u64>().unwrap_or_default());
    }
    if let Some(refresh) = &issued.refresh {
        body["refresh_token"] = json!(refresh);
    }
    if switches.report_expires_in {
        body["expires_in"] = json!(issued.access_left.as_secs());
    }
    body
}

fn about(token: &str, sight: &Sight<'_>, kind: &str, domain: &str) -> Value {
    let mut body = json!({
        "active": true,
        "token": token,
        "hub_id": sight.company.parse::<u64>().unwrap_or_default(),
        "user_id": 222_222,
        "client_id": client(Provider::Hubspot).0,
        "app_id": 1_234_444,
        "user": format!("owner@{domain}"),
        "hub_domain": domain,
        "scopes": sight.scopes,
        "is_private_distribution": true,
        "token_use": kind,
        "token_type": "Bearer",
    });
    if let Some(left) = sight.left {
        body["expires_in"] = json!(left.as_secs());
        body["signed_access_token"] = json!({});
    }
    body
}
