//! Who asks for a page: nobody yet, somebody who may only look because they sit at this machine, or an operator. And what a
//! form must prove before it is believed: that its sender is signed in, may act, and got it from us.

use std::net::{IpAddr, SocketAddr};

use axum::{
    Form,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

use super::{Error, Web, pages::MessagePage, show};
use crate::{
    config::{StatusPage, is_this_machine},
    store::{
        audit_log::Actor,
        operators::{Operator, Role},
    },
};

const SESSION_COOKIE: &str = "lamplighter_session";
/// Headers by which a proxy says for whom it asks.
const PROXY_HEADERS: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Somebody who may see the pages.
#[derive(Clone, Debug)]
pub(super) enum Visitor {
    /// At this machine, or anywhere if the operator wants it so: may look.
    Looker,
    /// Known by name.
    Operator {
        /// Who.
        operator: Operator,
        /// How they came in: a session of ours, or the proxy's sign-on.
        session: Option<Uuid>,
    },
}

impl Visitor {
    /// Who asks; nobody when neither a session, nor the proxy, nor the place lets them in.
    pub(super) async fn of(web: &Web, parts: &Parts) -> Result<Option<Self>, Error> {
        let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else { return Ok(None) };
        // Before any session: the browser may still have that of somebody else who sat there.
        if let Some(name) = web.vouched(&parts.headers, peer.ip())
            && let Some(operator) = web.doorkeeper.by_name(name).await?
        {
            return Ok(Some(Self::Operator { operator, session: None }));
        }
        let jar = CookieJar::from_headers(&parts.headers);
        if let Some(cookie) = jar.get(SESSION_COOKIE) {
            let token = SecretString::from(cookie.value());
            if let Some(session) = web.doorkeeper.session(&token, web.clock.now()).await? {
                return Ok(Some(Self::Operator { operator: session.operator, session: Some(session.id) }));
            }
        }
        // What comes from a proxy comes from anywhere, also when that proxy is on this machine and says nothing of it.
        let proxied = web.is_proxy(peer.ip()) || PROXY_HEADERS.into_iter().any(|name| parts.headers.contains_key(name));
        // A name of ours on another machine is one that a proxy serves, or one that a page elsewhere made up.
        let meant_here = is_this_machine(&web.config.public_url) && asks_this_machine(parts);
        let here = peer.ip().to_canonical().is_loopback() && !proxied && meant_here;
        let may_look = match web.config.status_page {
            StatusPage::Open => true,
            StatusPage::Local => here,
            StatusPage::Off => false,
        };
        Ok(may_look.then_some(Self::Looker))
    }

    /// What forms are bound to.
    pub(super) fn holder(&self) -> Option<String> {
        match self {
            Self::Looker => None,
            Self::Operator { session: Some(session), .. } => Some(session.to_string()),
            Self::Operator { operator, session: None } => Some(operator.id.to_string()),
        }
    }

    /// Their name, if they have one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Looker => None,
            Self::Operator { operator, .. } => Some(&operator.name),
        }
    }

    /// Whether they may do more than look.
    pub(super) fn may_act(&self) -> bool {
        matches!(self, Self::Operator { operator, .. } if operator.role == Role::Operator)
    }
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        match Self::of(web, parts).await {
            Ok(Some(visitor)) => Ok(visitor),
            Ok(None) if parts.method == Method::GET => {
                let next = parts.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
                let query: String =
                    url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
                Err(Redirect::to(&format!("/sign-in?{query}")).into_response())
            }
            Ok(None) => Err(show(StatusCode::UNAUTHORIZED, &MessagePage::signed_out())),
            Err(error) => Err(error.into_response()),
        }
    }
}

/// A form of an operator who may act.
pub(super) struct Acting<T> {
    /// Who, for the audit log.
    pub(super) actor: Actor,
    /// What the form says.
    pub(super) form: T,
}

#[derive(Deserialize)]
struct Posted<T> {
    #[serde(default)]
    form_token: String,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned + Send> FromRequest<Web> for Acting<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, web).await?;
        let Visitor::Operator { operator, .. } = &visitor else {
            return Err(show(StatusCode::UNAUTHORIZED, &MessagePage::signed_out()));
        };
        if operator.role != Role::Operator {
            return Err(show(StatusCode::FORBIDDEN, &MessagePage::may_only_look()));
        }
        let posted = Form::<Posted<T>>::from_request(Request::from_parts(parts, body), web).await;
        let Ok(Form(posted)) = posted else { return Err(show(StatusCode::BAD_REQUEST, &MessagePage::form_unread())) };
        let holder = visitor.holder().unwrap_or_default();
        if !web.doorkeeper.is_our_form(&holder, &posted.form_token, web.clock.now()) {
            return Err(show(StatusCode::FORBIDDEN, &MessagePage::form_refused()));
        }
        Ok(Self { actor: Actor::Operator(operator.name.clone()), form: posted.form })
    }
}

impl Web {
    /// Whom a trusted proxy says it has signed in.
    fn vouched<'a>(&self, headers: &'a HeaderMap, peer: IpAddr) -> Option<&'a str> {
        let name = self.config.identity_header.as_ref().filter(|_| self.is_proxy(peer))?;
        // Two of them were not set by one proxy.
        let mut values = headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        std::str::from_utf8(value.as_bytes()).ok().map(str::trim).filter(|name| !name.is_empty())
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.config.trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    /// Whether a proxy that nobody declared to be one stands between: all browsers have its address then.
    pub(super) fn is_behind_a_stranger(&self, headers: &HeaderMap, peer: IpAddr) -> bool {
        !self.is_proxy(peer) && PROXY_HEADERS.into_iter().any(|name| headers.contains_key(name))
    }

    /// Whose tries to sign in are counted together: the browser, as far as a trusted proxy names it.
    pub(super) fn browser_address(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        if !self.is_proxy(peer) {
            return peer;
        }
        // Each proxy adds whom it saw at the end. The last that is none of ours is the browser; whatever stands before it,
        // the browser may have made up.
        let lists = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let seen: Vec<_> = lists.flat_map(|list| list.split(',')).map(address).collect();
        let ours = |entry: &&Option<IpAddr>| entry.is_some_and(|address| self.is_proxy(address));
        seen.iter().rev().find(|entry| !ours(entry)).copied().flatten().unwrap_or(peer)
    }

    /// The cookie of a session. It goes with the browser; the session itself ends in the table.
    pub(super) fn session_cookie(&self, token: &SecretString) -> Cookie<'static> {
        let mut cookie = Cookie::new(SESSION_COOKIE, token.expose_secret().to_owned());
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_secure(self.config.public_url.scheme() == "https");
        // Links in mails lead here from other sites; what changes something carries a proof of its own.
        cookie.set_same_site(SameSite::Lax);
        cookie
    }
}

/// An address as proxies write it, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

/// Whether a request names this machine as the one that it means.
fn asks_this_machine(parts: &Parts) -> bool {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
    host.and_then(|host| Url::parse(&format!("http://{host}")).ok()).is_some_and(|url| is_this_machine(&url))
}

/// A place on this site to go back to; nothing that leads elsewhere.
pub(super) fn local(next: &str) -> &str {
    let leads_away = next.starts_with("//") || next.starts_with("/\\") || next.contains(|c: char| c.is_control());
    if next.starts_with('/') && !leads_away { next } else { "/" }
}
