//! `lamplighter demo`: the daemon itself, unchanged, against simulated providers, with lifetimes of seconds. Everything
//! lives in one temporary directory and is gone afterwards.

mod story;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use self::story::{Ended, Story};
use super::{DONE, FAILED, output::say, sandbox::settings, serve::grace};
use crate::{
    app::{App, Database},
    clock::Clock,
    config::{Config, LogFormat, Sources},
    lifecycle::{End, Supervisor},
    provider::Provider,
    sandbox::{Listen, Rotation, Sandbox},
    vault::Vault,
};

/// The story's companies.
const REALM: &str = "4620816365212402417";
const HUB: &str = "62515";

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Tell the story once and end; the exit code is 0 only if every step of it was observed
    #[arg(long)]
    once: bool,
    /// Show the daemon's log between the lines of the story
    #[arg(short, long)]
    verbose: bool,
    /// Break this step on purpose, to see the demo fail
    #[arg(long, value_enum, hide = true)]
    sabotage: Option<Sabotage>,
}

/// What can be broken, to show that the demo notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Sabotage {
    /// Intuit refuses every renewal as if the client secret were wrong
    Renewal,
    /// The mailbox refuses every mail
    Mail,
    /// Intuit never comes back
    Outage,
}

impl Options {
    pub(super) async fn run(self, env: BTreeMap<String, String>, set: Vec<(String, String)>) -> anyhow::Result<u8> {
        crate::telemetry::start(LogFormat::Human, if self.verbose { "info" } else { "off" }, None);
        let directory = tempfile::Builder::new().prefix("lamplighter-demo-").tempdir_in(scratch())?;
        // As root, Postgres runs under another user who must be able to pass through.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711))?;
        let sandbox = Sandbox::start(Clock::system(), Listen::default()).await?;
        prepare(&sandbox);
        let listener = listen().await?;
        let config = configure(directory.path(), &sandbox, &listener, env, set)?;
        Vault::generate(&config.vault.keys_file)?;
        let database = Database::open(&config, false).await?;
        let result = self.play(&config, &database, &sandbox, listener).await;
        sandbox.stop().await;
        database.close().await?;
        let path = directory.path().to_owned();
        directory.close().with_context(|| format!("cannot remove {}: delete it by hand", path.display()))?;
        result
    }

    async fn play(
        &self,
        config: &Config,
        database: &Database,
        sandbox: &Sandbox,
        listener: TcpListener,
    ) -> anyhow::Result<u8> {
        let mailbox = sandbox.http_url().join("mailbox")?;
        let links =
            [("Mailbox".to_owned(), mailbox.to_string()), ("Sandbox".to_owned(), sandbox.http_url().to_string())];
        let app = App::build(config, database.pool.clone(), Clock::system(), &links).await?;
        let mut supervisor = Supervisor::new(app.stopping.clone(), grace(config));
        app.background(&mut supervisor, listener, database);
        say("Lamplighter demo: the daemon itself, on a Postgres of its own, against a simulated Intuit and HubSpot.");
        say(&format!("  dashboard    {}", config.web.public_url));
        say(&format!("  mailbox      {mailbox}"));
        say(&format!("  switches     {}\n", sandbox.http_url()));
        let stop = supervisor.stop_token();
        let story = Story::new(app, sandbox.clone(), config.web.public_url.clone(), self.sabotage);
        let telling = async {
            let told = tokio::select! {
                told = story.tell() => told,
                () = stop.cancelled() => Ok(Ended::Interrupted),
            };
            match &told {
                Ok(Ended::Told) if !self.once => {
                    say(
                        "\nThe daemon goes on. Open the pages above, throw switches, place orders. Ctrl-C ends it all.",
                    );
                }
                _ => stop.cancel(),
            }
            told
        };
        let (end, told) = tokio::join!(supervisor.run(), telling);
        match (told?, end) {
            (Ended::Told, End::Asked) => Ok(DONE),
            (Ended::Interrupted, End::Asked) if !self.once => Ok(DONE),
            _ => Ok(FAILED),
        }
    }
}

/// The story's world: one company, one portal, tokens that live for seconds and rotate on every use.
fn prepare(sandbox: &Sandbox) {
    sandbox.add_company(REALM, "Harbor Books");
    sandbox.add_portal(HUB, "harborbooks.example");
    for provider in Provider::ALL {
        sandbox.switch(provider, |switches| switches.access_lifetime = Duration::from_secs(6));
    }
    sandbox.switch(Provider::Quickbooks, |switches| switches.rotation = Rotation::EveryCall);
}

/// The usual port if it is free, else any.
async fn listen() -> anyhow::Result<TcpListener> {
    for port in [8737, 0] {
        if let Ok(listener) = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await {
            return Ok(listener);
        }
    }
    anyhow::bail!("no port is free on 127.0.0.1: end a program that listens there")
}

fn configure(
    directory: &Path,
    sandbox: &Sandbox,
    listener: &TcpListener,
    env: BTreeMap<String, String>,
    mut set: Vec<(String, String)>,
) -> anyhow::Result<Config> {
    let file = directory.join("lamplighter.toml");
    std::fs::write(&file, settings(sandbox))?;
    let at = listener.local_addr()?;
    for (key, value) in [
        ("data_dir", directory.display().to_string()),
        ("database.url", String::new()),
        ("web.listen", at.to_string()),
        ("web.public_url", format!("http://{at}")),
        ("smtp.from", "Lamplighter <lamplighter@demo.example>".to_owned()),
        ("alerts.operator_email", "operator@demo.example".to_owned()),
    ] {
        set.push((key.to_owned(), value));
    }
    let (config, _warnings) = Config::load(Sources { demo: true, file: Some(file), env, flags: set })?;
    Ok(config)
}

/// A place for throwaway files that another user may pass through: never below root's home.
pub(super) fn scratch() -> PathBuf {
    ["/var/tmp", "/tmp"].into_iter().map(PathBuf::from).find(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir)
}
