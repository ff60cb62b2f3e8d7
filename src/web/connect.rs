//! From a reconnect link to stored tokens. A link only starts an authorization; its `state` is random, stored as a hash,
//! works once, for a quarter of an hour, in the browser that started it. The code is exchanged once and never again,
//! because a second exchange may void what the first one brought.

use std::time::Duration;

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use secrecy::SecretString;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};
use url::Url;
use uuid::Uuid;

use super::{Error, Web, fresh_link::is_revoked, pages::MessagePage, show};
use crate::{
    keeper::{lapse, warnings},
    links::Refused,
    provider::{Failure, Grant, Provider, Settings, Verdict},
    store::{
        self, accounts,
        connections::{self, Company, Connected, Connection, Status},
        intakes, lanes,
        oauth_states::{self, OauthState, Taken},
        order_log, spends, tokens, webhooks,
    },
};

const BROWSER_COOKIE: &str = "lamplighter_browser";
/// How long a person may take on the provider's pages.
const STATE_LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// Starts an authorization: a fresh state, a cookie for this browser, and off to the provider.
pub(super) async fn begin(
    State(web): State<Web>,
    token: Result<Path<String>, PathRejection>,
    jar: CookieJar,
) -> Result<Response, Error> {
    let Ok(Path(token)) = token else {
        return Ok(web.answer(StatusCode::NOT_FOUND, MessagePage::link_invalid()));
    };
    let now = web.clock.now();
    let link = match web.links.read(&token, now) {
        Ok(link) => link,
        Err(Refused::Expired(link)) => {
            let page = match is_revoked(&web, link.account_id, link.made_at).await? {
                true => MessagePage::link_revoked(),
                false => MessagePage::link_expired(&format!("/connect/{token}")),
            };
            return Ok(web.answer(StatusCode::GONE, page));
        }
        Err(Refused::Invalid) => return Ok(web.answer(StatusCode::NOT_FOUND, MessagePage::link_invalid())),
    };
    if web.providers.settings(link.provider).is_none() {
        return Ok(web.answer(StatusCode::SERVICE_UNAVAILABLE, MessagePage::not_configured(link.provider)));
    }
    let state = random();
    // One value for the browser, so that two tabs do not void each other.
    let browser = jar.get(BROWSER_COOKIE).map(|cookie| cookie.value().to_owned()).unwrap_or_else(random);
    let begun = OauthState { account_id: link.account_id, provider: link.provider };
    {
        let mut conn = web.pool.acquire().await?;
        if accounts::find(&mut conn, &link.account_id.to_string()).await?.is_none() {
            return Ok(web.answer(StatusCode::NOT_FOUND, MessagePage::link_invalid()));
        }
        if accounts::are_revoked(&mut conn, link.account_id, link.made_at).await? {
            return Ok(web.answer(StatusCode::GONE, MessagePage::link_revoked()));
        }
        let (state, browser) = (hash(&state), hash(&browser));
        oauth_states::begin(&mut conn, &state, &browser, &begun, now, now + STATE_LIFETIME).await?;
    }
    match web.providers.authorize_url(link.provider, &state, &web.redirect_uri(link.provider)) {
        Ok(url) => {
            let jar = jar.add(web.browser_cookie(browser));
            Ok((StatusCode::SEE_OTHER, jar, [(header::LOCATION, url.to_string())]).into_response())
        }
        Err(failure) => {
            warn!(%failure, "an authorization cannot be started");
            Ok(web.answer(StatusCode::SERVICE_UNAVAILABLE, MessagePage::not_configured(link.provider)))
        }
    }
}

/// What a provider sends back in the redirect.
#[derive(Deserialize)]
pub(super) struct Callback {
    state: Option<String>,
    code: Option<SecretString>,
    error: Option<String>,
    #[serde(rename = "realmId")]
    realm_id: Option<String>,
}

