//! `lamplighter serve`: the daemon.

use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::info;

use super::{DONE, FAILED};
use crate::{
    app::{App, Database},
    clock::Clock,
    config::Config,
    lifecycle::{self, End, Supervisor},
    telemetry::{self, Traces},
    vault::Vault,
};

/// Nothing but what tests add: everything else is configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Makes this daemon's clock wrong by so much, such as `90s` or `-90s`.
    #[cfg(feature = "failpoints")]
    #[arg(long, hide = true, value_parser = skew, default_value = "0s", allow_hyphen_values = true)]
    clock_skew: chrono::TimeDelta,
}

impl Options {
    #[cfg(feature = "failpoints")]
    fn clock(&self) -> Clock {
        Clock::skewed(self.clock_skew)
    }

    #[cfg(not(feature = "failpoints"))]
    #[expect(clippy::unused_self, reason = "there is nothing to set outside of tests")]
    fn clock(&self) -> Clock {
        Clock::system()
    }
}

#[cfg(feature = "failpoints")]
fn skew(text: &str) -> anyhow::Result<chrono::TimeDelta> {
    let (behind, length) = text.strip_prefix('-').map_or((false, text), |length| (true, length));
    let length = chrono::TimeDelta::from_std(humantime::parse_duration(length)?)?;
    Ok(if behind { -length } else { length })
}

pub(super) async fn run(config: Config, warnings: Vec<String>, options: &Options) -> anyhow::Result<u8> {
    let traces = Traces::new(&config.telemetry)?;
    telemetry::start(config.log.format, &config.log.filter, traces.as_ref());
    let code = watched(config, warnings, options).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    code
}

async fn watched(config: Config, warnings: Vec<String>, options: &Options) -> anyhow::Result<u8> {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if let Err(problems) = config.require_providers() {
        tracing::warn!(%problems, "no provider is configured: nothing can connect, and /readyz says so");
    }
    // What costs nothing to check is checked before anything is started.
    Vault::load(&config.vault.keys_file)?;
    let listener = listen(&config).await?;
    let database = Database::open(&config, false).await?;
    let end = daemon(&config, &database, listener, options.clock()).await;
    database.close().await?;
    Ok(if end? == End::Asked { DONE } else { FAILED })
}

async fn daemon(config: &Config, database: &Database, listener: TcpListener, clock: Clock) -> anyhow::Result<End> {
    let app = App::build(config, database.pool.clone(), clock, &[]).await?;
    let mut supervisor = Supervisor::new(app.stopping.clone(), grace(config));
    app.background(&mut supervisor, listener, database);
    lifecycle::ready();
    info!(listen = %config.web.listen, public_url = %config.web.public_url, version = env!("CARGO_PKG_VERSION"), "lamplighter is up");
    // Beside the supervisor: a mail server that says nothing must not keep signals from being seen.
    let greeting = async {
        if let Err(cause) = app.outbox.probe().await {
            tracing::warn!(
                cause,
                "the SMTP server cannot be used: mails wait in the outbox until it can; correct [smtp], \
                then run `lamplighter doctor`"
            );
        }
        std::future::pending::<End>().await
    };
    let end = tokio::select! {
        end = supervisor.run() => end,
        end = greeting => end,
    };
    app.fence.save();
    app.presence.leave().await;
    Ok(end)
}

/// Binds the port, or says what to do.
pub(super) async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let at = config.web.listen;
    TcpListener::bind(at).await.with_context(|| {
        format!("cannot listen on {at}: another program (another lamplighter?) may use it; stop that or set web.listen")
    })
}

/// What a stop must wait for at most: a spend that is under way and its commit, an order, a mail.
pub(super) fn grace(config: &Config) -> Duration {
    let spend = config.keeper.deadline + config.keeper.commit_budget;
    spend.max(config.providers.timeout).max(config.smtp.timeout) + Duration::from_secs(5)
}
