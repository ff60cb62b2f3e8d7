//! What can be made to go wrong at a simulated provider.
//!
//! One plain struct, read on every request. The same struct is the body of `POST /control`, so what a test can do in
//! Rust a person can do with curl. It does not know who reads it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::trouble::TokenTrouble;
use crate::provider::Provider;

/// How a provider behaves from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switches {
    /// Life of an access token.
    #[serde(with = "span")]
    pub access_lifetime: Duration,
    /// Life of one refresh token value, counted from when that value was issued; `None` when it has no end.
    #[serde(with = "span::optional")]
    pub refresh_lifetime: Option<Duration>,
    /// Life of a whole grant, which no refresh extends.
    #[serde(with = "span::optional")]
    pub hard_lifetime: Option<Duration>,
    /// Whether replies name the lifetimes.
    pub report_expires_in: bool,
    /// Whether HubSpot's token replies name the portal.
    pub report_hub_id: bool,
    /// Leaves `refresh_token` out of refresh replies; the one spent stays good.
    pub omit_refresh_token: bool,
    /// When a refresh hands out a new refresh token value.
    pub rotation: Rotation,
    /// A replaced value, or one value spent twice at once, kills the whole grant.
    pub reuse_revokes_family: bool,
    /// A new grant for a company kills its earlier one.
    pub reconnect_revokes_previous: bool,
    /// How the provider is down.
    pub outage: Outage,
    /// What the outage and the throttle cover.
    pub outage_scope: Scope,
    /// Answers 429.
    pub throttle: bool,
    /// Sent as `Retry-After` with a 429 and a 503.
    #[serde(with = "span::optional")]
    pub retry_after: Option<Duration>,
    /// The next so many token calls are carried out, then the connection is cut without a reply.
    pub lost_token_replies: u32,
    /// The next so many creates are carried out, then the connection is cut without a reply.
    pub lost_create_replies: u32,
    /// The same for changes, voids and deletions.
    pub lost_update_replies: u32,
    /// The next so many changes, voids and deletions meet a document that somebody saved a moment before (QuickBooks).
    pub saved_meanwhile: u32,
    /// The next so many writes are not carried out and answered with 500 (QuickBooks).
    pub failed_writes: u32,
    /// A company is called at most 10 times a second and 500 times a minute, its batch 40 times a minute (QuickBooks).
    pub company_limits: bool,
    /// Refuses every client id and secret.
    pub invalid_client: bool,
    /// How long a token call takes to answer; its work is done on arrival.
    #[serde(with = "span")]
    pub latency: Duration,
    /// What happens to single token calls.
    pub token_trouble: TokenTrouble,
    /// How long search takes to see a change (HubSpot).
    #[serde(with = "span")]
    pub indexing_delay: Duration,
    /// Shows the consent page and waits for a person, instead of agreeing at once.
    pub interactive: bool,
}

/// When a refresh hands out a new refresh token value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// The value never changes.
    Never,
    /// Every refresh replaces the value, and the old one is dead at once.
    EveryCall,
    /// The first refresh after `period` replaces the value.
    Daily {
        /// Age at which a value is replaced.
        #[serde(with = "span")]
        period: Duration,
        /// How long the replaced value still works; zero means not at all.
        #[serde(with = "span")]
        grace: Duration,
    },
}

/// How a provider is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// It is up.
    None,
    /// 503 with a page of HTML from the gateway.
    #[serde(rename = "status_503")]
    Status503,
    /// Takes the request and never answers. When the switch is turned back the connection is cut.
    Hang,
    /// 200 with a maintenance page of HTML.
    Html,
}

/// Which half of a provider is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Accounting or CRM calls.
    Api,
    /// Token calls.
    #[serde(rename = "oauth")]
    OAuth,
    /// All of them.
    Both,
}

impl Scope {
    /// Whether a request is meant.
    pub(super) fn covers(self, oauth: bool) -> bool {
        match self {
            Scope::Both => true,
            Scope::OAuth => oauth,
            Scope::Api => !oauth,
        }
    }
}

