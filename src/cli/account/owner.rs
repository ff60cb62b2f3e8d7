//! `lamplighter account owner`: who is told about an account, and where.

use clap::Args;
use sqlx::PgConnection;

use crate::{
    cli::{DONE, actor, output},
    clock::Clock,
    store::accounts::by_hand::{self, Change},
};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// The account, by name or id
    account: String,
    /// Who is told when something needs them
    #[arg(long, value_name = "NAME", required_unless_present = "email")]
    name: Option<String>,
    /// Where they are told
    #[arg(long, value_name = "ADDRESS")]
    email: Option<lettre::Address>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<u8> {
        let account = crate::cli::account(conn, &self.account).await?;
        let email = self.email.as_ref().map(ToString::to_string);
        let wanted = Change { owner_name: self.name.as_deref(), owner_email: email.as_deref(), name: None };
        let changed = by_hand::change(conn, account.id, wanted, &actor::here(), Clock::system().now()).await?;
        changed.map_err(super::refused)?;
        let account = crate::cli::account(conn, &account.id.to_string()).await?;
        if self.json {
            output::json(&account)?;
        } else {
            output::say(&format!(
                "The owner of {} is {} <{}>. Mails that wait for them go there.",
                account.name, account.owner_name, account.owner_email
            ));
        }
        Ok(DONE)
    }
}
