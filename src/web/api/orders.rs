//! Orders: listed, shown, previewed; put back into the queue, or left out of the books.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    asked::{self, Content, Path, Query},
    caller::{Caller, Manages, Reads, missing},
    paging::{self, Page, Size},
    problem::{Kind, Problem},
};
use crate::{
    orders::{
        drafting::Referred,
        mapping::Unmappable,
        preview::{Outcome, Previewer},
    },
    store::{
        mappings,
        order_log::{
            self, Cursor, Filter, Overview,
            by_hand::{self, PutBack, Skip},
            dossier::{self, Dossier},
            naming,
        },
        orders::Status,
    },
    web::Web,
    words,
};

/// How many attempts are shown.
const ATTEMPTS: i64 = 100;
/// The longest reason that is kept.
const LONGEST_REASON: usize = 300;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listed {
    /// Only of this account.
    account: Option<Uuid>,
    /// Only with one of these, with commas between them.
    #[param(value_type = Option<Vec<Status>>, style = Form, explode = false, inline)]
    status: Option<String>,
    /// Came in then or later.
    since: Option<DateTime<Utc>>,
    /// Came in before.
    until: Option<DateTime<Utc>>,
    /// Its document has this number.
    document: Option<String>,
    /// Its name or its document's number begins with this, in capitals or not, or it is its id at its source.
    search: Option<String>,
    /// The provider answered the last attempt with this code, such as 6240.
    code: Option<String>,
    /// The most rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// List orders, the latest first.
#[utoipa::path(get, path = "/api/v1/orders", tag = "orders", params(Listed), security(("key" = ["read"])),
    responses((status = 200, description = "A page of orders", body = Page<Overview>)))]
pub(super) async fn list_orders(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Query(asked): Query<Listed>,
) -> Result<Json<Page<Overview>>, Problem> {
    let (size, before) = (Size::of(asked.limit)?, paging::behind::<Cursor>(asked.cursor.as_deref())?);
    let filter = Filter {
        statuses: asked::words("status", asked.status.as_deref())?,
        account_id: caller.confined(asked.account)?,
        since: asked.since,
        until: asked.until,
        document: asked.document,
        search: asked.search,
        code: asked.code,
    };
    let rows = order_log::list(&mut *web.pool.acquire().await?, &filter, before, size.fetched()).await?;
    Ok(Json(size.page(rows, |row: &Overview| row.cursor().to_string())))
}

/// See everything about one order: its content, its revisions, every attempt.
#[utoipa::path(get, path = "/api/v1/orders/{order_id}", tag = "orders",
    params(("order_id" = Uuid, Path, description = "The order")), security(("key" = ["read"])),
    responses((status = 200, description = "The order", body = Dossier)))]
pub(super) async fn get_order(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Path(id): Path<Uuid>,
) -> Result<Json<Dossier>, Problem> {
    let found = dossier::get(&mut *web.pool.acquire().await?, id, ATTEMPTS).await?.ok_or_else(|| missing("order"))?;
    caller.admitted(found.order.account_id, "order")?;
    Ok(Json(found))
}

/// What would become of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderPreview)]
pub(super) struct Preview {
    /// What would become of it.
    outcome: Becomes,
    /// The exact document that would be sent, in QuickBooks' words.
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
    /// What it refers to, and where each is known from.
    references: Vec<Referred>,
    /// Why it would be parked.
    parked: Option<Unmappable>,
    /// Why names were looked up only in what is remembered; absent when QuickBooks was asked.
    unasked: Option<String>,
}

/// What would become of an order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Becomes {
    /// This document.
    Document,
    /// Nothing: a person must look.
    Parked,
    /// Nothing: it was called off.
    Cancelled,
}

/// See the exact document that an order would become; nothing is sent or written.
#[utoipa::path(get, path = "/api/v1/orders/{order_id}/preview", tag = "orders",
    params(("order_id" = Uuid, Path, description = "The order")), security(("key" = ["read"])),
    responses((status = 200, description = "What would become of it", body = Preview)))]
