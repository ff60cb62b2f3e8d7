//! `lamplighter account`: customers and their owners.

mod owner;
mod settings;

use std::sync::Arc;

use anyhow::anyhow;
use clap::Subcommand;
use serde_json::json;

use super::{DONE, limit::Limit, output, with_database};
use crate::{
    clock::Clock,
    config::Config,
    links::{self, ReconnectLinks},
    store::accounts::{
        self, Overview,
        by_hand::{self, New, Refused},
    },
    vault::Vault,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a customer
    Add {
        /// What the account is called; must be new
        name: String,
        /// Who is told when something needs them
        #[arg(long)]
        owner_name: String,
        /// Where they are told
        #[arg(long, value_name = "ADDRESS")]
        owner_email: lettre::Address,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List customers, by name
    List {
        /// The account's name, its owner's or their address has this in it, in capitals or not
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        limit: Limit,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change who is told about an account, and where; mails that wait go to the new address
    Owner(owner::Options),
    /// Make void every link that was made for a customer until now, those in mails too
    RevokeLinks {
        /// The account, by name or id
        account: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a link that opens the owner's own page, without a login
    PageLink {
        /// The account, by name or id
        account: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show or change how a customer's orders become documents
    Settings {
        /// The account, by name or id
        account: String,
        /// Set one over the default; can be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = super::assignment)]
        set: Vec<(String, String)>,
        /// Take one back to the default; can be repeated
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    /// Whether a `--set` is meant for the command itself: `account settings` has settings of its own, without a section.
    pub(super) fn takes(&self, key: &str) -> bool {
        matches!(self, Self::Settings { .. }) && !is_of_the_configuration(key)
    }

    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        with_database(&config, async |conn| match self {
            Self::Add { name, owner_name, owner_email, json } => {
                let new = New { name: &name, owner_name: &owner_name, owner_email: owner_email.as_ref() };
                add(conn, new, json).await
            }
            Self::List { search, limit, json } => list(conn, search.as_deref(), limit, json).await,
            Self::RevokeLinks { account, json } => revoke_links(conn, &account, json).await,
            Self::PageLink { account, json } => page_link(conn, &account, &config, json).await,
            Self::Owner(options) => options.run(conn).await,
            Self::Settings { account, set, unset, json } => {
                let set = set.into_iter().filter(|(key, _)| !is_of_the_configuration(key)).collect();
                settings::run(conn, &config.orders.mapping, settings::Request { account, set, unset, json }).await
            }
        })
        .await
    }
}

/// Keys of the configuration have a section, but for one. Those of its `orders.mapping` are what accounts have without.
fn is_of_the_configuration(key: &str) -> bool {
    key == "data_dir" || (key.contains('.') && !key.starts_with("orders.mapping."))
}

async fn add(conn: &mut sqlx::PgConnection, new: New<'_>, json: bool) -> anyhow::Result<u8> {
    let account = by_hand::add(conn, new, &super::actor::here(), Clock::system().now()).await?.map_err(refused)?;
    if json {
        output::json(&account)?;
    } else {
        output::say(&format!("Added account {} ({}).", account.name, account.id));
        output::say("Next: make a link that connects it, and send it to the owner:");
        for provider in ["quickbooks", "hubspot"] {
            output::say(&format!("  lamplighter connection link --account {:?} --provider {provider}", account.name));
        }
    }
    Ok(DONE)
}

/// Why nothing was done, with what to do instead.
fn refused(why: Refused) -> anyhow::Error {
    match why {
        Refused::Unfit(unfit) => unfit.into(),
        Refused::NameTaken(name) => {
            anyhow!("an account named {name:?} exists already: choose another name, or see `lamplighter account list`")
        }
        Refused::Missing => anyhow!("the account is gone: see `lamplighter account list`"),
    }
}

async fn revoke_links(conn: &mut sqlx::PgConnection, name: &str, json: bool) -> anyhow::Result<u8> {
    let (account, now) = (super::account(conn, name).await?, Clock::system().now());
    links::by_hand::revoke(conn, account.whose(), &super::actor::here(), now).await?;
    if json {
        output::json(&json!({ "account": account.name, "revoked_until": now }))?;
        return Ok(DONE);
    }
    output::say(&format!("Every link that was made for {} until now is void, those in mails too.", account.name));
    output::say("Next: make a new one with `lamplighter connection link`, or wait: the next mail carries one.");
    Ok(DONE)
}

async fn page_link(conn: &mut sqlx::PgConnection, name: &str, config: &Config, json: bool) -> anyhow::Result<u8> {
    let (account, now) = (super::account(conn, name).await?, Clock::system().now());
    let vault = Arc::new(Vault::load(&config.vault.keys_file)?);
    let links = ReconnectLinks::new(vault, config.web.public_url.clone(), config.web.link_lifetime);
    let (url, link) = links::by_hand::owners_page(conn, &links, account.whose(), &super::actor::here(), now).await?;
    if json {
        output::json(&json!({ "account": account.name, "url": url, "expires_at": link.expires_at }))?;
    } else {
        output::say(url.as_str());
        let until = output::instant(link.expires_at);
        let owner = &account.owner_email;
        output::complain(&format!(
            "Opens the page of {}'s owner until {until}. Send it to {owner} alone.",
            account.name
        ));
    }
    Ok(DONE)
}

async fn list(conn: &mut sqlx::PgConnection, search: Option<&str>, limit: Limit, json: bool) -> anyhow::Result<u8> {
    let search = search.map(str::trim).filter(|text| !text.is_empty());
    let mut accounts = accounts::search::page(conn, search, None, limit.asked()).await?;
    let more = limit.cut(&mut accounts);
    if json {
        output::json(&accounts)?;
    } else {
        let hint = match search {
            None => "No account yet. Add one: lamplighter account add NAME --owner-name NAME --owner-email ADDRESS",
            Some(_) => "No such account. All of them: lamplighter account list",
        };
        let headers = ["Account", "Owner", "Mail", "Connections", "Orders waiting"];
        output::table(&headers, accounts.into_iter().map(row).collect(), hint);
    }
    if more {
        limit.hint("name some by --search, or raise --limit");
    }
    Ok(DONE)
}

fn row(account: Overview) -> Vec<String> {
    let connections = account.connections.iter().map(|(provider, status)| format!("{provider} {}", status.as_str()));
    let connections = connections.collect::<Vec<_>>().join(", ");
    vec![account.name, account.owner_name, account.owner_email, connections, account.waiting_orders.to_string()]
}
