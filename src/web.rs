//! The web side: reconnect links and OAuth callbacks for owners, the dashboard for the operator, health and metrics for
//! machines. Pages need no script; no URL that carries a code, a state or a link is ever logged.

/// The JSON API.
pub mod api;

/// Reconnect links and OAuth callbacks.
mod connect;

/// A fresh link for whoever has an old one.
mod fresh_link;

/// What HubSpot says has changed.
mod hubspot_webhook;

/// Health and metrics.
mod machines;

/// What people see.
pub mod pages;

/// The operator's pages.
mod dashboard;

/// An owner's page.
mod owner;

/// Who asks.
mod visitor;

/// The overview.
mod status;

/// The last day, drawn.
mod trends;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath},
    http::{HeaderName, HeaderValue, Request, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use sqlx::PgPool;
use tokio_util::task::TaskTracker;
use tower_http::{
    catch_panic::CatchPanicLayer,
    limit::RequestBodyLimitLayer,
    set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer,
    trace::{DefaultOnFailure, DefaultOnResponse, OnResponse as _, TraceLayer},
};
use tracing::{Level, Span, debug_span, error, field::Empty, info_span};
use uuid::Uuid;

use self::pages::MessagePage;
pub use self::trends::Trends;
use crate::{
    clock::Clock,
    config,
    health::Health,
    keeper::Keeper,
    links::ReconnectLinks,
    operators::Doorkeeper,
    orders::{dispatch::Dispatch, intake::Intake},
    provider::Providers,
    store,
    telemetry::Metrics,
};

/// What handlers need. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    /// The database.
    pub pool: PgPool,
    /// Where codes are exchanged.
    pub providers: Providers,
    /// Seals what a callback brings.
    pub keeper: Keeper,
    /// Wakes everything that may have waited for a connection, or has to tell of it.
    pub connected: Arc<dyn Fn() + Send + Sync>,
    /// Woken by a webhook.
    pub intake: Intake,
    /// Woken by orders that came in.
    pub dispatch: Dispatch,
    /// Reads reconnect links.
    pub links: ReconnectLinks,
    /// The checks.
    pub health: Health,
    /// What time it is.
    pub clock: Clock,
    /// How it is served.
    pub config: config::Web,
    /// How long a callback tries to store what it brought.
    pub commit_budget: Duration,
    /// Callbacks that must end before the process does, even if their browser went away.
    pub under_way: TaskTracker,
    /// Whom owners may ask.
    pub support_contact: Option<Arc<str>>,
    /// What only the API needs.
    pub api: api::Api,
    /// What is counted.
    pub metrics: Metrics,
    /// Who may come in.
    pub doorkeeper: Doorkeeper,
    /// The last day, drawn.
    pub trends: Trends,
    /// The configuration, as it is shown.
    pub settings: Arc<str>,
    /// The same for programs.
    pub settings_by_key: Arc<serde_json::Value>,
    /// Links shown on the dashboard, such as the demo's mailbox.
    pub status_links: Arc<[(String, String)]>,
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Every route.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/connect/{token}", get(connect::begin))
        .route("/connect/{token}/fresh-link", post(fresh_link::of_connect))
        .route("/owner/{token}", get(owner::page))
        .route("/owner/{token}/fresh-link", post(fresh_link::of_owner))
        .route("/owner/{token}/disconnect", post(owner::disconnect))
        .route("/owner/{token}/send-again", post(owner::send_again))
        .route("/oauth/{provider}/callback", get(connect::callback))
        .route("/assets/style.css", get(style))
        .route("/assets/live.js", get(live))
        .merge(dashboard::routes())
        .route("/healthz", get(machines::healthz))
        .route("/readyz", get(machines::readyz))
        .route("/metrics", get(machines::metrics))
        .fallback(not_found)
        .layer(RequestBodyLimitLayer::new(64 * 1024))
        // These say themselves, in JSON, what is too large.
        .merge(api::router())
        .route(
            "/webhooks/hubspot",
            post(hubspot_webhook::take).layer(DefaultBodyLimit::max(hubspot_webhook::LONGEST_BODY)),
        )
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(150)))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| internal("a handler panicked")))
        // What goes wrong is logged where it is known what it is; a probe's 503 is no news at all.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_response(answered)
                .on_failure(DefaultOnFailure::new().level(Level::DEBUG)),
        )
        .layer(header_layer(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(header_layer(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Links and callbacks carry secrets in their URL: they must not travel on as a referrer or stay in a cache.
        .layer(header_layer(header::REFERRER_POLICY, "no-referrer"))
        .layer(header_layer(header::CACHE_CONTROL, "no-store"))
        .with_state(web)
}

fn header_layer(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Asked every few seconds by machines: no news for anybody.
const ASKED_ALL_THE_TIME: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

fn span<B>(request: &Request<B>) -> Span {
    // The route, never the path: the path may hold a link's token and the query a code.
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    if ASKED_ALL_THE_TIME.contains(&route) {
        return debug_span!("http", method = %request.method(), route, status = Empty);
    }
    info_span!("http", method = %request.method(), route, status = Empty)
}

fn answered<B>(response: &Response<B>, took: Duration, span: &Span) {
    span.record("status", response.status().as_u16());
    DefaultOnResponse::new().on_response(response, took, span);
}

/// Serves until `stop` completes; open requests are finished first.
///
/// # Errors
/// When the socket breaks.
pub async fn serve(
    listener: tokio::net::TcpListener,
    web: Web,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let under_way = web.under_way.clone();
    let service = router(web).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    under_way.close();
    under_way.wait().await;
    Ok(())
}

async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, pages::STYLE)
}

async fn live() -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, pages::LIVE)
}

async fn not_found() -> Response {
    show(StatusCode::NOT_FOUND, &MessagePage::not_found())
}

/// What a handler cannot answer. The text stays inside; the page carries a reference that the log carries too.
#[derive(Debug)]
struct Error(store::Error);

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self(error)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if self.0.is_away() {
            tracing::warn!(
                error = crate::telemetry::chain(&self.0),
                "a page cannot be served while the database is away"
            );
            return show(StatusCode::SERVICE_UNAVAILABLE, &MessagePage::unavailable());
        }
        internal(&crate::telemetry::chain(&self.0))
    }
}

fn internal(cause: &str) -> Response {
    let reference = Uuid::new_v4().to_string();
    error!(reference, cause, "a request failed");
    show(StatusCode::INTERNAL_SERVER_ERROR, &MessagePage::internal(&reference))
}

fn show(status: StatusCode, page: &MessagePage) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(cause) => {
            error!(%cause, "a page cannot be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side. Please try again.").into_response()
        }
    }
}
