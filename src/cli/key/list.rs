//! `lamplighter key list`.

use clap::Args;
use serde_json::json;

use super::super::{DONE, output};
use crate::{
    app::Database,
    config::Config,
    keys::holdings::{self, Holding, State},
    vault::Vault,
    words,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(in crate::cli) async fn run(self, config: Config) -> anyhow::Result<u8> {
        let vault = Vault::load(&config.vault.keys_file)?;
        let database = Database::open(&config, true).await?;
        let holdings = holdings::list(&database.pool, &vault).await;
        database.close().await?;
        let holdings = holdings?;
        if self.json {
            output::json(&json!({ "keys_file": config.vault.keys_file, "keys": holdings }))?;
            return Ok(DONE);
        }
        let headers = ["Key", "State", "In the file", "Rows", "Used since", "Daemons"];
        let shown = holdings.iter().filter(|key| key.state != State::Pruned || key.in_file || key.rows > 0);
        output::table(&headers, shown.map(row).collect(), "No key yet. Make one: lamplighter key generate");
        for key in holdings.iter().filter(|key| !key.in_file && key.is_needed()) {
            output::complain(&format!(
                "{} is needed and not in {}: put it back from your copy or from another host",
                key.id,
                config.vault.keys_file.display()
            ));
        }
        Ok(DONE)
    }
}

fn row(key: &Holding) -> Vec<String> {
    let state = match (key.state, key.retired_at) {
        (State::Active, _) => "active".to_owned(),
        (State::Announced, _) => "new, waits for all daemons".to_owned(),
        (State::Used, _) => "used".to_owned(),
        (State::Retired, Some(at)) => format!("retired {}", output::instant(at)),
        (State::Retired, None) => "retired".to_owned(),
        (State::Pruned, _) => "pruned".to_owned(),
        (State::Foreign, _) => "not of this database".to_owned(),
    };
    let running = key.known_to.len() + key.unknown_to.len();
    let daemons = match (running, key.unknown_to.as_slice()) {
        (0, _) => "none runs".to_owned(),
        (_, []) => format!("all {running} have it"),
        (_, lacking) => format!("{} of {running}; not {}", key.known_to.len(), lacking.join(", ")),
    };
    vec![
        key.id.clone(),
        state,
        if key.in_file { "yes" } else { "no" }.to_owned(),
        words::number(key.rows),
        key.used_since.map_or_else(|| "-".to_owned(), output::instant),
        daemons,
    ]
}
