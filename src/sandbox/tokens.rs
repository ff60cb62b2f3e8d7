//! One call of a token endpoint, whoever's it is: who asks, what is spent, what is written down.
//!
//! The work is done when the request arrives and the answer comes after the `latency` switch, so a client that gives
//! up or is killed in between loses a reply that was carried out, as it would at the real provider.

use std::{collections::HashMap, time::Duration};

use axum::{http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    grants::{Arrival, Issued, Refusal},
    state::{State, World},
    trouble::Trouble,
    weather::{self, Leaving, Reply, Way},
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

/// What a token call comes to.
pub(super) enum Carried {
    /// The provider answers.
    Out(Result<Issued, Reply>, Leaving),
    /// Something in front of it does.
    Instead(Response),
}

/// What was decided when a call arrived.
struct Decided {
    call: usize,
    outcome: Option<Result<Issued, Reply>>,
    trouble: Option<Trouble>,
    lost: bool,
    latency: Duration,
}

impl Dialect {
    /// Carries out one call. `identity` is the reply to a client that is not who it says.
    pub(super) async fn carry_out(
        &self,
        world: &World,
        identity: Result<(), Reply>,
        form: &Form,
        correlation_id: &str,
    ) -> Carried {
        let value = match form.get("grant_type") {
            "authorization_code" => form.get("code"),
            _ => form.get("refresh_token"),
        };
        let counted = if identity.is_ok() { value } else { "" };
        let decided = world.change(|state| {
            let peers = state.grants_mut(self.provider).begin_spend(counted);
            self.decide(state, identity, form, value, (correlation_id, peers, world.clock.now()))
        });
        let Decided { call, outcome, trouble, lost, latency } = decided;
        let spend = Spend { world, provider: self.provider, value: counted, call };
        match trouble {
            // A client that gives up drops this.
            Some(trouble) if trouble.hangs() => world.stop.cancelled().await,
            _ => world.pause(latency).await,
        }
        drop(spend);
        let way = match trouble {
            Some(Trouble::Truncated) => Way::Halved,
            Some(Trouble::HungBefore | Trouble::HungAfter) => Way::Lost,
            _ if lost => Way::Lost,
            _ => Way::Whole,
        };
        let leaving = Leaving { way, call: Some(call) };
        match outcome {
            Some(outcome) => Carried::Out(outcome, leaving),
            None => Carried::Instead(leaving.put_on(match trouble {
                Some(Trouble::Throttled) => weather::too_many(self.provider, correlation_id),
                Some(Trouble::Html) => weather::maintenance(),
                _ => weather::unavailable(),
            })),
        }
    }

    fn decide(
        &self,
        state: &mut State,
        identity: Result<(), Reply>,
        form: &Form,
        value: &str,
        (correlation_id, peers, now): (&str, u32, DateTime<Utc>),
    ) -> Decided {
        let grant_type = form.get("grant_type");
        let odds = state.grants(self.provider).switches.token_trouble;
        let (trouble, slower) = odds.draw(&mut state.dice);
        let company = state.grants(self.provider).company_of(value);
        let gone = company.as_ref().and_then(|id| state.portals.get(id)).is_some_and(|portal| portal.deleted);
        let gone = gone && self.provider == Provider::Hubspot;
        let grants = state.grants_mut(self.provider);
        let work = trouble.is_none_or(Trouble::after_the_work);
        let outcome = work.then(|| {
            identity.and_then(|()| match grant_type {
                "authorization_code" | "refresh_token" if gone => Err((self.refusal)(Refusal::CompanyGone)),
                "authorization_code" => grants.exchange(value, form.get("redirect_uri"), now).map_err(self.refusal),
                "refresh_token" => grants.renew(value, peers, now).map_err(self.refusal),
                _ => Err((self.grant_type)()),
            })
        });
        let noted = outcome.as_ref().map(|outcome| outcome.as_ref().map_err(|(_, body)| self.code_in(body)));
        let arrival = Arrival {
            at: now,
            grant_type,
            company_id: company,
            value,
            correlation_id,
            in_flight_peers: peers,
            trouble,
        };
        let (call, lost) = grants.note(arrival, noted);
        Decided { call, outcome, trouble, lost, latency: grants.switches.latency + slower }
    }

    fn code_in(&self, body: &Value) -> String {
        body[self.code].as_str().unwrap_or("unnamed").to_owned()
    }
}

/// A refresh token value on its way; ends when its caller is answered or hangs up.
struct Spend<'a> {
    world: &'a World,
    provider: Provider,
    value: &'a str,
    call: usize,
}

impl Drop for Spend<'_> {
    fn drop(&mut self) {
        let now = self.world.clock.now();
        self.world.change(|state| state.grants_mut(self.provider).end_spend(self.value, self.call, now));
    }
}

/// A reply that is only its error's name.
pub(super) fn named(status: StatusCode, error: &str) -> Reply {
    (status, serde_json::json!({ "error": error }))
}
