//! Spans for an OpenTelemetry collector, over OTLP and HTTP. Off unless `telemetry.otlp_endpoint` names one.
//!
//! Knows nothing of what a span says; `conventions` decides what of it leaves the process. Invariant: a collector that is
//! away, slow or refusing costs spans and nothing else. They wait in a bounded queue, are sent by a thread of their own,
//! and are dropped when the queue is full.

use std::time::Duration;

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use secrecy::ExposeSecret as _;
use tracing::{Level, Subscriber, level_filters::LevelFilter, warn};
use tracing_subscriber::{Layer, filter::FilterFn, registry::LookupSpan};

use super::{collector, outlet::Outlet};
use crate::config;

/// A stop waits no longer than this for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// The way to a collector, for as long as the process lives.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be exported to telemetry.otlp_endpoint: correct it, or leave it empty to export none")]
pub enum Error {
    /// The exporter does not take what is configured.
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// No HTTP client can be made.
    Client(#[from] reqwest::Error),
}

impl Traces {
    /// Sets it up, if a collector is named. Nothing is sent yet.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new(config: &config::Telemetry) -> Result<Option<Self>, Error> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        let headers =
            config.otlp_headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector::client(collector::EXPORT_DEADLINE)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(collector::address(endpoint))
            .with_headers(headers)
            .with_timeout(collector::EXPORT_DEADLINE)
            .build()?;
        let resource = Resource::builder()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Outlet::new(exporter))
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio))))
            .with_resource(resource)
            .build();
        Ok(Some(Self(provider)))
    }

    /// What turns our own spans into spans of the collector, whatever the log shows of them. Lines of the log are no part
    /// of it.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = FilterFn::new(|metadata| {
            metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with("lamplighter")
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("lamplighter"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what is left, for as long as a stop may wait for it.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST_SPANS)).await;
        if !matches!(ended, Ok(Ok(()))) {
            warn!(
                "the last spans were not sent: is the collector of telemetry.otlp_endpoint there? see `lamplighter doctor`"
            );
        }
    }
}
