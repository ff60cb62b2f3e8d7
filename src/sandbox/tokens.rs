//! One call of a token endpoint, whoever's it is: who asks, what is spent, what is written down.
//!
//! The work is done when the request arrives and the answer comes after the `latency` switch, so a client that gives
//! up or is killed in between loses a reply that was carried out, as it would at the real provider.

use std::collections::HashMap;

use axum::http::StatusCode;
use serde_json::Value;
use url::form_urlencoded;

use super::{
    grants::{Issued, Refusal},
    state::World,
    weather::Reply,
};
use crate::provider::Provider;

/// The app's client id and secret at a provider.
pub(super) fn client(provider: Provider) -> (&'static str, &'static str) {
    match provider {
        Provider::Quickbooks => ("sandbox-quickbooks-app", "sandbox-quickbooks-secret"),
        Provider::Hubspot => ("sandbox-hubspot-app", "sandbox-hubspot-secret"),
    }
}

/// A posted form.
pub(super) struct Form(HashMap<String, String>);

impl Form {
    pub(super) fn read(body: &str) -> Self {
        Self(form_urlencoded::parse(body.as_bytes()).into_owned().collect())
    }

    /// A field, or nothing.
    pub(super) fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }
}

/// How a provider says no.
pub(super) struct Dialect {
    pub(super) provider: Provider,
    pub(super) refusal: fn(Refusal) -> Reply,
    pub(super) grant_type: fn() -> Reply,
    /// The member of an error body that names the error.
    pub(super) code: &'static str,
}

impl Dialect {
    /// Carries out one call. `identity` is the reply to a client that is not who it says. The flag tells whether the
    /// reply gets lost.
    pub(super) async fn carry_out(
        &self,
        world: &World,
        identity: Result<(), Reply>,
        form: &Form,
    ) -> (Result<Issued, Reply>, bool) {
        let grant_type = form.get("grant_type");
        let value = match grant_type {
            "authorization_code" => form.get("code"),
            _ => form.get("refresh_token"),
        };
        let now = world.clock.now();
        let spend = Spend::begin(world, self.provider, if identity.is_ok() { value } else { "" });
        let (outcome, lost, latency) = world.change(|state| {
            let company = state.grants(self.provider).company_of(value);
            let gone = company.as_ref().and_then(|id| state.portals.get(id)).is_some_and(|portal| portal.deleted);
            let gone = gone && self.provider == Provider::Hubspot;
            let grants = state.grants_mut(self.provider);
            let outcome = identity.and_then(|()| match grant_type {
                "authorization_code" | "refresh_token" if gone => Err((self.refusal)(Refusal::CompanyGone)),
                "authorization_code" => grants.exchange(value, form.get("redirect_uri"), now).map_err(self.refusal),
                "refresh_token" => grants.renew(value, spend.peers, now).map_err(self.refusal),
                _ => Err((self.grant_type)()),
            });
            let noted = outcome.as_ref().map(|issued| issued.rotated).map_err(|(_, body)| self.code_in(body));
            let lost = grants.note(now, grant_type, company, spend.peers, noted);
            (outcome, lost, grants.switches.latency)
        });
        world.pause(latency).await;
        drop(spend);
        (outcome, lost)
    }

    fn code_in(&self, body: &Value) -> String {
        body[self.code].as_str().unwrap_or("unnamed").to_owned()
    }
}

/// A refresh token value on its way; ends when its caller is answered or hangs up.
struct Spend<'a> {
    world: &'a World,
    provider: Provider,
    value: String,
    peers: u32,
}

impl<'a> Spend<'a> {
    fn begin(world: &'a World, provider: Provider, value: &str) -> Self {
        let peers = world.change(|state| state.grants_mut(provider).begin_spend(value));
        Self { world, provider, value: value.to_owned(), peers }
    }
}

impl Drop for Spend<'_> {
    fn drop(&mut self) {
        self.world.change(|state| state.grants_mut(self.provider).end_spend(&self.value));
    }
}

/// A reply that is only its error's name.
pub(super) fn named(status: StatusCode, error: &str) -> Reply {
    (status, serde_json::json!({ "error": error }))
}
