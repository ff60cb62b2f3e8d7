//! The command line: the same nouns and verbs as everywhere else, one command per file. Human words by default, `--json`
//! where a script would read them.
//!
//! Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 a check failed.

mod account;
mod actor;
mod alert;
mod apikey;
mod audit;
mod completions;
mod config;
mod connection;
#[cfg(feature = "sandbox")]
mod demo;
mod doctor;
mod key;
mod limit;
mod man;
mod operator;
mod order;
mod outage;
mod output;
mod resume;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
/// Years of token life in minutes, audited.
#[cfg(feature = "sandbox")]
pub mod simulate;
mod spend;
mod status;
mod sync;
mod webhook;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use sqlx::PgConnection;

use self::output::complain;
use crate::{
    app::{App, Database},
    clock::Clock,
    config::{Config, Problems, Sources, environment},
    keys, lifecycle,
    store::accounts::{self, Account},
    vault,
};

/// Where the configuration is looked for when nobody names it.
const USUAL_CONFIG: &str = "/etc/lamplighter/lamplighter.toml";

/// Everything went well.
const DONE: u8 = 0;
/// Something did not work; it was said what.
const FAILED: u8 = 1;
/// The configuration is wrong; clap uses the same code for wrong usage.
const MISCONFIGURED: u8 = 2;
/// `doctor` found something that does not work.
const UNHEALTHY: u8 = 3;

/// What every help and every manual page says that says nothing of its own about it.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 a check failed";

/// Keeps QuickBooks Online and HubSpot OAuth tokens alive, and orders flowing between them.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = EXIT_CODES
)]
struct Arguments {
    /// Configuration file [default: /etc/lamplighter/lamplighter.toml, if it is there]
    #[arg(short, long, global = true, env = "LAMPLIGHTER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key over file and environment; can be repeated
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how it stands on one screen: what needs a person first, and what to run next
    Status(status::Options),
    /// Run the daemon
    Serve(serve::Options),
    /// Customers and their owners
    #[command(subcommand)]
    Account(account::Command),
    /// Authorizations at QuickBooks and HubSpot
    #[command(subcommand)]
    Connection(connection::Command),
    /// Orders on their way to QuickBooks
    #[command(subcommand)]
    Order(order::Command),
    /// Take in the HubSpot orders of a range of dates, also of one before the first connect
    Sync(sync::Options),
    /// Show what was done by hand, and by whom
    Audit(audit::Options),
    /// People who may use the dashboard
    #[command(subcommand)]
    Operator(operator::Command),
    /// What people must know: incidents, and the mails that tell of them
    #[command(subcommand)]
    Alert(alert::Command),
    /// Times when a provider was out for everybody
    #[command(subcommand)]
    Outage(outage::Command),
    /// The ledger of every use of a refresh token
    #[command(subcommand)]
    Spend(spend::Command),
    /// Keys with which programs use the API
    #[command(subcommand)]
    Apikey(apikey::Command),
    /// Keys that seal tokens at rest
    #[command(subcommand)]
    Key(key::Command),
    /// Services of your own that are told what happens
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Check everything that must work, and say what to do where it does not
    Doctor(doctor::Options),
    /// Show why work is held back on a restored or copied database, or let it go on
    Resume(resume::Options),
    /// Print what a shell reads to complete these commands
    Completions(completions::Options),
    /// Print the manual page, or write one for every command
    Man(man::Options),
    /// Run the daemon against simulated providers and tell what happens
    #[cfg(feature = "sandbox")]
    Demo(demo::Options),
    /// Serve a simulated Intuit, HubSpot and mailbox
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::Options),
    /// Run the keeper through months on a virtual clock and audit what it did
    #[cfg(feature = "sandbox")]
    Simulate(simulate::Options),
}

/// A stack of the size that a main thread has: of memory only what is used is taken, and a build that does not optimise
/// uses more than the 2 MiB that a worker has by default.
const STACK: usize = 8 * 1024 * 1024;

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build()
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let arguments = Arguments::from_arg_matches(&documented().get_matches()).unwrap_or_else(|wrong| wrong.exit());
    // reqwest and lettre take whatever TLS provider is installed; a second installation is refused and changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(cause) => {
            complain(&format!("the runtime cannot be started: {cause}"));
            return ExitCode::from(FAILED);
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => ExitCode::from(code),
        Err(cause) => {
            let misconfigured = cause.is::<Problems>()
                || cause.is::<vault::Error>()
                || matches!(cause.downcast_ref(), Some(keys::Error::Vault(_)));
            complain(&chain(&cause));
            ExitCode::from(if misconfigured { MISCONFIGURED } else { FAILED })
        }
    }
}

/// All commands, each with its exit codes.
fn documented() -> clap::Command {
    fn with_codes(command: clap::Command) -> clap::Command {
        let said = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let command = match (said.as_str(), said.contains("xit code")) {
            ("", _) => command.after_help(EXIT_CODES),
            (_, true) => command,
            (said, false) => {
                let said = format!("{said}\n\n{EXIT_CODES}");
                command.after_help(said)
            }
        };
        command.mut_subcommands(with_codes)
    }
    with_codes(Arguments::command())
}

