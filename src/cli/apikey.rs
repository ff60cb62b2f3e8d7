//! `lamplighter apikey`: keys with which programs use the API.

use std::time::Duration;

use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::{DONE, account_if_any, output, with_database};
use crate::{
    api_keys::{self as making, Scope, Wanted},
    clock::Clock,
    config::Config,
    retry::later,
    store::{
        api_keys,
        audit_log::{self, Deed},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key and show it, this once
    Add(Add),
    /// List keys by their first characters
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Refuse a key from now on
    Revoke {
        /// The key's first characters, as `list` shows them
        prefix: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What it is called, such as the program that uses it
    name: String,
    /// The only account that it is for, by name or id [default: all]
    #[arg(long)]
    account: Option<String>,
    /// What it may do; can be repeated
    #[arg(long = "scope", value_enum, value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// When it runs out, such as 90d [default: never]
    #[arg(long, value_name = "AFTER", value_parser = lifetime)]
    expires: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_database(config, async |conn| {
            let now = Clock::system().now();
            match self {
                Self::Add(add) => add.run(conn, now).await?,
                Self::List { json: true } => output::json(&api_keys::overview(conn).await?)?,
                Self::List { json: false } => show(api_keys::overview(conn).await?, now),
                Self::Revoke { prefix, json } => revoke(conn, prefix.trim(), json, now).await?,
            }
            Ok(DONE)
        })
        .await
    }
}

impl Add {
    async fn run(self, conn: &mut PgConnection, now: DateTime<Utc>) -> anyhow::Result<()> {
        let name = crate::words::name(&self.name);
        anyhow::ensure!(!name.is_empty(), "a key needs a name: write it as the first argument, such as \"web shop\"");
        let account = account_if_any(conn, self.account.as_deref()).await?;
        let mut scopes = self.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        let account_id = account.as_ref().map(|account| account.id);
        let expires_at = self.expires.map(|after| later(now, after));
        let wanted = Wanted { name: name.clone(), account_id, scopes: scopes.clone(), expires_at };
        let mut tx = conn.begin().await?;
        let (key, prefix) = making::create(&mut tx, &wanted, now).await?;
        let detail = json!({ "name": name, "scopes": scopes, "expires_at": expires_at });
        let deed = Deed { action: "apikey.add", account_id, subject: &prefix, detail };
        audit_log::record(&mut tx, &super::actor::here(), &deed, now).await?;
        tx.commit().await?;
        let (key, whose) = (key.expose_secret(), account.map(|account| account.name));
        if self.json {
            output::json(&json!({
                "name": name, "key": key, "prefix": prefix, "account": whose, "scopes": scopes, "expires_at": expires_at,
            }))?;
            return Ok(());
        }
        output::say(key);
        let allows: Vec<_> = scopes.iter().map(|scope| scope.allows()).collect();
        let until =
            expires_at.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {}", output::instant(at)));
        output::complain(&format!(
            "This key works {until}. For {} it may: {}. It is shown this once: give it to the program, which sends it as \
             `Authorization: Bearer KEY`. It is called {prefix} from now on.",
            whose.as_deref().unwrap_or("all accounts"),
            allows.join("; ")
        ));
        Ok(())
    }
}

async fn revoke(conn: &mut PgConnection, prefix: &str, json: bool, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut tx = conn.begin().await?;
    let Some(revoked) = api_keys::revoke(&mut tx, prefix, now).await? else {
        bail!("there is no key {prefix:?} that works: see `lamplighter apikey list`");
    };
    let detail = json!({ "name": revoked.name });
    let deed = Deed { action: "apikey.revoke", account_id: revoked.account_id, subject: prefix, detail };
    audit_log::record(&mut tx, &super::actor::here(), &deed, now).await?;
    tx.commit().await?;
    if json {
        return output::json(&json!({ "name": revoked.name, "prefix": prefix, "revoked_at": now }));
    }
    output::say(&format!("Revoked key {prefix} ({}): it is refused from now on.", revoked.name));
    Ok(())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let most = Duration::from_hours(24 * 366 * 10);
    let parsed = humantime::parse_duration(text.trim()).ok().filter(|after| !after.is_zero() && *after <= most);
    parsed.ok_or_else(|| "write how long it is to work, such as 90d or 12h; ten years at most".to_owned())
}

fn show(keys: Vec<api_keys::Overview>, now: DateTime<Utc>) {
    let instant = |at: Option<_>| at.map(output::instant).unwrap_or_default();
    let rows = keys.into_iter().map(|key| {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("revoked {}", output::instant(at)),
            (None, Some(at)) if at <= now => format!("expired {}", output::instant(at)),
            (None, Some(at)) => format!("until {}", output::instant(at)),
            (None, None) => "works".to_owned(),
        };
        vec![
            key.name,
            key.prefix,
            key.account.unwrap_or_else(|| "all".to_owned()),
            key.scopes.join(", "),
            state,
            output::instant(key.created_at),
            instant(key.last_used_at),
        ]
    });
    let hint = "No key yet. Make one: lamplighter apikey add NAME --account ACCOUNT --scope orders:write";
    output::table(&["Name", "Key", "Account", "May", "State", "Made", "Last used"], rows.collect(), hint);
}
