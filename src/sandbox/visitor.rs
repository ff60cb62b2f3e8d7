//! A person's browser, as far as the demo and the tests need one: follows redirects and keeps each site's cookies.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, StatusCode, header, redirect::Policy};
use url::Url;

const MOST_REDIRECTS: usize = 10;

/// A browser with a cookie jar. Clones of a visitor would be other people, so there are none.
#[derive(Debug)]
pub struct Visitor {
    client: Client,
    cookies: Mutex<BTreeMap<(String, String), String>>,
}

/// Where a visit ended.
#[derive(Debug)]
pub struct Visit {
    /// The last address.
    pub url: Url,
    /// The last status.
    pub status: StatusCode,
    /// Where it would go on, if redirects were not followed.
    pub location: Option<Url>,
    /// The page.
    pub body: String,
}

impl Visitor {
    /// A browser without cookies.
    ///
    /// # Errors
    /// When no TLS can be set up.
    pub fn new() -> reqwest::Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().redirect(Policy::none()).no_proxy().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { client, cookies: Mutex::default() })
    }

    /// Opens an address and follows where it leads.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn open(&self, url: &Url) -> reqwest::Result<Visit> {
        let mut visit = self.step(url).await?;
        for _ in 0..MOST_REDIRECTS {
            let Some(next) = visit.location.take() else { break };
            visit = self.step(&next).await?;
        }
        Ok(visit)
    }

    /// Opens an address and stays there.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn step(&self, url: &Url) -> reqwest::Result<Visit> {
        let mut request = self.client.get(url.clone());
        let carried = self.carried(url);
        if !carried.is_empty() {
            request = request.header(header::COOKIE, carried);
        }
        let response = request.send().await?;
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            self.keep(url, cookie.to_str().unwrap_or(""));
        }
        let status = response.status();
        let location = response.headers().get(header::LOCATION).filter(|_| status.is_redirection());
        let location = location.and_then(|location| url.join(location.to_str().ok()?).ok());
        Ok(Visit { url: url.clone(), status, location, body: response.text().await? })
    }

    fn carried(&self, url: &Url) -> String {
        let site = url.authority();
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = cookies.iter().filter(|((of, _), _)| of == site);
        ours.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, url: &Url, cookie: &str) {
        let pair = cookie.split(';').next().unwrap_or("");
        if let Some((name, value)) = pair.split_once('=') {
            let key = (url.authority().to_owned(), name.trim().to_owned());
            self.cookies.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value.trim().to_owned());
        }
    }
}