async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let Arguments { config, set, command } = arguments;
    let sources =
        || Sources { demo: false, file: config.clone().or_else(usual_config), env: environment(), flags: set.clone() };
    match command {
        Command::Serve(options) => {
            let (config, warnings) = Config::load(sources())?;
            serve::run(config, warnings, &options).await
        }
        Command::Account(command) => {
            let mut sources = sources();
            sources.flags.retain(|(key, _)| !command.takes(key));
            command.run(quiet(load(sources)?)).await
        }
        Command::Connection(command) => command.run(quiet(load(sources())?)).await,
        Command::Order(command) => command.run(quiet(load(sources())?)).await,
        Command::Sync(options) => options.run(quiet(load(sources())?)).await,
        Command::Audit(options) => options.run(&quiet(load(sources())?)).await,
        Command::Operator(command) => command.run(quiet(load(sources())?)).await,
        Command::Alert(command) => command.run(quiet(load(sources())?)).await,
        Command::Outage(command) => command.run(&quiet(load(sources())?)).await,
        Command::Spend(command) => command.run(&quiet(load(sources())?)).await,
        Command::Apikey(command) => command.run(&quiet(load(sources())?)).await,
        Command::Key(command) => command.run(load(sources())?).await,
        Command::Config(command) => command.run(sources()),
        Command::Status(options) => options.run(quiet(load(sources())?)).await,
        Command::Webhook(command) => command.run(quiet(load(sources())?)).await,
        Command::Completions(options) => Ok(options.run()),
        Command::Man(options) => options.run(),
        Command::Doctor(options) => options.run(quiet(load(sources())?)).await,
        Command::Resume(options) => options.run(quiet(load(sources())?)).await,
        #[cfg(feature = "sandbox")]
        Command::Demo(options) => options.run(environment(), set).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(options) => options.run().await,
        #[cfg(feature = "sandbox")]
        Command::Simulate(options) => options.run(environment(), set).await,
    }
}

fn load(sources: Sources) -> Result<Config, Problems> {
    let (config, warnings) = Config::load(sources)?;
    for warning in warnings {
        complain(&format!("warning: {warning}"));
    }
    Ok(config)
}

/// A command's own words are its output; the log shows only what goes wrong, unless a filter was set.
fn quiet(config: Config) -> Config {
    let filter = if config.log.filter == "info" { "warn" } else { config.log.filter.as_str() };
    crate::telemetry::start(config.log.format, filter, None);
    config
}

/// Works on the database for one command: on the running daemon's own server, if it has one, else on one for the moment.
async fn with_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(&mut PgConnection) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let database = Database::open(config, true).await?;
    let result = match database.pool.acquire().await {
        Ok(mut conn) => work(&mut conn).await,
        Err(cause) => Err(cause.into()),
    };
    database.close().await?;
    result
}

/// The account that a person means, by name or id.
async fn account(conn: &mut PgConnection, named: &str) -> anyhow::Result<Account> {
    let missing = || format!("there is no account {named:?}: see `lamplighter account list`");
    accounts::find(conn, named.trim()).await?.with_context(missing)
}

/// The same, where everything is meant when none is named.
async fn account_if_any(conn: &mut PgConnection, named: Option<&str>) -> anyhow::Result<Option<Account>> {
    match named {
        Some(named) => account(conn, named).await.map(Some),
        None => Ok(None),
    }
}

/// Works with everything put together, as the daemon would, but with no loop running.
async fn with_app<T>(config: &Config, work: impl AsyncFnOnce(&App) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let database = Database::open(config, true).await?;
    let result = match App::build(config, database.pool.clone(), Clock::system(), &[]).await {
        Ok(app) => work(&app).await,
        Err(cause) => Err(cause),
    };
    database.close().await?;
    result
}

/// Lets work that must not be abandoned end by itself: a first Ctrl-C or SIGTERM keeps it from beginning anything new, a
/// second one is not waited out.
async fn unhurried<T>(app: &App, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = lifecycle::signalled() => {}
    }
    app.stopping.cancel();
    complain("Stopping as soon as what is under way at the provider has ended; once more stops at once.");
    tokio::select! {
        done = work => done,
        () = lifecycle::signalled() => anyhow::bail!("stopped in the middle: what was under way is settled by the next try"),
    }
}

fn usual_config() -> Option<PathBuf> {
    Some(Path::new(USUAL_CONFIG)).filter(|path| path.exists()).map(Path::to_owned)
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write SECTION.KEY=VALUE, such as web.listen=127.0.0.1:8080")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// The error and its causes, one a line, without repeating what was said.
fn chain(error: &anyhow::Error) -> String {
    let mut lines: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !lines.iter().any(|line| line.contains(&text)) {
            lines.push(text);
        }
    }
    lines.join("\n  because: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        documented().debug_assert();
    }

    /// What a script has nothing to read from: daemons and shows, and what is text for a program as it is.
    const NOT_FOR_SCRIPTS: [&str; 5] = ["serve", "demo", "sandbox", "completions", "man"];

    #[test]
    fn whatever_a_script_would_read_is_there_as_json() {
        fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, bool)>) {
            let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
            if below.is_empty() {
                found.push((path.to_owned(), command.get_arguments().any(|argument| argument.get_id() == "json")));
            }
            below.into_iter().for_each(|below| leaves(below, format!("{path} {}", below.get_name()).trim(), found));
        }
        let mut found = Vec::new();
        leaves(&documented(), "", &mut found);
        assert!(found.len() > 25, "{found:?}");
        for (path, json) in found {
            assert_ne!(json, NOT_FOR_SCRIPTS.contains(&path.as_str()), "{path}");
        }
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_twice() {
        let error = anyhow::anyhow!("no route").context("cannot connect: no route").context("start failed");
        assert_eq!(chain(&error), "start failed\n  because: cannot connect: no route");
    }
}
