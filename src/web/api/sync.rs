//! A manual sync through the API: as much of a range of dates as fits into a minute. Reading goes on where it stopped by
//! asking again from there; what was read is stored, and nothing comes twice.

use std::time::Duration;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    accounts,
    asked::{Content, Path},
    caller::{Caller, Manages},
    problem::{Kind, Problem},
};
use crate::{
    orders::intake::{
        Intake, by_hand,
        sync::{Error, Range, Summary},
    },
    provider::Verdict,
    web::Web,
};

/// For how long one request reads.
const LONGEST: Duration = Duration::from_secs(60);

/// Which orders are to be taken in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}))]
pub(super) struct SyncWish {
    /// Created or changed from here on.
    from: DateTime<Utc>,
    /// Up to here, included; until now if absent.
    to: Option<DateTime<Utc>>,
}

/// What became of the orders of a range.
#[derive(Serialize, ToSchema)]
pub(super) struct Synced {
    /// Whether the range was read to its end. If not, ask again with `from` set to `reached`.
    complete: bool,
    /// Changes up to here were read.
    reached: DateTime<Utc>,
    /// Orders that HubSpot named.
    seen: u64,
    /// Revisions that came into the queue.
    new: u64,
    /// Stored already, as they are.
    already_there: u64,
    /// Not let in by `orders.intake`.
    filtered: u64,
    /// Cannot be stored.
    failed: u64,
}

/// Take in the HubSpot orders that were created or changed in a range, also from before the first connect. Reads for a minute
/// at most.
#[utoipa::path(post, path = "/api/v1/accounts/{account_id}/sync", tag = "orders", request_body = SyncWish,
    params(("account_id" = Uuid, Path, description = "The account")), security(("key" = ["manage"])), responses(
        (status = 200, description = "What was read", body = Synced),
        (status = 409, description = "The account has no HubSpot connection, or it needs its owner")))]
pub(super) async fn sync_orders(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    Content(wish): Content<SyncWish>,
) -> Result<Json<Synced>, Problem> {
    caller.admitted(id, "account")?;
    let to = wish.to.unwrap_or(caller.now).min(caller.now);
    if wish.from > to || wish.from < DateTime::UNIX_EPOCH {
        let remedy = "give `from` after 1970, and not after `to` or after now";
        return Err(Problem::new(Kind::Body, "the range is empty", remedy));
    }
    let (actor, mut conn) = (caller.actor(), web.pool.acquire().await?);
    let account = accounts::row(&mut conn, id).await?;
    let range = by_hand::asked(&mut conn, account.whose(), wish.from, to, &actor, caller.now).await?;
    let Some(range) = range else {
        let remedy = format!("connect it: POST /api/v1/accounts/{id}/connect-links with {{\"provider\": \"hubspot\"}}");
        return Err(Problem::new(Kind::Conflict, format!("{} is not connected to HubSpot", account.name), remedy));
    };
    drop(conn);
    // Its future cannot move between threads, so it gets one.
    let (intake, runtime) = (web.intake.clone(), tokio::runtime::Handle::current());
    let reading = web.under_way.spawn_blocking(move || runtime.block_on(read_some(&intake, range)));
    let Ok((read, reached, result)) = reading.await else { return Err(Problem::internal("a sync ended early")) };
    if read.new > 0 {
        web.dispatch.wake();
    }
    let mut conn = web.pool.acquire().await?;
    by_hand::ended(&mut conn, account.whose(), &read, result.as_ref(), &actor, web.clock.now()).await?;
    let (reached, complete) = match result {
        Some(Ok(())) => (to, true),
        Some(Err(error)) => return Err(why_not(error)),
        None => (reached, false),
    };
    let Summary { seen, new, already_there, filtered, failed } = read;
    Ok(Json(Synced { complete, reached: reached.min(to), seen, new, already_there, filtered, failed }))
}

/// Reads for as long as one request may; no result when that was not enough. Cut off anywhere, it loses nothing: what is not
/// stored yet is read again.
async fn read_some(intake: &Intake, range: Range) -> (Summary, DateTime<Utc>, Option<Result<(), Error>>) {
    let (mut read, mut reached) = (Summary::default(), range.from);
    let reading = intake.sync(range, |summary, until| (read, reached) = (*summary, until));
    match tokio::time::timeout(LONGEST, reading).await {
        Ok((summary, result)) => (summary, reached, Some(result)),
        Err(_) => (read, reached, None),
    }
}

fn why_not(error: Error) -> Problem {
    let again = "what was read is stored; ask for the same again later, nothing comes twice";
    match error {
        Error::Store(cause) => cause.into(),
        Error::Token(reason) => reason.into(),
        Error::Provider(failure) if matches!(failure.verdict, Verdict::Lapsed(_)) => {
            let remedy = "send its owner a link: POST /api/v1/accounts/{id}/connect-links";
            Problem::new(Kind::NeedsOwner, format!("HubSpot cannot be read: {failure}"), remedy)
        }
        Error::Provider(failure) => {
            Problem::new(Kind::ProviderOut, format!("HubSpot cannot be read: {failure}"), again)
        }
        Error::Stopped => Problem::new(Kind::Unavailable, "this daemon is about to stop", again),
    }
}
