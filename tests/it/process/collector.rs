//! A collector of spans: takes OTLP over HTTP, and tells what it was sent. It takes webhooks, too.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
};
use prost::Message as _;
use tokio::net::TcpListener;

/// Takes any message; the path is as secret as those of others.
pub(super) const HOOK: &str = "/hooks/sesame-of-the-hook";

/// A span as it came in.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) name: String,
    /// As the protocol numbers them: 1 internal, 2 server, 3 client.
    pub(super) kind: i32,
    pub(super) id: Vec<u8>,
    pub(super) parent: Vec<u8>,
    pub(super) failed: bool,
    pub(super) attributes: BTreeMap<String, String>,
    /// Who sent it.
    pub(super) service: BTreeMap<String, String>,
}

impl Span {
    pub(super) fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Inbox {
    spans: Mutex<Vec<Span>>,
    keys: Mutex<Vec<String>>,
    status: AtomicU16,
}

pub(super) struct Collector {
    pub(super) url: String,
    inbox: Arc<Inbox>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let inbox = Arc::new(Inbox { status: AtomicU16::new(200), ..Inbox::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/traces", post(take))
            .route(HOOK, post(async || "taken"))
            .with_state(Arc::clone(&inbox));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inbox }
    }

    /// Answers so from now on.
    pub(super) fn answer(&self, status: u16) {
        self.inbox.status.store(status, Ordering::SeqCst);
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        self.inbox.spans.lock().unwrap().clone()
    }

    /// The API key of every request, in order.
    pub(super) fn keys(&self) -> Vec<String> {
        self.inbox.keys.lock().unwrap().clone()
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let key = headers.get("api-key").map(|key| key.to_str().unwrap().to_owned());
    inbox.keys.lock().unwrap().push(key.unwrap_or_default());
    let status = StatusCode::from_u16(inbox.status.load(Ordering::SeqCst)).unwrap();
    if status.is_success() {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        inbox.spans.lock().unwrap().extend(read(request));
    }
    status
}

fn read(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for sent in request.resource_spans {
        let service = pairs(sent.resource.unwrap_or_default().attributes);
        for span in sent.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            assert!(span.events.is_empty(), "lines of the log are no part of it: {span:?}");
            spans.push(Span {
                name: span.name,
                kind: span.kind,
                id: span.span_id,
                parent: span.parent_span_id,
                failed: span.status.is_some_and(|status| status.code == 2),
                attributes: pairs(span.attributes),
                service: service.clone(),
            });
        }
    }
    spans
}

fn pairs(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(yes)) => yes.to_string(),
        other => format!("{other:?}"),
    }
}
