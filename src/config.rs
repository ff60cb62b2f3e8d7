//! The one typed `Config`, made of defaults, a TOML file, the environment and flags, in this order: a later layer wins.
//!
//! `config/default.toml` holds every key and is itself the lowest layer, so what is documented is what happens. All
//! problems are reported at once, each with its place and its remedy. This module is the only reader of the environment
//! and of secret files; it knows nothing of what the values do. Invariant: a `Config` that exists is complete and
//! consistent, and none of its secrets can be printed.

mod alerts;
mod database;
mod intake;
mod keeper;
mod layers;
mod log;
mod mapping;
mod orders;
mod outage;
mod problem;
mod providers;
mod reader;
mod reference;
mod secret;
mod show;
mod smtp;
mod suggest;
mod telemetry;
mod value;
mod web;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use humantime::format_duration;

pub(crate) use self::web::is_this_machine;
pub use self::{
    alerts::Alerts,
    database::Database,
    intake::Filters,
    keeper::Keeper,
    log::{Log, LogFormat},
    mapping::{CustomerRule, DocumentRule, Mapping, OnCancel, OnRefund, Placement, RateRule, Wrong},
    orders::Orders,
    outage::Outage,
    problem::{Place, Problem, Problems},
    providers::{Environment, ProviderConfig, Providers},
    reference::reference_table,
    smtp::{Smtp, SmtpSecurity},
    telemetry::Telemetry,
    web::{StatusPage, Web},
};
use self::{
    layers::Layers,
    problem::Fault,
    reader::{Reader, gather},
    show::Effective,
};

/// Every key, its default and its meaning: the lowest layer.
pub const DEFAULT: &str = include_str!("../config/default.toml");

/// What a deployment sets, as a file to begin with.
pub const EXAMPLE: &str = include_str!("../config/example.toml");

/// What the demo lays over the defaults.
pub const DEMO: &str = include_str!("../config/demo.toml");

/// What a configuration is made of, beside the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// Lays [`DEMO`] right over the defaults.
    pub demo: bool,
    /// The configuration file; one that is named must exist.
    pub file: Option<PathBuf>,
    /// Environment variables; of these, `LAMPLIGHTER__SECTION__KEY` are read.
    pub env: BTreeMap<String, String>,
    /// `--set section.key=value`; of two for the same key the later one wins.
    pub flags: Vec<(String, String)>,
}

/// The environment of this process. What is not UTF-8 is replaced, and refused by [`Config::load`] where it matters.
pub fn environment() -> BTreeMap<String, String> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of keys, spooled replies and the built-in database.
    pub data_dir: PathBuf,
    /// Where the data lives.
    pub database: Database,
    /// How tokens are sealed at rest.
    pub vault: Vault,
    /// The web side.
    pub web: Web,
    /// How tokens are renewed.
    pub keeper: Keeper,
    /// How orders are fetched and delivered.
    pub orders: Orders,
    /// When a provider counts as out.
    pub outage: Outage,
    /// Who is told.
    pub alerts: Alerts,
    /// The mail server.
    pub smtp: Smtp,
    /// Intuit and HubSpot.
    pub providers: Providers,
    /// Logging.
    pub log: Log,
    /// Where spans go.
    pub telemetry: Telemetry,
    effective: Effective,
}

/// `[vault]`.
#[derive(Clone, Debug)]
pub struct Vault {
    /// File of the keys that seal tokens.
    pub keys_file: PathBuf,
}

impl Config {
    /// Lays the sources over each other and reads them. With the configuration come warnings: one sentence each about
    /// what works but should be looked at.
    ///
    /// # Errors
    /// Every problem there is, in the order of their places; a file that cannot be read or parsed is reported alone.
    pub fn load(sources: Sources) -> Result<(Config, Vec<String>), Problems> {
        let mut layers = Layers::new(DEFAULT);
        if sources.demo {
            layers.text(Path::new("demo.toml"), DEMO)?;
        }
        if let Some(file) = &sources.file {
            layers.file(file)?;
        }
        layers.environment(&sources.env);
        layers.flags(&sources.flags);

        let mut reader = Reader::new(layers);
        let config = Config::read(&mut reader);
        let Layers { mut problems, warnings, .. } = reader.layers;
        match config {
            Some(config) if problems.is_empty() => Ok((config, warnings)),
            _ => {
                problems.sort_by(|left, right| left.place.cmp(&right.place));
                Err(Problems(problems))
            }
        }
    }

