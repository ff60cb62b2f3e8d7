//! `lamplighter spend`: the ledger of every use of a refresh token.

use clap::{Args, Subcommand};
use sqlx::PgConnection;

use super::{
    DONE, account_if_any,
    connection::naming::{CONNECTION, named},
    limit::Limit,
    output, with_database,
};
use crate::{
    config::Config,
    store::spends::{
        Outcome,
        listing::{self, Filter, Row},
    },
    words,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List uses of refresh tokens, the latest first
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[arg(long, help = CONNECTION)]
    connection: Option<String>,
    /// Only of this account, by name or id
    #[arg(long)]
    account: Option<String>,
    #[command(flatten)]
    limit: Limit,
    /// Only what came before this one, by its number
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let Self::List(list) = self;
        with_database(config, async |conn| list.run(conn).await).await
    }
}

impl List {
    async fn run(self, conn: &mut PgConnection) -> anyhow::Result<u8> {
        let connection_id = match &self.connection {
            Some(name) => Some(named(conn, name).await?.id),
            None => None,
        };
        let account_id = account_if_any(conn, self.account.as_deref()).await?.map(|account| account.id);
        let filter = Filter { connection_id, account_id };
        let mut rows = listing::page(conn, filter, self.before, self.limit.asked()).await?;
        let more = self.limit.cut(&mut rows);
        if self.json {
            output::json(&rows)?;
        } else {
            let hint = match connection_id.is_some() || account_id.is_some() || self.before.is_some() {
                true => "No such use of a refresh token. All of them: lamplighter spend list",
                false => "No refresh token was used so far. The daemon renews what is connected, by itself.",
            };
            let headers = ["No", "When", "Account", "Provider", "Gen", "Outcome", "Why", "Correlation id", "Daemon"];
            output::table(&headers, rows.iter().map(row).collect(), hint);
            if let Some(first) = rows.first() {
                let (account, provider) = (words::name(&first.account), first.provider);
                output::say(&format!("More of one: lamplighter connection explain \"{account}/{provider}\""));
            }
        }
        if let Some(last) = rows.last().filter(|_| more) {
            self.limit.hint(&format!("repeat the command with --before {}", last.id));
        }
        Ok(DONE)
    }
}

fn row(spend: &Row) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let http = spend.status.map(|status| format!("HTTP {status}"));
    let why: Vec<_> = [spend.rule.clone(), http, spend.code.clone()].into_iter().flatten().collect();
    vec![
        spend.id.to_string(),
        output::instant(spend.started_at),
        words::name(&spend.account),
        spend.provider.to_string(),
        spend.generation.to_string(),
        spend.outcome.map_or("open", Outcome::as_str).to_owned(),
        if why.is_empty() { "-".to_owned() } else { why.join(", ") },
        or_dash(&spend.correlation_id),
        spend.daemon.clone(),
    ]
}