impl Switches {
    /// How the provider behaves on a good day.
    pub fn of(provider: Provider) -> Self {
        let quickbooks = provider == Provider::Quickbooks;
        let day = Duration::from_secs(86_400);
        Self {
            access_lifetime: Duration::from_secs(if quickbooks { 3_600 } else { 1_800 }),
            refresh_lifetime: quickbooks.then_some(day * 101),
            hard_lifetime: quickbooks.then_some(day * 365 * 5),
            report_expires_in: true,
            report_hub_id: true,
            omit_refresh_token: false,
            rotation: if quickbooks { Rotation::Daily { period: day, grace: Duration::ZERO } } else { Rotation::Never },
            reuse_revokes_family: quickbooks,
            reconnect_revokes_previous: false,
            outage: Outage::None,
            outage_scope: Scope::Both,
            throttle: false,
            retry_after: None,
            lost_token_replies: 0,
            lost_create_replies: 0,
            lost_update_replies: 0,
            saved_meanwhile: 0,
            failed_writes: 0,
            company_limits: false,
            invalid_client: false,
            latency: Duration::ZERO,
            token_trouble: TokenTrouble::default(),
            indexing_delay: Duration::ZERO,
            interactive: false,
        }
    }

    /// These switches with the keys of `changes` laid over them. Says which key or value is wrong.
    pub fn with(&self, changes: &serde_json::Map<String, serde_json::Value>) -> Result<Self, serde_json::Error> {
        let mut all = serde_json::to_value(self)?;
        if let Some(all) = all.as_object_mut() {
            all.extend(changes.clone());
        }
        serde_json::from_value(all)
    }
}

/// Durations as a person writes them: `"90s"`, `"24h"`, or a number of seconds.
pub(super) mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(u64),
        Words(String),
    }

    impl Written {
        fn read<E: Error>(self) -> Result<Duration, E> {
            match self {
                Written::Seconds(seconds) => Ok(Duration::from_secs(seconds)),
                Written::Words(words) => humantime::parse_duration(&words).map_err(|e| {
                    E::custom(format!("`{words}` is no duration ({e}); write one such as `90s` or `24h`"))
                }),
            }
        }
    }

    pub(in super::super) fn serialize<S: Serializer>(span: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&humantime::format_duration(*span))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Written::deserialize(from)?.read()
    }

    pub(super) mod optional {
        use super::{Deserialize, Deserializer, Duration, Serializer, Written};

        pub(in super::super) fn serialize<S: Serializer>(span: &Option<Duration>, out: S) -> Result<S::Ok, S::Error> {
            match span {
                Some(span) => super::serialize(span, out),
                None => out.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
            Option::<Written>::deserialize(from)?.map(Written::read).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn laid(changes: serde_json::Value) -> Result<Switches, serde_json::Error> {
        Switches::of(Provider::Quickbooks).with(changes.as_object().unwrap())
    }

    #[test]
    fn only_named_keys_change() {
        let changed = laid(json!({"outage": "status_503", "access_lifetime": "10m", "retry_after": 60})).unwrap();
        let expected = Switches {
            outage: Outage::Status503,
            access_lifetime: Duration::from_secs(600),
            retry_after: Some(Duration::from_secs(60)),
            ..Switches::of(Provider::Quickbooks)
        };
        assert_eq!(changed, expected);
    }

    #[test]
    fn a_daily_rotation_is_written_with_its_grace() {
        let changed = laid(json!({"rotation": {"daily": {"period": "1h", "grace": "5m"}}})).unwrap();
        let (period, grace) = (Duration::from_secs(3_600), Duration::from_secs(300));
        assert_eq!(changed.rotation, Rotation::Daily { period, grace });
    }

    #[test]
    fn a_typo_is_named() {
        assert!(laid(json!({"outrage": "hang"})).unwrap_err().to_string().contains("outrage"));
        assert!(laid(json!({"latency": "soon"})).unwrap_err().to_string().contains("`soon`"));
    }
}
