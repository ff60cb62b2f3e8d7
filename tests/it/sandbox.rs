//! The sandbox, driven as its users drive it: over HTTP and SMTP.

mod documents;
mod hubspot;
mod mail;
mod oauth;
mod quickbooks;
mod trouble;

use std::time::Duration;

use chrono::{DateTime, Utc};
use lamplighter::{
    clock::Clock,
    provider::Provider,
    sandbox::{Endpoints, Listen, Sandbox},
};
use reqwest::{Client, RequestBuilder, Response, redirect};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

const REALM: &str = "9130347596842110001";
const HUB: &str = "1234567";
const BACK: &str = "https://lamp.example/oauth/callback";

/// A sandbox with one company on either side, and a client that follows no redirect.
struct Town {
    sandbox: Sandbox,
    clock: Clock,
    http: Client,
}

/// What a token call said.
#[derive(Debug)]
struct Said {
    status: u16,
    body: Value,
}

impl Said {
    fn text(&self, key: &str) -> String {
        self.body[key].as_str().unwrap_or_default().to_owned()
    }
}

fn client() -> Client {
    // Another test may have installed it first; either way it is there.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = Client::builder().redirect(redirect::Policy::none()).timeout(Duration::from_secs(20));
    builder.no_proxy().tls_certs_only([]).build().unwrap()
}

impl Town {
    async fn start() -> Self {
        let clock = Clock::fixed("2026-11-21T12:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let sandbox = Sandbox::start(clock.clone(), Listen::default()).await.unwrap();
        sandbox.add_company(REALM, "Fern & Fable Books");
        sandbox.add_portal(HUB, "fern.example");
        Self { sandbox, clock, http: client() }
    }

    fn at(&self, provider: Provider) -> Endpoints {
        self.sandbox.endpoints(provider)
    }

    /// The address that consent sends the browser back to.
    async fn consent(&self, provider: Provider) -> Url {
        let at = self.at(provider);
        let query =
            [("client_id", at.client_id.as_str()), ("redirect_uri", BACK), ("state", "s1"), ("response_type", "code")];
        let reply = self.http.get(at.authorize_url).query(&query).send().await.unwrap();
        assert_eq!(reply.status(), 302);
        reply.headers()["location"].to_str().unwrap().parse().unwrap()
    }

    fn token_request(&self, provider: Provider, form: &[(&str, &str)]) -> RequestBuilder {
        let at = self.at(provider);
        let request = self.http.post(at.token_url);
        let secret = at.client_secret.expose_secret();
        match provider {
            Provider::Quickbooks => request.basic_auth(&at.client_id, Some(secret)).form(form),
            Provider::Hubspot => {
                let mut form = form.to_vec();
                form.extend([("client_id", at.client_id.as_str()), ("client_secret", secret)]);
                request.form(&form)
            }
        }
    }

    async fn spend(&self, provider: Provider, refresh_token: &str) -> Said {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        said(self.token_request(provider, &form).send().await.unwrap()).await
    }

    async fn exchange(&self, provider: Provider, code: &str) -> Said {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK)];
        said(self.token_request(provider, &form).send().await.unwrap()).await
    }

    /// Consent and exchange.
    async fn connect(&self, provider: Provider) -> Said {
        let back = self.consent(provider).await;
        self.exchange(provider, &parameter(&back, "code")).await
    }

    fn books(&self, path: &str) -> String {
        format!("{}/v3/company/{REALM}/{path}", self.at(Provider::Quickbooks).api_url)
    }

    async fn post(&self, url: &str, bearer: &str, body: &Value) -> Said {
        said(self.http.post(url).bearer_auth(bearer).json(body).send().await.unwrap()).await
    }

    async fn query(&self, bearer: &str, statement: &str) -> Said {
        let request = self.http.get(self.books("query")).query(&[("query", statement), ("minorversion", "75")]);
        said(request.bearer_auth(bearer).send().await.unwrap()).await
    }
}

async fn said(reply: Response) -> Said {
    Said { status: reply.status().as_u16(), body: reply.json().await.unwrap() }
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}
