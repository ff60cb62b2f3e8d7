//! What is only looked at: outages, the token ledger, the audit log, the configuration.

use askama::Template;
use axum::{extract::Query, response::Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{
        Error,
        pages::{Frame, Here, OutageRow, SpendRow},
        status,
    },
    Desk,
};
use crate::{
    store::{
        audit_log::{self, Entry},
        outages, spends,
    },
    words,
};

/// Rows of one page.
const ROWS: i64 = 100;
/// One more than is shown tells whether there are more.
pub(super) const FETCHED: i64 = ROWS + 1;

/// A place in a list.
#[derive(Deserialize)]
pub(in super::super) struct Before {
    #[serde(default)]
    before: String,
}

/// Leaves one page of what was fetched, and says where the next one begins, if there is one.
pub(super) fn older<R, K>(rows: &mut Vec<R>, key: impl Fn(&R) -> K) -> Option<K> {
    let whole = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let more = rows.len() > whole;
    rows.truncate(whole);
    rows.last().filter(|_| more).map(key)
}

#[derive(Template)]
#[template(path = "dashboard/outages.html")]
struct Outages {
    frame: Frame,
    rows: Vec<OutageRow>,
    older: Option<Uuid>,
}

/// Provider-wide failures: those that last, then the others.
pub(in super::super) async fn outages(desk: Desk, Query(asked): Query<Before>) -> Result<Response, Error> {
    let mut conn = desk.web.pool.acquire().await?;
    let before = asked.before.parse().ok();
    let mut over = outages::over_page(&mut conn, before, FETCHED).await?;
    let older = older(&mut over, |last| last.id);
    let mut rows = if before.is_none() { outages::open_ones(&mut conn).await? } else { Vec::new() };
    rows.extend(over);
    let rows = rows.into_iter().map(status::outage_row).collect();
    let page = Outages { frame: desk.frame(Here::Outages), rows, older };
    Ok(desk.show(&page))
}

#[derive(Template)]
#[template(path = "dashboard/ledger.html")]
struct Ledger {
    frame: Frame,
    rows: Vec<SpendRow>,
    older: Option<i64>,
}

/// Uses of refresh tokens.
pub(in super::super) async fn spends(desk: Desk, Query(asked): Query<Before>) -> Result<Response, Error> {
    let mut rows = spends::recent(&mut *desk.web.pool.acquire().await?, asked.before.parse().ok(), FETCHED).await?;
    let older = older(&mut rows, |last| last.id);
    let rows = rows.into_iter().map(status::spend_row).collect();
    let page = Ledger { frame: desk.frame(Here::Ledger), rows, older };
    Ok(desk.show(&page))
}

#[derive(Template)]
#[template(path = "dashboard/audit.html")]
struct Audit {
    frame: Frame,
    rows: Vec<Entry>,
    older: Option<i64>,
}

/// What people did.
pub(in super::super) async fn audit(desk: Desk, Query(asked): Query<Before>) -> Result<Response, Error> {
    let mut conn = desk.web.pool.acquire().await?;
    let mut rows = audit_log::recent(&mut conn, None, asked.before.parse().ok(), FETCHED).await?;
    let older = older(&mut rows, |last| last.id);
    let page = Audit { frame: desk.frame(Here::Audit), rows, older };
    Ok(desk.show(&page))
}

#[derive(Template)]
#[template(path = "dashboard/settings.html")]
struct Settings {
    frame: Frame,
    text: String,
}

/// The configuration, secrets masked.
pub(in super::super) async fn settings(desk: Desk) -> Result<Response, Error> {
    let page = Settings { frame: desk.frame(Here::Settings), text: desk.web.settings.to_string() };
    Ok(desk.show(&page))
}
