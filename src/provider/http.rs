//! The wire: one request out, one reply in, and nothing decided about it.
//!
//! Two clients, because they carry different risks. The OAuth client reuses no connection: a spend must not ride on one
//! that the other side has just closed, for then nobody could say whether the token was used. Neither client follows a
//! redirect or repeats a request by itself. This module does not know what a status means; it only tells apart whether
//! a request was sent at all. It logs ids and durations, never an address or a body.

use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, ClientBuilder, Request, redirect::Policy};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::limits::{Turnstile, company};
use super::reply::Reply;
use super::verdict::{Call, Surface, judge, judge_lost};
use super::{BuildError, HttpOptions, Observed, Observer, Provider};

/// A reply larger than this is not read to its end.
const LARGEST_REPLY: usize = 8 * 1024 * 1024;
/// Connecting takes at most this long, and never more than half of a call's deadline.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Sends requests.
pub(super) struct Http {
    oauth: Client,
    api: Client,
    companies: Turnstile,
    options: HttpOptions,
    observer: OnceLock<Observer>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Why no reply is in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The request could not be put together, so it was not sent.
    Unsendable,
    /// No connection was made, so it was not sent.
    NotReached,
    /// The other side's certificate was not accepted, so it was not sent.
    CertificateRefused,
    /// It was sent, and no whole reply came back: a deadline, a reset, or a reply too large to read to its end.
    Interrupted,
}

impl Lost {
    /// The word in spans.
    fn as_str(self) -> &'static str {
        match self {
            Self::Unsendable => "unsendable",
            Self::NotReached => "not_reached",
            Self::CertificateRefused => "certificate_refused",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Http {
    /// Builds both clients.
    pub(super) fn new(options: HttpOptions) -> Result<Self, BuildError> {
        // A second install is refused; the first one serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self {
            oauth: client(|| builder(options.spend_deadline).pool_max_idle_per_host(0))?,
            api: client(|| builder(options.api_deadline))?,
            companies: Turnstile::new(options.company_limits),
            options,
            observer: OnceLock::new(),
        })
    }

    /// Lets somebody count the calls; whoever comes second is not heard.
    pub(super) fn observed_by(&self, observer: Observer) {
        drop(self.observer.set(observer));
    }

    /// For building OAuth requests.
    pub(super) fn oauth(&self) -> &Client {
        &self.oauth
    }

    /// For building API requests.
    pub(super) fn api(&self) -> &Client {
        &self.api
    }

    /// Sends one request, when its company may be called, and reads the reply within the deadline of its kind, as far as
    /// it comes.
    pub(super) async fn send(&self, call: Call, mut request: Request) -> Result<Reply, Lost> {
        let (client, deadline) = match call.surface {
            Surface::Refresh | Surface::Exchange | Surface::Revoke | Surface::Introspect => {
                (&self.oauth, self.options.spend_deadline)
            }
            Surface::Read | Surface::Search | Surface::Create => (&self.api, self.options.api_deadline),
        };
        *request.timeout_mut() = Some(deadline);
        if let (Provider::Quickbooks, Some((company, batch))) = (call.provider, company(request.url())) {
            self.companies.pass(company, batch).await;
        }
        let begun = Instant::now();
        let span = span(call, &request);
        let outcome = receive(client, request).instrument(span.clone()).await;
        let took = begun.elapsed();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let verdict = verdict(call, &outcome);
        if let Some(observer) = self.observer.get() {
            let Call { provider, operation, .. } = call;
            observer(&Observed { provider, operation, verdict, took });
        }
        span.record("verdict", verdict);
        let (provider, operation) = (call.provider.as_str(), call.operation);
        match &outcome {
            Ok(Reply { status, whole, correlation_id, .. }) => {
                span.record("status", status).record("correlation_id", correlation_id.as_deref());
                if *status < 400 && verdict != "ok" {
                    span.record("error_type", verdict);
                }
                tracing::debug!(provider, operation, status, whole, correlation_id, duration_ms, "provider answered");
            }
            Err(lost) => {
                span.record("error_type", lost.as_str());
                tracing::debug!(provider, operation, ?lost, duration_ms, "no reply from provider");
            }
        }
        outcome
    }
}

/// Never the path or the query: they hold ids of companies, and codes.
fn span(call: Call, request: &Request) -> Span {
    let Call { provider, operation, .. } = call;
    let (host, port) = (request.url().host_str(), request.url().port_or_known_default());
    info_span!("provider.call", %provider, operation, method = %request.method(), host, port, status = Empty,
        verdict = Empty, correlation_id = Empty, error_type = Empty)
}

/// What came of a call, for whoever counts; what it means is decided by whoever reads it.
fn verdict(call: Call, outcome: &Result<Reply, Lost>) -> &'static str {
    match outcome {
        Ok(reply) if reply.is_success() && reply.whole => "ok",
        Ok(reply) => judge(call, reply).verdict.as_str(),
        Err(lost) => judge_lost(call, *lost).verdict.as_str(),
    }
}

async fn receive(client: &Client, request: Request) -> Result<Reply, Lost> {
    let mut response = client.execute(request).await.map_err(|error| lost(&error))?;
    let mut body = Vec::new();
    let whole = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST_REPLY => body.extend_from_slice(&chunk),
            Ok(None) => break true,
            Ok(Some(_)) | Err(_) => break false,
        }
    };
    let reply = Reply::new(response.status().as_u16(), response.headers(), body);
    Ok(if whole { reply } else { reply.torn() })
}

pub(super) fn builder(deadline: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("lamplighter/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_DEADLINE.min(deadline / 2))
}

/// Builds a client on the machine's certificate store, or on the bundled one where the machine has none.
pub(super) fn client(builder: impl Fn() -> ClientBuilder) -> Result<Client, BuildError> {
    builder().build().or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der));
        let bundled = bundled.collect::<Result<Vec<_>, _>>().map_err(BuildError::Http)?;
        builder().tls_certs_only(bundled).build().map_err(BuildError::Http)
    })
}

/// Tells apart what was never sent from what may have arrived.
fn lost(error: &reqwest::Error) -> Lost {
    if error.is_builder() {
        Lost::Unsendable
    } else if !error.is_connect() {
        Lost::Interrupted
    } else if refuses_certificate(error) {
        Lost::CertificateRefused
    } else {
        Lost::NotReached
    }
}

/// Looks for a certificate problem in the chain of causes.
fn refuses_certificate(error: &(dyn Error + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented);
    }
    // An io::Error shows the source of what it wraps, not the wrapped error itself.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
    wrapped.is_some_and(|inner| refuses_certificate(inner)) || error.source().is_some_and(refuses_certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_certificate_problem_is_found_however_deep_it_is_wrapped() {
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, certificate));
        assert!(refuses_certificate(&wrapped));
        assert!(!refuses_certificate(&io::Error::other(rustls::Error::HandshakeNotComplete)));
        assert!(!refuses_certificate(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }
}
