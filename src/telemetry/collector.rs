//! The way to the collector of `telemetry.otlp_endpoint`: its address, a client for it, and the question whether it is
//! there. The client is a blocking one, because the exporter has a thread and no runtime; it follows no redirect, which
//! would carry an API key elsewhere.

use std::{thread, time::Duration};

use reqwest::{
    Certificate, StatusCode,
    blocking::{Client, ClientBuilder},
    redirect::Policy,
};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::config;

/// Deadline of one export.
pub(super) const EXPORT_DEADLINE: Duration = Duration::from_secs(10);
/// A person waits for the answer.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// Where spans go at a collector.
pub(super) fn address(endpoint: &Url) -> String {
    let base = endpoint.as_str().trim_end_matches('/');
    format!("{}/v1/traces", base.strip_suffix("/v1/traces").unwrap_or(base))
}

/// A client on the machine's certificate store, or on the bundled one where the machine has none.
pub(super) fn client(deadline: Duration) -> reqwest::Result<Client> {
    // A second installation is refused; the first one serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = || -> ClientBuilder {
        Client::builder()
            .user_agent(concat!("lamplighter/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .timeout(deadline)
    };
    let build = || {
        builder().build().or_else(|_| {
            let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der));
            builder().tls_certs_only(bundled.collect::<Result<Vec<_>, _>>()?).build()
        })
    };
    // It makes a runtime of its own, which must not happen on a thread of ours.
    thread::scope(|scope| match scope.spawn(build).join() {
        Ok(built) => built,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Asks the collector to take no spans at all, as it would take some.
///
/// # Errors
/// What is wrong with it.
pub(crate) async fn probe(config: &config::Telemetry) -> Option<Result<String, String>> {
    let config = config.clone();
    let endpoint = config.otlp_endpoint.clone()?;
    let shown = endpoint.host_str().unwrap_or("it").to_owned();
    let asked = tokio::task::spawn_blocking(move || ask(&config, &endpoint)).await;
    Some(match asked {
        Ok(Ok(status)) if status.is_success() => Ok(shown),
        Ok(Ok(status)) => Err(format!("{shown} answers {status}")),
        Ok(Err(cause)) => Err(format!("{shown} does not answer: {}", super::chain(&cause.without_url()))),
        Err(cause) => Err(format!("{shown} was not asked: {cause}")),
    })
}

fn ask(config: &config::Telemetry, endpoint: &Url) -> reqwest::Result<StatusCode> {
    let request = client(PROBE_DEADLINE)?.post(address(endpoint)).header("content-type", "application/x-protobuf");
    let headers = config.otlp_headers.iter();
    let request = headers.fold(request, |request, (name, value)| request.header(name, value.expose_secret()));
    // A message without any field: a request that exports nothing.
    Ok(request.body(Vec::new()).send()?.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_protocol_is_added_once() {
        for (given, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://otlp.example/otlp", "https://otlp.example/otlp/v1/traces"),
            ("https://otlp.example/v1/traces", "https://otlp.example/v1/traces"),
        ] {
            assert_eq!(address(&given.parse().unwrap()), expected);
        }
    }
}
