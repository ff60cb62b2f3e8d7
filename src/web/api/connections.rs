//! Connections: listed, explained, and what a person or a program does to one by hand.
//!
//! A renewal and a farewell go on when whoever asked for them hangs up: a reply that is under way must not be lost.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    asked::{self, OptionalContent, Path, Query},
    caller::{Caller, Manages, Reads, missing},
    paging::{self, Page, Size},
    problem::{Kind, Problem},
    under_way,
};
use crate::{
    explain::connection::{Explained, explained},
    keeper::{
        by_hand::{Haste, Renewal},
        farewell::Goodbye,
        probe::Finding,
    },
    provider::{Endpoint, Provider},
    store::{
        connections::{
            self, Status,
            listing::{self, Filter, Row},
        },
        dossiers::{self, Dossier},
        farewells::Lease,
        spends::Outcome,
    },
    web::Web,
    words,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listed {
    /// Only of this account.
    account: Option<Uuid>,
    /// Only with this provider.
    #[param(inline)]
    provider: Option<Provider>,
    /// Only with one of these, with commas between them.
    #[param(value_type = Option<Vec<Status>>, style = Form, explode = false, inline)]
    status: Option<String>,
    /// The account's name, the company's name or its id has this in it, in capitals or not.
    search: Option<String>,
    /// The most rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// List connections, the latest first.
#[utoipa::path(get, path = "/api/v1/connections", tag = "connections", params(Listed), security(("key" = ["read"])),
    responses((status = 200, description = "A page of connections", body = Page<Row>)))]
pub(super) async fn list_connections(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Query(asked): Query<Listed>,
) -> Result<Json<Page<Row>>, Problem> {
    let (size, before) = (Size::of(asked.limit)?, paging::behind(asked.cursor.as_deref())?);
    let filter = Filter {
        id: None,
        account_id: caller.confined(asked.account)?,
        provider: asked.provider,
        statuses: asked::words("status", asked.status.as_deref())?,
        search: asked.search,
    };
    let rows = listing::page(&mut *web.pool.acquire().await?, &filter, before, size.fetched()).await?;
    Ok(Json(size.page(rows, |row: &Row| row.id.to_string())))
}

/// See everything about one connection: its status and why, its clocks, what happens next, its last spends.
#[utoipa::path(get, path = "/api/v1/connections/{connection_id}", tag = "connections",
    params(("connection_id" = Uuid, Path, description = "The connection")), security(("key" = ["read"])),
    responses((status = 200, description = "The connection, explained", body = Explained)))]
pub(super) async fn get_connection(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Path(id): Path<Uuid>,
) -> Result<Json<Explained>, Problem> {
    let probes = web.health.probe_interval.is_some();
    let told = explained(&mut *web.pool.acquire().await?, id, probes, caller.now).await?;
    let told = told.ok_or_else(|| missing("connection"))?;
    caller.admitted(told.connection.account_id, "connection")?;
    Ok(Json(told))
}

/// What a renewal by hand is ready to override.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Override {
    /// Nothing: after a failure it rests.
    #[default]
    Nothing,
    /// The pause after a failure that the provider answered.
    Pause,
    /// The pause after a request that was never answered, too: if it still runs there, a second one can end the grant.
    Unanswered,
}

/// How a renewal is to go.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"override": "nothing"}))]
pub(super) struct RenewalWish {
    /// What it is ready to override.
    #[serde(rename = "override")]
    over: Override,
}

/// A connection that was renewed.
#[derive(Serialize, ToSchema)]
pub(super) struct Renewed {
    /// Whether another daemon, or its owner, was ahead of this request.
    elsewhere: bool,
    /// As it is now.
    connection: Row,
}

/// Renew a connection now, whatever its schedule, under the same lease, ledger and verdict as always.
#[utoipa::path(post, path = "/api/v1/connections/{connection_id}/renew", tag = "connections",
    request_body = Option<RenewalWish>, params(("connection_id" = Uuid, Path, description = "The connection")),
    security(("key" = ["manage"])), responses(
        (status = 200, description = "Renewed", body = Renewed),
        (status = 409, description = "It needs its owner, is disconnected, or rests after a failure")))]
