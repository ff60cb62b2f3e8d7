//! What a person must know, and what one can say of it: that one knows, that it can wait, that it is over.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    asked::{Content, Path, Query},
    caller::{Caller, Manages, Reads, missing},
    paging::{self, Page, Size},
    problem::{Kind, Problem},
};
use crate::{
    alerts::{
        by_hand::{self, Decision, Refused},
        storm,
    },
    explain::alert::{self as explain, Said},
    provider::Provider,
    store::{
        alerts::listing::{self, Filter, Row},
        audit_log::Entry,
        mails::Sent,
    },
    web::Web,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Alerts {
    /// Only about connections of this account.
    account: Option<Uuid>,
    /// Only about this connection.
    connection: Option<Uuid>,
    /// Only those that are open, or only those that are not.
    open: Option<bool>,
    /// The most rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// List alerts, the latest first. A key for one account sees those about its connections.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(Alerts), security(("key" = ["read"])),
    responses((status = 200, description = "A page of alerts", body = Page<Row>)))]
pub(super) async fn list_alerts(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Query(asked): Query<Alerts>,
) -> Result<Json<Page<Row>>, Problem> {
    let (size, before) = (Size::of(asked.limit)?, paging::behind(asked.cursor.as_deref())?);
    let filter = Filter {
        id: None,
        account_id: caller.confined(asked.account)?,
        connection_id: asked.connection,
        open: asked.open,
    };
    let rows = listing::page(&mut *web.pool.acquire().await?, filter, before, size.fetched()).await?;
    Ok(Json(size.page(rows, |row: &Row| row.id.to_string())))
}

/// An alert with what is known of it, for whoever has to do something about it.
#[derive(Serialize, ToSchema)]
#[schema(as = ExplainedAlert)]
pub(super) struct Explained {
    #[serde(flatten)]
    alert: Row,
    /// What happened, and what it means.
    happened: Vec<String>,
    /// What a person can do.
    to_do: Vec<String>,
    /// What happens without them.
    next: Vec<String>,
    /// Its mails, the earliest first.
    mails: Vec<Sent>,
    /// What was done about it by hand, the last one first.
    deeds: Vec<Entry>,
}

/// See one alert: what happened, what to do, what happens by itself, who was told and what was done.
#[utoipa::path(get, path = "/api/v1/alerts/{alert_id}", tag = "alerts",
    params(("alert_id" = Uuid, Path, description = "The alert")), security(("key" = ["read"])),
    responses((status = 200, description = "The alert, explained", body = Explained)))]
pub(super) async fn get_alert(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Path(id): Path<Uuid>,
) -> Result<Json<Explained>, Problem> {
    let mut conn = web.pool.acquire().await?;
    let alert = one(&mut conn, &caller, id).await?;
    let facts = explain::gather(&mut conn, id, caller.now).await?.ok_or_else(|| missing("alert"))?;
    let Said { happened, todo, next } = explain::said(&facts);
    Ok(Json(Explained { alert, happened, to_do: todo, next, mails: facts.mails, deeds: facts.deeds }))
}

/// What is to become of mails that are held.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"drop": false}))]
pub(super) struct Release {
    /// Throws them away instead: nobody is mailed about these lapses.
    #[serde(default)]
    drop: bool,
}

/// What became of mails that were held.
#[derive(Serialize, ToSchema)]
pub(super) struct Released {
    /// At whom the connections lapsed.
    provider: Provider,
    /// How many mails there were.
    mails: u64,
    /// Whether they were thrown away; else they go out now.
    dropped: bool,
}

/// Let mails to owners go out that are held because very many connections lapsed at once, or throw them away. Takes a key for
/// all accounts.
#[utoipa::path(post, path = "/api/v1/alerts/{alert_id}/release", tag = "alerts", request_body = Release,
    params(("alert_id" = Uuid, Path, description = "The alert that tells of the held mails")),
    security(("key" = ["manage"])), responses(
        (status = 200, description = "They go out, or are thrown away", body = Released),
        (status = 409, description = "It is over, or holds nothing")))]
pub(super) async fn release_mails(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    Content(wish): Content<Release>,
) -> Result<Json<Released>, Problem> {
    caller.for_all()?;
    let decision = if wish.drop { storm::Decision::Drop } else { storm::Decision::Release };
    let mut conn = web.pool.acquire().await?;
    let decided = storm::decide_by_alert(&mut conn, id, decision, &caller.actor(), caller.now).await;
    let (provider, mails) = decided.map_err(refused)?;
    drop(conn);
    (web.connected)();
    Ok(Json(Released { provider, mails, dropped: wish.drop }))
}

/// Say that you know: nobody is reminded any more. The all-clear still comes.
#[utoipa::path(post, path = "/api/v1/alerts/{alert_id}/acknowledge", tag = "alerts",
    params(("alert_id" = Uuid, Path, description = "The alert")), security(("key" = ["manage"])), responses(
        (status = 200, description = "Acknowledged", body = Row),
        (status = 409, description = "It is over")))]
pub(super) async fn acknowledge_alert(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
) -> Result<Json<Row>, Problem> {
    decided(&web, &caller, id, Decision::Acknowledge).await
}

/// Until when an alert can wait.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"until": "2026-11-23T08:00:00Z"}))]
pub(super) struct Snooze {
    /// Nobody is reminded before; a moment that is still to come.
    until: DateTime<Utc>,
}

/// Let nobody be reminded of it for a while.
#[utoipa::path(post, path = "/api/v1/alerts/{alert_id}/snooze", tag = "alerts", request_body = Snooze,
    params(("alert_id" = Uuid, Path, description = "The alert")), security(("key" = ["manage"])), responses(
        (status = 200, description = "Snoozed", body = Row),
        (status = 409, description = "It is over, or the moment has passed")))]
pub(super) async fn snooze_alert(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    Content(wish): Content<Snooze>,
) -> Result<Json<Row>, Problem> {
    decided(&web, &caller, id, Decision::Snooze(wish.until)).await
}

/// Say that it is over. It is closed without an all-clear; if it is met again, it is told again.
#[utoipa::path(post, path = "/api/v1/alerts/{alert_id}/resolve", tag = "alerts",
    params(("alert_id" = Uuid, Path, description = "The alert")), security(("key" = ["manage"])), responses(
        (status = 200, description = "Resolved", body = Row),
        (status = 409, description = "It is over, or ends only by itself")))]
pub(super) async fn resolve_alert(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
) -> Result<Json<Row>, Problem> {
    decided(&web, &caller, id, Decision::Resolve).await
}

async fn decided(web: &Web, caller: &Caller<Manages>, id: Uuid, decision: Decision) -> Result<Json<Row>, Problem> {
    let mut conn = web.pool.acquire().await?;
    one(&mut conn, caller, id).await?;
    by_hand::decide(&mut conn, id, decision, &caller.actor(), caller.now).await.map_err(refused)?;
    one(&mut conn, caller, id).await.map(Json)
}

/// An alert, if it is there for this key.
async fn one<S>(conn: &mut PgConnection, caller: &Caller<S>, id: Uuid) -> Result<Row, Problem> {
    let filter = Filter { id: Some(id), account_id: caller.confined(None)?, ..Filter::default() };
    listing::page(conn, filter, None, 1).await?.pop().ok_or_else(|| missing("alert"))
}

fn refused(why: Refused) -> Problem {
    match why {
        Refused::Store(error) => error.into(),
        Refused::Missing(_) => missing("alert"),
        why => Problem::new(Kind::Conflict, why.to_string(), "GET the alert shows how it stands"),
    }
}
