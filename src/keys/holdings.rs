//! What is known of every key: whether the file has it, what it sealed, since when, and which live daemons have it at hand.
//! Changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use super::{Error, fleet, resealing};
use crate::{
    store::vault_keys::{self, VaultKey},
    vault::Vault,
};

/// How far a key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The first line of the file.
    Active,
    /// Made by a rotation that has not made it the active one yet.
    Announced,
    /// Used here and not retired: another daemon's active key, or one that gave way by hand.
    Used,
    /// Seals and signs nothing any more.
    Retired,
    /// Was taken out.
    Pruned,
    /// In the file, and nothing is known of it here.
    Foreign,
}

/// One key.
#[derive(Clone, Debug, Serialize)]
pub struct Holding {
    /// Its id.
    pub id: String,
    /// How far it has come.
    pub state: State,
    /// Whether the keys file has it.
    pub in_file: bool,
    /// Rows that it sealed.
    pub rows: u64,
    /// When it was first used.
    pub used_since: Option<DateTime<Utc>>,
    /// When it was retired.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was pruned.
    pub pruned_at: Option<DateTime<Utc>>,
    /// Live daemons that have it at hand.
    pub known_to: Vec<String>,
    /// Live daemons that do not.
    pub unknown_to: Vec<String>,
    /// Live daemons that seal with it.
    pub used_by: Vec<String>,
}

impl Holding {
    /// Whether something here needs it.
    pub fn is_needed(&self) -> bool {
        self.rows > 0 || matches!(self.state, State::Active | State::Announced | State::Used)
    }
}

/// Every key that the file or the database knows, the active one first, then as they came into use.
///
/// # Errors
/// Database trouble.
pub async fn list(pool: &PgPool, vault: &Vault) -> Result<Vec<Holding>, Error> {
    let mut conn = pool.acquire().await?;
    let known = vault_keys::list(&mut conn).await?;
    drop(conn);
    let rows = resealing::by_key(pool).await?;
    let live = fleet::live(pool).await?;
    let in_file = vault.key_ids();
    let mut ids: Vec<&str> = in_file.iter().take(1).map(String::as_str).collect();
    let others = known.iter().map(|key| key.id.as_str()).chain(in_file.iter().map(String::as_str));
    for id in others.chain(rows.keys().map(String::as_str)) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let holding = |id: &str| {
        let key = known.iter().find(|key| key.id == id);
        let names = |holds: &dyn Fn(&fleet::Daemon) -> bool| {
            live.iter().filter(|daemon| holds(daemon)).map(fleet::name_of).collect()
        };
        let knows = |daemon: &fleet::Daemon| daemon.vault_key_ids.iter().any(|held| held == id);
        Holding {
            id: id.to_owned(),
            state: state(key, in_file.first().is_some_and(|active| active == id)),
            in_file: in_file.iter().any(|held| held == id),
            rows: rows.get(id).copied().unwrap_or(0),
            used_since: key.and_then(|key| key.first_used_at),
            retired_at: key.and_then(|key| key.retired_at),
            pruned_at: key.and_then(|key| key.pruned_at),
            known_to: names(&knows),
            unknown_to: names(&|daemon| !knows(daemon)),
            used_by: names(&|daemon| daemon.active_vault_key == id),
        }
    };
    Ok(ids.into_iter().map(holding).collect())
}

fn state(key: Option<&VaultKey>, is_first: bool) -> State {
    match key {
        _ if is_first => State::Active,
        None => State::Foreign,
        Some(VaultKey { pruned_at: Some(_), .. }) => State::Pruned,
        Some(VaultKey { retired_at: Some(_), .. }) => State::Retired,
        Some(VaultKey { first_used_at: None, .. }) => State::Announced,
        Some(_) => State::Used,
    }
}
