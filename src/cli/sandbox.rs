//! `lamplighter sandbox`: a simulated Intuit, HubSpot and mailbox to try a daemon against.

use std::net::SocketAddr;

use clap::Args;
use secrecy::ExposeSecret as _;

use super::{DONE, output::say};
use crate::{
    clock::Clock,
    provider::Provider,
    sandbox::{Listen, Sandbox},
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the providers and their pages listen
    #[arg(long, default_value = "127.0.0.1:8740")]
    http: SocketAddr,
    /// Where the mailbox takes mail
    #[arg(long, default_value = "127.0.0.1:8725")]
    smtp: SocketAddr,
}

impl Options {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        crate::telemetry::start(crate::config::LogFormat::Human, "warn", None);
        let sandbox = Sandbox::start(Clock::system(), Listen { http: self.http, smtp: self.smtp }).await?;
        sandbox.add_company("4620816365212402417", "Harbor Books");
        sandbox.add_portal("62515", "harborbooks.example");
        say(&settings(&sandbox));
        say(&format!("# Pages, mailbox and switches: {}", sandbox.http_url()));
        say("# Ends on Ctrl-C.");
        tokio::signal::ctrl_c().await?;
        sandbox.stop().await;
        Ok(DONE)
    }
}

/// What a daemon's configuration file holds to use this sandbox.
pub(super) fn settings(sandbox: &Sandbox) -> String {
    let mut text = format!(
        "[smtp]\nhost = \"{}\"\nport = {}\nsecurity = \"none\"\n",
        sandbox.smtp_addr().ip(),
        sandbox.smtp_addr().port()
    );
    for provider in Provider::ALL {
        let at = sandbox.endpoints(provider);
        let introspect = at.introspect_url.map(|url| format!("introspect_url = \"{url}\"\n")).unwrap_or_default();
        text += &format!(
            "\n[providers.{provider}]\nclient_id = \"{}\"\nclient_secret = \"{}\"\nenvironment = \"sandbox\"\n\
             authorize_url = \"{}\"\ntoken_url = \"{}\"\nrevoke_url = \"{}\"\n{introspect}api_url = \"{}\"\n",
            at.client_id,
            at.client_secret.expose_secret(),
            at.authorize_url,
            at.token_url,
            at.revoke_url,
            at.api_url,
        );
    }
    text
}
