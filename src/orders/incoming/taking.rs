//! Stores orders that were read: one statement for all of a source, every order idempotent by account, source, id and content.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::Incoming;
use crate::store::{self, lanes, orders, orders::NewOrder, sources};

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is in the queue; so is one that was parked and is tried again.
    Taken,
    /// Another content of it came before; this one takes its place.
    Changed,
    /// It was there already, exactly so.
    Unchanged,
}

/// Takes orders in; the answers are in the order of the questions. They are all stored, or none is.
///
/// # Errors
/// Database trouble.
pub async fn take(
    conn: &mut PgConnection,
    account_id: Uuid,
    incoming: Vec<Incoming>,
    now: DateTime<Utc>,
) -> Result<Vec<Fate>, store::Error> {
    let mut fates = vec![Fate::Unchanged; incoming.len()];
    if incoming.is_empty() {
        return Ok(fates);
    }
    let mut tx = conn.begin().await?;
    // Lanes before orders, as the dispatch locks them.
    lanes::wake(&mut tx, account_id, now).await?;
    for (source, batches) in batches(incoming) {
        let source_id = sources::named(&mut tx, account_id, &source, now).await?;
        sources::hold(&mut tx, source_id).await?;
        for (turn, batch) in batches.into_iter().enumerate() {
            // What stands later in one request is the later word, though both came at the same instant.
            let at = now + TimeDelta::microseconds(i64::try_from(turn).unwrap_or(i64::MAX));
            let (places, mut batch): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            batch.iter_mut().for_each(|order| order.modified_at = at);
            let received = orders::receive(&mut tx, account_id, source_id, &batch, now).await?;
            let received: HashMap<_, _> =
                received.into_iter().map(|order| (order.external_id, order.changed)).collect();
            for (place, order) in places.into_iter().zip(&batch) {
                let fate = match received.get(&order.external_id) {
                    None => Fate::Unchanged,
                    Some(true) => Fate::Changed,
                    Some(false) => Fate::Taken,
                };
                fates[place] = fate;
            }
        }
    }
    tx.commit().await?;
    Ok(fates)
}

type Batch = Vec<(usize, NewOrder)>;

/// By source; within one source in as many batches as the most repeated id needs, because one statement cannot store two
/// revisions of an order one after the other.
fn batches(incoming: Vec<Incoming>) -> Vec<(String, Vec<Batch>)> {
    let mut sources: Vec<(String, Vec<Batch>)> = Vec::new();
    let mut turns: HashMap<(String, String), usize> = HashMap::new();
    let mut known = HashSet::new();
    for (place, Incoming { source, order }) in incoming.into_iter().enumerate() {
        if known.insert(source.clone()) {
            sources.push((source.clone(), Vec::new()));
        }
        let turn = turns.entry((source.clone(), order.external_id.clone())).and_modify(|turn| *turn += 1).or_insert(0);
        let Some((_, batches)) = sources.iter_mut().find(|(name, _)| *name == source) else { continue };
        if batches.len() <= *turn {
            batches.push(Vec::new());
        }
        batches[*turn].push((place, order));
    }
    // Locks are taken in one order, so that two requests cannot wait for each other.
    sources.sort_by(|a, b| a.0.cmp(&b.0));
    sources
}
