//! `lamplighter key prune`. A key that is gone cannot be brought back, so nothing goes before somebody has said yes.

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::super::{DONE, FAILED, output};
use crate::{
    app::Database,
    clock::Clock,
    config::Config,
    keeper::spool::Spool,
    keys::pruning::{Kept, Plan, Pruning},
    words,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Do it; without this the command only tells what it would do
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(in crate::cli) async fn run(self, config: Config) -> anyhow::Result<u8> {
        let spool_at = config.data_dir.join("spool");
        let spool = Spool::open(&spool_at)
            .with_context(|| format!("cannot look into {}: run this as the user of the daemon", spool_at.display()))?;
        let database = Database::open(&config, true).await?;
        let clock = Clock::system();
        let pruning = Pruning {
            pool: &database.pool,
            keys_file: &config.vault.keys_file,
            spool: &spool,
            link_lifetime: config.web.link_lifetime,
            clock: &clock,
        };
        let plan = if self.yes { pruning.run().await } else { pruning.plan().await };
        database.close().await?;
        let plan = plan?;
        if self.json {
            output::json(&json!({ "done": self.yes, "gone": plan.gone, "kept": plan.kept }))?;
        } else {
            self.show(&plan, &config);
        }
        Ok(if plan.gone.is_empty() && plan.refuses() { FAILED } else { DONE })
    }

    fn show(&self, plan: &Plan, config: &Config) {
        for (id, why) in &plan.kept {
            output::say(&format!("{id} stays: {}", reason(why)));
        }
        let path = config.vault.keys_file.display();
        if plan.gone.is_empty() {
            output::say("No key can go now.");
            return;
        }
        let ids = plan.gone.join(", ");
        if self.yes {
            output::say(&format!(
                "Took {ids} out of {path}. Do the same on every other host with a keys file of its own."
            ));
        } else {
            output::say(&format!("{ids} can go: nothing here needs it any more."));
            output::say(&format!(
                "Backups of the database made before the rotation cannot be used without it: first keep a copy of {path} in \
                 a safe place. Then: lamplighter key prune --yes"
            ));
        }
    }
}

fn reason(why: &Kept) -> String {
    match why {
        Kept::Active => "it is the active key".to_owned(),
        Kept::Announced => "a rotation to it is under way; `lamplighter key rotate` finishes it".to_owned(),
        Kept::Used { daemons } => {
            format!("{} seals with it; copy the keys file to that host", daemons.join(", "))
        }
        Kept::Rows { rows } => {
            format!("{} still sealed under it; `lamplighter key rotate` seals them anew", words::count(*rows, "row"))
        }
        Kept::Spool { files } => format!(
            "{} below data_dir/spool needs it; let the daemon run until the reply in it is stored",
            words::count(*files as u64, "file")
        ),
        Kept::Links { until } => {
            format!("reconnect links signed with it work until {}; run this again then", output::instant(*until))
        }
        Kept::Foreign => {
            "this database knows nothing of it; if no other database uses this file, take it out by hand".to_owned()
        }
    }
}
