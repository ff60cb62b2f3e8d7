//! What of a span leaves the process, and under which name. In the code and in the log a span speaks our own nouns; a
//! collector reads OpenTelemetry's names where there are some, and ours after `lamplighter.` where there are none.
//!
//! Invariant: a field that is not listed here stays at home, whoever adds it to a span. None of those listed can hold a
//! secret, an address of a person, or the text of a path.

use opentelemetry::{
    KeyValue, Value,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::trace::SpanData;

/// Our own names.
const OURS: [&str; 24] = [
    "account_id",
    "alert_id",
    "attempt",
    "connection_id",
    "correlation_id",
    "delivery_id",
    "document_id",
    "filtered",
    "generation",
    "held",
    "mail_id",
    "operation",
    "order_id",
    "orders",
    "outcome",
    "parked",
    "posted",
    "provider",
    "received",
    "seen",
    "spend_id",
    "step",
    "verdict",
    "webhook_id",
];

/// Names that OpenTelemetry has for it.
const THEIRS: [(&str, &str); 6] = [
    ("method", "http.request.method"),
    ("route", "http.route"),
    ("status", "http.response.status_code"),
    ("host", "server.address"),
    ("port", "server.port"),
    ("error_type", "error.type"),
];

/// A client may write anything for a method; a name of a span must not hold it.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// A span as a collector shall see it.
pub(super) fn dressed(mut span: SpanData) -> SpanData {
    let given = std::mem::take(&mut span.attributes);
    let text = |name: &str| given.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.to_string());
    let method = text("method").map(|method| METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER"));
    let status = text("status").and_then(|status| status.parse::<u16>().ok());
    let (kind, name, bad_from) = match span.name.as_ref() {
        "http" => (SpanKind::Server, text("route").filter(|route| route.starts_with('/')), 500),
        "provider.call" => (SpanKind::Client, text("operation"), 400),
        "webhook.deliver" | "mail.send" => (SpanKind::Client, None, 400),
        _ => (SpanKind::Internal, None, 400),
    };
    if matches!(span.name.as_ref(), "http" | "provider.call") {
        let method = method.unwrap_or("HTTP");
        span.name = name.map_or_else(|| method.to_owned(), |name| format!("{method} {name}")).into();
    }
    span.span_kind = kind;
    span.attributes = given.iter().filter_map(|pair| renamed(pair, method)).collect();
    let said = text("error_type");
    if said.is_none()
        && let Some(status) = status.filter(|status| *status >= bad_from)
    {
        span.attributes.push(KeyValue::new("error.type", status.to_string()));
        span.status = Status::error("");
    } else if said.is_some() {
        span.status = Status::error("");
    }
    span
}

fn renamed(pair: &KeyValue, method: Option<&'static str>) -> Option<KeyValue> {
    let name = pair.key.as_str();
    if let Some(ours) = OURS.into_iter().find(|ours| *ours == name) {
        return Some(KeyValue::new(format!("lamplighter.{ours}"), pair.value.clone()));
    }
    let (_, theirs) = THEIRS.into_iter().find(|(ours, _)| *ours == name)?;
    let value = match name {
        "method" => Value::from(method?),
        "route" if !pair.value.as_str().starts_with('/') => return None,
        _ => pair.value.clone(),
    };
    Some(KeyValue::new(theirs, value))
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, time::SystemTime};

    use opentelemetry::{InstrumentationScope, trace::SpanContext, trace::SpanId};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn span(name: &'static str, attributes: &[(&'static str, &'static str)]) -> SpanData {
        dressed(SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: Cow::Borrowed(name),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: attributes.iter().map(|(name, value)| KeyValue::new(*name, *value)).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        })
    }

    fn attributes(span: &SpanData) -> Vec<String> {
        span.attributes.iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect()
    }

    #[test]
    fn a_request_that_is_served_is_named_by_its_route() {
        let served = span("http", &[("method", "GET"), ("route", "/connect/{token}"), ("status", "200")]);
        assert_eq!((served.name.as_ref(), &served.span_kind), ("GET /connect/{token}", &SpanKind::Server));
        assert_eq!(
            attributes(&served),
            ["http.request.method=GET", "http.route=/connect/{token}", "http.response.status_code=200"]
        );
        assert_eq!(served.status, Status::Unset);
    }

    #[test]
    fn what_a_client_made_up_is_no_name() {
        let odd = span("http", &[("method", "SESAME"), ("route", "unknown"), ("status", "404")]);
        assert_eq!(odd.name, "_OTHER");
        assert_eq!(attributes(&odd), ["http.request.method=_OTHER", "http.response.status_code=404"]);
        assert_eq!(odd.status, Status::Unset, "a wrong address is the caller's mistake");
    }

    #[test]
    fn what_failed_says_so_and_why() {
        let ours = span("http", &[("method", "GET"), ("route", "/orders"), ("status", "500")]);
        assert_eq!(attributes(&ours).last().unwrap(), "error.type=500");
        let theirs = span("provider.call", &[("method", "POST"), ("operation", "refresh"), ("status", "400")]);
        assert_eq!((theirs.name.as_ref(), &theirs.span_kind), ("POST refresh", &SpanKind::Client));
        assert_eq!(attributes(&theirs).last().unwrap(), "error.type=400");
        let lapsed = span("connection.renew", &[("error_type", "dead_grant")]);
        for failed in [ours, theirs, lapsed] {
            assert_eq!(failed.status, Status::error(""));
        }
    }

    #[test]
    fn a_field_that_is_not_listed_stays_at_home() {
        let kept =
            span("order.post", &[("order_id", "1"), ("path", "/connect/s3cret"), ("owner_email", "a@b.example")]);
        assert_eq!(attributes(&kept), ["lamplighter.order_id=1"]);
    }
}
