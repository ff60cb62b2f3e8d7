//! What is simulated: how long, how many, and how much befalls them. All of it follows from the seed, but for the
//! keeper's own jitter.

use std::{fmt, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::provider::Provider;

/// What the keeper keeps alive of a grant that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The access token is always live
    Access,
    /// Only the refresh window
    Refresh,
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        })
    }
}

/// A simulation as it is asked for.
#[derive(Clone, Debug, Serialize, clap::Args)]
pub struct Plan {
    /// Days to live through
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub days: u32,
    /// Connections, half of them at each provider
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub connections: u32,
    /// What befalls whom follows from this number
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What is kept alive while nobody uses a connection
    #[arg(long, value_enum, default_value_t = Keep::Refresh)]
    pub keep: Keep,
    /// Finest step of the clock [default: 30m, or 1m with `--keep access`]
    #[arg(long, value_parser = step, value_name = "DURATION")]
    #[serde(skip)]
    pub step: Option<Duration>,
    /// Percent of connections whose owner disconnects the app at the provider
    #[arg(long, default_value_t = 4.0, value_parser = percent, value_name = "PERCENT")]
    pub revoked: f64,
    /// Percent of HubSpot's portals that are deleted
    #[arg(long, default_value_t = 2.0, value_parser = percent, value_name = "PERCENT")]
    pub deleted: f64,
    /// Percent of QuickBooks' connections that reach their five years
    #[arg(long, default_value_t = 4.0, value_parser = percent, value_name = "PERCENT")]
    pub capped: f64,
    /// Percent of owners who follow the link in their mail
    #[arg(long, default_value_t = 60.0, value_parser = percent, value_name = "PERCENT")]
    pub returning: f64,
    /// Outages of each provider, of hours to three days
    #[arg(long, default_value_t = 2)]
    pub outages: u32,
    /// How often each provider refuses our client secret for a day
    #[arg(long, default_value_t = 1)]
    pub wrong_secrets: u32,
    /// Days for which the daemon is off
    #[arg(long, default_value_t = 3, value_name = "DAYS")]
    pub off: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            days: 150,
            connections: 1_000,
            seed: 1,
            keep: Keep::Refresh,
            step: None,
            revoked: 4.0,
            deleted: 2.0,
            capped: 4.0,
            returning: 60.0,
            outages: 2,
            wrong_secrets: 1,
            off: 3,
        }
    }
}

impl Plan {
    /// The finest step of the clock: rounds are not nearer to each other.
    pub fn step(&self) -> TimeDelta {
        let usual = match self.keep {
            Keep::Access => Duration::from_mins(1),
            Keep::Refresh => Duration::from_mins(30),
        };
        TimeDelta::from_std(self.step.unwrap_or(usual)).unwrap_or(TimeDelta::minutes(30))
    }

    /// What lies between the first day and the last.
    pub(super) fn length(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.days))
    }
}

/// A stretch of time in which something is wrong for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spell {
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    pub(super) trouble: Trouble,
}

/// What is wrong for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A provider is down.
    Outage(Provider),
    /// A provider refuses our client secret.
    WrongSecret(Provider),
    /// The daemon is off.
    Off,
}

impl Spell {
    /// Whether tokens of `provider` cannot be renewed meanwhile.
    pub(super) fn hampers(&self, provider: Provider) -> bool {
        match self.trouble {
            Trouble::Outage(which) | Trouble::WrongSecret(which) => which == provider,
            Trouble::Off => true,
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "write a number from 0 to 100, such as 2.5".to_owned())
}

fn step(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| format!("{error}; write one such as 30m"))?;
    let range = Duration::from_secs(1)..=Duration::from_hours(24);
    if range.contains(&span) { Ok(span) } else { Err("write a step from 1s to 24h".to_owned()) }
}
