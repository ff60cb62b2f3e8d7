//! Where Intuit and HubSpot are, and who we are there.
//!
//! Knows URLs and credentials, not how they are used. Invariant: a provider that is present has an id and a secret.

use std::{num::NonZeroU32, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::{
    problem::Fault,
    reader::{Reader, Section, gather},
    web::web_url,
};
use crate::provider::{KeepAlive, Limits};

const INTUIT_PRODUCTION: &str = "https://quickbooks.api.intuit.com";
const INTUIT_SANDBOX: &str = "https://sandbox-quickbooks.api.intuit.com";
const WHY_HTTPS: &str = "tokens and secrets would travel readable";

/// `[providers]`.
#[derive(Clone, Debug)]
pub struct Providers {
    /// Deadline of one API call; a spend has `keeper.deadline`.
    pub timeout: Duration,
    /// How often one QuickBooks company may be called.
    pub company_limits: Limits,
    /// `None` when it has no client id.
    pub quickbooks: Option<ProviderConfig>,
    /// `None` when it has no client id.
    pub hubspot: Option<ProviderConfig>,
}

/// One provider that is configured.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// The app's OAuth client id.
    pub client_id: String,
    /// The app's OAuth client secret.
    pub client_secret: SecretString,
    /// Part of a connection's identity.
    pub environment: Environment,
    /// Scopes asked for on connect.
    pub scopes: Vec<String>,
    /// Where the owner's browser is sent.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are spent.
    pub token_url: Url,
    /// Where a grant is given back.
    pub revoke_url: Url,
    /// Where a token is asked about, if there is such a place.
    pub introspect_url: Option<Url>,
    /// What stands before the paths of the API.
    pub api_url: Url,
    /// HubSpot's dated API version; empty for QuickBooks.
    pub api_version: String,
    /// What is kept alive of a grant that nobody uses.
    pub keep_alive: KeepAlive,
}

/// Which of a provider's two worlds the client id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Real companies.
    Production,
    /// The provider's test companies.
    Sandbox,
}

impl Environment {
    /// The name in tables and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Environment::Production => "production",
            Environment::Sandbox => "sandbox",
        }
    }
}

impl Providers {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        Some(gather!(Providers {
            timeout: reader.section("providers").duration("timeout", Duration::from_secs(1)..=Duration::from_mins(10)),
            company_limits: company_limits(&mut reader.section("providers.quickbooks")),
            quickbooks: quickbooks(&mut reader.section("providers.quickbooks")),
            hubspot: hubspot(&mut reader.section("providers.hubspot")),
        }))
    }
}

fn company_limits(section: &mut Section<'_>) -> Option<Limits> {
    struct Read {
        per_second: u32,
        per_minute: u32,
        batches_per_minute: u32,
    }
    let read = gather!(Read {
        per_second: section.integer("requests_per_second", 1..=1_000_000),
        per_minute: section.integer("requests_per_minute", 1..=1_000_000),
        batches_per_minute: section.integer("batches_per_minute", 1..=1_000_000),
    });
    let some = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Some(Limits {
        per_second: some(read.per_second),
        per_minute: some(read.per_minute),
        batches_per_minute: some(read.batches_per_minute),
    })
}

fn quickbooks(section: &mut Section<'_>) -> Option<Option<ProviderConfig>> {
    provider(section, Some(String::new()), |environment| match environment {
        Environment::Production => INTUIT_PRODUCTION,
        Environment::Sandbox => INTUIT_SANDBOX,
    })
}

fn hubspot(section: &mut Section<'_>) -> Option<Option<ProviderConfig>> {
    let version = section.parsed("api_version", |text| {
        let good = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        let fault = || Fault::new(format!("{text:?} is no API version"), r#"write it like "2026-09""#);
        good.then(|| text.to_owned()).ok_or_else(fault)
    });
    provider(section, version, |_| "")
}

/// Reads what both have in common. `api_url` tells what an empty one means; "" makes that a problem.
fn provider(
    section: &mut Section<'_>,
    version: Option<String>,
    api_url: impl FnOnce(Environment) -> &'static str,
) -> Option<Option<ProviderConfig>> {
    struct Read {
        client_id: Option<String>,
        client_secret: Option<SecretString>,
        environment: Environment,
        scopes: Vec<String>,
        authorize_url: Url,
        token_url: Url,
        revoke_url: Url,
        introspect_url: Option<Url>,
        api_url: Url,
        api_version: String,
        keep_alive: KeepAlive,
    }
    let environments = [Environment::Production, Environment::Sandbox].map(|one| (one.as_str(), one));
    let world = section.choice("environment", &environments);
    let default_api = world.map(api_url).unwrap_or(INTUIT_PRODUCTION);
    let place = version.clone().unwrap_or_default();
    let expanded = |text: &str| expanded(text, &place);
    let read = gather!(Read {
        client_id: section.parsed("client_id", client_id),
        client_secret: section.secret("client_secret"),
        environment: world,
        scopes: section.list("scopes"),
        authorize_url: section.parsed("authorize_url", expanded),
        token_url: section.parsed("token_url", expanded),
        revoke_url: section.parsed("revoke_url", expanded),
        introspect_url: section.parsed("introspect_url", |text| match text {
            "" => Ok(None),
            text => expanded(text).map(Some),
        }),
        api_url: section.parsed("api_url", |text| expanded(if text.is_empty() { default_api } else { text })),
        api_version: version,
        keep_alive: section.choice("keep_alive", &[("access", KeepAlive::Access), ("refresh", KeepAlive::Refresh)]),
    });
    section.both_or_none(("client_id", read.client_id.is_some()), ("client_secret", read.client_secret.is_some()));
    let (Some(client_id), Some(client_secret)) = (read.client_id, read.client_secret) else {
        return Some(None);
    };
    Some(Some(ProviderConfig {
        client_id,
        client_secret,
        environment: read.environment,
        scopes: read.scopes,
        authorize_url: read.authorize_url,
        token_url: read.token_url,
        revoke_url: read.revoke_url,
        introspect_url: read.introspect_url,
        api_url: read.api_url,
        api_version: read.api_version,
        keep_alive: read.keep_alive,
    }))
}

/// A pasted blank makes a provider refuse the client for a reason that nobody sees.
fn client_id(text: &str) -> Result<Option<String>, Fault> {
    if text.contains(char::is_whitespace) {
        return Err(Fault::new("holds white space", "copy the client id again, without blanks"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn expanded(text: &str, version: &str) -> Result<Url, Fault> {
    let text = if version.is_empty() { text.to_owned() } else { text.replace("{api_version}", version) };
    if text.contains(['{', '}']) {
        return Err(Fault::new("holds an unknown placeholder", "only HubSpot's URLs may hold {api_version}"));
    }
    web_url(&text, WHY_HTTPS)
}
