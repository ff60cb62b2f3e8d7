//! The page where a customer agrees to connect.
//!
//! By default nobody has to look: the company chosen beforehand agrees at once. With the `interactive` switch, or
//! `&interactive=1` in the address, a person chooses a company or refuses.

use std::sync::Arc;

use axum::{
    extract::{self, Query},
    http::{StatusCode, header::LOCATION},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{
    pages::{escape, page},
    state::World,
    tokens::client,
};
use crate::provider::Provider;

/// What a choice of "no" is called in the address.
const DENY: &str = "deny";

/// What the app asks for.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    scope: String,
    state: Option<String>,
    interactive: Option<String>,
    choice: Option<String>,
}

/// Intuit's `connect/oauth2`.
pub(super) async fn at_intuit(world: extract::State<Arc<World>>, Query(asked): Query<Asked>) -> Response {
    ask(&world, Provider::Quickbooks, &asked)
}

/// HubSpot's `oauth/authorize`.
pub(super) async fn at_hubspot(world: extract::State<Arc<World>>, Query(asked): Query<Asked>) -> Response {
    ask(&world, Provider::Hubspot, &asked)
}

fn ask(world: &World, provider: Provider, asked: &Asked) -> Response {
    if asked.client_id != client(provider).0 {
        return refuse(provider, "This app is not known here. Compare the client id in its configuration.");
    }
    let Ok(back) = Url::parse(&asked.redirect_uri) else {
        return refuse(provider, "The redirect_uri is missing or is no address.");
    };
    let companies = world.see(|state| state.companies(provider));
    let interactive = asked.interactive.is_some() || world.see(|state| state.grants(provider).switches.interactive);
    if interactive && asked.choice.is_none() {
        return choose(provider, asked, &companies);
    }
    let (chosen, denied) = world.change(|state| {
        let grants = state.grants_mut(provider);
        (grants.chosen.clone(), std::mem::take(&mut grants.deny_next))
    });
    if denied || asked.choice.as_deref() == Some(DENY) {
        let text = "The user denied access to the app.";
        return send_back(back, asked, &[("error", "access_denied"), ("error_description", text)]);
    }
    let first = || companies.first().map(|(id, _)| id.clone());
    let Some(company) = asked.choice.clone().or(chosen).or_else(first) else {
        return refuse(provider, "There is no company to connect. Add one to the sandbox first.");
    };
    let scopes = asked.scope.split_whitespace().map(str::to_owned).collect();
    let now = world.clock.now();
    let code = world.change(|state| state.grants_mut(provider).issue_code(&company, &asked.redirect_uri, scopes, now));
    match provider {
        Provider::Quickbooks => send_back(back, asked, &[("code", &code), ("realmId", &company)]),
        Provider::Hubspot => send_back(back, asked, &[("code", &code)]),
    }
}

fn send_back(mut to: Url, asked: &Asked, pairs: &[(&str, &str)]) -> Response {
    to.query_pairs_mut().extend_pairs(pairs);
    if let Some(state) = &asked.state {
        to.query_pairs_mut().append_pair("state", state);
    }
    (StatusCode::FOUND, [(LOCATION, to.to_string())]).into_response()
}

fn refuse(provider: Provider, why: &str) -> Response {
    let body = format!("<p class=bad>{}</p>", escape(why));
    (StatusCode::BAD_REQUEST, Html(page(&format!("{} (sandbox)", provider.title()), &body))).into_response()
}

fn choose(provider: Provider, asked: &Asked, companies: &[(String, String)]) -> Response {
    let link = |choice: &str| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("client_id", asked.client_id.as_str()),
            ("redirect_uri", &asked.redirect_uri),
            ("scope", &asked.scope),
            ("choice", choice),
        ]);
        if let Some(state) = &asked.state {
            query.append_pair("state", state);
        }
        escape(&format!("?{}", query.finish()))
    };
    let mut body = String::from("<p>An app asks to connect to one of your companies. Which one?</p><ul class=cards>");
    for (id, name) in companies {
        let (name, id_shown) = (escape(name), escape(id));
        body += &format!("<li><a href=\"{}\"><b>{name}</b><small>{id_shown}</small></a></li>", link(id));
    }
    body += &format!("</ul><p><a class=quiet href=\"{}\">No, do not connect</a></p>", link(DENY));
    Html(page(&format!("Connect to {} (sandbox)", provider.title()), &body)).into_response()
}
