//! Health and metrics, for machines.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::json;

use super::{Error, Web};
use crate::{
    health::{self, Depth},
    store::levels,
};

/// Answers as long as the process does.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The list of checks; 503 when one of them fails.
pub(super) async fn readyz(State(web): State<Web>) -> impl IntoResponse {
    let checks = web.health.checks(Depth::Quick).await;
    let state = health::worst(&checks);
    let status = if state == health::State::Fail { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(json!({ "status": state, "checks": checks })))
}

/// Everything that is counted.
pub(super) async fn metrics(State(web): State<Web>) -> Result<impl IntoResponse, Error> {
    let mut conn = web.pool.acquire().await?;
    let now = web.clock.now();
    let levels = levels::read(&mut conn, now).await?;
    drop(conn);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], web.metrics.render_with(&levels, now)))
}
