//! Everything at one look, as the overview shows it.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    caller::{Caller, Reads},
    problem::Problem,
};
use crate::{
    health::{self, Check, Depth},
    provider::Provider,
    store::{
        connections, order_log,
        outages::{self, Standing},
    },
    web::Web,
};

/// Everything at one look.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// The version of the daemon that answers.
    version: &'static str,
    /// When it was looked.
    at: DateTime<Utc>,
    /// The worst of the checks.
    state: health::State,
    /// What was checked, as `lamplighter doctor` shows it.
    checks: Vec<Check>,
    /// How many connections have which status, by provider.
    connections: BTreeMap<String, BTreeMap<String, i64>>,
    /// How many orders are queued, and how many are parked; a status that none has is left out.
    orders: BTreeMap<String, i64>,
    /// How the halves of the providers in use stand, as we see them.
    providers: Vec<Standing>,
}

/// See everything at one look. Takes a key for all accounts.
#[utoipa::path(get, path = "/api/v1/status", tag = "status", security(("key" = ["read"])),
    responses((status = 200, description = "The status", body = Status)))]
pub(super) async fn get_status(State(web): State<Web>, caller: Caller<Reads>) -> Result<Json<Status>, Problem> {
    caller.for_all()?;
    let checks = web.health.checks(Depth::Quick).await;
    let mut conn = web.pool.acquire().await?;
    let mut counts: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    let mut used: Vec<Provider> = Vec::new();
    for (provider, status, count) in connections::count_by_status(&mut conn).await? {
        counts.entry(provider.to_string()).or_default().insert(status.as_str().to_owned(), count);
        used.push(provider);
    }
    used.dedup();
    let orders = order_log::count_unsettled(&mut conn).await?;
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        at: caller.now,
        state: health::worst(&checks),
        checks,
        connections: counts,
        orders: orders.into_iter().map(|(status, count)| (status.as_str().to_owned(), count)).collect(),
        providers: outages::standing(&mut conn, &used).await?,
    }))
}
