//! How the simulated daemon is configured: the defaults, the sandbox's addresses, what the plan asks for, and `--set` over
//! all of it. The environment has no say: a shell that is prepared for a real deployment must not lead there.

use std::{collections::BTreeMap, path::Path};

use tokio::net::TcpListener;

use super::plan::Plan;
use crate::{
    cli::sandbox::settings,
    config::{Config, Sources},
    provider::Provider,
    sandbox::Sandbox,
};

/// Who hears of our own faults.
pub(super) const OPERATOR: &str = "operator@town.example";

pub(super) fn configure(
    plan: &Plan,
    directory: &Path,
    sandbox: &Sandbox,
    listener: &TcpListener,
    set: Vec<(String, String)>,
) -> anyhow::Result<Config> {
    let file = directory.join("lamplighter.toml");
    std::fs::write(&file, settings(sandbox))?;
    let at = listener.local_addr()?;
    let ours = [
        ("data_dir", directory.display().to_string()),
        ("web.listen", at.to_string()),
        ("web.public_url", format!("http://{at}")),
        ("smtp.from", "Lamplighter <lamplighter@town.example>".to_owned()),
        ("alerts.operator_email", OPERATOR.to_owned()),
    ];
    let ours = ours.into_iter().map(|(key, value)| (key.to_owned(), value));
    let asked = Provider::ALL.map(|provider| (format!("providers.{provider}.keep_alive"), plan.keep.to_string()));
    // A question to each of a thousand companies on each of many days would be most of the work: `--set` asks for it.
    let unasked = [("keeper.probe_interval".to_owned(), "off".to_owned())];
    // The audit counts one mail for each lapse. Owners here are slow, and many lapse at the same moment.
    let once = [("alerts.reminders", "[]"), ("alerts.storm_after", "0")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let flags = unasked.into_iter().chain(once).chain(asked).chain(set).chain(ours).collect();
    let (config, _warnings) = Config::load(Sources { demo: false, file: Some(file), env: BTreeMap::new(), flags })?;
    Ok(config)
}
