//! `lamplighter alert test`: one mail through the configured server.

use clap::Args;
use lettre::message::Mailbox;
use serde_json::json;

use crate::{
    alerts::trial,
    app,
    cli::{DONE, FAILED, output},
    clock::Clock,
    config::Config,
};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// Where it goes, such as ada@example.com or "Ada <ada@example.com>"
    #[arg(long, value_name = "ADDRESS")]
    to: Mailbox,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        let (smtp, to) = (&config.smtp, self.to.email.to_string());
        let server = format!("{}:{}", smtp.host, smtp.port);
        let host = app::host_name();
        match trial::send(smtp, &config.alerts, self.to, &host, Clock::system().now()).await {
            Ok(answer) if self.json => {
                output::json(&json!({ "sent": true, "to": to, "server": server, "answer": answer }))?;
                Ok(DONE)
            }
            Ok(answer) => {
                output::say(&format!("{server} took the mail to {to}: {answer}"));
                output::say("Look whether it arrived, and not among the spam.");
                Ok(DONE)
            }
            Err(failed) if self.json => {
                let (said, remedy) = (failed.said, failed.remedy);
                output::json(&json!({ "sent": false, "to": to, "server": server, "error": said, "remedy": remedy }))?;
                Ok(FAILED)
            }
            Err(failed) => {
                output::complain(&format!("{server} did not take the mail to {to}: {}", failed.said));
                output::complain(&format!("  -> {}", failed.remedy));
                Ok(FAILED)
            }
        }
    }
}
