//! The operator's dashboard: what there is, why it stands as it does, and what can be done about it. Every page is whole
//! without script. Looking takes a place or a name, acting takes a form of ours; every deed is written down with its doer.

mod accounts;
mod alerts;
mod connections;
mod lists;
mod orders;
mod sign_in;

use askama::Template;
use axum::{
    Router,
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};

pub(super) use self::alerts::rows as alert_rows;
use super::{
    Web, header_layer, internal,
    pages::{Frame, Here, Tone},
    status,
    visitor::Visitor,
};

/// Carries what came of a deed to the page that is shown after it.
const SAID_COOKIE: &str = "lamplighter_said";
/// The longest words that a cookie carries.
const SAID_LENGTH: usize = 600;

/// One script of ours, which only asks for the page that is shown.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Every page of it.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/", get(status::page))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/accounts", get(accounts::list).post(accounts::add))
        .route("/accounts/{id}", get(accounts::one))
        .route("/accounts/{id}/change", post(accounts::change))
        .route("/accounts/{id}/connect", post(accounts::connect))
        .route("/accounts/{id}/sync", post(accounts::sync))
        .route("/accounts/{id}/page-link", post(accounts::page_link))
        .route("/accounts/{id}/revoke-links", post(accounts::revoke_links))
        .route("/connections", get(connections::list))
        .route("/connections/{id}", get(connections::one))
        .route("/connections/{id}/renew", post(connections::renew))
        .route("/connections/{id}/disconnect", post(connections::disconnect))
        .route("/orders", get(orders::list))
        .route("/orders/retry", post(orders::retry_matching))
        .route("/orders/{id}", get(orders::one))
        .route("/orders/{id}/retry", post(orders::retry))
        .route("/orders/{id}/skip", post(orders::skip))
        .route("/alerts", get(alerts::list))
        .route("/alerts/{id}", get(alerts::one).post(alerts::steer))
        .route("/outages", get(lists::outages))
        .route("/ledger", get(lists::spends))
        .route("/audit", get(lists::audit))
        .route("/settings", get(lists::settings))
        .layer(header_layer(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
}

/// Somebody who looks, and what was said to them before.
pub(super) struct Desk {
    pub(super) web: Web,
    pub(super) visitor: Visitor,
    jar: CookieJar,
    said: Option<(Tone, String)>,
}

impl FromRequestParts<Web> for Desk {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        let (jar, said) = said(&parts.headers);
        Ok(Self { web: web.clone(), visitor, jar, said })
    }
}

impl Desk {
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.web.clock.now()
    }

    /// What is around the page.
    pub(super) fn frame(&self, here: Here) -> Frame {
        let now = self.now();
        let holder = self.visitor.holder();
        Frame {
            here,
            visitor: self.visitor.name().map(str::to_owned),
            may_act: self.visitor.may_act(),
            form_token: holder.map(|holder| self.web.doorkeeper.form_token(&holder, now)).unwrap_or_default(),
            said: self.said.clone(),
            now,
            links: self.web.status_links.to_vec(),
        }
    }

    /// The page.
    pub(super) fn show(self, page: &impl Template) -> Response {
        let html = match page.render() {
            Ok(html) => html,
            Err(cause) => return internal(&format!("a page cannot be rendered: {cause}")),
        };
        (StatusCode::OK, self.jar, Html(html)).into_response()
    }
}

/// What came of the deed before this page, which is not said again.
pub(super) fn said(headers: &HeaderMap) -> (CookieJar, Option<(Tone, String)>) {
    let jar = CookieJar::from_headers(headers);
    let said = jar.get(SAID_COOKIE).and_then(|cookie| read_said(cookie.value()));
    let mut gone = Cookie::from(SAID_COOKIE);
    gone.set_path("/");
    let jar = if jar.get(SAID_COOKIE).is_some() { jar.remove(gone) } else { CookieJar::new() };
    (jar, said)
}

impl Web {
    /// Off to a page that says what came of a deed.
    pub(super) fn done(&self, to: &str, tone: Tone, words: &str) -> Response {
        let words = crate::words::line(words, SAID_LENGTH);
        let mut cookie = Cookie::new(SAID_COOKIE, format!("{}{}", letter(tone), URL_SAFE_NO_PAD.encode(words)));
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_secure(self.config.public_url.scheme() == "https");
        cookie.set_same_site(SameSite::Strict);
        (CookieJar::new().add(cookie), Redirect::to(to)).into_response()
    }
}

fn letter(tone: Tone) -> char {
    match tone {
        Tone::Good => 'g',
        Tone::Warn => 'w',
        Tone::Bad => 'b',
        Tone::Quiet => 'q',
    }
}

fn read_said(value: &str) -> Option<(Tone, String)> {
    let tone =
        [Tone::Good, Tone::Warn, Tone::Bad, Tone::Quiet].into_iter().find(|tone| value.starts_with(letter(*tone)))?;
    let words = String::from_utf8(URL_SAFE_NO_PAD.decode(&value[1..]).ok()?).ok()?;
    Some((tone, crate::words::line(&words, SAID_LENGTH)))
}
