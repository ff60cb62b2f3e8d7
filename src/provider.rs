//! The only outgoing HTTP to Intuit and HubSpot: OAuth, their APIs, and the one place where a reply is judged.
//!
//! A provider is data first (`Settings`); code stands only where the two differ. Every call returns either what was
//! asked for or a `Failure` that already carries its `Verdict`: callers act on the verdict and never look at a
//! status or a message again. This module knows nothing of the database, of leases or of retries.

/// Posting to endpoints of the operator's own.
pub mod hook;
pub mod hubspot;
pub mod quickbooks;

mod api;
mod fields;
mod http;
mod limits;
mod oauth;
mod reply;
mod retry_after;
mod verdict;

pub use self::limits::Limits;

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

/// No token and no client secret of a provider is shorter.
const SHORTEST_SECRET: usize = 8;

/// Who issued a grant.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    sqlx::Type,
    clap::ValueEnum,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[clap(rename_all = "snake_case")]
pub enum Provider {
    /// Intuit QuickBooks Online.
    Quickbooks,
    /// HubSpot.
    Hubspot,
}

impl Provider {
    /// Both, in the order in which they are shown.
    pub const ALL: [Provider; 2] = [Provider::Quickbooks, Provider::Hubspot];

    /// The name in tables, paths and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Quickbooks => "quickbooks",
            Provider::Hubspot => "hubspot",
        }
    }

    /// The name a person knows.
    pub fn title(self) -> &'static str {
        match self {
            Provider::Quickbooks => "QuickBooks",
            Provider::Hubspot => "HubSpot",
        }
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which half of a provider: they stand on different machines and fail apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Endpoint {
    /// Where refresh tokens are spent.
    Tokens,
    /// Where orders are read and documents written.
    Api,
}

impl Endpoint {
    /// Both, in the order in which they are shown.
    pub const ALL: [Endpoint; 2] = [Endpoint::Tokens, Endpoint::Api];

    /// The name in tables and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::Tokens => "tokens",
            Endpoint::Api => "api",
        }
    }

    /// The name a person knows.
    pub fn title(self, provider: Provider) -> String {
        match self {
            Endpoint::Tokens => format!("the token endpoint of {}", provider.title()),
            Endpoint::Api => provider.title().to_owned(),
        }
    }
}

/// What is kept alive of a grant that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// The access token is always live: whoever calls the API never waits for a renewal.
    Access,
    /// Only the refresh window: an access token is renewed when somebody asks for one.
    Refresh,
}

/// Where one provider is and who we are there.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The app's OAuth client id.
    pub client_id: String,
    /// The app's OAuth client secret.
    pub client_secret: SecretString,
    /// `production` or `sandbox`; part of a connection's identity.
    pub environment: String,
    /// Scopes asked for on connect.
    pub scopes: Vec<String>,
    /// Where the owner's browser is sent.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are spent.
    pub token_url: Url,
    /// Where a grant is given back.
    pub revoke_url: Url,
    /// Where a token is asked about (HubSpot only).
    pub introspect_url: Option<Url>,
    /// What stands before `/v3/company/...` and `/crm/...`, without a slash at its end.
    pub api_url: Url,
    /// HubSpot's dated API version, such as `2026-09`.
    pub api_version: String,
    /// What is kept alive of a grant that nobody uses.
    pub keep_alive: KeepAlive,
}

impl Settings {
    /// Names our app and its environment, without a secret. A token works for the app it was issued to and no other.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.environment, self.client_id)
    }
}

/// What a provider hands out when a code or a refresh token is spent.
#[derive(Debug)]
pub struct Grant {
    /// Opens the API.
    pub access_token: SecretString,
    /// Absent when the provider left it out: the one spent stays valid.
    pub refresh_token: Option<SecretString>,
    /// Life of the access token; `None` when the provider does not say.
    pub access_expires_in: Option<Duration>,
    /// Life of the refresh token; `None` when it has no end or the provider does not say.
    pub refresh_expires_in: Option<Duration>,
    /// What is left of the hard cap (Intuit: five years), which no renewal extends.
    pub refresh_hard_expires_in: Option<Duration>,
    /// HubSpot's portal id, when the reply names it.
    pub hub_id: Option<String>,
    /// `intuit_tid` or HubSpot's correlation id.
    pub correlation_id: Option<String>,
}

impl Grant {
    /// The same without a correlation id that echoes a secret, be it one that was sent or one that came.
    fn hushed(mut self, sent: &[&SecretString]) -> Self {
        let came = [Some(&self.access_token), self.refresh_token.as_ref()].into_iter().flatten();
        let secrets: Vec<_> = came.chain(sent.iter().copied()).map(|secret| secret.expose_secret()).collect();
        let shown = |id: &str| secrets.iter().any(|secret| secret.len() >= SHORTEST_SECRET && id.contains(secret));
        self.correlation_id = self.correlation_id.take().filter(|id| !shown(id));
        self
    }
}

