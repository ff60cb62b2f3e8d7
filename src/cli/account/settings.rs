//! `lamplighter account settings`: how one customer's orders become documents, and where each setting comes from.

use anyhow::{Context as _, bail};
use sqlx::PgConnection;

use crate::{
    cli::{DONE, actor, output},
    clock::Clock,
    config::Mapping,
    orders::settings,
};

/// What a person asked for.
pub(super) struct Request {
    pub(super) account: String,
    pub(super) set: Vec<(String, String)>,
    pub(super) unset: Vec<String>,
    pub(super) json: bool,
}

/// Changes the settings that are named, all or none, and shows what is in force.
pub(super) async fn run(conn: &mut PgConnection, defaults: &Mapping, request: Request) -> anyhow::Result<u8> {
    let Request { account: name, set, unset, json } = request;
    let account = crate::cli::account(conn, &name).await?;
    let mut checked = defaults.clone();
    for (key, value) in &set {
        checked.assign(key, value)?;
    }
    for key in &unset {
        if !Mapping::KEYS.contains(&key.as_str()) {
            // The words for a key that does not exist.
            checked.assign(key, "")?;
        }
        if set.iter().any(|(other, _)| other == key) {
            bail!("{key} is both set and unset: name it once");
        }
    }
    let pairs: Vec<_> = set.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let keys: Vec<_> = unset.iter().map(String::as_str).collect();
    let own = settings::change(conn, account.whose(), &pairs, &keys, &actor::here(), Clock::system().now()).await?;
    let shown = settings::shown(defaults, &own)
        .context("a stored setting cannot be read: set it anew, or take it out with --unset")?;
    if json {
        output::json(&shown)?;
        return Ok(DONE);
    }
    if !set.is_empty() || !unset.is_empty() {
        output::say("Changed. What is posted from now on follows it; documents that stand are left alone.");
    }
    let rows = Mapping::KEYS.into_iter().filter_map(|key| {
        let one = shown.get(key)?;
        let default = one.default.as_ref().map(|default| format!(" (default: {default:?})")).unwrap_or_default();
        Some(vec![key.to_owned(), one.value.clone(), format!("{}{default}", one.from.as_str())])
    });
    output::say(&format!("How the orders of {} become documents:", account.name));
    output::table(&["Setting", "Value", "From"], rows.collect(), "");
    Ok(DONE)
}
