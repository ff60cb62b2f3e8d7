//! Connecting, renewing and giving back a grant.
//!
//! The `oauth2` crate builds the requests. It never sees a reply: it would throw the status and the headers away and
//! keep raw bodies, tokens included, in its errors. So the adapter keeps the reply for our own table and hands the
//! crate a blank one. Where the dialects differ: Intuit wants the credentials in a Basic header and nowhere else,
//! HubSpot wants them in the form; Intuit revokes with JSON, HubSpot with a form.

pub(super) mod grant;

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::OnceLock;

use futures_util::{FutureExt as _, future::BoxFuture};
use oauth2::basic::BasicClient;
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, RedirectUrl, RefreshToken, Scope, TokenUrl,
};
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Request, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::http::{Http, Lost};
use super::reply::{Reply, Shape};
use super::verdict::{self, Call, Surface};
use super::{Failure, Grant, Provider, Settings};

/// Asks Intuit to say what is left of the refresh token's five years.
const HARD_EXPIRY: &str = "x-include-refresh-token-hard-expires-in";

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Where the owner's browser goes to connect a company.
pub(super) fn authorize_url(provider: Provider, settings: &Settings, state: &str, redirect_uri: &Url) -> Url {
    client(provider, settings)
        .authorize_url(|| CsrfToken::new(state.to_owned()))
        .add_scopes(settings.scopes.iter().cloned().map(Scope::new))
        .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(redirect_uri.clone())))
        .url()
        .0
}

/// Spends an authorization code.
pub(super) async fn exchange(
    http: &Http,
    provider: Provider,
    settings: &Settings,
    code: &SecretString,
    redirect_uri: &Url,
) -> Result<Grant, Failure> {
    let call = Call { provider, operation: "exchange", surface: Surface::Exchange };
    let adapter = Adapter { http, call, kept: OnceLock::new() };
    let client = client(provider, settings);
    let request = client
        .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
        .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(redirect_uri.clone())));
    drop(request.request_async(&adapter).await);
    granted(call, adapter.kept, &[code, &settings.client_secret])
}

/// Spends a refresh token.
pub(super) async fn refresh(
    http: &Http,
    provider: Provider,
    settings: &Settings,
    refresh_token: &SecretString,
) -> Result<Grant, Failure> {
    let call = Call { provider, operation: "refresh", surface: Surface::Refresh };
    let adapter = Adapter { http, call, kept: OnceLock::new() };
    let client = client(provider, settings);
    let token = RefreshToken::new(refresh_token.expose_secret().to_owned());
    let request = client.exchange_refresh_token(&token);
    drop(request.request_async(&adapter).await);
    granted(call, adapter.kept, &[refresh_token, &settings.client_secret])
}

/// Gives a grant back; returns the provider's correlation id.
pub(super) async fn revoke(
    http: &Http,
    provider: Provider,
    settings: &Settings,
    refresh_token: &SecretString,
) -> Result<Option<String>, Failure> {
    let call = Call { provider, operation: "revoke", surface: Surface::Revoke };
    let (token, secret) = (refresh_token.expose_secret(), settings.client_secret.expose_secret());
    let request = http.oauth().post(settings.revoke_url.clone());
    let request = match provider {
        Provider::Quickbooks => {
            request.basic_auth(&settings.client_id, Some(secret)).json(&serde_json::json!({ "token": token }))
        }
        Provider::Hubspot => request.form(&[
            ("client_id", settings.client_id.as_str()),
            ("client_secret", secret),
            ("token", token),
            ("token_type_hint", "refresh_token"),
        ]),
    };
    let reply = send(http, call, request).await?;
    // A page of somebody else's, such as a maintenance notice with a 200, gave nothing back.
    if reply.is_success() && reply.whole && reply.signs().shape != Shape::Foreign {
        return Ok(reply.correlation_id);
    }
    Err(verdict::judge(call, &reply).hushed(refresh_token).hushed(&settings.client_secret))
}

/// Asks whether a refresh token is still honoured, without spending it.
pub(super) async fn introspect(
    http: &Http,
    provider: Provider,
    settings: &Settings,
    refresh_token: &SecretString,
) -> Result<(), Failure> {
    #[derive(serde::Deserialize)]
    struct Told {
        active: bool,
    }
    let call = Call { provider, operation: "introspect", surface: Surface::Introspect };
    let Some(url) = settings.introspect_url.clone() else {
        return Err(verdict::not_configured(provider, call.operation));
    };
    let request = http.oauth().post(url).form(&[
        ("client_id", settings.client_id.as_str()),
        ("client_secret", settings.client_secret.expose_secret()),
        ("token", refresh_token.expose_secret()),
        ("token_type_hint", "refresh_token"),
    ]);
    let reply = send(http, call, request).await?;
    match reply.read() {
        Some(Told { active: true }) => Ok(()),
        Some(Told { active: false }) => Err(verdict::inactive(call, &reply)),
        None => Err(verdict::judge(call, &reply)),
    }
}

/// Sends a hand-made request to an OAuth endpoint.
pub(super) async fn send(http: &Http, call: Call, request: RequestBuilder) -> Result<Reply, Failure> {
    let outcome = match request.header(ACCEPT, "application/json").build() {
        Ok(request) => http.send(call, request).await,
        Err(_) => Err(Lost::Unsendable),
    };
    outcome.map_err(|lost| verdict::judge_lost(call, lost))
}

fn client(provider: Provider, settings: &Settings) -> Client {
    BasicClient::new(ClientId::new(settings.client_id.clone()))
        .set_client_secret(ClientSecret::new(settings.client_secret.expose_secret().to_owned()))
        .set_auth_type(match provider {
            Provider::Quickbooks => AuthType::BasicAuth,
            Provider::Hubspot => AuthType::RequestBody,
        })
        .set_auth_uri(AuthUrl::from_url(settings.authorize_url.clone()))
        .set_token_uri(TokenUrl::from_url(settings.token_url.clone()))
}

/// The adapter between the crate and our client: sends what the crate built, keeps what came back, answers with a blank.
struct Adapter<'a> {
    http: &'a Http,
    call: Call,
    kept: OnceLock<Result<Reply, Lost>>,
}

impl<'c> AsyncHttpClient<'c> for Adapter<'_> {
    type Error = Infallible;
    type Future = BoxFuture<'c, Result<HttpResponse, Infallible>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        async move {
            let outcome = match Request::try_from(request) {
                Ok(mut request) => {
                    if self.call.provider == Provider::Quickbooks {
                        request.headers_mut().insert(HARD_EXPIRY, HeaderValue::from_static("true"));
                    }
                    self.http.send(self.call, request).await
                }
                Err(_) => Err(Lost::Unsendable),
            };
            // The crate calls once per request, so the cell is empty.
            drop(self.kept.set(outcome));
            Ok(HttpResponse::default())
        }
        .boxed()
    }
}

/// Reads what came back, and takes the secrets that were sent out of whatever is told of it.
fn granted(call: Call, kept: OnceLock<Result<Reply, Lost>>, sent: &[&SecretString]) -> Result<Grant, Failure> {
    match kept.into_inner().unwrap_or(Err(Lost::Unsendable)) {
        Ok(reply) => grant::read(&reply).map(|grant| grant.hushed(sent)).ok_or_else(|| verdict::judge(call, &reply)),
        Err(lost) => Err(verdict::judge_lost(call, lost)),
    }
    .map_err(|failure| sent.iter().fold(failure, |failure, secret| failure.hushed(secret)))
}
