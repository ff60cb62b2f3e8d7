//! Alerts: listed, explained, and what a person does about them.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    super::{
        Error, Web, not_found,
        pages::{AlertRow, Frame, Here, MessagePage, Tone},
        show,
        visitor::Acting,
    },
    Desk,
    lists::{FETCHED, older},
};
use crate::{
    alerts::{
        by_hand::{self, Decision, Refused},
        storm,
    },
    explain::alert::{self as explain, Facts, Said},
    store::{
        self,
        alerts::{self, Alert, Kind, told},
        audit_log::Actor,
        mails::Sent,
    },
    words,
};

/// How long an alert is snoozed from its page, if nothing else is chosen.
const SNOOZE_DAYS: i64 = 1;
/// The longest.
const LONGEST_DAYS: i64 = 30;

/// Which alerts are asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Asked {
    state: String,
    before: String,
}

/// A half of the list: what is open, or what is over.
struct Half {
    id: &'static str,
    title: &'static str,
    rows: Vec<AlertRow>,
    older: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "dashboard/alerts.html")]
struct List {
    frame: Frame,
    halves: Vec<Half>,
}

/// What people were told: what is open, then what is over; or one of both, from a place in it.
pub(in super::super) async fn list(desk: Desk, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let (mut conn, now) = (desk.web.pool.acquire().await?, desk.now());
    let before = asked.before.parse().ok();
    let mut halves = Vec::new();
    if asked.state != "over" {
        let mut found = alerts::open_page(&mut conn, before, FETCHED).await?;
        let older = older(&mut found, |last| last.id);
        halves.push(Half { id: "open", title: "Open", rows: rows(&mut conn, found, now).await?, older });
    }
    if asked.state != "open" {
        let mut found = alerts::over_page(&mut conn, before, FETCHED).await?;
        let older = older(&mut found, |last| last.id);
        halves.push(Half { id: "over", title: "Over", rows: rows(&mut conn, found, now).await?, older });
    }
    halves.retain(|half| !half.rows.is_empty());
    let page = List { frame: desk.frame(Here::Alerts), halves };
    Ok(desk.show(&page))
}

/// Alerts as they stand in a list.
pub(in super::super) async fn rows(
    conn: &mut PgConnection,
    alerts: Vec<Alert>,
    now: DateTime<Utc>,
) -> Result<Vec<AlertRow>, store::Error> {
    let ids: Vec<_> = alerts.iter().map(|alert| alert.id).collect();
    let told = told::of(conn, &ids).await?;
    let row = |alert: Alert| AlertRow {
        id: alert.id,
        quiet: quiet(&alert, now),
        title: alert.title().to_owned(),
        subject: alert.about().unwrap_or_default(),
        audience: alert.kind.audience().to_owned(),
        opened_at: alert.opened_at,
        closed_at: alert.resolved_at,
        mail: told.iter().find(|(id, _)| *id == alert.id).map(|(_, told)| told.clone()).unwrap_or_default().in_short(),
    };
    Ok(alerts.into_iter().map(row).collect())
}

fn quiet(alert: &Alert, now: DateTime<Utc>) -> Option<String> {
    match (&alert.acknowledged_by, alert.snoozed_until.filter(|until| *until > now)) {
        (_, Some(until)) => Some(format!("snoozed until {}", words::instant(until))),
        (Some(by), None) => Some(format!("acknowledged by {by}")),
        (None, None) => None,
    }
}

#[derive(Template)]
#[template(path = "dashboard/alert.html")]
struct Sheet {
    frame: Frame,
    facts: Facts,
    said: Said,
}

impl Sheet {
    fn heading(&self) -> String {
        match self.facts.alert.about() {
            Some(about) => format!("{}: {about}", self.facts.alert.title()),
            None => self.facts.alert.title().to_owned(),
        }
    }

    fn is_open(&self) -> bool {
        self.facts.alert.resolved_at.is_none()
    }

    fn is_storm(&self) -> bool {
        self.facts.alert.kind == Kind::LapseStorm
    }

    fn is_resolvable(&self) -> bool {
        by_hand::ends_by_itself(&self.facts.alert).is_none()
    }

