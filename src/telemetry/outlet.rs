//! The last door before the collector: dresses spans by convention, and says in the log when they do not arrive, but not
//! each time. Runs on the exporter's own thread.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use tracing::{info, warn};

use super::conventions;

/// While the collector is away it is said once in this time.
const SAY_EVERY: Duration = Duration::from_secs(3600);

/// An exporter, watched.
#[derive(Debug)]
pub(super) struct Outlet<E> {
    inner: E,
    trouble: Mutex<Option<Trouble>>,
}

/// Since the collector does not take spans.
#[derive(Debug)]
struct Trouble {
    said: Instant,
    lost: usize,
}

impl<E> Outlet<E> {
    pub(super) fn new(inner: E) -> Self {
        Self { inner, trouble: Mutex::new(None) }
    }

    fn heard(&self, result: &OTelSdkResult, spans: usize, now: Instant) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (result, trouble.as_mut()) {
            (Ok(()), None) => {}
            (Ok(()), Some(past)) => {
                info!(lost = past.lost, "the collector takes spans again");
                *trouble = None;
            }
            (Err(cause), None) => {
                warn!(%cause, "spans cannot be exported, and nothing else is touched: is the collector of \
                    telemetry.otlp_endpoint there? `lamplighter doctor` asks it");
                *trouble = Some(Trouble { said: now, lost: spans });
            }
            (Err(cause), Some(past)) => {
                past.lost += spans;
                if now.duration_since(past.said) >= SAY_EVERY {
                    warn!(%cause, lost = past.lost, "spans still cannot be exported: see `lamplighter doctor`");
                    past.said = now;
                }
            }
        }
    }
}

impl<E: SpanExporter> SpanExporter for Outlet<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch.into_iter().map(conventions::dressed).collect()).await;
        self.heard(&result, spans, Instant::now());
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
