//! Posts to endpoints of the operator's own services. The same wire as everywhere, and as little trust: no redirect is
//! followed, nothing is repeated, and no more of a reply is read than says whether the message was taken.

use std::time::Duration;

use reqwest::{Client, Request, header::RETRY_AFTER};
use tracing::{Instrument as _, Span, field::Empty, info_span};
use url::Url;

use super::{
    BuildError,
    http::{builder, client},
};
use crate::config::is_this_machine;

/// Read of a reply, so that its connection can be used again; what is longer is cut off.
const MOST_OF_A_REPLY: usize = 16 * 1024;
/// A message is small: an endpoint that needs longer is not well.
const DEADLINE: Duration = Duration::from_secs(15);
/// The header with a message's id, by the Standard Webhooks convention.
pub(crate) const MESSAGE_ID: &str = "webhook-id";
/// No longer wait that an endpoint asks for is honoured.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What an endpoint answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long it asked us to wait.
    pub retry_after: Option<Duration>,
}

/// Why there was no answer. Says nothing of the address, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No connection was made.
    #[error("it could not be reached: check its DNS, its port, its TLS certificate and this machine's proxy settings")]
    NotReached,
    /// It was sent, and nothing came back in time.
    #[error("it did not answer within {} s", DEADLINE.as_secs())]
    Silent,
    /// The request could not be put together.
    #[error("the request could not be put together: remove the webhook and add it again")]
    Unsendable,
}

/// Sends messages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HookClient(Client);

impl HookClient {
    /// Builds it.
    ///
    /// # Errors
    /// When this machine's TLS or proxy settings cannot be used.
    pub fn new() -> Result<Self, BuildError> {
        Ok(Self(client(|| builder(DEADLINE).timeout(DEADLINE))?))
    }

    /// Posts one JSON message with these headers.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post(&self, url: Url, headers: &[(&'static str, String)], body: String) -> Result<Answer, NoAnswer> {
        let request = self.0.post(url).header("content-type", "application/json").body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let request = request.build().map_err(|_| NoAnswer::Unsendable)?;
        let span = span(&request, headers);
        let answer = self.exchange(request).instrument(span.clone()).await;
        match &answer {
            Ok(answer) => span.record("status", answer.status),
            Err(NoAnswer::NotReached) => span.record("error_type", "not_reached"),
            Err(_) => span.record("error_type", "interrupted"),
        };
        answer
    }

    async fn exchange(&self, request: Request) -> Result<Answer, NoAnswer> {
        let mut response = self.0.execute(request).await.map_err(|error| match error.is_connect() {
            true => NoAnswer::NotReached,
            false => NoAnswer::Silent,
        })?;
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: asked.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)),
        };
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > MOST_OF_A_REPLY {
                break;
            }
        }
        Ok(answer)
    }
}

/// Never the path or the query: an endpoint's address may hold a secret.
fn span(request: &Request, headers: &[(&'static str, String)]) -> Span {
    let id = headers.iter().find(|(name, _)| *name == MESSAGE_ID).map(|(_, value)| value.as_str());
    let (host, port) = (request.url().host_str(), request.url().port_or_known_default());
    info_span!("webhook.deliver", delivery_id = id, method = %request.method(), host, port, status = Empty,
        error_type = Empty)
}

/// Whether messages may go to an address: over TLS, or to this very machine.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn acceptable(url: &Url) -> Result<(), &'static str> {
    if url.host().is_none() {
        return Err("it names no host: write an address such as https://books.example/hooks");
    }
    if !(url.scheme() == "https" || url.scheme() == "http" && is_this_machine(url)) {
        return Err("messages go over TLS: write an address that starts with https:// (http:// only to this machine)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave user and password out of the address: the signature tells the receiver who sends");
    }
    if url.fragment().is_some() {
        return Err("leave out what follows the #: it would not be sent");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_the_machine_over_tls_only() {
        let good = ["https://books.example/hooks?x=1", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]:8/"];
        let bad = [
            "http://books.example/",
            "http://127.0.0.1.example/",
            "http://localhost.example/",
            "ftp://localhost/",
            "https://u:p@books.example/",
            "https://books.example/#a",
            "data:text/plain,x",
            "http://10.0.0.1/",
        ];
        for url in good {
            assert_eq!(acceptable(&url.parse().unwrap()), Ok(()), "{url}");
        }
        for url in bad {
            assert!(acceptable(&url.parse().unwrap()).is_err(), "{url}");
        }
    }
}
