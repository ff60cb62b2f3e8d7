//! Which connection a person means.

use anyhow::bail;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::App,
    cli::actor,
    store::{
        connections::{self, Found},
        dossiers,
    },
};

/// What is said of the argument in every command's help.
pub(in crate::cli) const CONNECTION: &str =
    "The connection: its id or the first 6 or more characters of it, a company id, or ACCOUNT/PROVIDER";

/// The one connection that is meant.
///
/// # Errors
/// None or several match, with what matches.
pub(in crate::cli) async fn named(conn: &mut PgConnection, name: &str) -> anyhow::Result<Found> {
    let mut found = connections::find(conn, name.trim()).await?;
    match found.len() {
        0 => bail!(
            "{name:?} names no connection: write an id or the first 6 or more characters of it, a company id, or \
             ACCOUNT/PROVIDER such as \"Harbor Books/quickbooks\"; `lamplighter connection list --search TEXT --json` finds it \
             by a part of its account's or its company's name, with its id"
        ),
        1 => Ok(found.remove(0)),
        _ => {
            let lines: Vec<_> = found.iter().map(|one| format!("\n  {}  {}", one.id, title(one))).collect();
            bail!(
                "{name:?} could be any of these connections: repeat it with one of their ids, or see `lamplighter \
                 connection list`{}",
                lines.concat()
            )
        }
    }
}

/// Writes down what is about to be done with a connection.
///
/// # Errors
/// Database trouble.
pub(super) async fn noted(app: &App, id: Uuid, action: &str, detail: Value) -> anyhow::Result<()> {
    let mut conn = app.pool.acquire().await?;
    if let Some(dossier) = dossiers::get(&mut conn, id).await? {
        dossiers::note(&mut conn, &dossier, action, detail, &actor::here(), app.clock.now()).await?;
    }
    Ok(())
}

/// Account, provider, company and status in one line.
pub(super) fn title(found: &Found) -> String {
    let Found { account, provider, company_name, company_id, environment, status, .. } = found;
    format!("{account} at {} ({company_name}, {company_id}, {environment}): {}", provider.title(), status.as_str())
}
