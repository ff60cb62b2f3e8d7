//! The JSON API, as a program meets it. Every reply in here is held against the document that the daemon serves.

mod accounts;
mod alerts;
mod connections;
mod document;
mod lists;
mod mails;
mod orders;
mod refusals;
mod tokens;

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use lamplighter::{
    api_keys::{self, Scope, Wanted},
    provider::Provider,
    store::accounts::Account,
};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use uuid::Uuid;

use self::document::check;
use crate::harness::TestApp;

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    fn is(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        &self.body
    }

    /// A problem of this status, with everything that every problem has.
    fn problem(&self, status: u16) -> &Value {
        self.is(status);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        assert_eq!(self.body["status"], status, "{}", self.body);
        for member in ["type", "title", "detail", "remedy"] {
            assert!(self.body[member].as_str().is_some_and(|text| text.len() > 3), "{member}: {}", self.body);
        }
        &self.body
    }

    fn items(&self) -> &[Value] {
        self.is(200)["items"].as_array().unwrap()
    }
}

impl TestApp {
    pub(crate) async fn program_key(&self, scopes: &[Scope], account: Option<&Account>) -> String {
        self.key_until(scopes, account, None).await.0
    }

    async fn key_until(
        &self,
        scopes: &[Scope],
        account: Option<&Account>,
        expires_at: Option<DateTime<Utc>>,
    ) -> (String, String) {
        let account_id = account.map(|account| account.id);
        let wanted = Wanted { name: "test".to_owned(), account_id, scopes: scopes.to_vec(), expires_at };
        let (key, prefix) = api_keys::create(&mut *self.conn().await, &wanted, self.clock.now()).await.unwrap();
        (key.expose_secret().to_owned(), prefix)
    }

    /// Asks, and holds the reply against the document.
    async fn ask(&self, key: &str, method: Method, path: &str, body: Option<&str>) -> Reply {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method.clone(), self.url(&format!("/api/v1{path}")));
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let reply = request.send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let body = reply.json().await.unwrap();
        let reply = Reply { status, headers, body };
        check(self.document().await, method.as_str(), path, &reply);
        reply
    }

    async fn get(&self, key: &str, path: &str) -> Reply {
        self.ask(key, Method::GET, path, None).await
    }

    async fn post(&self, key: &str, path: &str, body: &Value) -> Reply {
        self.ask(key, Method::POST, path, Some(&body.to_string())).await
    }

    /// The document: the same for every test.
    async fn document(&self) -> &'static Value {
        static DOCUMENT: OnceLock<Value> = OnceLock::new();
        if DOCUMENT.get().is_none() {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let reply = client.get(self.url("/api/v1/openapi.json")).send().await.unwrap();
            assert_eq!(reply.status(), 200, "it needs no key");
            DOCUMENT.set(reply.json().await.unwrap()).ok();
        }
        DOCUMENT.get().unwrap()
    }

    /// What was written down, the first one first.
    async fn audited(&self) -> Vec<(String, String)> {
        sqlx::query_as("select action, actor from audit_log order by id").fetch_all(&self.app.pool).await.unwrap()
    }

    async fn id_of(&self, provider: Provider) -> Uuid {
        self.connection(provider).await.id
    }
}

fn actor(key: &str) -> String {
    format!("api key {}", key.split_once('-').unwrap().0)
}
