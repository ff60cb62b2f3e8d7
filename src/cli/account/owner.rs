//! `lamplighter account owner`: who is told about an account, and where.

use anyhow::Context as _;
use clap::Args;
use sqlx::PgConnection;

use crate::{
    alerts::delivery,
    cli::{DONE, actor, output},
    clock::Clock,
    store::accounts,
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
        let mut account = accounts::find(conn, self.account.trim()).await?.with_context(missing)?;
        if let Some(name) = &self.name {
            account.owner_name = name.trim().to_owned();
        }
        if let Some(email) = &self.email {
            account.owner_email = email.to_string();
        }
        delivery::change_owner(conn, &account, &actor::here(), Clock::system().now()).await?;
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
