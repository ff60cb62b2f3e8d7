//! `lamplighter alert`: incidents, what people do about them, and the mails that tell of them.

mod bounce;
mod deed;
mod list;
mod preview;
mod release;
mod show;
mod trial;

use std::time::Duration;

use clap::Subcommand;

use self::deed::Deed;
use crate::config::Config;

/// What is said of the argument that names an alert.
const ID: &str = "The alert: its id, or six or more characters of its beginning or end";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the incidents that are open, or all of them
    List(list::Options),
    /// Say everything about one incident: since when, its mails, what was done about it
    Show {
        #[arg(value_name = "ID", help = ID)]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that you know: nobody is reminded any more; the all-clear still comes
    Ack {
        #[arg(value_name = "ID", help = ID)]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let nobody be reminded for a while
    Snooze {
        #[arg(value_name = "ID", help = ID)]
        id: String,
        /// For how long, such as 12h or 2d
        #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
        length: Duration,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that it is over: it is closed without an all-clear
    Resolve {
        #[arg(value_name = "ID", help = ID)]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let mails to owners go out that are held because very many connections lapsed at once
    Release(release::Options),
    /// Read a delivery status notification (RFC 3464) from standard input, and tell the operator whom mail does not reach
    Bounce(bounce::Options),
    /// Write every kind of mail to files, with invented contents, to be looked at
    Preview(preview::Options),
    /// Send one mail through the configured SMTP server and say what the server answered
    Test(trial::Options),
}

impl Command {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        match self {
            Self::List(options) => options.run(&config).await,
            Self::Show { id, json } => show::run(&config, &id, json).await,
            Self::Ack { id, json } => deed::run(&config, &id, Deed::Acknowledge, json).await,
            Self::Snooze { id, length, json } => deed::run(&config, &id, Deed::Snooze(length), json).await,
            Self::Resolve { id, json } => deed::run(&config, &id, Deed::Resolve, json).await,
            Self::Release(options) => options.run(&config).await,
            Self::Bounce(options) => options.run(&config).await,
            Self::Preview(options) => options.run(&config),
            Self::Test(options) => options.run(config).await,
        }
    }
}
