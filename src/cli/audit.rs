//! `lamplighter audit`: who did what by hand, the latest first.

use clap::Args;

use super::{DONE, account_if_any, limit::Limit, output, with_database};
use crate::{config::Config, store::audit_log, words};

/// Show what was done by hand, on the command line, in the dashboard, through the API or by an owner
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only of this account, by name or id
    #[arg(long)]
    account: Option<String>,
    /// Only what came before this entry, by its number
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
    #[command(flatten)]
    limit: Limit,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_database(config, async |conn| {
            let account = account_if_any(conn, self.account.as_deref()).await?;
            let account_id = account.map(|account| account.id);
            let mut entries = audit_log::recent(conn, account_id, self.before, self.limit.asked()).await?;
            if self.limit.cut(&mut entries)
                && let Some(last) = entries.last()
            {
                self.limit.hint(&format!("repeat the command with --before {}", last.id));
            }
            if self.json {
                output::json(&entries)?;
                return Ok(DONE);
            }
            let row = |entry: &audit_log::Entry| {
                vec![output::instant(entry.at), entry.actor.clone(), entry.action.clone(), words::name(&entry.subject)]
            };
            output::table(&["When", "Who", "What", "To what"], entries.iter().map(row).collect(), "Nothing so far.");
            if !entries.is_empty() {
                output::say("With all details: --json.");
            }
            Ok(DONE)
        })
        .await
    }
}
