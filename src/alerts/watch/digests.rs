//! Orders that wait for a person: one incident for the operator while any is parked, and one for each owner whose orders
//! QuickBooks refuses for a reason that only they can put right there.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use tracing::warn;
use uuid::Uuid;

use super::{Report, Watch};
use crate::{
    provider::Provider,
    retry::later,
    store::{
        self,
        alerts::{self, Kind, NewAlert},
        digests::{self, Heap, Open},
        warnings::{self, Farewell},
    },
};

/// The incident of all parked orders.
const PARKED: &str = "orders_parked";
/// What an owner's incidents begin with.
const FOR_OWNER: &str = "orders_for_owner/";
/// A first mail waits so long, because one cause parks many orders.
const GATHER: Duration = Duration::from_secs(300);
/// An owner is mailed of orders once a day.
const OWNER_INTERVAL: Duration = Duration::from_secs(86_400);

/// Intuit's codes for what only somebody with rights in the company can put right: an object that is inactive (610), a
/// feature or permission that is off (5020), a document number (6140) or a name (6240) that is taken, a closed period
/// (6210), a document that is linked (6480) or deposited (6540).
pub const OWNERS_CODES: &[&str] = &["610", "5020", "6140", "6210", "6240", "6480", "6540"];

/// A digest as it should be.
struct Due<'a> {
    incident: &'a str,
    kind: Kind,
    connection_id: Option<Uuid>,
    recipient: Option<&'a str>,
    heap: Heap,
    interval: Duration,
}

impl Watch {
    /// Opens, follows up and ends what is told of parked orders.
    pub(super) async fn digest(&self, report: &mut Report) -> Result<(), store::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        if let Some(interval) = self.config.parked_digest {
            let operator = self.config.operator_email.as_ref().map(|mailbox| mailbox.email.to_string());
            let open = digests::open_ones(&mut tx, PARKED, now).await?.pop();
            let heap = digests::parked(&mut tx).await?;
            let due = Due {
                incident: PARKED,
                kind: Kind::OrdersParked,
                connection_id: None,
                recipient: operator.as_deref(),
                heap,
                interval,
            };
            report.digests += u32::from(tell(&mut tx, &due, open.as_ref(), now).await?);
        } else {
            give_up(&mut tx, PARKED, now).await?;
        }
        if self.config.owner_orders {
            self.digest_owners(&mut tx, report, now).await?;
        } else {
            give_up(&mut tx, FOR_OWNER, now).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn digest_owners(
        &self,
        conn: &mut PgConnection,
        report: &mut Report,
        now: DateTime<Utc>,
    ) -> Result<(), store::Error> {
        let open = digests::open_ones(conn, FOR_OWNER, now).await?;
        let mut open: HashMap<String, Open> = open.into_iter().map(|open| (open.incident.clone(), open)).collect();
        for owner in digests::parked_for_owners(conn, OWNERS_CODES).await? {
            let incident = format!("{FOR_OWNER}{}", owner.connection_id);
            let due = Due {
                incident: &incident,
                kind: Kind::OrdersForOwner,
                connection_id: Some(owner.connection_id),
                recipient: Some(&owner.recipient),
                heap: owner.heap,
                interval: OWNER_INTERVAL,
            };
            report.digests += u32::from(tell(conn, &due, open.remove(&incident).as_ref(), now).await?);
        }
        for incident in open.into_keys() {
            let ended = warnings::end(conn, &incident, Farewell::AllClear, &json!({}), now).await?;
            report.digests += u32::from(ended.mailed);
        }
        Ok(())
    }
}

/// Ends in silence what nobody is to be told of any more, because the settings were changed.
async fn give_up(conn: &mut PgConnection, prefix: &str, now: DateTime<Utc>) -> Result<(), store::Error> {
    for open in digests::open_ones(conn, prefix, now).await? {
        warnings::end(conn, &open.incident, Farewell::Silent, &json!({}), now).await?;
    }
    Ok(())
}

/// Brings one digest up to date; whether a mail was queued.
async fn tell(
    conn: &mut PgConnection,
    due: &Due<'_>,
    open: Option<&Open>,
    now: DateTime<Utc>,
) -> Result<bool, store::Error> {
    let Heap { count, newest } = due.heap;
    match open {
        None if count == 0 => Ok(false),
        Some(_) if count == 0 => {
            Ok(warnings::end(conn, due.incident, Farewell::AllClear, &json!({}), now).await?.mailed)
        }
        None => {
            let alert = NewAlert {
                incident: due.incident,
                kind: due.kind,
                connection_id: due.connection_id,
                provider: Some(Provider::Quickbooks),
                detail: &json!({ "orders": count }),
                recipient: due.recipient,
            };
            if !alerts::open(conn, &alert, now).await? {
                return Ok(false);
            }
            let (first_at, next_at) = (later(now, GATHER.min(due.interval)), later(now, due.interval));
            digests::begin(conn, due.incident, newest, first_at, next_at).await?;
            warn!(
                orders = count,
                kind = due.kind.title(),
                "orders wait for a person: `lamplighter order list --status parked`"
            );
            Ok(due.recipient.is_some())
        }
        Some(open) if newest > open.told && !open.holds && open.next_at.is_none_or(|at| at <= now) => {
            digests::follow_up(conn, open, newest, due.recipient, later(now, due.interval), now).await
        }
        Some(_) => Ok(false),
    }
}
