//! The JSON API under `/api/v1`: everything that a program of the operator's may see and do, with a key.
//!
//! Handlers are thin: a key and its scope are looked at first, then path, query and body are read strictly, then the store or
//! a round's own function does the work. What is changed is written down in the transaction of the deed, under the key's
//! first characters. The document is made from the very handlers; what every route has in common (the refusals) is added to
//! it in one place, and a test asks every route for every refusal.
//!
//! Invariant: whatever goes wrong is answered as a problem with a remedy, and no reply is missing in the document.

mod accounts;
mod alerts;
mod asked;
mod caller;
mod connections;
mod document;
mod incoming;
mod links;
mod lists;
mod mails;
mod orders;
mod page;
mod paging;
mod problem;
mod rate;
mod status;
mod sync;
mod tokens;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{any, get},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    problem::{Kind, MEDIA_TYPE, Problem},
    rate::Rate,
};
use super::Web;
use crate::{config::Mapping, keeper::probe::Prober};

/// For how long a request is worked on; what a provider was sent goes on by itself.
const LONGEST: Duration = Duration::from_secs(140);

/// What only the API needs. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    prober: Prober,
    mapping: Arc<Mapping>,
    rate: Arc<Rate>,
}

impl Api {
    /// Puts it together.
    pub fn new(prober: Prober, mapping: Mapping, requests_per_minute: u32) -> Self {
        let requests_per_minute = NonZeroU32::new(requests_per_minute).unwrap_or(NonZeroU32::MIN);
        Self { prober, mapping: Arc::new(mapping), rate: Arc::new(Rate::new(requests_per_minute)) }
    }
}

/// Every route of the API.
pub(super) fn router() -> Router<Web> {
    let (router, openapi) = routes().split_for_parts();
    let document = Arc::new(document::complete(&openapi));
    let page = Arc::new(page::render(&document));
    let text: Arc<str> = document.to_string().into();
    router
        .route("/api/v1/openapi.json", get(move || document::serve(Arc::clone(&text))))
        .route("/api/v1", get(move || page::serve(Arc::clone(&page))))
        .route("/api/v1/", any(unknown))
        .route("/api/v1/{*rest}", any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            Problem::internal("a handler panicked").into_response()
        }))
        .layer(middleware::from_fn(settled))
}

fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::with_openapi(document::base())
        .routes(routes!(status::get_status))
        .routes(routes!(accounts::list_accounts, accounts::add_account))
        .routes(routes!(accounts::get_account, accounts::change_account))
        .routes(routes!(accounts::get_settings, accounts::put_settings))
        .routes(routes!(links::make_connect_link))
        .routes(routes!(links::make_page_link))
        .routes(routes!(links::revoke_links))
        .routes(routes!(connections::list_connections))
        .routes(routes!(connections::get_connection))
        .routes(routes!(connections::renew_connection))
        .routes(routes!(connections::probe_connection))
        .routes(routes!(connections::disconnect_connection))
        .routes(routes!(tokens::fetch_access_token))
        .routes(routes!(incoming::send_orders))
        .routes(routes!(orders::list_orders))
        .routes(routes!(orders::retry_orders))
        .routes(routes!(orders::get_order))
        .routes(routes!(orders::preview_order))
        .routes(routes!(orders::retry_order))
        .routes(routes!(orders::skip_order))
        .routes(routes!(sync::sync_orders))
        .routes(routes!(lists::list_spends))
        .routes(routes!(alerts::list_alerts))
        .routes(routes!(alerts::get_alert))
        .routes(routes!(alerts::acknowledge_alert))
        .routes(routes!(alerts::snooze_alert))
        .routes(routes!(alerts::resolve_alert))
        .routes(routes!(alerts::release_mails))
        .routes(routes!(mails::note_bounce))
        .routes(routes!(lists::list_outages))
        .routes(routes!(lists::get_configuration))
        .routes(routes!(lists::list_deeds))
}

async fn unknown() -> Problem {
    Problem::new(Kind::NotFound, "the API has no such path", "see what there is: GET /api/v1")
}

async fn wrong_method() -> Problem {
    let remedy = "use one of those that Allow names, or see what there is: GET /api/v1";
    Problem::new(Kind::Method, "this path does not take this method", remedy)
}

/// Every failure leaves as a problem, whoever it comes from.
async fn settled(request: Request, next: Next) -> Response {
    let Ok(reply) = tokio::time::timeout(LONGEST, next.run(request)).await else {
        let detail = "it takes too long; what was sent to a provider goes on by itself";
        return Problem::new(Kind::Unavailable, detail, "look what became of it, and ask again in a minute")
            .into_response();
    };
    let said =
        reply.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE || kind == "application/json");
    match reply.status() {
        status if said || !(status.is_client_error() || status.is_server_error()) => reply,
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Kind::TooLarge, "the request is too large; nothing was done", "send less at once")
                .into_response()
        }
        status => Problem::internal(&format!("a reply with status {status} and no words")).into_response(),
    }
}

/// Work that must end by itself even if whoever asked for it hangs up.
async fn under_way<T: Send + 'static>(web: &Web, work: impl Future<Output = T> + Send + 'static) -> Result<T, Problem> {
    let tracker = web.under_way.clone();
    tracker.spawn(work).await.map_err(|_| Problem::internal("a task ended early"))
}
