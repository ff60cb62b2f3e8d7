//! What is mostly looked at: alerts, outages, the token ledger, the audit log, the configuration.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use chrono::TimeDelta;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{
        Error, Web,
        pages::{AlertRow, Frame, Here, MessagePage, OutageRow, SpendRow, Tone},
        show, status,
        visitor::Acting,
    },
    Desk,
};
use crate::{
    alerts::by_hand::{self, Decision},
    store::{
        audit_log::{self, Entry},
        outages, spends,
    },
    words,
};

/// Rows of one page.
const ROWS: i64 = 100;
/// How long an alert is snoozed from its page.
const SNOOZE: TimeDelta = TimeDelta::days(1);

#[derive(Template)]
#[template(path = "dashboard/alerts.html")]
struct Alerts {
    frame: Frame,
    rows: Vec<AlertRow>,
}

/// What people were told.
pub(in super::super) async fn alerts(desk: Desk) -> Result<Response, Error> {
    let rows = status::alert_rows(&mut *desk.web.pool.acquire().await?, ROWS, desk.now()).await?;
    let page = Alerts { frame: desk.frame(Here::Alerts), rows };
    Ok(desk.show(&page))
}

/// What is to become of an alert.
#[derive(Deserialize)]
pub(in super::super) struct Wish {
    wish: String,
}

/// Acknowledges, snoozes or resolves an alert.
pub(in super::super) async fn steer(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, form }: Acting<Wish>,
) -> Result<Response, Error> {
    let (mut conn, now) = (web.pool.acquire().await?, web.clock.now());
    let (decision, said) = match form.wish.as_str() {
        "acknowledge" => (Decision::Acknowledge, "Acknowledged: no more reminders."),
        "snooze" => (Decision::Snooze(now + SNOOZE), "Snoozed for a day."),
        "resolve" => (Decision::Resolve, "Resolved."),
        _ => return Ok(show(StatusCode::BAD_REQUEST, &MessagePage::form_unread())),
    };
    match by_hand::decide(&mut conn, id, decision, &actor, now).await {
        Ok(_) => Ok(web.done("/alerts", Tone::Good, said)),
        Err(by_hand::Refused::Store(error)) => Err(error.into()),
        Err(refused) => Ok(web.done("/alerts", Tone::Warn, &format!("Nothing was changed: {refused}"))),
    }
}

#[derive(Template)]
#[template(path = "dashboard/outages.html")]
struct Outages {
    frame: Frame,
    rows: Vec<OutageRow>,
}

/// Provider-wide failures.
pub(in super::super) async fn outages(desk: Desk) -> Result<Response, Error> {
    let rows = outages::recent(&mut *desk.web.pool.acquire().await?, ROWS).await?;
    let page = Outages { frame: desk.frame(Here::Outages), rows: rows.into_iter().map(status::outage_row).collect() };
    Ok(desk.show(&page))
}

#[derive(Template)]
#[template(path = "dashboard/ledger.html")]
struct Ledger {
    frame: Frame,
    rows: Vec<SpendRow>,
}

/// Uses of refresh tokens.
pub(in super::super) async fn spends(desk: Desk) -> Result<Response, Error> {
    let rows = spends::recent(&mut *desk.web.pool.acquire().await?, ROWS).await?;
    let page = Ledger { frame: desk.frame(Here::Ledger), rows: rows.into_iter().map(status::spend_row).collect() };
    Ok(desk.show(&page))
}

/// A place in the audit log.
#[derive(Deserialize)]
pub(in super::super) struct Before {
    #[serde(default)]
    before: String,
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
    let rows = audit_log::recent(&mut conn, None, asked.before.parse().ok(), ROWS).await?;
    let older = rows.last().filter(|_| rows.len() as i64 == ROWS).map(|last| last.id);
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
