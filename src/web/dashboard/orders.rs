//! Orders: found, explained, put back, left out.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    super::{
        Error, Web, not_found,
        pages::{Frame, Here, Shown as _, Tone},
        visitor::Acting,
    },
    Desk,
};
use crate::{
    explain::{
        Step,
        order::{self as explain, Facts},
    },
    store::{
        self, accounts,
        audit_log::Actor,
        order_log::{
            self, Cursor, Filter, Overview,
            by_hand::{self, PutBack, Skip},
        },
        orders::Status,
    },
    words,
};

/// Orders on one page.
const ROWS: i64 = 50;
/// Orders that go back with one press.
const MOST_PUT_BACK: usize = 5_000;

/// What a list is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Asked {
    status: String,
    account: String,
    search: String,
    code: String,
    before: String,
}

impl Asked {
    fn status(&self) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == self.status)
    }

    /// As the end of an address, with another place in the list.
    fn query(&self, before: &str) -> String {
        let fields = [
            ("status", self.status.as_str()),
            ("account", &self.account),
            ("search", &self.search),
            ("code", &self.code),
            ("before", before),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
    }

    async fn filter(&self, conn: &mut PgConnection) -> Result<Option<Filter>, store::Error> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let account_id = match text(&self.account) {
            None => None,
            Some(name) => match accounts::find(conn, &name).await? {
                Some(account) => Some(account.id),
                None => return Ok(None),
            },
        };
        Ok(Some(Filter {
            statuses: self.status().into_iter().collect(),
            account_id,
            search: text(&self.search),
            code: text(&self.code),
            ..Filter::default()
        }))
    }
}

#[derive(Template)]
#[template(path = "dashboard/orders.html")]
struct List {
    frame: Frame,
    asked: Asked,
    rows: Vec<Overview>,
    older: Option<String>,
    counts: Vec<(Status, u64)>,
}

impl List {
    fn statuses(&self) -> [Status; Status::ALL.len()] {
        Status::ALL
    }

    fn number(&self, n: &u64) -> String {
        words::number(*n)
    }

    fn is_narrowed(&self) -> bool {
        !self.asked.query("").is_empty()
    }
}

/// The list.
pub(in super::super) async fn list(desk: Desk, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let mut conn = desk.web.pool.acquire().await?;
    let before: Option<Cursor> = asked.before.parse().ok();
    let mut rows = match asked.filter(&mut conn).await? {
        Some(filter) => order_log::list(&mut conn, &filter, before, ROWS + 1).await?,
        None => Vec::new(),
    };
    let more = rows.len() > usize::try_from(ROWS).unwrap_or(usize::MAX);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let older = rows.last().filter(|_| more).map(|last| asked.query(&last.cursor().to_string()));
    let counts = order_log::count_unsettled(&mut conn).await?;
    let counts = counts.into_iter().map(|(status, n)| (status, n.unsigned_abs())).collect();
    let page = List { frame: desk.frame(Here::Orders), asked, rows, older, counts };
    Ok(desk.show(&page))
}

#[derive(Template)]
#[template(path = "dashboard/order.html")]
struct Sheet {
    frame: Frame,
    facts: Facts,
    why: Vec<String>,
    next: Vec<Step>,
    content: String,
}

impl Sheet {
    fn title(&self) -> String {
        words::name(&self.facts.dossier.order.name)
    }

    fn amount(&self) -> Option<String> {
        let order = &self.facts.dossier.order;
        order.total.map(|total| format!("{total} {}", order.currency.as_deref().unwrap_or_default()).trim().to_owned())
    }

    fn may_retry(&self) -> bool {
        let order = &self.facts.dossier.order;
        matches!(order.status, Status::Parked | Status::Skipped) && order.pruned_at.is_none() && self.is_latest()
    }

    fn may_skip(&self) -> bool {
        matches!(self.facts.dossier.order.status, Status::Parked | Status::Queued) && self.is_latest()
    }

    fn is_latest(&self) -> bool {
        self.facts.dossier.revisions.last().is_none_or(|last| last.id == self.facts.dossier.order.id)
    }
}

/// One order.
pub(in super::super) async fn one(desk: Desk, Path(id): Path<String>) -> Result<Response, Error> {
    let Ok(id) = Uuid::parse_str(&id) else { return Ok(not_found().await) };
    let mut conn = desk.web.pool.acquire().await?;
    let Some(facts) = explain::gather(&mut conn, id, desk.now()).await? else { return Ok(not_found().await) };
    let (why, next) = (explain::why(&facts), explain::steps(&facts.dossier, facts.now));
    let content = serde_json::to_string_pretty(&facts.dossier.order.content).unwrap_or_default();
    let page = Sheet { frame: desk.frame(Here::Orders), facts, why, next, content };
    Ok(desk.show(&page))
}

