//! What is only looked at: the ledger of spends, outages, and what people and programs did by hand.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    asked::Query,
    caller::{Caller, Reads},
    paging::{self, Page, Size},
    problem::Problem,
};
use crate::{
    provider::Provider,
    store::{
        audit_log::{self, Entry},
        outages::{self, Outage},
        spends,
    },
    web::Web,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Spends {
    /// Only of this account.
    account: Option<Uuid>,
    /// Only of this connection.
    connection: Option<Uuid>,
    /// The most rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// List the ledger of spends, the latest first: every use of a refresh token, and what came back.
#[utoipa::path(get, path = "/api/v1/spends", tag = "spends", params(Spends), security(("key" = ["read"])),
    responses((status = 200, description = "A page of the ledger", body = Page<spends::listing::Row>)))]
pub(super) async fn list_spends(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Query(asked): Query<Spends>,
) -> Result<Json<Page<spends::listing::Row>>, Problem> {
    let (size, before) = (Size::of(asked.limit)?, paging::behind(asked.cursor.as_deref())?);
    let filter =
        spends::listing::Filter { connection_id: asked.connection, account_id: caller.confined(asked.account)? };
    let rows = spends::listing::page(&mut *web.pool.acquire().await?, filter, before, size.fetched()).await?;
    Ok(Json(size.page(rows, |row: &spends::listing::Row| row.id.to_string())))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Outages {
    /// Only of this provider.
    #[param(inline)]
    provider: Option<Provider>,
    /// Only those that are open, or only those that are not.
    open: Option<bool>,
    /// The most rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// List outages of the providers, the latest first.
#[utoipa::path(get, path = "/api/v1/outages", tag = "outages", params(Outages), security(("key" = ["read"])),
    responses((status = 200, description = "A page of outages", body = Page<Outage>)))]
pub(super) async fn list_outages(
    State(web): State<Web>,
    _: Caller<Reads>,
    Query(asked): Query<Outages>,
) -> Result<Json<Page<Outage>>, Problem> {
    let (size, before) = (Size::of(asked.limit)?, paging::behind(asked.cursor.as_deref())?);
    let mut conn = web.pool.acquire().await?;
    let rows = outages::listing::page(&mut conn, asked.provider, asked.open, before, size.fetched()).await?;
    Ok(Json(size.page(rows, |row: &Outage| row.id.to_string())))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Deeds {
    /// Only what concerns this account.
    account: Option<Uuid>,
    /// The most rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// List what people and programs did by hand, the latest first.
#[utoipa::path(get, path = "/api/v1/audit-log", tag = "audit log", params(Deeds), security(("key" = ["read"])),
    responses((status = 200, description = "A page of deeds", body = Page<Entry>)))]
pub(super) async fn list_deeds(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Query(asked): Query<Deeds>,
) -> Result<Json<Page<Entry>>, Problem> {
    let (size, before) = (Size::of(asked.limit)?, paging::behind(asked.cursor.as_deref())?);
    let account_id = caller.confined(asked.account)?;
    let rows = audit_log::recent(&mut *web.pool.acquire().await?, account_id, before, size.fetched()).await?;
    Ok(Json(size.page(rows, |row: &Entry| row.id.to_string())))
}

/// See the configuration in force: every key with its value, secrets masked, and where it comes from. Takes a key for all
/// accounts.
#[utoipa::path(get, path = "/api/v1/configuration", tag = "status", security(("key" = ["read"])),
    responses((status = 200, description = "All keys, by section", body = Object)))]
pub(super) async fn get_configuration(State(web): State<Web>, caller: Caller<Reads>) -> Result<Json<Value>, Problem> {
    caller.for_all()?;
    Ok(Json(web.settings_by_key.as_ref().clone()))
}