    fn read(reader: &mut Reader) -> Option<Config> {
        let dir = data_dir(reader);
        let keys_file = reader.section("vault").optional_path("keys_file");
        let sealing = dir
            .as_ref()
            .zip(keys_file)
            .map(|(data_dir, keys_file)| Vault { keys_file: keys_file.unwrap_or_else(|| data_dir.join("vault.keys")) });
        let config = gather!(Config {
            data_dir: dir,
            database: Database::read(&mut reader.section("database")),
            vault: sealing,
            web: Web::read(&mut reader.section("web")),
            keeper: Keeper::read(&mut reader.section("keeper")),
            orders: Orders::read(&mut reader.section("orders")),
            outage: Outage::read(&mut reader.section("outage")),
            alerts: Alerts::read(&mut reader.section("alerts")),
            smtp: Smtp::read(&mut reader.section("smtp")),
            providers: Providers::read(reader),
            log: Log::read(&mut reader.section("log")),
            telemetry: Telemetry::read(&mut reader.section("telemetry")),
            effective: Some(Effective::of(reader)),
        });
        config.check_lane_lease(reader);
        Some(config)
    }

    /// A lane's lease that ends during a call would let a second daemon deliver the same order.
    fn check_lane_lease(&self, reader: &mut Reader) {
        if self.providers.timeout >= self.orders.lease {
            let (timeout, lease) = (format_duration(self.providers.timeout), format_duration(self.orders.lease));
            let message = format!("providers.timeout {timeout} is not below orders.lease {lease}");
            let remedy = "raise orders.lease, or two daemons could deliver one order at the same time";
            reader.fault("orders.lease", Fault::new(message, remedy));
        }
    }

    /// Refuses a configuration without any provider: there would be nothing to serve.
    ///
    /// # Errors
    /// The one problem, with the keys to set.
    pub fn require_providers(&self) -> Result<(), Problems> {
        if self.providers.quickbooks.is_some() || self.providers.hubspot.is_some() {
            return Ok(());
        }
        let remedy =
            "set client_id and client_secret_file in [providers.quickbooks], in [providers.hubspot], or in both";
        Err(Fault::new("no provider is configured", remedy).at(Place::Missing, "providers").into())
    }

    /// The effective configuration as TOML: every key with the place that it came from, secrets masked.
    pub fn show(&self) -> String {
        self.effective.to_toml()
    }

    /// The same as JSON: for each key its `value` and where it came `from`.
    pub fn show_json(&self) -> serde_json::Value {
        self.effective.to_json()
    }
}

fn data_dir(reader: &mut Reader) -> Option<PathBuf> {
    let dir = reader.section("").optional_path("data_dir")?;
    if dir.is_none() {
        reader.fault("data_dir", Fault::new("is empty", "name a directory that Lamplighter may write to"));
    }
    dir
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_read_and_everything_read_has_a_default() {
        let mut reader = Reader::new(Layers::new(DEFAULT));
        let config = Config::read(&mut reader);
        assert_eq!(Problems(std::mem::take(&mut reader.layers.problems)).to_string(), "");
        assert!(config.is_some());
        let known: Vec<_> = reader.layers.nodes.keys().collect();
        assert_eq!(known, reader.read.iter().collect::<Vec<_>>());
        assert!(known.len() > 60, "default.toml was not understood");
    }

    #[test]
    fn every_secret_can_also_come_from_a_file() {
        let mut reader = Reader::new(Layers::new(DEFAULT));
        assert!(Config::read(&mut reader).is_some());
        let from_files: Vec<_> = reader.layers.order.iter().filter_map(|key| key.strip_suffix("_file")).collect();
        let from_files: Vec<_> = from_files.into_iter().filter(|key| *key != "vault.keys").collect();
        assert_eq!(reader.secrets.len(), 5);
        assert!(from_files.iter().all(|key| reader.secrets.contains(*key)));
    }
}
