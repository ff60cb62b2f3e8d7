//! `lamplighter account api-key`: keys with which a cart sends orders for an account.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::json;
use sqlx::PgConnection;

use super::super::{DONE, output};
use crate::{
    api_keys as making,
    clock::Clock,
    store::{
        accounts::{self, Account},
        api_keys,
    },
};

#[derive(Debug, Subcommand)]
pub(in super::super) enum Command {
    /// Make a key and show it, this once
    Create {
        /// The account, by name or id
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List keys by their first characters
    List {
        /// Only those of this account, by name or id
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Refuse a key from now on
    Revoke {
        /// The account, by name or id
        name: String,
        /// The key's first characters, as `list` shows them
        prefix: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<u8> {
        let now = Clock::system().now();
        match self {
            Self::Create { name, json } => {
                let account = account(conn, &name).await?;
                let (key, prefix) = making::create(conn, account.id, now).await?;
                let key = key.expose_secret();
                if json {
                    output::json(&json!({ "account": account.name, "key": key, "prefix": prefix }))?;
                } else {
                    output::say(key);
                    output::complain(&format!(
                        "This key sends orders for {}. It is shown this once: give it to the cart, which sends it as \
                         `Authorization: Bearer KEY` to /api/v1/orders. It is called {prefix} from now on.",
                        account.name
                    ));
                }
            }
            Self::List { name, json } => {
                let id = match name {
                    Some(name) => Some(account(conn, &name).await?.id),
                    None => None,
                };
                let keys = api_keys::overview(conn, id).await?;
                if json {
                    output::json(&keys)?;
                } else {
                    show(keys);
                }
            }
            Self::Revoke { name, prefix, json } => {
                let account = account(conn, &name).await?;
                if !api_keys::revoke(conn, account.id, prefix.trim(), now).await? {
                    bail!(
                        "{} has no key {prefix:?} that works: see `lamplighter account api-key list {:?}`",
                        account.name,
                        account.name
                    );
                }
                if json {
                    output::json(&json!({ "account": account.name, "prefix": prefix.trim(), "revoked_at": now }))?;
                } else {
                    output::say(&format!(
                        "Revoked key {} of {}: it is refused from now on.",
                        prefix.trim(),
                        account.name
                    ));
                    output::say("Next, if the cart goes on: lamplighter account api-key create ACCOUNT");
                }
            }
        }
        Ok(DONE)
    }
}

async fn account(conn: &mut PgConnection, name: &str) -> anyhow::Result<Account> {
    let missing = || format!("there is no account {name:?}: see `lamplighter account list`");
    accounts::find(conn, name).await?.with_context(missing)
}

fn show(keys: Vec<api_keys::Overview>) {
    let instant = |at: Option<_>| at.map(output::instant).unwrap_or_default();
    let rows = keys.into_iter().map(|key| {
        vec![
            key.account,
            key.prefix,
            output::instant(key.created_at),
            instant(key.last_used_at),
            instant(key.revoked_at),
        ]
    });
    let hint = "No key yet. Make one: lamplighter account api-key create ACCOUNT";
    output::table(&["Account", "Key", "Made", "Last used", "Revoked"], rows.collect(), hint);
}
