//! A simulated Intuit, HubSpot and mailbox, over real HTTP and real SMTP on this machine.
//!
//! The demo, `lamplighter sandbox` and the integration tests need providers that remember: tokens that rotate and die,
//! books that refuse a second document, a mailbox that can be read. This is that world, with the providers' own words
//! where they are known. It knows nothing of the daemon: it is reached over sockets only, as the real ones are.
//!
//! Requests are answered in the order in which they take one lock, so what the ledger tells is what happened. Nothing
//! outlives the process.

mod state;

mod levers;
mod seeding;
mod switches;
mod trouble;

mod ledger;

mod grants;

mod consent;
mod tokens;

mod hubspot_oauth;
mod intuit_oauth;

mod books;
mod intuit_api;
mod intuit_batch;
mod intuit_documents;
mod intuit_fault;
mod intuit_fields;
mod intuit_limits;
mod intuit_lists;
mod intuit_query;
mod intuit_write;

mod hubspot_crm;
mod hubspot_search;
mod portal;

mod mailbox;
mod smtp;

mod control;
mod pages;

mod visitor;
mod weather;
mod wire;

use std::{io, net::SocketAddr, ops::Deref, sync::Arc, time::Duration};

use axum::{
    Router,
    http::StatusCode,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

pub use self::{
    ledger::{Deed, Document, Ending, TokenCall, TokenOutcome, Write, Writer},
    mailbox::Mail,
    portal::{NewContact, NewLine, NewOrder},
    seeding::SeededGrant,
    state::World,
    switches::{Outage, Rotation, Scope, Switches},
    trouble::{TokenTrouble, Trouble},
    visitor::{Visit, Visitor},
};
use crate::{clock::Clock, provider::Provider};

/// How long [`Sandbox::stop`] waits for requests that are being answered.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// A running sandbox. Clones share it; it stops with [`Sandbox::stop`] or when the last clone is dropped.
#[derive(Clone)]
pub struct Sandbox {
    world: Arc<World>,
    running: Arc<Running>,
}

struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Where to listen. The default is two free ports on the loopback interface.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// Both providers, the pages and the control.
    pub http: SocketAddr,
    /// The mailbox.
    pub smtp: SocketAddr,
}

/// What a daemon is configured with to use the sandbox as a provider.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Where the owner's browser is sent.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are spent.
    pub token_url: Url,
    /// Where a grant is given back.
    pub revoke_url: Url,
    /// Where a token is asked about (HubSpot only).
    pub introspect_url: Option<Url>,
    /// What stands before `/v3/company/...` and `/crm/...`.
    pub api_url: Url,
    /// The one app that is known here.
    pub client_id: String,
    /// Its secret, which protects nothing.
    pub client_secret: SecretString,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("the sandbox cannot listen for {what} on {at}: choose another address, or end what listens there")]
    Listen {
        /// `HTTP` or `SMTP`.
        what: &'static str,
        /// The address asked for.
        at: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address it listens on cannot be written as a URL.
    #[error("the sandbox's own address is no URL")]
    Address(#[from] url::ParseError),
}

impl Default for Listen {
    fn default() -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { http: free, smtp: free }
    }
}

