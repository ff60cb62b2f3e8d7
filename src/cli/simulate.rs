//! `lamplighter simulate`: the real keeper and the real outbox on a virtual clock, over a real Postgres and against the
//! simulated providers, through months in which everything happens that kills grants. Afterwards an audit compares what
//! was noticed with what really happened. Everything lives in one temporary directory and is gone afterwards.
//!
//! Orders are left alone, and no time passes in a call: this is about what the keeper decides, not how fast a provider is.

mod audit;
mod configuration;
mod plan;
mod report;
mod run;
mod town;

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;

pub use self::{
    plan::{Keep, Plan},
    report::{Lapses, Report},
    run::{Progress, Simulation},
};
use super::{DONE, FAILED, UNHEALTHY, demo::scratch, output};
use crate::{config::LogFormat, store::embedded};

/// What stands before a key of the configuration in the environment.
const POSTGRES_BIN_DIR: &str = "LAMPLIGHTER__DATABASE__POSTGRES_BIN_DIR";

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    plan: Plan,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Show the daemon's log
    #[arg(short, long)]
    verbose: bool,
}

impl Options {
    pub(super) async fn run(self, env: BTreeMap<String, String>, set: Vec<(String, String)>) -> anyhow::Result<u8> {
        crate::telemetry::start(LogFormat::Human, if self.verbose { "info" } else { "off" }, None);
        let directory = tempfile::Builder::new().prefix("lamplighter-simulate-").tempdir_in(scratch())?;
        // As root, Postgres runs under another user who must be able to pass through.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711))?;
        let bin_dir = set.iter().rev().find(|(key, _)| key == "database.postgres_bin_dir").map(|(_, value)| value);
        let bin_dir = bin_dir.or_else(|| env.get(POSTGRES_BIN_DIR)).filter(|path| !path.is_empty()).map(PathBuf::from);
        let options = embedded::Options { root: directory.path().join("postgres"), bin_dir, durable: false };
        let mut server = tokio::task::spawn_blocking(move || embedded::Server::start(&options)).await??;
        let result = tokio::select! {
            result = self.play(&server, directory.path(), set) => result,
            _ = tokio::signal::ctrl_c() => {
                output::complain("interrupted: nothing was audited");
                Ok(FAILED)
            }
        };
        tokio::task::spawn_blocking(move || server.stop()).await??;
        let path = directory.path().to_owned();
        directory.close().with_context(|| format!("cannot remove {}: delete it by hand", path.display()))?;
        result
    }

    async fn play(
        &self,
        server: &embedded::Server,
        directory: &Path,
        set: Vec<(String, String)>,
    ) -> anyhow::Result<u8> {
        let database = embedded::ensure_database(server, embedded::DATABASE).await?;
        let mut simulation = Simulation::begin(self.plan.clone(), database, directory, set).await?;
        let mut teller = Teller::default();
        simulation.live(|progress| teller.tell(progress)).await?;
        teller.end();
        let report = simulation.audit().await?;
        simulation.end().await;
        if self.json {
            output::json(&report)?;
        } else {
            report.print();
        }
        Ok(if report.passed() { DONE } else { UNHEALTHY })
    }
}

/// Tells a person at a terminal how far it is, once a second.
#[derive(Default)]
struct Teller {
    told: Option<Instant>,
}

impl Teller {
    fn tell(&mut self, progress: Progress) {
        let just_now = self.told.is_some_and(|told| told.elapsed() < Duration::from_secs(1));
        if just_now || !std::io::stderr().is_terminal() {
            return;
        }
        self.told = Some(Instant::now());
        let rate = progress.renewed as f64 / progress.took.as_secs_f64().max(f64::EPSILON);
        let Progress { day, days, renewed, lapsed, .. } = progress;
        let line = format!("\rday {day} of {days}, {renewed} renewals, {lapsed} lapses, {rate:.0} renewals a second ");
        let mut out = std::io::stderr();
        _ = out.write_all(line.as_bytes()).is_ok();
        _ = out.flush().is_ok();
    }

    fn end(&self) {
        if self.told.is_some() {
            output::complain("");
        }
    }
}
