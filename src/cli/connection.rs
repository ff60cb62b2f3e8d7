//! `lamplighter connection`: authorizations at QuickBooks and HubSpot.

mod disconnect;
mod explain;
mod forecast;
mod list;
pub(super) mod naming;
mod probe;
mod renew;

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use super::{DONE, output, with_database};
use crate::{
    clock::Clock,
    config::Config,
    links::{ReconnectLinks, by_hand},
    provider::Provider,
    vault::Vault,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a signed link that connects or reconnects an account; whoever opens it needs no login
    Link {
        /// The account, by name or id
        #[arg(long)]
        account: String,
        /// With whom
        #[arg(long, value_enum)]
        provider: Provider,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List connections, those that need attention first
    List(list::Options),
    /// Ask the provider now whether a connection works; exit code 3 when that is not so or not known
    Probe(probe::Options),
    /// Tell the reconnects to come, what is at risk and what has lapsed
    Forecast(forecast::Options),
    /// Say everything about one connection: status and why, its clocks, what happens next, its last spends
    Explain(explain::Options),
    /// Renew one connection now, whatever its schedule [exit codes: 0 renewed, 1 not, 3 lapsed]
    Renew(renew::Options),
    /// End one connection: here at once, then its grant is given back at the provider
    Disconnect(disconnect::Options),
}

impl Command {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        match self {
            Self::Link { account, provider, json } => {
                with_database(&config, async |conn| link(conn, &config, &account, provider, json).await).await
            }
            Self::List(options) => with_database(&config, async |conn| options.run(conn).await).await,
            Self::Forecast(options) => with_database(&config, async |conn| options.run(conn).await).await,
            Self::Probe(options) => options.run(&config).await,
            Self::Explain(options) => options.run(&config).await,
            Self::Renew(options) => options.run(&config).await,
            Self::Disconnect(options) => options.run(&config).await,
        }
    }
}

async fn link(
    conn: &mut sqlx::PgConnection,
    config: &Config,
    account: &str,
    provider: Provider,
    as_json: bool,
) -> anyhow::Result<u8> {
    let vault = Arc::new(Vault::load(&config.vault.keys_file)?);
    let account = super::account(conn, account).await?;
    let configured = match provider {
        Provider::Quickbooks => config.providers.quickbooks.is_some(),
        Provider::Hubspot => config.providers.hubspot.is_some(),
    };
    if !configured {
        output::complain(&format!(
            "warning: the link will not work before providers.{provider}.client_id and client_secret are set"
        ));
    }
    let links = ReconnectLinks::new(vault, config.web.public_url.clone(), config.web.link_lifetime);
    let (actor, now) = (super::actor::here(), Clock::system().now());
    let (url, link) = by_hand::connect(conn, &links, account.whose(), provider, &actor, now).await?;
    if as_json {
        output::json(
            &json!({ "url": url, "account_id": account.id, "provider": provider, "expires_at": link.expires_at }),
        )?;
    } else {
        output::say(url.as_str());
        // Only the link goes to standard output: it can be piped into a mail.
        output::complain(&format!(
            "Connects {} to {}; works until {}. Send it to {}.",
            account.name,
            provider.title(),
            output::instant(link.expires_at),
            account.owner_name
        ));
    }
    Ok(DONE)
}
