//! Which order a person means.

use anyhow::bail;
use sqlx::PgConnection;

use crate::{
    store::order_log::naming::{self, Found},
    words,
};

/// What is said of the argument in every command's help.
pub(super) const ORDER: &str = "The order: its id at its source, its name or its document's number, which mean its latest revision; or our id of one \
     revision, or the first 6 or more characters of it";

/// The one order that is meant.
///
/// # Errors
/// None or several match, with what matches.
pub(super) async fn named(conn: &mut PgConnection, name: &str) -> anyhow::Result<Found> {
    let mut found = naming::find(conn, name.trim()).await?;
    match found.len() {
        0 => bail!(
            "{name:?} names no order: write its id at its source, its whole name, its document's number, or our id of it; \
             `lamplighter order list --search {name:?}` finds it by the beginning of its name"
        ),
        1 => Ok(found.remove(0)),
        _ => {
            let lines: Vec<_> = found.iter().map(|one| format!("\n  {}  {}", one.id, title(one))).collect();
            bail!(
                "{name:?} could be any of these orders: repeat it with the id at the beginning of a line{}",
                lines.concat()
            )
        }
    }
}

/// The orders that are meant, each once. All names are understood before anything is done.
pub(super) async fn all_named(conn: &mut PgConnection, names: &[String]) -> anyhow::Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for name in names {
        let one = named(conn, name).await?;
        if found.iter().all(|known| known.id != one.id) {
            found.push(one);
        }
    }
    Ok(found)
}

/// Name, account, document number, status and arrival in one line.
pub(super) fn title(found: &Found) -> String {
    let Found { name, account, external_id, document_number, status, received_at, .. } = found;
    let (name, account) = (words::name(name), words::name(account));
    let (external_id, number) = (words::name(external_id), words::name(document_number));
    let at = words::instant(*received_at);
    format!("{name} of {account} (id {external_id}, document {number}): {}, came in {at}", status.as_str())
}
