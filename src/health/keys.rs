//! Whether every vault key that sealed something is at hand.

use super::{Check, State};
use crate::{store::vault_keys::VaultKey, vault::Vault, words};

pub(super) fn check(vault: &Vault, keys: &[VaultKey], resting: u64) -> Check {
    let at_hand = vault.key_ids();
    let missing = |needed: bool| {
        let missing = keys.iter().filter(|key| key.pruned_at.is_none() && key.is_needed() == needed);
        missing.filter(|key| !at_hand.contains(&key.id)).map(|key| key.id.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (needed, announced) = (missing(true), missing(false));
    if !needed.is_empty() {
        let message = format!("the database holds secrets sealed with {needed}, which is not at hand");
        let remedy = "put the key back into vault.keys_file now; a running daemon reads it by itself, and none starts \
                      without it";
        return Check::new("vault", State::Fail, message, remedy);
    }
    if let Some(trouble) = vault.trouble() {
        let message = format!("the keys in memory go on, but their file cannot be used: {trouble}");
        let remedy = "correct vault.keys_file; the daemon reads it by itself, and does not start again before";
        return Check::new("vault", State::Warn, message, remedy);
    }
    if resting > 0 {
        let message = format!("the tokens of {} do not open and were set aside", words::count(resting, "connection"));
        let remedy = "`lamplighter key list` shows which daemon lacks which key; the operator was mailed the steps";
        return Check::new("vault", State::Warn, message, remedy);
    }
    if !announced.is_empty() {
        let message = format!("a rotation to the vault key {announced} waits for the keys file of this machine");
        let remedy = "copy vault.keys_file here from the machine where `lamplighter key rotate` was begun";
        return Check::new("vault", State::Warn, message, remedy);
    }
    Check::ok("vault", "every key that sealed something here is at hand")
}