pub(super) async fn preview_order(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Path(id): Path<Uuid>,
) -> Result<Json<Preview>, Problem> {
    let order = mappings::shown(&mut *web.pool.acquire().await?, id).await?.ok_or_else(|| missing("order"))?;
    caller.admitted(order.account_id, "order")?;
    let defaults = &web.api.mapping;
    let previewer = Previewer { pool: &web.pool, keeper: &web.keeper, providers: &web.providers, defaults };
    let preview = previewer.run(&order).await?;
    let mut shown = Preview {
        outcome: Becomes::Cancelled,
        document: None,
        references: Vec::new(),
        parked: None,
        unasked: preview.unasked,
    };
    match preview.outcome {
        Outcome::Document(sheet) => {
            let body = serde_json::to_value(&sheet.body).map_err(|cause| Problem::internal(&cause.to_string()))?;
            (shown.outcome, shown.document, shown.references) = (Becomes::Document, Some(body), sheet.references);
        }
        Outcome::Parked(wrong) => (shown.outcome, shown.parked) = (Becomes::Parked, Some(wrong)),
        Outcome::Cancelled => {}
    }
    Ok(Json(shown))
}

/// Put a parked or skipped order back into the queue, at its place. QuickBooks is asked first for the document of one whose
/// last try was never answered; every other one is sent under a new request id.
#[utoipa::path(post, path = "/api/v1/orders/{order_id}/retry", tag = "orders",
    params(("order_id" = Uuid, Path, description = "The order")), security(("key" = ["manage"])), responses(
        (status = 200, description = "It is back in the queue", body = PutBack),
        (status = 409, description = "It is neither parked nor skipped, or a later revision replaced it")))]
pub(super) async fn retry_order(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
) -> Result<Json<PutBack>, Problem> {
    let mut tx = web.pool.begin().await?;
    let account_id = naming::whose(&mut tx, id).await?.ok_or_else(|| missing("order"))?;
    caller.admitted(account_id, "order")?;
    let Some(back) = by_hand::put_back(&mut tx, &[id], &[Uuid::new_v4()], &caller.actor(), caller.now).await?.pop()
    else {
        return Err(Problem::new(
            Kind::Conflict,
            "it is neither parked nor skipped, a later revision took its place, or its content was dropped",
            format!("see why: GET /api/v1/orders/{id}"),
        ));
    };
    tx.commit().await?;
    web.dispatch.wake();
    Ok(Json(back))
}

/// Which parked orders are meant: those that meet all that is set.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "6240", "since": "2026-11-20T00:00:00Z"}))]
pub(super) struct RetryWish {
    /// Of this account.
    account: Option<Uuid>,
    /// The provider answered the last attempt with this code.
    code: Option<String>,
    /// Its name or its document's number begins with this, in capitals or not, or it is its id at its source.
    search: Option<String>,
    /// Came in then or later.
    since: Option<DateTime<Utc>>,
    /// All parked orders; needed where nothing else is set.
    #[serde(default)]
    all: bool,
    /// `next` of the reply before.
    #[serde(default, skip_serializing)]
    cursor: Option<String>,
}

/// Put parked orders back into the queue, by filter: up to 200 with each request. While the reply has `next`, there may be
/// more: send it as `cursor`.
#[utoipa::path(post, path = "/api/v1/orders/retry", tag = "orders", request_body = RetryWish,
    security(("key" = ["manage"])),
    responses((status = 200, description = "Those that are back in the queue", body = Page<PutBack>)))]