/// Finishes an authorization.
pub(super) async fn callback(
    State(web): State<Web>,
    provider: Result<Path<String>, PathRejection>,
    callback: Result<Query<Callback>, QueryRejection>,
    jar: CookieJar,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let provider = provider.map(|Path(name)| name).unwrap_or_default();
    let Some(answered) = Provider::ALL.into_iter().find(|known| known.as_str() == provider) else {
        return Ok(web.answer(StatusCode::NOT_FOUND, MessagePage::not_found()));
    };
    // Whoever only looks ahead must not spend a code. The answer is a failure, so that no browser keeps it for the real
    // visit.
    let looks_ahead = headers.get("sec-purpose").is_some_and(|purpose| purpose.as_bytes().starts_with(b"prefetch"));
    if looks_ahead || method == Method::HEAD {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    let Ok(Query(callback)) = callback else {
        return Ok(web.answer(StatusCode::BAD_REQUEST, MessagePage::forged()));
    };
    let now = web.clock.now();
    let (Some(state), Some(browser)) = (&callback.state, jar.get(BROWSER_COOKIE)) else {
        return Ok(web.answer(StatusCode::BAD_REQUEST, MessagePage::forged()));
    };
    let taken = {
        let mut conn = web.pool.acquire().await?;
        oauth_states::take(&mut conn, &hash(state), &hash(browser.value()), now).await?
    };
    let begun = match taken {
        Taken::Fresh(begun) => begun,
        Taken::Used(begun) => return Ok(web.answer(StatusCode::CONFLICT, MessagePage::replayed(begun.provider))),
        Taken::Expired(begun) => {
            let restart = web.restart(&begun, now);
            return Ok(web.answer(StatusCode::GONE, MessagePage::expired(begun.provider, Some(restart.as_str()))));
        }
        // Begun by a link that is void: it must neither connect nor be led on to a fresh link.
        Taken::Revoked => return Ok(web.answer(StatusCode::GONE, MessagePage::link_revoked())),
        Taken::Unknown => return Ok(web.answer(StatusCode::BAD_REQUEST, MessagePage::forged())),
    };
    let restart = web.restart(&begun, now);
    if begun.provider != answered {
        let page = MessagePage::different_provider_reply(begun.provider, answered);
        return Ok(web.answer(StatusCode::BAD_REQUEST, page));
    }
    match (&callback.code, &callback.error) {
        (Some(code), None) => {
            // Nobody who closes the tab now may leave a spent code behind without its tokens stored.
            let (web, code) = (web.clone(), code.clone());
            let under_way = web.under_way.clone();
            let finished = under_way.spawn(web.finish(begun, code, callback.realm_id, restart)).await;
            finished.unwrap_or_else(|_| Ok(super::internal("the connect task ended early")))
        }
        _ => {
            info!(provider = %answered, "the authorization was not given");
            Ok(web.answer(StatusCode::OK, MessagePage::denied(answered, Some(restart.as_str()))))
        }
    }
}

impl Web {
    fn redirect_uri(&self, provider: Provider) -> Url {
        let mut url = self.config.public_url.clone();
        url.set_path(&format!("/oauth/{provider}/callback"));
        url
    }

    fn restart(&self, begun: &OauthState, now: DateTime<Utc>) -> Url {
        self.links.make(begun.account_id, begun.provider, now).0
    }

    pub(super) fn answer(&self, status: StatusCode, page: MessagePage) -> Response {
        show(status, &page.with_contact(self.support_contact.as_deref()))
    }

    fn browser_cookie(&self, value: String) -> Cookie<'static> {
        let mut cookie = Cookie::new(BROWSER_COOKIE, value);
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_secure(self.config.public_url.scheme() == "https");
        // The callback is a navigation from the provider's site: Lax lets the cookie come along, Strict would not.
        cookie.set_same_site(SameSite::Lax);
        cookie
    }

    async fn finish(
        self,
        begun: OauthState,
        code: SecretString,
        realm_id: Option<String>,
        restart: Url,
    ) -> Result<Response, Error> {
        let provider = begun.provider;
        // Intuit names the company only here; without it the tokens would belong to nobody.
        let realm_id = realm_id.filter(|id| !id.is_empty() && id.len() <= 32 && id.bytes().all(|b| b.is_ascii_digit()));
        if provider == Provider::Quickbooks && realm_id.is_none() {
            warn!("Intuit's redirect names no company: nothing was exchanged");
            let page = MessagePage::exchange_failed(provider, Verdict::Rejected, Some(restart.as_str()), None);
            return Ok(self.answer(StatusCode::BAD_GATEWAY, page));
        }
        let exchanged = match self.providers.exchange(provider, &code, &self.redirect_uri(provider)).await {
            Ok(grant) => self.company_id(provider, &grant, realm_id).await.map(|company_id| (grant, company_id)),
            Err(failure) => Err(failure),
        };
        crate::failpoint::reach("code_exchanged");
        match exchanged {
            Ok((grant, company_id)) => self.store(&begun, &grant, company_id, restart).boxed().await,
            Err(failure) => {
                warn!(%failure, "a connection could not be made");
                if failure.verdict == Verdict::OperatorFault {
                    self.keeper.report_operator_fault(&failure).await?;
                }
                let reference = failure.correlation_id.as_deref();
                let page = MessagePage::exchange_failed(provider, failure.verdict, Some(restart.as_str()), reference);
                Ok(self.answer(StatusCode::BAD_GATEWAY, page))
            }
        }
    }

    async fn company_id(&self, provider: Provider, grant: &Grant, realm_id: Option<String>) -> Result<String, Failure> {
        if let Some(id) = realm_id.filter(|_| provider == Provider::Quickbooks).or_else(|| grant.hub_id.clone()) {
            return Ok(id);
        }
        let told = match self.providers.hubspot() {
            Some(hubspot) => hubspot.introspect(&grant.access_token).await?.hub_id,
            None => None,
        };
        told.ok_or_else(|| Failure {
            correlation_id: grant.correlation_id.clone(),
            ..Failure::without_reply(
                provider,
                "connect",
                Verdict::OutcomeUnknown,
                "company_unnamed",
                "the provider did not say which company was connected",
            )
        })
    }

    /// The company's name, as far as the provider tells it.
    async fn company_name(&self, provider: Provider, grant: &Grant, company_id: &str) -> Option<String> {
        let asked = match provider {
            Provider::Quickbooks => {
                let api = self.providers.quickbooks()?;
                api.company_info(&grant.access_token, company_id).await.map(|company| Some(company.name))
            }
            Provider::Hubspot => {
                self.providers.hubspot()?.introspect(&grant.access_token).await.map(|told| told.hub_domain)
            }
        };
        match asked {
            Ok(name) => name.filter(|name| !name.trim().is_empty()),
            Err(failure) => {
                warn!(%failure, "the company's name is not known yet");
                None
            }
        }
    }

    async fn store(
        &self,
        begun: &OauthState,
        grant: &Grant,
        company_id: String,
        restart: Url,
    ) -> Result<Response, Error> {
        let provider = begun.provider;
        let environment = self.providers.settings(provider).map(|s| s.environment.clone()).unwrap_or_default();
        let company = Company { provider, environment, name: company_id.clone(), id: company_id };
        let Some(refresh_token) = &grant.refresh_token else {
            warn!(%provider, "the provider handed out no refresh token: nothing was stored");
            let page = MessagePage::exchange_failed(provider, Verdict::OutcomeUnknown, Some(restart.as_str()), None);
            return Ok(self.answer(StatusCode::BAD_GATEWAY, page));
        };
        let connected = self.store_tokens(begun, grant, refresh_token, &company).await?;
        let asked_at = self.clock.now();
        let name = self.company_name(provider, grant, &company.id).await;
        let shown = name.clone().unwrap_or_else(|| company.id.clone());
        let connection_id = match connected {
            Connected::New(id) | Connected::Renewed(id, _) => id,
            Connected::OtherCompany { expected } => {
                warn!(%provider, "another company was authorized than the account is connected to: refused");
                let page = MessagePage::wrong_company(provider, &expected, &shown, Some(restart.as_str()));
                return Ok(self.answer(StatusCode::CONFLICT, page));
            }
            Connected::OtherAccount => {
                warn!(%provider, "a company was authorized that belongs to another account: refused");
                return Ok(self.answer(StatusCode::CONFLICT, MessagePage::company_taken(provider, &shown)));
            }
        };
        if name.is_some() {
            self.keeper.proven(connection_id, None, asked_at).await?;
        }
        let mut conn = self.pool.acquire().await?;
        if let Some(name) = &name {
            connections::rename(&mut conn, connection_id, name).await?;
        }
        (self.connected)();
        info!(%connection_id, %provider, again = matches!(connected, Connected::Renewed(..)), "connected");
        let account = accounts::of_connection(&mut conn, connection_id).await?;
        let waiting = u64::try_from(order_log::count_waiting(&mut conn, Some(account.id)).await?).unwrap_or(0);
        let present = connections::of_account(&mut conn, account.id).await?;
        let missing = Provider::ALL.into_iter().find(|other| {
            let works = |there: &Connection| there.provider == *other && there.status != Status::Lapsed;
            self.providers.settings(*other).is_some() && !present.iter().any(works)
        });
        let missing = missing.map(|other| (other, self.links.make(account.id, other, self.clock.now()).0));
        let missing = missing.as_ref().map(|(other, url)| (*other, url.as_str()));
        let page = MessagePage::connected(provider, &shown, &account.name, waiting, missing);
        Ok(self.answer(StatusCode::OK, page))
    }

    /// Stores what the code brought. The code is spent and an older grant may be void already, so a database that is away
    /// for a moment is waited for as long as a renewal would be.
    async fn store_tokens(
        &self,
        begun: &OauthState,
        grant: &Grant,
        refresh_token: &SecretString,
        company: &Company,
    ) -> Result<Connected, Error> {
        let deadline = tokio::time::Instant::now() + self.commit_budget;
        loop {
            match self.store_once(begun, grant, refresh_token, company).await {
                Err(cause) if cause.may_pass() && tokio::time::Instant::now() < deadline => {
                    warn!(
                        error = crate::telemetry::chain(&cause),
                        "a connection could not be stored and is tried again"
                    );
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                other => return Ok(other?),
            }
        }
    }

    /// One transaction: the connection, its tokens, its lane or its intake, and the end of its incident.
    pub(crate) async fn store_once(
        &self,
        begun: &OauthState,
        grant: &Grant,
        refresh_token: &SecretString,
        company: &Company,
    ) -> Result<Connected, store::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let connected = connections::connect(&mut tx, Uuid::now_v7(), begun.account_id, company, now).await?;
        let (Connected::New(id) | Connected::Renewed(id, _)) = connected else { return Ok(connected) };
        let sealed = self.keeper.seal(id, begun.provider, grant, refresh_token, now);
        let issued_to = self.providers.settings(begun.provider).map(Settings::identity).unwrap_or_default();
        tokens::replace(&mut tx, id, &issued_to, &sealed).await?;
        spends::abandon(&mut tx, id, now).await?;
        match begun.provider {
            Provider::Quickbooks => lanes::open(&mut tx, id, now).await?,
            Provider::Hubspot => intakes::open(&mut tx, id, now).await?,
        }
        lapse::resolve(&mut tx, id, now).await?;
        if let Connected::Renewed(_, Status::Lapsed) = connected {
            webhooks::announce(&mut tx, webhooks::Event::ConnectionRecovered, id, now).await?;
        }
        warnings::reconnected(&mut tx, id, now).await?;
        crate::failpoint::reach("connect_stored");
        tx.commit().await?;
        Ok(connected)
    }
}

fn random() -> String {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
