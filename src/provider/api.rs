//! What the two APIs have in common: an address below `api_url`, a bearer token, JSON both ways.
//!
//! Knows nothing of either dialect; the judging is left to `verdict`.

use futures_util::{FutureExt as _, future::BoxFuture};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::http::{Http, Lost};
use super::reply::Reply;
use super::verdict::{self, Call};
use super::{Failure, Settings};

/// A way to one provider's API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel<'a> {
    pub(super) http: &'a Http,
    pub(super) settings: &'a Settings,
}

impl Channel<'_> {
    /// `api_url` with these segments behind it, each escaped, so that an id cannot lead to another path.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.settings.api_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.http.api().request(Method::GET, url)
    }

    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.http.api().request(Method::POST, url)
    }

    /// Sends a request and reads the reply. A reply that `read` can make nothing of is judged like any other.
    ///
    /// Boxed, so that the compiler need not prove anew at every caller that what `read` borrows may cross threads.
    pub(super) fn ask<'a, T>(
        &'a self,
        call: Call,
        access: &'a SecretString,
        request: RequestBuilder,
        read: impl FnOnce(&Reply) -> Option<T> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, Failure>> {
        async move {
            let reply = self.reply(call, access, request).await?;
            read(&reply).ok_or_else(|| verdict::judge_within(call, &reply, &self.settings.scopes).hushed(access))
        }
        .boxed()
    }

    async fn reply(&self, call: Call, access: &SecretString, request: RequestBuilder) -> Result<Reply, Failure> {
        let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", access.expose_secret())) else {
            return Err(verdict::token_unsendable(call));
        };
        bearer.set_sensitive(true);
        let request = request.header(AUTHORIZATION, bearer).header(ACCEPT, "application/json").build();
        let sent = match request {
            Ok(request) => self.http.send(call, request).await,
            Err(_) => Err(Lost::Unsendable),
        };
        sent.map_err(|lost| verdict::judge_lost(call, lost))
    }
}
