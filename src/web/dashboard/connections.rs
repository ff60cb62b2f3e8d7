//! Connections: found, explained, renewed, ended.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        Error, Web, not_found,
        pages::{Frame, Here, Shown as _, TokenClock, Tone},
        visitor::Acting,
    },
    Desk,
    orders::Nothing,
};
use crate::{
    explain::{
        Step,
        connection::{self as explain, Facts, took},
    },
    keeper::{
        by_hand::{Haste, Renewal},
        farewell::Goodbye,
    },
    provider::Provider,
    store::{
        audit_log::Actor,
        connections::{Overview, Status, search},
        dossiers::{self, Dossier, Spend},
        spends::Outcome,
    },
    words,
};

/// Connections on one page.
const ROWS: i64 = 50;

/// What a list is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Asked {
    status: String,
    provider: String,
    search: String,
    after: String,
}

impl Asked {
    /// As the end of an address, with another place in the list.
    fn query(&self, after: &str) -> String {
        let fields = [
            ("status", self.status.as_str()),
            ("provider", &self.provider),
            ("search", &self.search),
            ("after", after),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
    }
}

#[derive(Template)]
#[template(path = "dashboard/connections.html")]
struct List {
    frame: Frame,
    asked: Asked,
    rows: Vec<Overview>,
    more: Option<String>,
}

impl List {
    fn statuses(&self) -> [Status; 4] {
        Status::ALL
    }

    fn providers(&self) -> [Provider; 2] {
        Provider::ALL
    }

    fn clock(&self, row: &Overview) -> TokenClock {
        TokenClock::of(row.status, row.provider, row.renewed_at, Some(row.access_expires_at))
    }

