//! What the web side listens on and how the outside reaches it.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::http::HeaderName;
use ipnet::IpNet;
use url::Url;

use super::{
    problem::Fault,
    reader::{Section, gather},
    value::Value,
};

/// `[web]`.
#[derive(Clone, Debug)]
pub struct Web {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Where browsers reach us: scheme, host and port, no path.
    pub public_url: Url,
    /// How long a reconnect link works.
    pub link_lifetime: Duration,
    /// Who may look at the dashboard without signing in.
    pub status_page: StatusPage,
    /// How long a sign-in lasts.
    pub session_lifetime: Duration,
    /// Header in which a trusted proxy names whom it has signed in.
    pub identity_header: Option<HeaderName>,
    /// Proxies whose headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How often one API key may ask one daemon in a minute.
    pub api_requests_per_minute: u32,
}

/// Who may look at the dashboard without signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPage {
    /// Direct requests from this machine only, none that came through a proxy; nobody where `public_url` is elsewhere.
    Local,
    /// Everybody who reaches the port.
    Open,
    /// Nobody.
    Off,
}

impl Web {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let web = gather!(Web {
            listen: section.address("listen"),
            public_url: section.parsed("public_url", public_url),
            link_lifetime: section.duration("link_lifetime", Duration::from_mins(5)..=Duration::from_hours(90 * 24)),
            status_page: section.choice(
                "status_page",
                &[("local", StatusPage::Local), ("open", StatusPage::Open), ("off", StatusPage::Off)]
            ),
            session_lifetime: section
                .duration("session_lifetime", Duration::from_mins(5)..=Duration::from_hours(90 * 24)),
            identity_header: section.parsed("identity_header", identity_header),
            trusted_proxies: section.read("trusted_proxies", trusted_proxies),
            api_requests_per_minute: section.integer("api_requests_per_minute", 1..=1_000_000),
        });
        if web.identity_header.is_some() && web.trusted_proxies.is_empty() {
            let remedy = "name the proxy's address in web.trusted_proxies: from anybody else the header would be a lie";
            let key = section.key("identity_header");
            section.reader().fault(&key, Fault::new("is set, but no proxy is trusted to set it", remedy));
            return None;
        }
        Some(web)
    }
}

fn identity_header(text: &str) -> Result<Option<HeaderName>, Fault> {
    let wrong = || Fault::new(format!("{text:?} is no name of a header"), r#"write it like "x-forwarded-user""#);
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| wrong()) }
}

fn trusted_proxies(value: &Value) -> Result<Vec<IpNet>, Fault> {
    let Value::List(items) = value else { return Ok(Vec::new()) };
    let network = |text: &String| {
        let remedy = r#"write addresses and networks, like ["127.0.0.1", "10.0.0.0/8"]"#;
        let wrong = || Fault::new(format!("{text:?} is no IP address and no network"), remedy);
        let address = text.trim().parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        address.or_else(|_| text.trim().parse()).map_err(|_| wrong())
    };
    items.iter().map(network).collect()
}

fn public_url(text: &str) -> Result<Url, Fault> {
    let url = web_url(text, "OAuth providers refuse a redirect over plain http unless the host is localhost")?;
    if url.path() == "/" {
        Ok(url)
    } else {
        Err(Fault::new("has a path", "give the service a host name of its own and write only scheme and host"))
    }
}

/// A URL of the web: https, or http on this machine; `why` says what plain http elsewhere would break.
pub(super) fn web_url(text: &str, why: &str) -> Result<Url, Fault> {
    let example = r#"write it like "https://host.example.com""#;
    let url = Url::parse(text).map_err(|error| Fault::new(format!("is no URL: {error}"), example))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(Fault::new(format!("{}: is no web address", url.scheme()), example));
    }
    if url.scheme() == "http" && !is_this_machine(&url) {
        return Err(Fault::new(format!("is not https: {why}"), "use https, or http with localhost for a trial"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new("has more than scheme, host and path", "take user, `?...` and `#...` out"));
    }
    Ok(url)
}

/// Whether what is sent to a URL stays on this machine.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in
            ["https://a.example", "http://localhost:8737", "http://a.localhost", "http://127.3.2.1", "http://[::1]:1"]
        {
            assert!(public_url(good).is_ok(), "{good}");
        }
        for bad in ["http://a.example", "http://localhost.example", "http://10.0.0.1", "ftp://localhost", "a.example"] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
        assert!(public_url("http://a.example").is_err_and(|fault| fault.message.contains("OAuth providers refuse")));
    }

    #[test]
    fn a_public_url_is_only_an_origin() {
        for bad in ["https://u:p@a.example", "https://a.example/?x=1", "https://a.example/#x", "https://a.example/x"] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }
}
