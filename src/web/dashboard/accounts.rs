//! Accounts: found, added, connected, read again.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use tracing::warn;
use uuid::Uuid;

use super::{
    super::{
        Error, Web, not_found,
        pages::{Frame, Here, MessagePage, Shown as _, Tone},
        show,
        visitor::Acting,
    },
    Desk,
    orders::Nothing,
};
use crate::{
    links,
    orders::intake,
    provider::Provider,
    store::{
        accounts::{
            self, Account, Overview,
            by_hand::{self, Change, New, Refused},
            search,
        },
        audit_log::{self, Entry},
        connections::{self, Connection, Status},
        mappings, order_log,
    },
    words,
};

/// Accounts on one page.
const ROWS: i64 = 50;
/// Deeds that an account's page shows.
const DEEDS: i64 = 10;

/// What a list is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Asked {
    search: String,
    after: String,
}

#[derive(Template)]
#[template(path = "dashboard/accounts.html")]
struct List {
    frame: Frame,
    asked: Asked,
    rows: Vec<Overview>,
    more: Option<String>,
}

impl List {
    fn number(&self, n: &i64) -> String {
        words::number(n.unsigned_abs())
    }
}

/// The list.
pub(in super::super) async fn list(desk: Desk, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let mut conn = desk.web.pool.acquire().await?;
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (wanted, after) = (text(&asked.search), text(&asked.after));
    let mut rows = search::page(&mut conn, wanted.as_deref(), after.as_deref(), ROWS + 1).await?;
    let whole = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let more = rows.len() > whole;
    rows.truncate(whole);
    let more = rows.last().filter(|_| more).map(|last| {
        let fields = [("search", asked.search.as_str()), ("after", &last.name)];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
    });
    let page = List { frame: desk.frame(Here::Accounts), asked, rows, more };
    Ok(desk.show(&page))
}

/// What an account is to be called, and who is told.
#[derive(Deserialize)]
pub(in super::super) struct Wanted {
    name: String,
    owner_name: String,
    owner_email: String,
}

/// Adds one.
pub(in super::super) async fn add(
    State(web): State<Web>,
    Acting { actor, form }: Acting<Wanted>,
) -> Result<Response, Error> {
    let new = New { name: &form.name, owner_name: &form.owner_name, owner_email: &form.owner_email };
    match by_hand::add(&mut *web.pool.acquire().await?, new, &actor, web.clock.now()).await? {
        Ok(account) => {
            let to = format!("/accounts/{}", account.id);
            Ok(web.done(&to, Tone::Good, "Added. Now connect both of its providers."))
        }
        Err(why) => Ok(refused(&web, "/accounts", "added", &why).await),
    }
}

/// Says why nothing was done.
async fn refused(web: &Web, to: &str, done: &str, why: &Refused) -> Response {
    let why = match why {
        Refused::Missing => return not_found().await,
        Refused::Unfit(unfit) => unfit.to_string(),
        Refused::NameTaken(name) => format!("an account named {name:?} exists already. Choose another name."),
    };
    web.done(to, Tone::Bad, &format!("Nothing was {done}: {why}"))
}

#[derive(Template)]
#[template(path = "dashboard/account.html")]
struct Sheet {
    frame: Frame,
    account: Account,
    connections: Vec<Connection>,
    waiting: u64,
    settings: Vec<(String, String)>,
    deeds: Vec<Entry>,
    /// Providers that are set up here.
    providers: Vec<Provider>,
}

impl Sheet {
    fn number(&self, n: &u64) -> String {
        words::number(*n)
    }

    fn label(&self, provider: &Provider) -> &'static str {
        let working = |one: &&Connection| one.provider == *provider && one.status != Status::Disconnected;
        if self.connections.iter().any(|one| working(&one)) { "Reconnect" } else { "Connect" }
    }

    fn has_portal(&self) -> bool {
        self.connections.iter().any(|one| one.provider == Provider::Hubspot && one.status == Status::Connected)
    }
}

/// One account.
pub(in super::super) async fn one(desk: Desk, Path(id): Path<String>) -> Result<Response, Error> {
    let mut conn = desk.web.pool.acquire().await?;
    let Some(account) = accounts::find(&mut conn, &id).await? else { return Ok(not_found().await) };
    let connections = connections::of_account(&mut conn, account.id).await?;
    let waiting = order_log::count_waiting(&mut conn, Some(account.id)).await?.unsigned_abs();
    let settings = mappings::of_account(&mut conn, account.id).await?.into_iter().collect();
    let deeds = audit_log::recent(&mut conn, Some(account.id), None, DEEDS).await?;
    let set_up = |provider: &Provider| desk.web.providers.settings(*provider).is_some();
    let providers = Provider::ALL.into_iter().filter(set_up).collect();
    let page = Sheet { frame: desk.frame(Here::Accounts), account, connections, waiting, settings, deeds, providers };
    Ok(desk.show(&page))
}

/// Which provider, and by whom.
#[derive(Deserialize)]
pub(in super::super) struct Connect {
    provider: String,
    how: String,
}

