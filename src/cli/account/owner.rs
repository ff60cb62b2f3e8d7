//! `lamplighter account owner`: who is told about an account, and where.

use anyhow::Context as _;
use clap::Args;
use sqlx::PgConnection;

use crate::{
    cli::{DONE, actor, output},
    clock::Clock,
    store::accounts::{self, Change},
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
        let missing = || format!("there is no account {:?}: see `lamplighter account list`", self.account);
        let account = accounts::find(conn, self.account.trim()).await?.with_context(missing)?;
        let email = self.email.as_ref().map(ToString::to_string);
        let wanted =
            Change { owner_name: self.name.as_deref().map(str::trim), owner_email: email.as_deref(), name: None };
        accounts::change(conn, account.id, &wanted, &actor::here(), Clock::system().now()).await?;
        let account = accounts::find(conn, &account.id.to_string()).await?.with_context(missing)?;
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