    fn is_narrowed(&self) -> bool {
        !self.asked.query("").is_empty()
    }
}

/// The list.
pub(in super::super) async fn list(desk: Desk, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let mut conn = desk.web.pool.acquire().await?;
    let filter = search::Filter {
        account_id: None,
        provider: Provider::ALL.into_iter().find(|provider| provider.as_str() == asked.provider),
        status: Status::ALL.into_iter().find(|status| status.as_str() == asked.status),
        search: Some(asked.search.trim().to_owned()).filter(|text| !text.is_empty()),
    };
    let mut rows = search::page(&mut conn, &filter, asked.after.parse().ok(), ROWS + 1).await?;
    let whole = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let more = rows.len() > whole;
    rows.truncate(whole);
    let more = rows.last().filter(|_| more).map(|last| asked.query(&last.id.to_string()));
    let page = List { frame: desk.frame(Here::Connections), asked, rows, more };
    Ok(desk.show(&page))
}

#[derive(Template)]
#[template(path = "dashboard/connection.html")]
struct Sheet {
    frame: Frame,
    facts: Facts,
    why: Vec<String>,
    next: Vec<Step>,
}

impl Sheet {
    fn clocks(&self) -> [(&'static str, TokenClock); 3] {
        let connection = &self.facts.connection;
        let clock = |from, until| TokenClock::of(connection.status, connection.provider, from, until);
        [
            ("Access token", clock(connection.renewed_at, Some(connection.access_expires_at))),
            ("Refresh window", clock(connection.renewed_at, connection.refresh_expires_at)),
            ("Hard cap", clock(connection.connected_at, connection.refresh_hard_expires_at)),
        ]
    }

    fn took(&self, spend: &Spend) -> Option<i64> {
        took(spend)
    }

    fn is_renewable(&self) -> bool {
        matches!(self.facts.connection.status, Status::Connected | Status::Failing)
    }

    fn is_over(&self) -> bool {
        self.facts.connection.status == Status::Disconnected
            && self.facts.farewell.as_ref().is_some_and(|farewell| farewell.given_back_at.is_some())
    }
}

/// One connection.
pub(in super::super) async fn one(desk: Desk, Path(id): Path<String>) -> Result<Response, Error> {
    let Ok(id) = Uuid::parse_str(&id) else { return Ok(not_found().await) };
    let mut conn = desk.web.pool.acquire().await?;
    let probes = desk.web.health.probe_interval.is_some();
    let Some(facts) = explain::gather(&mut conn, id, probes, desk.now()).await? else { return Ok(not_found().await) };
    let (why, next) = (explain::why(&facts), explain::steps(&facts));
    let page = Sheet { frame: desk.frame(Here::Connections), facts, why, next };
    Ok(desk.show(&page))
}

/// How a renewal is wanted.
#[derive(Deserialize)]
pub(in super::super) struct Wanted {
    #[serde(default)]
    now: String,
}

/// Renews one, now.
pub(in super::super) async fn renew(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, form }: Acting<Wanted>,
) -> Result<Response, Error> {
    let Some(dossier) = written_down(&web, &actor, id, "connection.renew").await? else { return Ok(not_found().await) };
    let haste = if form.now.is_empty() { Haste::Patient } else { Haste::OverPause };
    // A token that is being spent must not be given up because a browser went away.
    let keeper = web.keeper.clone();
    let under_way = web.under_way.spawn(async move { keeper.renew_by_hand(id, haste, |_| ()).await });
    let Ok(renewal) = under_way.await else { return Ok(super::internal("a renewal ended early")) };
    let renewal = renewal?;
    // Orders may flow again, or the owner has to be told.
    (web.connected)();
    let (tone, said) = renewed(&renewal, dossier.provider);
    Ok(web.done(&format!("/connections/{id}"), tone, &said))
}

fn renewed(renewal: &Renewal, provider: Provider) -> (Tone, String) {
    match renewal {
        Renewal::Spent { outcome: Some(Outcome::Renewed | Outcome::Adopted | Outcome::Discarded), .. }
        | Renewal::Elsewhere => (Tone::Good, "Renewed.".to_owned()),
        Renewal::Spent { outcome: Some(Outcome::DeadGrant), .. } | Renewal::Lapsed => {
            (Tone::Bad, "Not renewed: only its owner can repair it. What they are mailed stands below.".to_owned())
        }
        Renewal::Spent { outcome: Some(_), .. } => {
            (Tone::Warn, "Not renewed: the reason stands below. It is tried again by itself.".to_owned())
        }
        Renewal::Spent { outcome: None, .. } => (
            Tone::Warn,
            "The database went away before the outcome could be written. A reply in hand waits on disk and is stored when \
             it is back."
                .to_owned(),
        ),
        Renewal::Resting(pause) if pause.unanswered => (
            Tone::Warn,
            format!(
                "Not renewed: the last request was never answered, and a second one with the same token could end the \
                 grant. It rests until {}.",
                words::instant(pause.until)
            ),
        ),
        Renewal::Resting(pause) => (
            Tone::Warn,
            format!("Not renewed: it rests after a failure until {}. To try all the same, tick the box.", words::instant(pause.until)),
        ),
        Renewal::Out => (
            Tone::Warn,
            format!("Not renewed: {} is down for everybody. Renewals go on by themselves when it is back.", provider.title()),
        ),
        Renewal::Fenced => (Tone::Bad, FENCED.to_owned()),
        Renewal::Busy(lease) => (Tone::Warn, format!("Nothing was done: {} works on its tokens.", lease.by)),
        Renewal::Disconnected => (Tone::Warn, "Nothing was done: it is disconnected.".to_owned()),
    }
}

const FENCED: &str = "Nothing was done: this database looks restored or copied, and its grants may be in use elsewhere. \
                      `lamplighter resume` shows what was found.";

/// Ends one, here and at its provider.
pub(in super::super) async fn disconnect(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, .. }: Acting<Nothing>,
) -> Result<Response, Error> {
    let Some(dossier) = written_down(&web, &actor, id, "connection.disconnect").await? else {
        return Ok(not_found().await);
    };
    let (keeper, connected_at) = (web.keeper.clone(), dossier.connected_at);
    let under_way = web.under_way.spawn(async move { keeper.disconnect(id, connected_at, |_| ()).await });
    let Ok(goodbye) = under_way.await else { return Ok(super::internal("a farewell ended early")) };
    let title = dossier.provider.title();
    let (tone, said) = match goodbye? {
        Goodbye::GivenBack { unsettled: true, was_there: false, .. } => (
            Tone::Warn,
            format!(
                "Disconnected; {title} does not know the stored tokens, and they are erased. A renewal was never answered, \
                 so it may know newer ones: to be sure, the owner can remove the app there."
            ),
        ),
        Goodbye::GivenBack { .. } => {
            (Tone::Good, format!("Disconnected; {title} has its grant back, and the tokens are erased."))
        }
        Goodbye::StillThere(kept) => (
            Tone::Bad,
            format!("Disconnected here, but its grant still lives at {title}: {kept}. Then disconnect it once more."),
        ),
        Goodbye::Over(_) => (Tone::Quiet, "It was disconnected before: there was nothing to do.".to_owned()),
        Goodbye::Reconnected => {
            (Tone::Warn, "It was connected again meanwhile; the new connection was left alone.".to_owned())
        }
        Goodbye::Fenced => (Tone::Bad, FENCED.to_owned()),
        Goodbye::Busy(lease) => (Tone::Warn, format!("Nothing was done: {} works on its tokens.", lease.by)),
    };
    Ok(web.done(&format!("/connections/{id}"), tone, &said))
}

/// Writes a deed down before it is done.
async fn written_down(web: &Web, actor: &Actor, id: Uuid, action: &str) -> Result<Option<Dossier>, Error> {
    let mut conn = web.pool.acquire().await?;
    let Some(dossier) = dossiers::get(&mut conn, id).await? else { return Ok(None) };
    dossiers::note(&mut conn, &dossier, action, json!({}), actor, web.clock.now()).await?;
    Ok(Some(dossier))
}