/// Changes one.
pub(in super::super) async fn change(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, form }: Acting<Wanted>,
) -> Result<Response, Error> {
    let to = format!("/accounts/{id}");
    let wanted =
        Change { name: Some(&form.name), owner_name: Some(&form.owner_name), owner_email: Some(&form.owner_email) };
    match by_hand::change(&mut *web.pool.acquire().await?, id, wanted, &actor, web.clock.now()).await? {
        Ok(()) => Ok(web.done(&to, Tone::Good, "Changed. Mails that wait for the owner go to the new address.")),
        Err(why) => Ok(refused(&web, &to, "changed", &why).await),
    }
}

/// Makes a link that connects an account: to go there now, or to send it to the owner.
pub(in super::super) async fn connect(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, form }: Acting<Connect>,
) -> Result<Response, Error> {
    let Some(provider) = Provider::ALL.into_iter().find(|provider| provider.as_str() == form.provider) else {
        return Ok(not_found().await);
    };
    let mut conn = web.pool.acquire().await?;
    let Some(account) = accounts::find(&mut conn, &id.to_string()).await? else { return Ok(not_found().await) };
    let (url, link) =
        links::by_hand::connect(&mut conn, &web.links, account.whose(), provider, &actor, web.clock.now()).await?;
    if form.how == "here" {
        // The policy lets no form lead to another site, not by a detour either: this page goes on by itself.
        let onwards = [(header::REFRESH, format!("0; url={url}"))];
        return Ok((onwards, show(StatusCode::OK, &MessagePage::off_to(provider, url.as_str()))).into_response());
    }
    let until = words::instant(link.expires_at);
    let said =
        format!("Send this link to {}; it works until {until}, for this and nothing else: {url}", account.owner_email);
    Ok(web.done(&format!("/accounts/{id}"), Tone::Good, &said))
}

/// Makes a link to the owner's page.
pub(in super::super) async fn page_link(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, .. }: Acting<Nothing>,
) -> Result<Response, Error> {
    let mut conn = web.pool.acquire().await?;
    let Some(account) = accounts::find(&mut conn, &id.to_string()).await? else { return Ok(not_found().await) };
    let (url, link) =
        links::by_hand::owners_page(&mut conn, &web.links, account.whose(), &actor, web.clock.now()).await?;
    let until = words::instant(link.expires_at);
    let said = format!("Send this link to {}; until {until} it opens the owner's page: {url}", account.owner_email);
    Ok(web.done(&format!("/accounts/{id}"), Tone::Good, &said))
}

/// Makes all links void that were made for an account so far.
pub(in super::super) async fn revoke_links(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, .. }: Acting<Nothing>,
) -> Result<Response, Error> {
    let mut conn = web.pool.acquire().await?;
    let Some(account) = accounts::find(&mut conn, &id.to_string()).await? else { return Ok(not_found().await) };
    links::by_hand::revoke(&mut conn, account.whose(), &actor, web.clock.now()).await?;
    let said =
        "Every link that was made for this account until now is void, those in mails too. The next mail has a new one.";
    Ok(web.done(&format!("/accounts/{id}"), Tone::Good, said))
}

/// Days, both included.
#[derive(Deserialize)]
pub(in super::super) struct Dates {
    from: String,
    to: String,
}

/// Reads the orders of a range of days again. It may take longer than a browser waits: what came of it stands in the audit
/// log.
pub(in super::super) async fn sync(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, form }: Acting<Dates>,
) -> Result<Response, Error> {
    let (to, now) = (format!("/accounts/{id}"), web.clock.now());
    let Some((from, until)) = range(&form, now) else {
        return Ok(web.done(
            &to,
            Tone::Bad,
            "Nothing was read: write both days like 2026-01-31, the earlier one first.",
        ));
    };
    let mut conn = web.pool.acquire().await?;
    let Some(account) = accounts::find(&mut conn, &id.to_string()).await? else { return Ok(not_found().await) };
    let range = intake::by_hand::asked(&mut conn, account.whose(), from, until, &actor, now).await?;
    let Some(range) = range else {
        return Ok(web.done(&to, Tone::Bad, "Nothing was read: HubSpot is not connected. Connect it first."));
    };
    drop(conn);
    let asked = web.clone();
    web.under_way.spawn(async move {
        let (summary, result) = asked.intake.sync(range, |_, _| ()).await;
        asked.dispatch.wake();
        let written = async {
            let (mut conn, now) = (asked.pool.acquire().await?, asked.clock.now());
            intake::by_hand::ended(&mut conn, account.whose(), &summary, Some(&result), &actor, now).await
        };
        if let Err(error) = written.await {
            warn!(error = crate::telemetry::chain(&error), "what came of a manual sync could not be written down");
        }
    });
    let said = "HubSpot is being read. New orders appear by themselves; what came of it stands below when it is done.";
    Ok(web.done(&to, Tone::Good, said))
}

fn range(dates: &Dates, now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let day = |text: &str| text.trim().parse::<NaiveDate>().ok();
    let from = day(&dates.from)?.and_time(NaiveTime::MIN).and_utc();
    let until = day(&dates.to)?.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN).and_utc().min(now);
    (from <= until).then_some((from, until))
}
