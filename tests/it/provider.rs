//! What the providers see on the wire, and what becomes of what they answer.

mod apis;
mod filing;
mod hostile;
mod oauth;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use lamplighter::provider::{HttpOptions, KeepAlive, Limits, Providers, Settings};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

/// One request as it arrived.
#[derive(Clone, Debug)]
struct Seen {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn form(&self) -> Vec<(String, String)> {
        let mut fields: Vec<_> = url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect();
        fields.sort();
        fields
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What to answer: status, headers, body. Given once per request; the last one stays.
type Answer = (u16, Vec<(&'static str, &'static str)>, String);

#[derive(Clone, Default)]
struct Log {
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

/// A provider that answers as told and remembers what it was asked.
struct Fake {
    log: Log,
    base: Url,
    _task: JoinSet<()>,
}

impl Fake {
    async fn answering(answers: &[(u16, &str)]) -> Self {
        Self::with(answers.iter().map(|(status, body)| (*status, vec![], (*body).to_owned())).collect()).await
    }

    async fn with(mut answers: Vec<Answer>) -> Self {
        answers.reverse();
        let log = Log { answers: Arc::new(Mutex::new(answers)), ..Log::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = Router::new().fallback(answer).with_state(log.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { log, base, _task: task }
    }

    fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen[0].clone()
    }

    fn providers(&self) -> Providers {
        providers(&self.base)
    }
}

/// More than any test sends.
fn no_limits() -> Limits {
    let many = std::num::NonZeroU32::new(1_000_000).unwrap();
    Limits { per_second: many, per_minute: many, batches_per_minute: many }
}

fn providers(base: &Url) -> Providers {
    let http = HttpOptions {
        spend_deadline: Duration::from_secs(20),
        api_deadline: Duration::from_secs(20),
        company_limits: no_limits(),
    };
    Providers::new(http, Some(settings(base)), Some(settings(base))).unwrap()
}

fn settings(base: &Url) -> Settings {
    Settings {
        client_id: "id".into(),
        client_secret: secret("shh"),
        environment: "sandbox".into(),
        scopes: vec!["one".into(), "two".into()],
        authorize_url: base.join("/authorize").unwrap(),
        token_url: base.join("/token").unwrap(),
        revoke_url: base.join("/revoke").unwrap(),
        introspect_url: Some(base.join("/introspect").unwrap()),
        api_url: base.clone(),
        api_version: "2026-09".into(),
        keep_alive: KeepAlive::Access,
    }
}

async fn answer(State(log): State<Log>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    log.seen.lock().unwrap().push(Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let mut answers = log.answers.lock().unwrap();
    let (status, headers, body) =
        if answers.len() > 1 { answers.pop().unwrap() } else { answers.last().unwrap().clone() };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

fn secret(value: &str) -> SecretString {
    SecretString::from(value)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
