//! In and out.

use std::net::SocketAddr;

use askama::Template;
use axum::{
    Form,
    extract::{ConnectInfo, Query, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::cookie::CookieJar;
use secrecy::SecretString;
use serde::Deserialize;
use tracing::{info, warn};

use super::super::{
    Error, Web, internal,
    pages::MessagePage,
    show,
    visitor::{Visitor, local},
};
use crate::{
    operators::SignIn,
    store::{
        audit_log::{self, Actor, Deed},
        operators,
    },
    words,
};

#[derive(Template)]
#[template(path = "dashboard/sign_in.html")]
struct Page {
    next: String,
    name: String,
    trouble: Option<&'static str>,
    /// Nobody could sign in: there is no operator yet.
    nobody: bool,
}

#[derive(Deserialize)]
pub(in super::super) struct Wanted {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(in super::super) struct Credentials {
    name: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

pub(in super::super) async fn page(State(web): State<Web>, Query(wanted): Query<Wanted>) -> Result<Response, Error> {
    render(&web, StatusCode::OK, &wanted.next, "", None).await
}

pub(in super::super) async fn sign_in(
    State(web): State<Web>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    jar: CookieJar,
    form: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, Error> {
    let Ok(Form(form)) = form else { return Ok(show(StatusCode::BAD_REQUEST, &MessagePage::form_unread())) };
    // A page elsewhere could sign somebody in as somebody else: browsers say where a form came from.
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Ok(show(StatusCode::FORBIDDEN, &MessagePage::form_refused()));
    }
    let (name, now) = (form.name.trim(), web.clock.now());
    let address = web.browser_address(&headers, peer.ip());
    match web.doorkeeper.sign_in(name, &form.password, address, now).await? {
        SignIn::Welcome(token, operator) => {
            info!(operator = operator.name, %address, "signed in");
            let deed = Deed {
                action: "operator.sign_in",
                account_id: None,
                subject: &operator.name,
                detail: serde_json::json!({}),
            };
            let mut conn = web.pool.acquire().await?;
            audit_log::record(&mut conn, &Actor::Operator(operator.name.clone()), &deed, now).await?;
            let jar = jar.add(web.session_cookie(&token));
            Ok((jar, Redirect::to(local(&form.next))).into_response())
        }
        SignIn::Refused => {
            warn!(%address, "a sign-in was refused");
            let trouble = "The name or the password is wrong. Names are those of `lamplighter operator list`; somebody with a \
                           shell sets a new password with `lamplighter operator password NAME`.";
            render(&web, StatusCode::UNAUTHORIZED, &form.next, name, Some(trouble)).await
        }
        SignIn::TooMany => {
            warn!(%address, "too many tries to sign in");
            if web.is_behind_a_stranger(&headers, peer.ip()) {
                warn!(proxy = %peer.ip(), "everybody who comes through this proxy counts as one: if it is yours, name it in \
                    web.trusted_proxies");
            }
            let trouble = "Too many tries. Wait a minute, then try again: this one was not looked at.";
            let mut reply = render(&web, StatusCode::TOO_MANY_REQUESTS, &form.next, name, Some(trouble)).await?;
            reply.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
            Ok(reply)
        }
    }
}

pub(in super::super) async fn sign_out(
    State(web): State<Web>,
    jar: CookieJar,
    visitor: Visitor,
    form: Result<Form<Leaving>, FormRejection>,
) -> Result<Response, Error> {
    let Ok(Form(form)) = form else { return Ok(show(StatusCode::BAD_REQUEST, &MessagePage::form_unread())) };
    let holder = visitor.holder().unwrap_or_default();
    if !web.doorkeeper.is_our_form(&holder, &form.form_token, web.clock.now()) {
        return Ok(show(StatusCode::FORBIDDEN, &MessagePage::form_refused()));
    }
    if let Visitor::Operator { session: Some(session), .. } = visitor {
        operators::end_session(&mut *web.pool.acquire().await?, session).await?;
    }
    let jar = jar.remove(web.session_cookie(&SecretString::default()));
    Ok((jar, Redirect::to("/sign-in")).into_response())
}

#[derive(Deserialize)]
pub(in super::super) struct Leaving {
    #[serde(default)]
    form_token: String,
}

async fn render(
    web: &Web,
    status: StatusCode,
    next: &str,
    name: &str,
    trouble: Option<&'static str>,
) -> Result<Response, Error> {
    let nobody = operators::overview(&mut *web.pool.acquire().await?, web.clock.now()).await?.is_empty();
    let page = Page { next: local(next).to_owned(), name: name.to_owned(), trouble, nobody };
    Ok(match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(cause) => internal(&format!("a page cannot be rendered: {cause}")),
    })
}
