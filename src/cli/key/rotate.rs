//! `lamplighter key rotate`: tells what happens on standard error, and what came of it on standard output.

use std::{
    io::{IsTerminal as _, stderr},
    ops::ControlFlow,
    path::Path,
    time::Duration,
};

use clap::Args;

use super::super::{DONE, UNHEALTHY, output};
use crate::{
    app::Database,
    clock::Clock,
    config::Config,
    keys::rotation::{Report, Rotation, Step},
    words,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// How long to wait for the daemons to follow, at each step that needs all of them
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration, value_name = "TIME")]
    timeout: Duration,
    /// Print JSON at the end
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(in crate::cli) async fn run(self, config: Config) -> anyhow::Result<u8> {
        let database = Database::open(&config, true).await?;
        let clock = Clock::system();
        let keys_file = config.vault.keys_file.as_path();
        let rotation = Rotation { pool: &database.pool, keys_file, clock: &clock, timeout: self.timeout };
        let rotated = rotation.run(&mut |step| tell(step, keys_file)).await;
        database.close().await?;
        let report = rotated?;
        if self.json {
            output::json(&report)?;
        } else {
            show(&report);
        }
        for row in &report.progress.unreadable_rows {
            output::complain(&format!("connection {}: {}", row.connection_id, row.why));
        }
        if report.progress.unreadable > 0 {
            output::complain(&format!(
                "{} could not be opened and stay as they are. Put the missing key back into {} and run this again, or let \
                 the owners reconnect (`lamplighter connection link`)",
                words::count(report.progress.unreadable, "row"),
                keys_file.display()
            ));
            return Ok(UNHEALTHY);
        }
        Ok(DONE)
    }
}

fn tell(step: &Step, keys_file: &Path) -> ControlFlow<()> {
    let path = keys_file.display();
    let line = match step {
        Step::Resumed(id) => format!("An earlier rotation to the key {id} was not finished: that is done first."),
        Step::Announced(id) => format!("Made the key {id}."),
        Step::Added(id) => format!("Added {id} to {path}; it only opens so far."),
        Step::Waiting(waiting) => format!("Waiting: {waiting}."),
        Step::Registered(id) => format!("Every running daemon knows {id}; from now on none starts without it."),
        Step::Activated(id) => format!("{id} is the first key in {path}."),
        Step::Retired(0) => "Every running daemon seals with it.".to_owned(),
        Step::Retired(keys) => {
            format!("Every running daemon seals with it; retired {}.", words::count(*keys, "older key"))
        }
        // A line for every batch is for somebody who watches.
        Step::Resealing(_) if !stderr().is_terminal() => return ControlFlow::Continue(()),
        Step::Resealing(progress) => format!(
            "Sealed {} of {} anew{}.",
            words::number(progress.resealed),
            words::count(progress.expected.max(progress.resealed), "row"),
            match progress.changed_meanwhile {
                0 => String::new(),
                met => format!("; {} renewed in that very moment", words::count(met, "row")),
            }
        ),
    };
    output::complain(&line);
    ControlFlow::Continue(())
}

fn show(report: &Report) {
    let (id, progress) = (&report.active_key, &report.progress);
    let sealed = words::count(progress.resealed, "row");
    if report.made {
        output::say(&format!("The vault key {id} is active; sealed {sealed} anew."));
        output::say("Keep a copy of the keys file in a safe place now, apart from the database's backups.");
        output::say("Backups made before today need the older keys. `lamplighter key prune` tells when they can go.");
    } else {
        output::say(&format!(
            "Finished the rotation to the vault key {id} that was begun earlier; sealed {sealed} anew."
        ));
        output::say("For another new key, run this again.");
    }
}
