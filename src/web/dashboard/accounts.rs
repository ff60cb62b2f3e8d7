//! Accounts: found, added, connected, read again.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::json;
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
    orders::intake::sync::Range,
    provider::Provider,
    store::{
        accounts::{self, Account, Change, Changed, Overview, search},
        audit_log::{self, Deed, Entry},
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

/// A new account.
#[derive(Deserialize)]
pub(in super::super) struct New {
    name: String,
    owner_name: String,
    owner_email: String,
}

/// Adds one.
pub(in super::super) async fn add(
    State(web): State<Web>,
    Acting { actor, form }: Acting<New>,
) -> Result<Response, Error> {
    let refused = |words: &str| Ok(web.done("/accounts", Tone::Bad, words));
    let Ok(owner_email) = form.owner_email.trim().parse::<lettre::Address>() else {
        return refused("Nothing was added: the owner's address is no mail address. Write it like ada@shop.example.");
    };
    let now = web.clock.now();
    let account = Account {
        id: Uuid::now_v7(),
        name: form.name.trim().to_owned(),
        owner_name: form.owner_name.trim().to_owned(),
        owner_email: owner_email.to_string(),
        created_at: now,
    };
    if account.name.is_empty() {
        return refused("Nothing was added: the account needs a name.");
    }
    let mut tx = web.pool.begin().await?;
    if accounts::add(&mut tx, &account).await?.is_none() {
        return refused("Nothing was added: an account of that name exists already. Choose another name.");
    }
    let deed = Deed { action: "account.add", account_id: Some(account.id), subject: &account.name, detail: json!({}) };
    audit_log::record(&mut tx, &actor, &deed, now).await?;
    tx.commit().await?;
    Ok(web.done(&format!("/accounts/{}", account.id), Tone::Good, "Added. Now connect both of its providers."))
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

/// What an account is to be called, and who is told.
#[derive(Deserialize)]
pub(in super::super) struct Wanted {
    name: String,
    owner_name: String,
    owner_email: String,
}

/// Changes one.
pub(in super::super) async fn change(
    State(web): State<Web>,
    Path(id): Path<Uuid>,
    Acting { actor, form }: Acting<Wanted>,
) -> Result<Response, Error> {
    let to = format!("/accounts/{id}");
    let refused = |words: &str| Ok(web.done(&to, Tone::Bad, words));
    let Ok(owner_email) = form.owner_email.trim().parse::<lettre::Address>() else {
        return refused("Nothing was changed: the owner's address is no mail address. Write it like ada@shop.example.");
    };
    if form.name.trim().is_empty() {
        return refused("Nothing was changed: the account needs a name.");
    }
    let wanted = Change {
        name: Some(form.name.trim()),
        owner_name: Some(form.owner_name.trim()),
        owner_email: Some(owner_email.as_ref()),
    };
    match accounts::change(&mut *web.pool.acquire().await?, id, &wanted, &actor, web.clock.now()).await? {
        Changed::Done => Ok(web.done(&to, Tone::Good, "Changed. Mails that wait for the owner go to the new address.")),
        Changed::NameTaken => refused("Nothing was changed: another account has that name. Choose another one."),
        Changed::Missing => Ok(not_found().await),
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
    let now = web.clock.now();
    let mut conn = web.pool.acquire().await?;
    let Some(account) = accounts::find(&mut conn, &id.to_string()).await? else { return Ok(not_found().await) };
    let detail = json!({ "provider": provider, "how": form.how });
    let deed = Deed { action: "connection.link", account_id: Some(id), subject: &account.name, detail };
    audit_log::record(&mut conn, &actor, &deed, now).await?;
    let (url, link) = web.links.make(id, provider, now);
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
    let now = web.clock.now();
    let mut conn = web.pool.acquire().await?;
    let Some(account) = accounts::find(&mut conn, &id.to_string()).await? else { return Ok(not_found().await) };
    let deed = Deed { action: "account.page_link", account_id: Some(id), subject: &account.name, detail: json!({}) };
    audit_log::record(&mut conn, &actor, &deed, now).await?;
    let (url, link) = web.links.make_owners(id, now);
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
    let now = web.clock.now();
    let mut tx = web.pool.begin().await?;
    let Some(account) = accounts::find(&mut tx, &id.to_string()).await? else { return Ok(not_found().await) };
    accounts::revoke_links(&mut tx, id, now).await?;
    let deed = Deed { action: "account.revoke_links", account_id: Some(id), subject: &account.name, detail: json!({}) };
    audit_log::record(&mut tx, &actor, &deed, now).await?;
    tx.commit().await?;
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
    let all = connections::of_account(&mut conn, id).await?;
    let Some(portal) = all.into_iter().find(|one| one.provider == Provider::Hubspot) else {
        return Ok(web.done(&to, Tone::Bad, "Nothing was read: HubSpot is not connected. Connect it first."));
    };
    let deed = Deed {
        action: "account.sync",
        account_id: Some(id),
        subject: &account.name,
        detail: json!({ "from": from, "to": until }),
    };
    audit_log::record(&mut conn, &actor, &deed, now).await?;
    drop(conn);
    let range = Range { account_id: id, connection_id: portal.id, from, to: until };
    let asked = web.clone();
    web.under_way.spawn(async move {
        let (summary, result) = asked.intake.sync(range, |_, _| ()).await;
        let trouble = result.err().map(|error| error.to_string());
        let detail = json!({ "summary": summary, "trouble": trouble });
        let deed = Deed { action: "account.synced", account_id: Some(id), subject: &account.name, detail };
        asked.dispatch.wake();
        let written = async {
            let mut conn = asked.pool.acquire().await?;
            audit_log::record(&mut conn, &actor, &deed, asked.clock.now()).await
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
