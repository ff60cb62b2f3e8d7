//! What a person decides about an order: put back into the queue, or left out of the books.
//!
//! A worker may hold the order at the same moment. Whoever skips counts up the decisions of the lane, and a worker that
//! begins to send must have read the lane since the last of them: whoever comes second sees what the first one did, so an
//! order is never posted after it was skipped, nor skipped while QuickBooks is being asked for it. Each decision stands in the
//! audit log, in its own transaction.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::store::{
    Error,
    audit_log::{self, Actor, Deed},
    lanes, one_row,
    orders::Status,
};

/// An order that went back into the queue.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PutBack {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account_id: Uuid,
    /// What people call it.
    pub name: String,
    /// An earlier attempt may have made its document, so it is asked for before anything is posted.
    pub looked_up_first: bool,
}

/// Puts parked and skipped orders back at their place in the queue and wakes their lanes; those that are neither, that a
/// later revision replaced or whose content is gone are left as they are. `fresh` has a request id for each: one that may
/// have made the document is kept, every other one is replaced, because Intuit answers a repeated request id with its first
/// reply, a refusal too.
///
/// # Errors
/// Database trouble.
pub async fn put_back(
    conn: &mut PgConnection,
    ids: &[Uuid],
    fresh: &[Uuid],
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Vec<PutBack>, Error> {
    let mut tx = conn.begin().await?;
    // Lanes before orders, as everybody does who locks both.
    let accounts = sqlx::query_scalar!("select distinct account_id from orders where id = any($1) order by 1", ids)
        .fetch_all(&mut *tx)
        .await?;
    for account_id in accounts {
        lanes::wake(&mut tx, account_id, now).await?;
    }
    let back = sqlx::query_as!(
        PutBack,
        r#"with picked as (
               select o.id, r.request_id as fresh,
                      exists (select from order_attempts t where t.order_id = o.id
                              and (t.outcome is null or t.outcome = 'unknown')) as unsettled
               from unnest($1::uuid[], $2::uuid[]) as r (id, request_id) join orders o on o.id = r.id
               where o.status in ('parked', 'skipped') and o.pruned_at is null
                 and not exists (select from orders l where l.source_id = o.source_id
                                 and l.external_id = o.external_id and l.position > o.position)
           )
           update orders o
           set status = 'queued', skipped_at = null, last_message = null, remedy = null,
               request_id = case when p.unsettled then o.request_id else p.fresh end
           from picked p where o.id = p.id and o.status in ('parked', 'skipped')
           returning o.id, o.account_id, o.name, p.unsettled as "looked_up_first!""#,
        ids,
        fresh
    )
    .fetch_all(&mut *tx)
    .await?;
    let deeds = back.iter().map(|order| Deed {
        action: "order.retry",
        account_id: Some(order.account_id),
        subject: &order.name,
        detail: json!({ "order_id": order.id }),
    });
    audit_log::record_all(&mut tx, actor, &deeds.collect::<Vec<_>>(), now).await?;
    tx.commit().await?;
    Ok(back)
}

/// How an order met the wish to skip it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// It is skipped now.
    Skipped,
    /// QuickBooks is being asked for it right now.
    UnderWay {
        /// By whom.
        daemon: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// An earlier attempt may have made its document: nobody knows yet.
    MayBeMade,
    /// It is neither queued nor parked.
    Settled(Status),
    /// A later revision is there: it takes this one's place by itself.
    Replaced,
}

/// Skips a queued or parked order for a `reason`, unless it is under way. One whose document may be there is skipped only
/// if the caller takes that risk.
///
/// # Errors
/// Database trouble, or no such order.
pub async fn skip(
    conn: &mut PgConnection,
    id: Uuid,
    reason: &str,
    risk_document: bool,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Skip, Error> {
    let mut tx = conn.begin().await?;
    // Lanes before orders, as everybody does who locks both. From here on nobody begins to send what they read before.
    let lanes = sqlx::query!(
        r#"update lanes l set decisions = l.decisions + 1
           from orders o join connections c on c.account_id = o.account_id
           where o.id = $1 and l.connection_id = c.id
           returning l.leased_by, l.under_way_since, coalesce(o.id = any(l.under_way), false) as "under_way!",
                     coalesce(l.lease_until >= clock_timestamp(), false) as "worked!""#,
        id
    )
    .fetch_all(&mut *tx)
    .await?;
    let order = sqlx::query!(
        r#"select account_id, name, status as "status: Status",
                  exists (select from orders l where l.source_id = o.source_id and l.external_id = o.external_id
                          and l.position > o.position) as "replaced!"
           from orders o where id = $1 for update of o"#,
        id
    )
    .fetch_one(&mut *tx)
    .await?;
    match order.status {
        Status::Queued | Status::Parked if order.replaced => return Ok(Skip::Replaced),
        Status::Queued | Status::Parked => {}
        settled => return Ok(Skip::Settled(settled)),
    }
    // A worker that died with it is settled by the next one.
    let mut left = false;
    for lane in lanes.into_iter().filter(|lane| lane.under_way) {
        if let (Some(daemon), Some(since), true) = (lane.leased_by, lane.under_way_since, lane.worked) {
            return Ok(Skip::UnderWay { daemon, since });
        }
        left = true;
    }
    let outcomes =
        sqlx::query_scalar!(r#"select outcome as "outcome?" from order_attempts where order_id = $1 order by id"#, id)
            .fetch_all(&mut *tx)
            .await?;
    // What was parked after an unanswered try was looked for meanwhile; what is queued may not have been.
    let unknown = |outcome: &Option<String>| outcome.as_deref().is_none_or(|outcome| outcome == "unknown");
    let may_be_made = match order.status {
        Status::Queued => left || outcomes.iter().any(unknown),
        _ => outcomes.last().is_some_and(unknown),
    };
    if may_be_made && !risk_document {
        return Ok(Skip::MayBeMade);
    }
    let done = sqlx::query!(
        "update orders set status = 'skipped', skipped_at = $2, last_message = $3, remedy = null where id = $1",
        id,
        now,
        format!("skipped by {actor}: {reason}")
    )
    .execute(&mut *tx)
    .await?;
    one_row("order", id, done.rows_affected())?;
    let detail = json!({ "order_id": id, "reason": reason, "risk_document": risk_document });
    let deed = Deed { action: "order.skip", account_id: Some(order.account_id), subject: &order.name, detail };
    audit_log::record(&mut tx, actor, &deed, now).await?;
    tx.commit().await?;
    Ok(Skip::Skipped)
}