/// Why only the owner can repair a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Cause {
    /// The provider no longer honours the grant: disconnected, uninstalled or revoked there.
    Revoked,
    /// Nobody could renew it within the refresh token's window.
    InactivityExpired,
    /// The provider's hard cap on a refresh token's life was reached.
    HardCapReached,
    /// The provider rotated the token and its reply never arrived.
    ReplyLost,
    /// The grant lives, but a newer token of it, or a newer authorization, has taken the place of ours.
    Replaced,
    /// The person who connected lost the rights in the company.
    PermissionLost,
    /// The company's own subscription with the provider lapsed.
    SubscriptionLapsed,
    /// The HubSpot portal is gone.
    PortalDeleted,
}

impl Cause {
    /// The words for the operator; owners get whole sentences.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Revoked => "revoked at the provider",
            Cause::InactivityExpired => "not renewed within the refresh window",
            Cause::HardCapReached => "hard cap reached",
            Cause::ReplyLost => "rotated, and the reply was lost",
            Cause::Replaced => "replaced by another authorization",
            Cause::PermissionLost => "permission lost",
            Cause::SubscriptionLapsed => "subscription lapsed",
            Cause::PortalDeleted => "portal deleted",
        }
    }
}

/// What a person is told of a rule that the ledger or the evidence of a verdict names, for an operation such as `refresh` or
/// `revoke`. `None` for a rule that is not one of the table's.
pub fn rule_words(provider: Provider, operation: &str, rule: &str) -> Option<String> {
    verdict::words_of(provider, operation, rule)
}

/// What a failure means, decided once where the reply is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again later; nothing was done. Network, 5xx, throttling, HTML instead of JSON.
    Transient,
    /// The request went out and no usable reply came back: it may or may not have been carried out.
    OutcomeUnknown,
    /// Our own deployment is at fault (client id, secret, redirect, TLS, DNS): touch no customer.
    OperatorFault,
    /// Only the owner can repair this.
    Lapsed(Cause),
    /// An API refused the access token: renew that generation once, then try again.
    TokenRefused,
    /// The provider understood and said no to this one request: a person must look.
    Rejected,
}

impl Verdict {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Transient => "transient",
            Verdict::OutcomeUnknown => "unknown",
            Verdict::OperatorFault => "operator_fault",
            Verdict::Lapsed(_) => "lapsed",
            Verdict::TokenRefused => "token_refused",
            Verdict::Rejected => "rejected",
        }
    }
}

/// A call that did not work, with its decision.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{provider} {operation}: {message} ({rule})")]
pub struct Failure {
    /// Who was asked.
    pub provider: Provider,
    /// What was asked, such as `refresh` or `create sales receipt`.
    pub operation: &'static str,
    /// The decision.
    pub verdict: Verdict,
    /// The name of the rule that decided, stored as evidence.
    pub rule: &'static str,
    /// HTTP status, when a reply came.
    pub status: Option<u16>,
    /// The provider's own code: `invalid_grant`, `BAD_REFRESH_TOKEN`, `6210`.
    pub code: Option<String>,
    /// What to show a person: our words for OAuth, the provider's for a rejected document. Never a token or a body.
    pub message: String,
    /// `intuit_tid` or HubSpot's correlation id.
    pub correlation_id: Option<String>,
    /// How long the provider asked us to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// The same without a secret that the provider echoed. Shorter ones are words that anybody may use.
    fn hushed(mut self, secret: &SecretString) -> Self {
        let secret = secret.expose_secret();
        if secret.len() >= SHORTEST_SECRET {
            self.message = self.message.replace(secret, "(hidden)");
            self.code = self.code.filter(|code| !code.contains(secret));
            self.correlation_id = self.correlation_id.filter(|id| !id.contains(secret));
        }
        self
    }

    /// A failure that no reply speaks of: nothing came back, or the decision is our own.
    pub fn without_reply(
        provider: Provider,
        operation: &'static str,
        verdict: Verdict,
        rule: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            provider,
            operation,
            verdict,
            rule,
            status: None,
            code: None,
            message: message.into(),
            correlation_id: None,
            retry_after: None,
        }
    }
}

/// A call that ended, for whoever counts.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Who was asked.
    pub provider: Provider,
    /// What was asked.
    pub operation: &'static str,
    /// `ok` for a 2xx, else the verdict.
    pub verdict: &'static str,
    /// From the first byte out to the last byte in.
    pub took: Duration,
}

/// Whoever counts.
pub type Observer = Arc<dyn Fn(&Observed) + Send + Sync>;

/// How long the calls to a provider may take, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct HttpOptions {
    /// One call to an OAuth endpoint, from the first byte out to the last byte in.
    pub spend_deadline: Duration,
    /// One call to an API.
    pub api_deadline: Duration,
    /// How often one QuickBooks company may be called.
    pub company_limits: Limits,
}