pub(super) async fn renew_connection(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    OptionalContent(wish): OptionalContent<RenewalWish>,
) -> Result<Json<Renewed>, Problem> {
    let (haste, word) = match wish.over {
        Override::Nothing => (Haste::Patient, "nothing"),
        Override::Pause => (Haste::OverPause, "pause"),
        Override::Unanswered => (Haste::OverUnanswered, "unanswered"),
    };
    let dossier = noted(&web, &caller, id, "connection.renew", json!({ "override": word })).await?;
    let keeper = web.keeper.clone();
    let renewal = under_way(&web, async move { keeper.renew_by_hand(id, haste, |_: &Lease| {}).await }).await??;
    (web.connected)();
    let elsewhere = match renewal {
        Renewal::Spent { outcome: Some(Outcome::Renewed), .. } => false,
        Renewal::Spent { outcome: Some(Outcome::Adopted | Outcome::Discarded), .. } | Renewal::Elsewhere => true,
        other => return Err(not_renewed(&other, &dossier, &caller)),
    };
    let filter = Filter { id: Some(id), ..Filter::default() };
    let row = listing::page(&mut *web.pool.acquire().await?, &filter, None, 1).await?.pop();
    Ok(Json(Renewed { elsewhere, connection: row.ok_or_else(|| missing("connection"))? }))
}

fn not_renewed(renewal: &Renewal, dossier: &Dossier, caller: &Caller<Manages>) -> Problem {
    let explain = format!("see why: GET /api/v1/connections/{}", dossier.id);
    match renewal {
        Renewal::Fenced => Problem::held_back(),
        Renewal::Lapsed | Renewal::Spent { outcome: Some(Outcome::DeadGrant), .. } => needs_owner(dossier, "has lapsed"),
        Renewal::Disconnected => needs_owner(dossier, "is disconnected"),
        Renewal::Out => Problem::new(
            Kind::ProviderOut,
            format!("{} is down for everybody", Endpoint::Tokens.title(dossier.provider)),
            "its renewal goes on by itself when it is back; to try at once, send {\"override\": \"pause\"}",
        ),
        Renewal::Resting(pause) => Problem::new(
            Kind::Conflict,
            format!("it rests until {} after a failure", words::machine(pause.until)),
            match pause.unanswered {
                true => "wait: the last request was never answered, and a second one beside it can end the grant; to risk it, send {\"override\": \"unanswered\"}",
                false => "wait, or send {\"override\": \"pause\"}",
            },
        )
        .after(Some(pause.until), caller.now),
        Renewal::Busy(lease) => {
            Problem::new(Kind::Unavailable, format!("{} works on its tokens", lease.by), "ask again in a minute")
        }
        Renewal::Spent { outcome: Some(Outcome::OperatorFault | Outcome::SetAside), .. } => {
            Problem::new(Kind::HeldBack, "our own deployment is at fault, not the customer", "run `lamplighter doctor` where it is installed")
        }
        Renewal::Spent { outcome: None, .. } => Problem::new(
            Kind::Unavailable,
            "the database went away before the outcome could be written; a reply in hand is not lost",
            explain,
        ),
        Renewal::Spent { .. } | Renewal::Elsewhere => {
            Problem::new(Kind::ProviderOut, "the provider brought nothing new; it is tried again by itself", explain)
        }
    }
}

/// How a connection ended.
#[derive(Serialize, ToSchema)]
pub(super) struct Disconnected {
    /// Whether the provider has its grant back; if not, disconnect it again later.
    given_back: bool,
    /// How it went.
    detail: String,
    /// What is left to do, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// End a connection: here at once, then its grant is given back at the provider. Nobody is mailed; only its owner can undo
/// it, with a new link.
#[utoipa::path(post, path = "/api/v1/connections/{connection_id}/disconnect", tag = "connections",
    params(("connection_id" = Uuid, Path, description = "The connection")), security(("key" = ["manage"])), responses(
        (status = 200, description = "Disconnected", body = Disconnected),
        (status = 409, description = "It was connected again meanwhile")))]
