//! `lamplighter connection disconnect`: the end of a connection, here and at its provider.

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{
    super::{DONE, FAILED, MISCONFIGURED, output, unhurried, with_app, with_database},
    naming::{CONNECTION, named, noted, title},
    renew::{FENCED, link, waiting},
};
use crate::{
    app::App,
    config::Config,
    keeper::farewell::Goodbye,
    provider::Provider,
    store::{
        connections::{Found, Status},
        dossiers,
        farewells::{self, Farewell},
    },
    words,
};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    #[arg(help = CONNECTION)]
    connection: String,
    /// Do it; without this it is only said what would happen
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        if self.yes {
            return with_app(config, async |app| unhurried(app, self.disconnect(app)).await).await;
        }
        with_database(config, async |conn| {
            let found = named(conn, &self.connection).await?;
            let waiting =
                dossiers::get(conn, found.id).await?.map_or(0, |dossier| dossier.waiting_orders.unsigned_abs());
            let farewell = farewells::of(conn, found.id).await?.filter(|_| found.status == Status::Disconnected);
            let would = would(&found, farewell.as_ref(), waiting);
            if self.json {
                output::json(&json!({ "done": false, "connection": found, "would": would }))?;
            } else {
                output::say(&title(&found));
                would.iter().for_each(|line| output::say(&format!("  - {line}")));
                output::say("Nothing was done. To do it, repeat the command with --yes.");
            }
            Ok(MISCONFIGURED)
        })
        .await
    }

    async fn disconnect(&self, app: &App) -> anyhow::Result<u8> {
        let found = named(&mut *app.pool.acquire().await?, &self.connection).await?;
        noted(app, found.id, "connection.disconnect", json!({})).await?;
        let wait = |lease: &farewells::Lease| output::complain(&waiting(lease));
        let goodbye = app.keeper.disconnect(found.id, found.connected_at, wait).await?;
        let (given_back, sentence) = said(&goodbye, &found)?;
        if self.json {
            let farewell = farewells::of(&mut *app.pool.acquire().await?, found.id).await?;
            output::json(&json!({
                "disconnected": true, "given_back": given_back, "said": sentence, "connection_id": found.id,
                "farewell": farewell,
            }))?;
        } else {
            output::say(&sentence);
        }
        Ok(if given_back { DONE } else { FAILED })
    }
}

/// What `--yes` would do.
fn would(found: &Found, farewell: Option<&Farewell>, waiting_orders: u64) -> Vec<String> {
    let (who, provider) = (&found.account, found.provider.title());
    if let Some(at) = farewell.and_then(|farewell| farewell.given_back_at) {
        return vec![format!("nothing: it was disconnected and its grant given back on {}", words::instant(at))];
    }
    let mut would = Vec::new();
    if farewell.is_none() {
        would.push("its tokens are renewed and used no more, here and by every other daemon".to_owned());
        would.push(match found.provider {
            Provider::Quickbooks => {
                format!(
                    "orders of {who} wait ({}) until a company is connected again",
                    words::count(waiting_orders, "order")
                )
            }
            Provider::Hubspot => format!("new orders of {who} are not read until the portal is connected again"),
        });
        would.push("the owner gets no mail about it; what was still to be mailed about it is dropped".to_owned());
    }
    would.push(format!("{provider} is told that the grant is given back; then the stored tokens are erased"));
    would.push(format!("only the owner can undo it, with a new link: {}", link(found)));
    would
}

/// Whether the grant is given back, and the words.
fn said(goodbye: &Goodbye, found: &Found) -> anyhow::Result<(bool, String)> {
    let (who, provider) = (format!("{} at {}", found.account, found.provider.title()), found.provider.title());
    let again = format!("lamplighter connection disconnect {} --yes", found.id);
    let by_owner = match found.provider {
        Provider::Quickbooks => "in QuickBooks, under Apps, the owner can disconnect it there",
        Provider::Hubspot => "in HubSpot, under Connected apps, the owner can uninstall it there",
    };
    Ok(match goodbye {
        Goodbye::GivenBack { was_there: true, correlation_id, .. } => {
            let id = correlation_id.as_ref().map_or_else(String::new, |id| format!(" (correlation id {id})"));
            let after = match found.provider {
                Provider::Quickbooks => "",
                Provider::Hubspot => " HubSpot still lists the app until the owner uninstalls it there.",
            };
            (true, format!("Disconnected {who}; {provider} took its grant back{id}. The tokens are erased.{after}"))
        }
        Goodbye::GivenBack { unsettled: false, .. } => {
            (true, format!("Disconnected {who}; {provider} did not know its grant any more. The tokens are erased."))
        }
        Goodbye::GivenBack { .. } => (
            true,
            format!(
                "Disconnected {who}; {provider} does not know the stored tokens, and they are erased. A renewal was never \
                 answered, so it may know newer ones that never reached us: to be sure, {by_owner}."
            ),
        ),
        Goodbye::StillThere(kept) => (
            false,
            format!(
                "Disconnected {who} here: nothing uses its tokens any more. But its grant still lives at {provider}: \
                 {kept}. Then give it back: {again}"
            ),
        ),
        Goodbye::Over(farewell) => {
            let at = farewell.given_back_at.map_or_else(String::new, words::instant);
            (true, format!("{who} was disconnected before, and its grant given back on {at}: there is nothing to do."))
        }
        Goodbye::Reconnected => bail!(
            "{who} was connected again meanwhile: the new connection was left alone. To end that one, look at it and \
             repeat: {again}"
        ),
        Goodbye::Fenced => bail!("{who} was not disconnected: {FENCED}"),
        Goodbye::Busy(lease) => bail!("nothing was done: {} works on the tokens of {who}. Repeat: {again}", lease.by),
    })
}
