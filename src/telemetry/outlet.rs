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

/// What is worth a line of the log; the numbers are of spans that are lost.
#[derive(Debug, PartialEq)]
enum News {
    Away,
    StillAway(usize),
    Back(usize),
}

/// Takes note of an export of so many spans.
fn news(trouble: &mut Option<Trouble>, arrived: bool, spans: usize, now: Instant) -> Option<News> {
    match (arrived, trouble.as_mut()) {
        (true, _) => trouble.take().map(|past| News::Back(past.lost)),
        (false, None) => {
            *trouble = Some(Trouble { said: now, lost: spans });
            Some(News::Away)
        }
        (false, Some(past)) => {
            past.lost += spans;
            (now.duration_since(past.said) >= SAY_EVERY).then(|| {
                past.said = now;
                News::StillAway(past.lost)
            })
        }
    }
}

impl<E> Outlet<E> {
    pub(super) fn new(inner: E) -> Self {
        Self { inner, trouble: Mutex::new(None) }
    }

    fn heard(&self, result: &OTelSdkResult, spans: usize) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let news = news(&mut trouble, result.is_ok(), spans, Instant::now());
        let cause = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
        match news {
            Some(News::Away) => warn!(
                cause,
                "spans cannot be exported, and nothing else is touched: is the collector of telemetry.otlp_endpoint \
                 there? `lamplighter doctor` asks it"
            ),
            Some(News::StillAway(lost)) => {
                warn!(cause, lost, "spans still cannot be exported: see `lamplighter doctor`");
            }
            Some(News::Back(lost)) => info!(lost, "the collector takes spans again"),
            None => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Outlet<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch.into_iter().map(conventions::dressed).collect()).await;
        self.heard(&result, spans);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_stays_away_is_spoken_of_once_an_hour() {
        let (mut trouble, begin) = (None, Instant::now());
        let mut at = |minute: u64, arrived| news(&mut trouble, arrived, 10, begin + Duration::from_secs(60 * minute));
        assert_eq!(at(0, true), None);
        assert_eq!(at(1, false), Some(News::Away));
        assert_eq!((at(2, false), at(60, false)), (None, None));
        assert_eq!(at(61, false), Some(News::StillAway(40)));
        assert_eq!(at(62, false), None);
        assert_eq!(at(63, true), Some(News::Back(50)));
        assert_eq!(at(64, true), None);
        assert_eq!(at(65, false), Some(News::Away));
    }
}
