//! `lamplighter webhook deliveries`: what was told, and what was not.

use clap::Args;
use sqlx::PgConnection;

use super::super::{DONE, limit::Limit, output};
use crate::{
    clock::Clock,
    store::webhook_deliveries::{self as deliveries, Overview},
    words,
};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// Only of this endpoint: its id, the first six or more characters of it, or its address
    #[arg(long)]
    webhook: Option<String>,
    /// Only those that did not arrive: they wait, or were given up
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    limit: Limit,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<u8> {
        let id = match &self.webhook {
            Some(named) => Some(super::find(conn, named).await?.id),
            None => None,
        };
        let mut rows = deliveries::recent(conn, id, self.open, self.limit.asked()).await?;
        if self.limit.cut(&mut rows) {
            self.limit.hint("raise --limit, or name some by --webhook or --open");
        }
        if self.json {
            output::json(&rows)?;
            return Ok(DONE);
        }
        let now = Clock::system().now();
        let table = rows.iter().map(|row| {
            vec![
                row.id.to_string(),
                row.event.clone(),
                output::instant(row.created_at),
                row.attempts.to_string(),
                standing(row, now),
                row.url.clone(),
            ]
        });
        let hint = "No message yet. They are written when something happens; `lamplighter webhook test` sends one now.";
        output::table(&["Id", "Event", "Happened", "Tries", "State", "Address"], table.collect(), hint);
        Ok(DONE)
    }
}

fn standing(row: &Overview, now: chrono::DateTime<chrono::Utc>) -> String {
    let error = row.last_error.as_deref().map(|error| format!(": {}", words::line(error, 120))).unwrap_or_default();
    match (row.delivered_at, row.given_up_at, row.send_at) {
        (Some(at), ..) => format!("taken {}", output::instant(at)),
        (_, Some(at), _) => format!("given up {}{error}", output::instant(at)),
        (_, _, Some(at)) => format!("next try {}{error}", words::until(at, now)),
        _ => String::new(),
    }
}
