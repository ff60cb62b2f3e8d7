//! `lamplighter alert bounce`: what the mail server returned, told to Lamplighter.

use std::io::Read as _;

use clap::Args;
use serde_json::json;

use crate::{
    alerts::bounce::{self, Notification, Outcome},
    cli::{DONE, UNHEALTHY, actor, output, with_database},
    clock::Clock,
    config::Config,
    store::mails::outcomes::Returned,
};

/// The most of a mail that is read; a returned mail of ours is far smaller.
const LONGEST: u64 = 10 * 1024 * 1024;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 noted, noted before, or nothing to note because the mail may still arrive; 1 failed: pass \
                        the same on again later; 2 wrong usage or configuration; 3 no delivery status notification, or not \
                        about a mail of ours"
)]
pub(in super::super) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut mail = Vec::new();
            std::io::stdin().lock().take(LONGEST).read_to_end(&mut mail)?;
            Ok(mail)
        };
        let mail = tokio::task::spawn_blocking(read).await??;
        let notification = match Notification::read(&mail) {
            Ok(notification) => notification,
            Err(unreadable) => {
                if self.json {
                    output::json(&json!({ "outcome": "unreadable", "error": unreadable.to_string() }))?;
                } else {
                    output::complain(&unreadable.to_string());
                }
                return Ok(UNHEALTHY);
            }
        };
        let outcome = with_database(config, async |conn| {
            Ok(bounce::read(conn, &notification, &config.alerts, &actor::here(), Clock::system().now()).await?)
        })
        .await?;
        self.say(&outcome)
    }

    fn say(&self, outcome: &Outcome) -> anyhow::Result<u8> {
        let (word, mail, words) = match outcome {
            Outcome::Noted(mail) => ("noted", Some(mail), "it came back, and the operator is told.".to_owned()),
            Outcome::Known(mail) => ("known", Some(mail), "that it came back is known already.".to_owned()),
            Outcome::NotSent(mail) => {
                ("not_sent", Some(mail), "it is on its way again, so nothing was noted.".to_owned())
            }
            Outcome::NotFinal => {
                ("not_final", None, "Nothing to note: the mail arrived, or may still arrive.".to_owned())
            }
            Outcome::Foreign => {
                ("foreign", None, "This is not about a mail of Lamplighter's: nothing was noted.".to_owned())
            }
        };
        if self.json {
            output::json(&json!({
                "outcome": word, "mail_id": mail.map(|mail| mail.id), "account": mail.and_then(|it| it.account.as_deref()),
            }))?;
        } else {
            output::say(&mail.map_or_else(|| words.clone(), |mail| format!("{}: {words}", called(mail))));
        }
        Ok(if matches!(outcome, Outcome::Foreign) { UNHEALTHY } else { DONE })
    }
}

fn called(mail: &Returned) -> String {
    match &mail.account {
        Some(account) => format!("The mail {} about {account}", mail.id),
        None => format!("The mail {} to the operator", mail.id),
    }
}