pub(super) async fn retry_orders(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Content(wish): Content<RetryWish>,
) -> Result<Json<Page<PutBack>>, Problem> {
    let says_nothing = wish.account.is_none() && wish.code.is_none() && wish.search.is_none() && wish.since.is_none();
    if says_nothing && !wish.all {
        let remedy = "set account, code, search or since; {\"all\": true} takes all parked orders";
        return Err(Problem::new(Kind::Body, "it is not said which parked orders are meant", remedy));
    }
    let (size, before) = (Size::of(Some(paging::MOST))?, paging::behind::<Cursor>(wish.cursor.as_deref())?);
    let account_id = caller.confined(wish.account)?;
    let filter = Filter {
        statuses: vec![Status::Parked],
        account_id,
        code: wish.code.clone(),
        search: wish.search.clone(),
        since: wish.since,
        ..Filter::default()
    };
    let mut tx = web.pool.begin().await?;
    let found: Page<Overview> = size
        .page(order_log::list(&mut tx, &filter, before, size.fetched()).await?, |row: &Overview| {
            row.cursor().to_string()
        });
    let ids: Vec<_> = found.items().iter().map(|order| order.id).collect();
    let fresh: Vec<_> = ids.iter().map(|_| Uuid::new_v4()).collect();
    let back = by_hand::put_back(&mut tx, &ids, &fresh, &caller.actor(), caller.now).await?;
    tx.commit().await?;
    web.dispatch.wake();
    Ok(Json(found.with(back)))
}

/// Why an order is not to be posted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "booked by hand in QuickBooks"}))]
pub(super) struct SkipWish {
    /// Kept with the order.
    #[schema(min_length = 1, max_length = 300)]
    reason: String,
    /// Skip it even though an earlier try, which was never answered, may have made its document.
    #[serde(default)]
    risk_document: bool,
}

/// An order that is not to be posted.
#[derive(Serialize, ToSchema)]
pub(super) struct Skipped {
    /// The order.
    id: Uuid,
    /// Always `skipped`.
    status: Status,
}

/// Decide that an order is not to be posted. It stays visible, and can be put back.
#[utoipa::path(post, path = "/api/v1/orders/{order_id}/skip", tag = "orders", request_body = SkipWish,
    params(("order_id" = Uuid, Path, description = "The order")), security(("key" = ["manage"])), responses(
        (status = 200, description = "It is skipped", body = Skipped),
        (status = 409, description = "It is under way, settled, replaced, or its document may have been made")))]
pub(super) async fn skip_order(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    Content(wish): Content<SkipWish>,
) -> Result<Json<Skipped>, Problem> {
    let reason = words::line(&wish.reason, LONGEST_REASON);
    if reason.is_empty() {
        return Err(Problem::new(Kind::Body, "the reason is empty", "say why the order is not to be posted"));
    }
    let mut tx = web.pool.begin().await?;
    let account_id = naming::whose(&mut tx, id).await?.ok_or_else(|| missing("order"))?;
    caller.admitted(account_id, "order")?;
    let outcome = by_hand::skip(&mut tx, id, &reason, wish.risk_document, &caller.actor(), caller.now).await?;
    if outcome != Skip::Skipped {
        return Err(not_skipped(&outcome));
    }
    tx.commit().await?;
    Ok(Json(Skipped { id, status: Status::Skipped }))
}

fn not_skipped(outcome: &Skip) -> Problem {
    let (detail, remedy) = match outcome {
        Skip::UnderWay { daemon, since } => (
            format!("{daemon} asks QuickBooks for it since {}", words::machine(*since)),
            "look what became of it in a moment, and ask again",
        ),
        Skip::MayBeMade => (
            "an earlier try was never answered, so QuickBooks may have its document already".to_owned(),
            "leave it in the queue, which settles that by itself; or look there, and send \"risk_document\": true",
        ),
        Skip::Settled(Status::Posted) => ("it is posted".to_owned(), "to undo it, void its document in QuickBooks"),
        Skip::Settled(status) => (format!("it is {} already", status.as_str()), "there is nothing to do"),
        Skip::Replaced => (
            "a later revision takes its place by itself".to_owned(),
            "skip that one: GET the order shows its revisions",
        ),
        Skip::Skipped => ("it is skipped".to_owned(), "there is nothing to do"),
    };
    Problem::new(Kind::Conflict, detail, remedy)
}