pub(super) async fn disconnect_connection(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
) -> Result<Json<Disconnected>, Problem> {
    let dossier = noted(&web, &caller, id, "connection.disconnect", json!({})).await?;
    let (keeper, seen) = (web.keeper.clone(), dossier.connected_at);
    let goodbye = under_way(&web, async move { keeper.disconnect(id, seen, |_: &Lease| {}).await }).await??;
    let provider = dossier.provider.title();
    let over = |detail: String| Ok(Json(Disconnected { given_back: true, detail, remedy: None }));
    match goodbye {
        Goodbye::GivenBack { was_there: true, .. } => {
            over(format!("{provider} took its grant back; the tokens are erased"))
        }
        Goodbye::GivenBack { unsettled: false, .. } => {
            over(format!("{provider} did not know its grant any more; the tokens are erased"))
        }
        Goodbye::GivenBack { .. } => Ok(Json(Disconnected {
            given_back: true,
            detail: format!("{provider} does not know the stored tokens, and they are erased"),
            remedy: Some(
                "a renewal was never answered, so it may know newer ones: to be sure, end it there too".to_owned(),
            ),
        })),
        Goodbye::Over(_) => over("it was disconnected and its grant given back before".to_owned()),
        Goodbye::StillThere(kept) => Ok(Json(Disconnected {
            given_back: false,
            detail: format!("nothing uses its tokens any more, but its grant still lives at {provider}: {kept}"),
            remedy: Some("disconnect it again later, so that its grant is given back".to_owned()),
        })),
        Goodbye::Reconnected => Err(Problem::new(
            Kind::Conflict,
            "it was connected again meanwhile: the new connection was left alone",
            "look at it, and disconnect it again if that one is to end",
        )),
        Goodbye::Fenced => Err(Problem::held_back()),
        Goodbye::Busy(lease) => {
            Err(Problem::new(Kind::Unavailable, format!("{} works on its tokens", lease.by), "ask again in a minute"))
        }
    }
}

/// Ask the provider now whether a connection works. What it says is judged as always: a grant that died lapses.
#[utoipa::path(post, path = "/api/v1/connections/{connection_id}/probe", tag = "connections",
    params(("connection_id" = Uuid, Path, description = "The connection")), security(("key" = ["manage"])), responses(
        (status = 200, description = "What was asked and answered", body = Finding),
        (status = 409, description = "It is not connected")))]
pub(super) async fn probe_connection(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
) -> Result<Json<Finding>, Problem> {
    let dossier = noted(&web, &caller, id, "connection.probe", json!({})).await?;
    if let Some(over) = ended(&dossier) {
        return Err(over);
    }
    let connection = connections::get(&mut *web.pool.acquire().await?, id).await?;
    let connection = connection.ok_or_else(|| missing("connection"))?;
    let prober = web.api.prober.clone();
    Ok(Json(under_way(&web, async move { prober.one(&connection).await }).await??))
}

/// A connection of the caller's, and that something is about to be done to it, written down before it is.
async fn noted<S>(
    web: &Web,
    caller: &Caller<S>,
    id: Uuid,
    action: &str,
    detail: serde_json::Value,
) -> Result<Dossier, Problem> {
    let mut conn = web.pool.acquire().await?;
    let dossier = dossiers::get(&mut conn, id).await?.ok_or_else(|| missing("connection"))?;
    caller.admitted(dossier.account_id, "connection")?;
    dossiers::note(&mut conn, &dossier, action, detail, &caller.actor(), caller.now).await?;
    Ok(dossier)
}

/// What is said of a connection that has ended, if it has.
pub(super) fn ended(dossier: &Dossier) -> Option<Problem> {
    match dossier.status {
        Status::Connected | Status::Failing => None,
        Status::Lapsed => Some(needs_owner(dossier, "has lapsed")),
        Status::Disconnected => Some(needs_owner(dossier, "is disconnected")),
    }
}

/// Only a new authorization helps.
pub(super) fn needs_owner(dossier: &Dossier, how: &str) -> Problem {
    let cause = dossier.cause.map(|cause| format!(": {}", cause.as_str())).unwrap_or_default();
    let detail = format!("the connection of {} at {} {how}{cause}", dossier.account, dossier.provider.title());
    let remedy = format!(
        "send its owner a link: POST /api/v1/accounts/{}/connect-links, or lamplighter connection link --account {:?} \
         --provider {}",
        dossier.account_id, dossier.account, dossier.provider
    );
    Problem::new(Kind::NeedsOwner, detail, remedy)
}