/// Why the providers could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built; check this machine's CA certificates and proxy settings")]
    Http(#[source] reqwest::Error),
    /// An address is not one that a request can be sent to.
    #[error("{provider}: {key} is `{url}`; write an address that starts with https://")]
    Address {
        /// Whose settings.
        provider: Provider,
        /// Which of the settings.
        key: &'static str,
        /// What it holds.
        url: Url,
    },
}

/// The way to both providers. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Providers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: http::Http,
    quickbooks: Option<Settings>,
    hubspot: Option<Settings>,
}

impl Providers {
    /// Sets up the way to those that are configured.
    pub fn new(http: HttpOptions, quickbooks: Option<Settings>, hubspot: Option<Settings>) -> Result<Self, BuildError> {
        for (provider, settings) in [(Provider::Quickbooks, &quickbooks), (Provider::Hubspot, &hubspot)] {
            settings.as_ref().map_or(Ok(()), |settings| settings.check(provider))?;
        }
        let http = http::Http::new(http)?;
        Ok(Self(Arc::new(Inner { http, quickbooks, hubspot })))
    }

    /// Lets somebody count the calls from now on; only the first one who asks.
    pub fn observed_by(&self, observer: Observer) {
        self.0.http.observed_by(observer);
    }

    /// The settings of a provider, if it is configured.
    pub fn settings(&self, provider: Provider) -> Option<&Settings> {
        match provider {
            Provider::Quickbooks => self.0.quickbooks.as_ref(),
            Provider::Hubspot => self.0.hubspot.as_ref(),
        }
    }

    /// Where the owner's browser goes to connect a company. `state` comes back with the code.
    pub fn authorize_url(&self, provider: Provider, state: &str, redirect_uri: &Url) -> Result<Url, Failure> {
        let settings = self.configured(provider, "authorize")?;
        Ok(oauth::authorize_url(provider, settings, state, redirect_uri))
    }

    /// Spends an authorization code. A code works once: whatever this returns, never spend the same code again.
    pub async fn exchange(
        &self,
        provider: Provider,
        code: &SecretString,
        redirect_uri: &Url,
    ) -> Result<Grant, Failure> {
        let settings = self.configured(provider, "exchange")?;
        oauth::exchange(&self.0.http, provider, settings, code, redirect_uri).await
    }

    /// Spends a refresh token, once. The caller sees to it that nobody else spends the same value meanwhile.
    pub async fn refresh(&self, provider: Provider, refresh_token: &SecretString) -> Result<Grant, Failure> {
        let settings = self.configured(provider, "refresh")?;
        oauth::refresh(&self.0.http, provider, settings, refresh_token).await
    }

    /// Gives a grant back; returns the provider's correlation id. `Rejected` means that the provider does not know the
    /// token, so nothing is left to revoke. Intuit takes the access token in its place: either one ends the whole grant.
    pub async fn revoke(&self, provider: Provider, refresh_token: &SecretString) -> Result<Option<String>, Failure> {
        let settings = self.configured(provider, "revoke")?;
        oauth::revoke(&self.0.http, provider, settings, refresh_token).await
    }

    /// Asks whether a refresh token is still honoured, without spending it; only where `introspect_url` is set.
    pub async fn introspect(&self, provider: Provider, refresh_token: &SecretString) -> Result<(), Failure> {
        let settings = self.configured(provider, "introspect")?;
        oauth::introspect(&self.0.http, provider, settings, refresh_token).await
    }

    /// QuickBooks' accounting API, if it is configured.
    pub fn quickbooks(&self) -> Option<quickbooks::Api<'_>> {
        let settings = self.0.quickbooks.as_ref()?;
        Some(quickbooks::Api::new(&self.0.http, settings))
    }

    /// HubSpot's API, if it is configured.
    pub fn hubspot(&self) -> Option<hubspot::Api<'_>> {
        let settings = self.0.hubspot.as_ref()?;
        Some(hubspot::Api::new(&self.0.http, settings))
    }

    fn configured(&self, provider: Provider, operation: &'static str) -> Result<&Settings, Failure> {
        self.settings(provider).ok_or_else(|| verdict::not_configured(provider, operation))
    }
}

impl Settings {
    fn check(&self, provider: Provider) -> Result<(), BuildError> {
        let urls = [
            ("authorize_url", Some(&self.authorize_url)),
            ("token_url", Some(&self.token_url)),
            ("revoke_url", Some(&self.revoke_url)),
            ("introspect_url", self.introspect_url.as_ref()),
            ("api_url", Some(&self.api_url)),
        ];
        for (key, url) in urls {
            if let Some(url) = url.filter(|url| !matches!(url.scheme(), "http" | "https")) {
                return Err(BuildError::Address { provider, key, url: url.clone() });
            }
        }
        Ok(())
    }
}