    fn tone(&self) -> &'static str {
        match (self.is_open(), self.facts.alert.is_quiet(self.facts.now)) {
            (false, _) => Tone::Quiet.class(),
            (true, true) => Tone::Warn.class(),
            (true, false) => Tone::Bad.class(),
        }
    }

    fn quiet(&self) -> Option<String> {
        quiet(&self.facts.alert, self.facts.now).filter(|_| self.is_open())
    }

    fn evidence(&self) -> Vec<(&'static str, String)> {
        explain::evidence(&self.facts)
    }

    fn moment(&self, mail: &Sent) -> String {
        words::capitalised(&explain::moment(mail))
    }

    fn standing(&self, mail: &Sent) -> String {
        explain::standing(&self.facts, mail)
    }

    /// Where more of it is to be seen: addresses and words.
    fn places(&self) -> Vec<(String, &'static str)> {
        let alert = &self.facts.alert;
        let account = self.facts.account.as_ref().map(|account| account.id);
        let mut places = Vec::new();
        places.extend(alert.connection_id.map(|id| (format!("/connections/{id}"), "Its connection")));
        places.extend(account.map(|id| (format!("/accounts/{id}"), "Its account")));
        match alert.kind {
            Kind::OrdersForOwner => places.extend(
                account.map(|id| (format!("/orders?account={id}&status=parked"), "The parked orders of this account")),
            ),
            Kind::OrdersParked => places.push(("/orders?status=parked".to_owned(), "The parked orders")),
            Kind::Outage => places.push(("/outages".to_owned(), "Outages")),
            Kind::LapseStorm | Kind::OperatorFault => places.extend(alert.provider.map(|provider| {
                let status = if alert.kind == Kind::LapseStorm { "&status=lapsed" } else { "" };
                (format!("/connections?provider={provider}{status}"), "The connections")
            })),
            _ => {}
        }
        places
    }
}

/// One alert.
pub(in super::super) async fn one(desk: Desk, Path(id): Path<String>) -> Result<Response, Error> {
    let Ok(id) = Uuid::parse_str(&id) else { return Ok(not_found().await) };
    let mut conn = desk.web.pool.acquire().await?;
    let Some(facts) = explain::gather(&mut conn, id, desk.now()).await? else { return Ok(not_found().await) };
    let said = explain::said(&facts);
    let page = Sheet { frame: desk.frame(Here::Alerts), facts, said };
    Ok(desk.show(&page))
}

/// What is to become of an alert.
#[derive(Deserialize)]
pub(in super::super) struct Wish {
    wish: String,
    #[serde(default)]
    days: String,
}

/// Acknowledges, snoozes or resolves an alert, or decides about the mails of a storm.
pub(in super::super) async fn steer(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, form }: Acting<Wish>,
) -> Result<Response, Error> {
    let (mut conn, now, to) = (web.pool.acquire().await?, web.clock.now(), format!("/alerts/{id}"));
    let done = match form.wish.as_str() {
        "acknowledge" => by_hand::decide(&mut conn, id, Decision::Acknowledge, &actor, now)
            .await
            .map(|_| "Acknowledged: no more reminders.".to_owned()),
        "snooze" => {
            let until = now + TimeDelta::days(form.days.parse().unwrap_or(SNOOZE_DAYS).clamp(1, LONGEST_DAYS));
            by_hand::decide(&mut conn, id, Decision::Snooze(until), &actor, now)
                .await
                .map(|_| format!("Snoozed: no reminders before {}.", words::instant(until)))
        }
        "resolve" => by_hand::decide(&mut conn, id, Decision::Resolve, &actor, now)
            .await
            .map(|_| "Resolved: nobody gets an all-clear, and what was not sent yet is not sent any more.".to_owned()),
        "release" => held(&web, &mut conn, id, storm::Decision::Release, &actor).await,
        "drop" => held(&web, &mut conn, id, storm::Decision::Drop, &actor).await,
        _ => return Ok(show(StatusCode::BAD_REQUEST, &MessagePage::form_unread())),
    };
    match done {
        Ok(said) => Ok(web.done(&to, Tone::Good, &said)),
        Err(Refused::Store(error)) => Err(error.into()),
        Err(Refused::Missing(_)) => Ok(not_found().await),
        Err(refused) => Ok(web.done(&to, Tone::Warn, &format!("Nothing was changed: {refused}"))),
    }
}

/// Lets the mails go out that a storm holds, or throws them away.
async fn held(
    web: &Web,
    conn: &mut PgConnection,
    id: Uuid,
    decision: storm::Decision,
    actor: &Actor,
) -> Result<String, Refused> {
    let (provider, count) = storm::decide_by_alert(conn, id, decision, actor, web.clock.now()).await?;
    let mails = words::capitalised(&words::count(count, "mail"));
    let title = provider.title();
    Ok(match decision {
        storm::Decision::Release => {
            (web.connected)();
            format!("{mails} to owners at {title} go out now.")
        }
        storm::Decision::Drop => {
            format!("{mails} to owners at {title} thrown away; nobody is reminded of these lapses.")
        }
    })
}
