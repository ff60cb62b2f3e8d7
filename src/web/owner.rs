//! An owner's page behind their link: what is connected, what is wrong in plain words, what waits and what arrived, one press to
//! reconnect. The link stands for one account; it is no sign-in, and nothing of another account can be seen or done with it.

/// A provider of the account.
mod place;

use askama::Template;
use axum::{
    Form,
    extract::{
        Path, State,
        rejection::{FormRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse as _, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use self::place::Place;
use super::{
    Error, Web, dashboard,
    fresh_link::is_revoked,
    internal,
    pages::{MessagePage, Tone, When},
    show,
};
use crate::{
    alerts::{mail::owners_remedy, watch::OWNERS_CODES},
    keeper::farewell::Goodbye,
    links::{OwnerLink, Refused},
    provider::Provider,
    store::{
        accounts::{self, Account},
        audit_log::Actor,
        connections, dossiers,
        order_log::{self, Filter, Overview, by_hand},
        orders,
    },
    words,
};

/// The days that are looked back on.
const DAYS: i64 = 7;
/// The most orders that are named.
const NAMED: i64 = 5;
/// The most orders that one press sends again.
const AT_ONCE: i64 = 10_000;

#[derive(Template)]
#[template(path = "owner.html")]
struct Page {
    account: Account,
    token: String,
    places: Vec<Place>,
    came: u64,
    posted: u64,
    waiting: u64,
    parked: Vec<Overview>,
    parked_in_all: u64,
    may_send_again: bool,
    said: Option<(Tone, String)>,
    support_contact: Option<String>,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl Page {
    /// One that is not connected lets no order through, however well the other one does.
    fn tone(&self) -> Tone {
        let worst = [Tone::Bad, Tone::Warn, Tone::Quiet];
        worst.into_iter().find(|tone| self.places.iter().any(|place| place.tone() == *tone)).unwrap_or(Tone::Good)
    }

    /// Whether what waits goes in by itself.
    fn flows(&self) -> bool {
        self.places.iter().all(Place::works)
    }

    fn headline(&self) -> String {
        let broken: Vec<_> = self.places.iter().filter(|place| place.tone() == Tone::Bad).collect();
        match broken.as_slice() {
            [] if self.flows() => "Everything works".to_owned(),
            [] => "Not everything is connected".to_owned(),
            [one] => format!("{} needs you", one.provider.title()),
            _ => "Both connections need you".to_owned(),
        }
    }

    fn counted(&self, n: &u64) -> String {
        words::count(*n, "order")
    }

    /// What the owner can do about an order, if it is theirs to do.
    fn remedy(&self, order: &Overview) -> Option<String> {
        let code = order.code.as_deref().filter(|code| OWNERS_CODES.contains(code))?;
        Some(words::capitalised(owners_remedy(Some(code))))
    }

    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

/// Shows it.
pub(super) async fn page(
    State(web): State<Web>,
    token: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (token, link, account) = match opened(&web, token).await? {
        Ok(opened) => opened,
        Err(refused) => return Ok(refused),
    };
    let now = web.clock.now();
    let mut conn = web.pool.acquire().await?;
    let all = connections::of_account(&mut conn, account.id).await?;
    let since = now - TimeDelta::days(DAYS);
    let mut places = Vec::new();
    for provider in Provider::ALL.into_iter().filter(|provider| web.providers.settings(*provider).is_some()) {
        let connection = all.iter().find(|one| one.provider == provider).cloned();
        let reconnect = web.links.make(account.id, provider, now).0;
        places.push(Place::look(&mut conn, &account, provider, connection, reconnect, since).await?);
    }
    let (came, posted) = order_log::came_and_posted(&mut conn, account.id, since).await?;
    let waiting = order_log::count_waiting(&mut conn, Some(account.id)).await?.unsigned_abs();
    let filter = Filter { statuses: vec![orders::Status::Parked], account_id: Some(account.id), ..Filter::default() };
    let parked = order_log::list(&mut conn, &filter, None, NAMED).await?;
    let parked_in_all = order_log::count_parked(&mut conn, account.id).await?.unsigned_abs();
    let may_send_again = !order_log::parked_with(&mut conn, account.id, OWNERS_CODES, 1).await?.is_empty();
    let (jar, said) = dashboard::said(&headers);
    let page = Page {
        account,
        token,
        places,
        came: came.unsigned_abs(),
        posted: posted.unsigned_abs(),
        waiting,
        parked,
        parked_in_all,
        may_send_again,
        said,
        support_contact: web.support_contact.as_deref().map(str::to_owned),
        expires_at: link.expires_at,
        now,
    };
    Ok(match page.render() {
        Ok(html) => (StatusCode::OK, jar, Html(html)).into_response(),
        Err(cause) => internal(&format!("a page cannot be rendered: {cause}")),
    })
}

/// Which connection is to be ended.
#[derive(Deserialize)]
pub(super) struct Ended {
    connection: Uuid,
}

/// Ends one of the account's connections.
pub(super) async fn disconnect(
    State(web): State<Web>,
    token: Result<Path<String>, PathRejection>,
    form: Result<Form<Ended>, FormRejection>,
) -> Result<Response, Error> {
    let (token, _, account) = match opened(&web, token).await? {
        Ok(opened) => opened,
        Err(refused) => return Ok(refused),
    };
    let Ok(Form(form)) = form else { return Ok(show(StatusCode::BAD_REQUEST, &MessagePage::form_unread())) };
    let mut conn = web.pool.acquire().await?;
    let dossier = dossiers::get(&mut conn, form.connection).await?;
    let Some(dossier) = dossier.filter(|dossier| dossier.account_id == account.id) else {
        return Ok(show(StatusCode::NOT_FOUND, &MessagePage::not_found()));
    };
    dossiers::note(&mut conn, &dossier, "connection.disconnect", json!({}), &Actor::Owner, web.clock.now()).await?;
    drop(conn);
    let (keeper, id, connected_at) = (web.keeper.clone(), dossier.id, dossier.connected_at);
    let under_way = web.under_way.spawn(async move { keeper.disconnect(id, connected_at, |_| ()).await });
    let Ok(goodbye) = under_way.await else { return Ok(internal("a farewell ended early")) };
    let title = dossier.provider.title();
    let (tone, said) = match goodbye? {
        Goodbye::GivenBack { .. } | Goodbye::Over(_) => (
            Tone::Good,
            format!("{title} is disconnected: we hold no permission any more. You can connect it again at any time."),
        ),
        Goodbye::StillThere(_) => (
            Tone::Warn,
            format!("We use {title} no more, but could not tell it so. Remove our app there too, to be sure."),
        ),
        Goodbye::Reconnected => (Tone::Warn, format!("{title} was connected again meanwhile, and was left alone.")),
        Goodbye::Fenced | Goodbye::Busy(_) => {
            (Tone::Warn, "Nothing was changed: we are busy with it. Try again in a minute.".to_owned())
        }
    };
    Ok(web.done(&format!("/owner/{token}"), tone, &said))
}

/// Puts back those parked orders that waited for the owner, who has changed in QuickBooks what stood against them.
pub(super) async fn send_again(
    State(web): State<Web>,
    token: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let (token, _, account) = match opened(&web, token).await? {
        Ok(opened) => opened,
        Err(refused) => return Ok(refused),
    };
    let mut conn = web.pool.acquire().await?;
    let ids = order_log::parked_with(&mut conn, account.id, OWNERS_CODES, AT_ONCE).await?;
    let fresh: Vec<_> = ids.iter().map(|_| Uuid::new_v4()).collect();
    let back = by_hand::put_back(&mut conn, &ids, &fresh, &Actor::Owner, web.clock.now()).await?;
    drop(conn);
    web.dispatch.wake();
    let (tone, said) = match back.len() as u64 {
        0 => (Tone::Quiet, "Nothing had to be sent again.".to_owned()),
        n => (Tone::Good, format!("{} on the way. Look here again in a minute.", words::count(n, "order"))),
    };
    Ok(web.done(&format!("/owner/{token}"), tone, &said))
}

/// The account that a link opens, or the page that says why it opens none.
async fn opened(
    web: &Web,
    token: Result<Path<String>, PathRejection>,
) -> Result<Result<(String, OwnerLink, Account), Response>, Error> {
    let refuse = |status, page: MessagePage| Ok(Err(web.answer(status, page)));
    let Ok(Path(token)) = token else { return refuse(StatusCode::NOT_FOUND, MessagePage::link_invalid()) };
    let link = match web.links.read_owners(&token, web.clock.now()) {
        Ok(link) => link,
        Err(Refused::Expired(link)) => {
            let page = match is_revoked(web, link.account_id, Some(link.made_at)).await? {
                true => MessagePage::link_revoked(),
                false => MessagePage::link_expired(&format!("/owner/{token}")),
            };
            return refuse(StatusCode::GONE, page);
        }
        Err(Refused::Invalid) => return refuse(StatusCode::NOT_FOUND, MessagePage::link_invalid()),
    };
    let mut conn = web.pool.acquire().await?;
    if accounts::are_revoked(&mut conn, link.account_id, Some(link.made_at)).await? {
        return refuse(StatusCode::GONE, MessagePage::link_revoked());
    }
    let Some(account) = accounts::find(&mut conn, &link.account_id.to_string()).await? else {
        return refuse(StatusCode::NOT_FOUND, MessagePage::link_invalid());
    };
    Ok(Ok((token, link, account)))
}