/// A form with nothing in it.
#[derive(Deserialize)]
pub(in super::super) struct Nothing {}

/// Puts one order back.
pub(in super::super) async fn retry(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, .. }: Acting<Nothing>,
) -> Result<Response, Error> {
    let back = put_back(&web, &actor, &[id]).await?;
    let (tone, said) = match back.as_slice() {
        [] => (Tone::Warn, "Nothing was changed: the order is neither parked nor skipped any more.".to_owned()),
        [one] if one.looked_up_first => (
            Tone::Good,
            "Back in the queue. QuickBooks may have its document already, so it is asked for that first.".to_owned(),
        ),
        _ => (Tone::Good, "Back in the queue, at its old place.".to_owned()),
    };
    Ok(web.done(&format!("/orders/{id}"), tone, &said))
}

/// Puts all parked orders back that a list shows.
pub(in super::super) async fn retry_matching(
    State(web): State<Web>,
    Acting { actor, form: mut asked }: Acting<Asked>,
) -> Result<Response, Error> {
    "parked".clone_into(&mut asked.status);
    let mut ids: Vec<Uuid> = Vec::new();
    {
        let mut conn = web.pool.acquire().await?;
        if let Some(filter) = asked.filter(&mut conn).await? {
            let most = i64::try_from(MOST_PUT_BACK).unwrap_or(i64::MAX);
            ids.extend(order_log::list(&mut conn, &filter, None, most).await?.iter().map(|order| order.id));
        }
    }
    let back = put_back(&web, &actor, &ids).await?;
    let more = if ids.len() == MOST_PUT_BACK { " There may be more: press again." } else { "" };
    let said = format!("{} back in the queue.{more}", words::count(back.len() as u64, "order"));
    Ok(web.done(&format!("/orders?{}", asked.query("")), Tone::Good, &said))
}

async fn put_back(web: &Web, actor: &Actor, ids: &[Uuid]) -> Result<Vec<PutBack>, Error> {
    let fresh: Vec<_> = ids.iter().map(|_| Uuid::new_v4()).collect();
    let now = web.clock.now();
    let back = by_hand::put_back(&mut *web.pool.acquire().await?, ids, &fresh, actor, now).await?;
    if !back.is_empty() {
        web.dispatch.wake();
    }
    Ok(back)
}

/// Why an order is left out.
#[derive(Deserialize)]
pub(in super::super) struct Reason {
    reason: String,
    #[serde(default)]
    risk_document: String,
}

/// Leaves one order out of the books.
pub(in super::super) async fn skip(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, form }: Acting<Reason>,
) -> Result<Response, Error> {
    let (to, now) = (format!("/orders/{id}"), web.clock.now());
    let reason = words::line(&form.reason, 300);
    if reason.is_empty() {
        return Ok(web.done(&to, Tone::Bad, "Nothing was changed: say why the order is not to be posted."));
    }
    let mut conn = web.pool.acquire().await?;
    if order_log::naming::whose(&mut conn, id).await?.is_none() {
        return Ok(not_found().await);
    }
    let outcome = by_hand::skip(&mut conn, id, &reason, !form.risk_document.is_empty(), &actor, now).await?;
    let (tone, said) = said(&outcome, now);
    Ok(web.done(&to, tone, &said))
}

fn said(outcome: &Skip, now: DateTime<Utc>) -> (Tone, String) {
    match outcome {
        Skip::Skipped => (Tone::Good, "Skipped: it will not be posted. It can be put back here.".to_owned()),
        Skip::UnderWay { daemon, since } => (
            Tone::Warn,
            format!(
                "Not skipped: {daemon} asks QuickBooks for it since {} ({}). Look again in a moment.",
                words::instant(*since),
                words::until(*since, now)
            ),
        ),
        Skip::MayBeMade => (
            Tone::Warn,
            "Not skipped: an earlier try was never answered, so QuickBooks may have its document already. Leave it in the \
             queue, which settles that by itself; or look there, delete the document if it is not wanted, and skip again \
             with the box ticked."
                .to_owned(),
        ),
        Skip::Settled(Status::Posted) => (
            Tone::Warn,
            "Not skipped: it is posted. To undo it, void the document in QuickBooks.".to_owned(),
        ),
        Skip::Settled(status) => (Tone::Warn, format!("Nothing to do: it is {} already.", status.as_str())),
        Skip::Replaced => {
            (Tone::Warn, "Not skipped: a later revision takes its place by itself. Skip that one instead.".to_owned())
        }
    }
}