impl Sandbox {
    /// Starts listening; returns when connections are taken.
    pub async fn start(clock: Clock, at: Listen) -> Result<Self, Error> {
        let (http, http_at) = listen("HTTP", at.http).await?;
        let (smtp, smtp_at) = listen("SMTP", at.smtp).await?;
        let url = Url::parse(&format!("http://{http_at}/"))?;
        let world = Arc::new(World::new(clock, url, smtp_at));
        let running = Running { stop: world.stop.clone(), tasks: TaskTracker::new() };
        let service = routes(&world).into_make_service_with_connect_info::<wire::Cut>();
        let server = axum::serve(wire::Door(http), service);
        let server = server.with_graceful_shutdown(world.stop.clone().cancelled_owned());
        running.tasks.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the sandbox's web server ended");
            }
        });
        running.tasks.spawn(smtp::serve(Arc::clone(&world), smtp, running.tasks.clone()));
        running.tasks.close();
        Ok(Self { world, running: Arc::new(running) })
    }

    /// Stops listening, lets requests finish for a moment, and frees the ports.
    pub async fn stop(&self) {
        self.running.stop.cancel();
        if tokio::time::timeout(STOP_PATIENCE, self.running.tasks.wait()).await.is_err() {
            tracing::warn!("the sandbox stopped with requests still open");
        }
    }

    /// Both providers, the pages and the control; ends with a slash.
    pub fn http_url(&self) -> Url {
        self.world.http.clone()
    }

    /// Where the mailbox takes mail, in plain SMTP.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.world.smtp
    }

    /// What a daemon is configured with.
    pub fn endpoints(&self, provider: Provider) -> Endpoints {
        let at = |path: &str| {
            let mut url = self.world.http.clone();
            url.set_path(path);
            url
        };
        let (client_id, client_secret) = tokens::client(provider);
        let (client_id, client_secret) = (client_id.to_owned(), SecretString::from(client_secret));
        match provider {
            Provider::Quickbooks => Endpoints {
                authorize_url: at("/intuit/connect/oauth2"),
                token_url: at("/intuit/oauth2/v1/tokens/bearer"),
                revoke_url: at("/intuit/v2/oauth2/tokens/revoke"),
                introspect_url: None,
                api_url: at("/intuit"),
                client_id,
                client_secret,
            },
            Provider::Hubspot => Endpoints {
                authorize_url: at("/hubspot/oauth/authorize"),
                token_url: at("/hubspot/oauth/2026-09/token"),
                revoke_url: at("/hubspot/oauth/2026-09/token/revoke"),
                introspect_url: Some(at("/hubspot/oauth/2026-09/token/introspect")),
                api_url: at("/hubspot"),
                client_id,
                client_secret,
            },
        }
    }
}

impl Deref for Sandbox {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(what: &'static str, at: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = async {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|source| Error::Listen { what, at, source })
}

fn routes(world: &Arc<World>) -> Router {
    let intuit = Router::new()
        .route("/connect/oauth2", get(consent::at_intuit))
        .route("/oauth2/v1/tokens/bearer", post(intuit_oauth::token))
        .route("/v2/oauth2/tokens/revoke", post(intuit_oauth::revoke))
        .route("/v3/company/{realm}/companyinfo/{id}", get(intuit_api::company_info))
        .route("/v3/company/{realm}/preferences", get(intuit_api::preferences))
        .route("/v3/company/{realm}/query", get(intuit_api::query).post(intuit_api::posted_query))
        .route("/v3/company/{realm}/batch", post(intuit_batch::batch))
        .route("/v3/company/{realm}/{entity}", post(intuit_api::write))
        .route("/v3/company/{realm}/{entity}/{id}", get(intuit_api::read))
        .layer(from_fn_with_state(Arc::clone(world), weather::at_intuit));
    let hubspot = Router::new()
        .route("/oauth/authorize", get(consent::at_hubspot))
        .route("/oauth/{version}/token", post(hubspot_oauth::token))
        .route("/oauth/{version}/token/introspect", post(hubspot_oauth::introspect))
        .route("/oauth/{version}/token/revoke", post(hubspot_oauth::revoke))
        .route("/account-info/{version}/details", get(hubspot_crm::details))
        .route("/crm/objects/{version}/{kind}/search", post(hubspot_crm::search))
        .route("/crm/objects/{version}/{kind}/batch/read", post(hubspot_crm::batch_read))
        .route("/crm/objects/{version}/{kind}/{id}", get(hubspot_crm::read))
        .route("/crm/associations/{version}/{from}/{to}/batch/read", post(hubspot_crm::associations))
        .layer(from_fn_with_state(Arc::clone(world), weather::at_hubspot));
    Router::new()
        .route("/", get(pages::index))
        // Browsers ask for it of themselves, and complain of a 404.
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/mailbox", get(pages::mailbox))
        .route("/mailbox/{id}", get(pages::mail))
        .route("/mailbox/{id}/html", get(pages::mail_html))
        .route("/control", get(control::show).post(control::act))
        .nest("/intuit", intuit)
        .nest("/hubspot", hubspot)
        .with_state(Arc::clone(world))
}
