//! `lamplighter order skip`: a person decides that an order is not to be posted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    super::{DONE, FAILED, actor, output, with_database},
    naming::{ORDER, all_named, title},
};
use crate::{
    clock::Clock,
    config::Config,
    store::{
        order_log::{
            by_hand::{self, Skip},
            naming::Found,
        },
        orders::Status,
    },
    words,
};

/// How long an order that is under way is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often there is a look meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is said below the options.
const HELP: &str = "\
A skipped order stays visible and can be put back with `lamplighter order retry`. The decision is about the revision that \
is there: when the order is changed at its source in a way that matters, it comes in again, as queued. An order that is under \
way is waited for; what has its document by then is left alone.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(in super::super) struct Options {
    #[arg(value_name = "ORDER", required = true, help = ORDER)]
    orders: Vec<String>,
    /// Why; it is kept with the order
    #[arg(long)]
    reason: String,
    /// Skip it even though an earlier try, which was never answered, may have made its document
    #[arg(long)]
    risk_document: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let reason = words::line(&self.reason, 300);
        anyhow::ensure!(!reason.is_empty(), "--reason is empty: say why the order is not to be posted");
        with_database(config, async |conn| {
            let found = all_named(conn, &self.orders).await?;
            let (mut rows, mut all) = (Vec::new(), true);
            for one in &found {
                let outcome = patiently(conn, one.id, &reason, self.risk_document).await?;
                let skipped = outcome == Skip::Skipped;
                let sentence = said(one, &outcome, Clock::system().now());
                all &= skipped;
                if !self.json {
                    if skipped { output::say(&sentence) } else { output::complain(&sentence) }
                }
                rows.push(json!({ "order": one.id, "skipped": skipped, "outcome": outcome, "said": sentence }));
            }
            if self.json {
                output::json(&rows)?;
            }
            Ok(if all { DONE } else { FAILED })
        })
        .await
    }
}

/// Waits for an attempt that is under way: it ends soon, and then the order is either posted or free.
async fn patiently(conn: &mut PgConnection, id: Uuid, reason: &str, risk: bool) -> anyhow::Result<Skip> {
    let actor = actor::here();
    let waited = tokio::time::timeout(PATIENCE, async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let outcome = by_hand::skip(conn, id, reason, risk, &actor, Clock::system().now()).await?;
            if !matches!(outcome, Skip::UnderWay { .. }) {
                return Ok::<_, crate::store::Error>(outcome);
            }
        }
    });
    match waited.await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Ok(by_hand::skip(conn, id, reason, risk, &actor, Clock::system().now()).await?),
    }
}

fn said(found: &Found, outcome: &Skip, now: DateTime<Utc>) -> String {
    let (name, id) = (words::name(&found.name), found.id);
    match outcome {
        Skip::Skipped => {
            format!("{name} is skipped and will not be posted. To put it back: lamplighter order retry {id}")
        }
        Skip::UnderWay { daemon, since } => format!(
            "{name} was not skipped: {daemon} asks QuickBooks for it since {} ({}). Look what became of it, and repeat: \
             lamplighter order show {id}",
            words::instant(*since),
            words::until(*since, now)
        ),
        Skip::MayBeMade => format!(
            "{name} was not skipped: an earlier try was never answered, so QuickBooks may have its document {} already. \
             Leave it in the queue, which settles that by itself; or look there, and if the document is not wanted, \
             delete it and repeat the command with --risk-document",
            words::name(&found.document_number)
        ),
        Skip::Settled(Status::Posted) => format!(
            "{name} was not skipped: it is posted, as document {}. To undo it, void the document in QuickBooks",
            words::name(&found.document_number)
        ),
        Skip::Settled(status) => format!("{}: nothing to do, it is {} already", title(found), status.as_str()),
        Skip::Replaced => format!(
            "{name} was not skipped: a later revision takes the place of this one by itself. To skip that one, name the \
             order by its id: {}",
            words::name(&found.external_id)
        ),
    }
}
