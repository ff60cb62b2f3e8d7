//! Builds everything from the configuration. `App::background` is the list of what runs by itself.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{
    alerts::{
        outbox::{self, Outbox},
        watch::{self, Watch},
    },
    clock::Clock,
    config::{Config, ProviderConfig},
    fence::{
        self, Fence,
        gate::{Gated, Lookout},
    },
    health::Health,
    installation::Installation,
    keeper::{self, Keeper, probe::Prober, spool::Spool, warnings::Throttle},
    keys::{self, Keys},
    lifecycle::{Round, Supervisor},
    links::ReconnectLinks,
    operators::Doorkeeper,
    orders::{self, dispatch::Dispatch, intake::Intake, retention::Retention},
    outage::OutageWatch,
    presence::Presence,
    provider::{self, HttpOptions, Providers, hook::HookClient},
    store::{self, embedded, mails, tokens},
    telemetry::Metrics,
    vault::Vault,
    web::{self, Web},
    webhooks::{self, Webhooks},
};

/// Everything, put together. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub pool: PgPool,
    /// Keeps tokens alive.
    pub keeper: Keeper,
    /// Tries grants out.
    pub prober: Prober,
    /// HubSpot to queue.
    pub intake: Intake,
    /// Queue to QuickBooks.
    pub dispatch: Dispatch,
    /// Old orders.
    pub retention: Retention,
    /// What open incidents need.
    pub watch: Watch,
    /// Alerts to mail.
    pub outbox: Outbox,
    /// Messages to services of the operator's own.
    pub webhooks: Webhooks,
    /// The checks.
    pub health: Health,
    /// Links for owners.
    pub links: ReconnectLinks,
    /// Pages, callbacks, health.
    pub web: Web,
    /// Holds everything back on a restored or copied database.
    pub fence: Fence,
    /// Tells the other daemons that this one is there.
    pub presence: Presence,
    /// Follows the vault keys.
    pub keys: Keys,
    /// What time it is.
    pub clock: Clock,
    /// Cancelled when nothing new may be begun.
    pub stopping: CancellationToken,
}

/// What one turn of the rounds did.
#[derive(Clone, Copy, Debug)]
pub struct Tended {
    /// Tokens.
    pub keeper: keeper::Report,
    /// Grants that were tried out.
    pub prober: keeper::probe::Report,
    /// Warnings of what runs out.
    pub warned: keeper::warnings::Report,
    /// Reminders and the like.
    pub watched: watch::Report,
    /// Mails.
    pub outbox: outbox::Report,
}

/// The database of a configuration: a server of somebody else's, or our own for as long as this lives.
pub struct Database {
    /// Connections to it, schema up to date.
    pub pool: PgPool,
    embedded: Option<Arc<Mutex<embedded::Server>>>,
}

impl Database {
    /// Connects to `database.url`, or to our own server under `data_dir`: the one that another lamplighter process runs
    /// there already (if `share` allows), else one that is started now and stopped by [`Database::close`].
    ///
    /// # Errors
    /// No server, or none that can be used; each with what to do.
    pub async fn open(config: &Config, share: bool) -> anyhow::Result<Self> {
        let (options, server) = match &config.database.url {
            Some(url) => {
                // The parser's own message may quote the URL, and with it the password.
                let options = url.expose_secret().parse::<PgConnectOptions>().ok();
                let hint = "database.url cannot be read: write it like postgres://user:password@host:5432/lamplighter";
                (options.context(hint)?, None)
            }
            None => Self::own(config, share).await?,
        };
        let (most, timeout) = (config.database.max_connections, config.database.connect_timeout);
        let pool = store::open(options, most, timeout).await?;
        Ok(Self { pool, embedded: server.map(Mutex::new).map(Arc::new) })
    }

    async fn own(config: &Config, share: bool) -> anyhow::Result<(PgConnectOptions, Option<embedded::Server>)> {
        let options = embedded::Options {
            root: config.data_dir.join("postgres"),
            bin_dir: config.database.postgres_bin_dir.clone(),
            durable: true,
        };
        if share && let Some(options) = embedded::running(&options.root) {
            return Ok((options.database(embedded::DATABASE), None));
        }
        let server = tokio::task::spawn_blocking(move || embedded::Server::start(&options)).await??;
        info!(version = server.version(), "our own Postgres runs under data_dir");
        let options = embedded::ensure_database(&server, embedded::DATABASE).await?;
        Ok((options, Some(server)))
    }

    /// Closes all connections and stops our own server, if this started it.
    ///
    /// # Errors
    /// When the server does not stop.
    pub async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        if let Some(server) = self.embedded {
            let stop = move || server.lock().unwrap_or_else(PoisonError::into_inner).stop();
            tokio::task::spawn_blocking(stop).await??;
        }
        Ok(())
    }
}

impl App {
    /// Puts everything together over an open database. Nothing runs yet.
    ///
    /// # Errors
    /// A vault key that is missing or wrong, a spool that cannot be written, TLS that cannot be set up: each with what to
    /// do.
    #[expect(
        clippy::too_many_lines,
        reason = "a list, in the order in which data flows: nothing in it decides anything"
    )]
    pub async fn build(
        config: &Config,
        pool: PgPool,
        clock: Clock,
        links: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let vault = Arc::new(Vault::load(&config.vault.keys_file)?);
        keys::unlock(&pool, &vault, &clock).await?;
        let spool_at = config.data_dir.join("spool");
        let spool = Spool::open(&spool_at).with_context(|| {
            format!("cannot write {}: let the user who runs lamplighter own data_dir", spool_at.display())
        })?;
        let installation = Installation::open(&config.data_dir)?;
        let host = host_name();
        let daemon: Arc<str> = daemon_name(&host).into();
        let presence = Presence::new(pool.clone(), Arc::clone(&daemon), host, installation.id(), Arc::clone(&vault));
        let keys = Keys::new(pool.clone(), Arc::clone(&vault), presence.clone(), clock.clone());
        let metrics = Metrics::default();
        let stopping = CancellationToken::new();
        let providers = providers(config)?;
        let counted = metrics.clone();
        providers.observed_by(Arc::new(move |call| counted.observe_call(call)));
        let operator_email: Option<Arc<str>> =
            config.alerts.operator_email.as_ref().map(|mailbox| mailbox.email.to_string().into());
        let outages = OutageWatch::new(pool.clone(), clock.clone(), config.outage.clone(), operator_email.clone());
        let fence = Fence::new(fence::Parts {
            pool: pool.clone(),
            installation,
            clock: clock.clone(),
            daemon: Arc::clone(&daemon),
            operator_email: operator_email.clone(),
            enabled: config.database.restore_fence,
        });
        let keeper = Keeper::new(keeper::Parts {
            pool: pool.clone(),
            vault: Arc::clone(&vault),
            providers: providers.clone(),
            outages: outages.clone(),
            clock: clock.clone(),
            config: config.keeper.clone(),
            spool: spool.clone(),
            fence: fence.clone(),
            daemon: Arc::clone(&daemon),
            operator_email: operator_email.clone(),
            metrics: metrics.clone(),
            stopping: stopping.clone(),
        });
        let webhooks = Webhooks::new(webhooks::Parts {
            pool: pool.clone(),
            vault: Arc::clone(&vault),
            clock: clock.clone(),
            fence: fence.clone(),
            daemon: Arc::clone(&daemon),
            operator_email,
            metrics: metrics.clone(),
            stopping: stopping.clone(),
            client: HookClient::new()?,
        });
        let prober = Prober::new(keeper.clone(), outages.clone());
        let orders = orders::Parts {
            pool: pool.clone(),
            keeper: keeper.clone(),
            providers: providers.clone(),
            outages,
            config: config.orders.clone(),
            daemon: Arc::clone(&daemon),
            metrics: metrics.clone(),
            stopping: stopping.clone(),
        };
        let (intake, dispatch) = (Intake::new(orders.clone()), Dispatch::new(orders));
        let retention = Retention::new(pool.clone(), clock.clone(), config.orders.keep, stopping.clone());
        let public_url = config.web.public_url.clone();
        let reconnect = ReconnectLinks::new(Arc::clone(&vault), public_url, config.web.link_lifetime);
        let outbox = Outbox::new(outbox::Parts {
            pool: pool.clone(),
            clock: clock.clone(),
            alerts: config.alerts.clone(),
            smtp: config.smtp.clone(),
            links: reconnect.clone(),
            fence: fence.clone(),
            daemon,
            metrics: metrics.clone(),
            stopping: stopping.clone(),
        })
        .context("cannot set up TLS for the SMTP server: check smtp.host and smtp.security")?;
        let watch = Watch::new(watch::Parts {
            pool: pool.clone(),
            clock: clock.clone(),
            config: config.alerts.clone(),
            fence: fence.clone(),
            spool: watch::spool::Watched::new(spool.clone(), &host_name()),
            stopping: stopping.clone(),
        });
        let health = Health {
            pool: pool.clone(),
            vault: Arc::clone(&vault),
            providers: providers.clone(),
            fence: fence.clone(),
            spool,
            outbox: outbox.clone(),
            clock: clock.clone(),
            lateness_allowed: config.keeper.lease + Duration::from_secs(300),
            operator_is_mailed: config.alerts.operator_email.is_some(),
            probe_interval: config.keeper.probe_interval,
            telemetry: config.telemetry.clone(),
        };
        let web = Web {
            pool: pool.clone(),
            providers,
            keeper: keeper.clone(),
            connected: wake_all(&keeper, &intake, &dispatch, &outbox, &webhooks),
            intake: intake.clone(),
            dispatch: dispatch.clone(),
            links: reconnect.clone(),
            health: health.clone(),
            clock: clock.clone(),
            config: config.web.clone(),
            commit_budget: config.keeper.commit_budget,
            under_way: TaskTracker::new(),
            support_contact: config.alerts.support_contact.as_deref().map(Arc::from),
            api: web::api::Api::new(prober.clone(), config.orders.mapping.clone(), config.web.api_requests_per_minute),
            metrics,
            doorkeeper: Doorkeeper::new(pool.clone(), vault, config.web.session_lifetime),
            trends: web::Trends::default(),
            settings: config.show().into(),
            settings_by_key: config.show_json().into(),
            status_links: links.into(),
        };
        Ok(Self {
            pool,
            keeper,
            prober,
            intake,
            dispatch,
            retention,
            watch,
            outbox,
            webhooks,
            health,
            links: reconnect,
            web,
            fence,
            presence,
            keys,
            clock,
            stopping,
        })
    }

    /// One turn of every round that tends tokens and tells people, in the order in which data flows. Orders are left alone.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn tend(&self) -> Result<Tended, store::Error> {
        Ok(Tended {
            keeper: self.keeper.round().await?,
            prober: self.prober.round().await?,
            warned: self.keeper.warn_round().await?,
            watched: self.watch.round().await?,
            outbox: self.outbox.round().await?,
        })
    }

    /// When [`App::tend`] has something to do next, by the clock's time; `None` when nothing is planned. Warnings are not
    /// counted: they keep for as long as anybody sleeps.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn tend_at(&self) -> Result<Option<DateTime<Utc>>, store::Error> {
        let probe = self.prober.next_due().await?;
        let mut conn = self.pool.acquire().await?;
        let ahead = tokens::ahead(&mut conn, self.clock.now()).await?;
        let mail = mails::next_due(&mut conn).await?;
        Ok(ahead.iter().filter_map(tokens::Ahead::spend_at).chain(probe).chain(mail).min())
    }

    /// Everything that runs by itself.
    pub fn background(&self, supervisor: &mut Supervisor, listener: TcpListener, database: &Database) {
        if let Some(server) = &database.embedded {
            supervisor.spawn("postgres", embedded::keep_running(Arc::clone(server), supervisor.stop_token()));
        }
        supervisor.spawn_rounds(Lookout(self.fence.clone(), self.presence.clone()));
        supervisor.spawn_rounds(Gated(self.fence.clone(), KeysLoop(self.clone())));
        supervisor.spawn_rounds(Gated(self.fence.clone(), KeeperLoop(self.clone(), Throttle::default())));
        supervisor.spawn_rounds(Gated(self.fence.clone(), ProbeLoop(self.clone())));
        supervisor.spawn_rounds(Gated(self.fence.clone(), IntakeLoop(self.clone())));
        supervisor.spawn_rounds(Gated(self.fence.clone(), DispatchLoop(self.clone())));
        supervisor.spawn_rounds(Gated(self.fence.clone(), RetentionLoop(self.clone())));
        supervisor.spawn_rounds(Gated(self.fence.clone(), WatchLoop(self.clone())));
        // It sees to it itself: the mail that tells of the fence must go out.
        supervisor.spawn_rounds(OutboxLoop(self.clone()));
        supervisor.spawn_rounds(Gated(self.fence.clone(), WebhooksLoop(self.clone())));
        let (web, stop) = (self.web.clone(), supervisor.stop_token());
        supervisor.spawn("web", async move {
            if let Err(cause) = web::serve(listener, web, stop.cancelled_owned()).await {
                tracing::error!(%cause, "the web server ended");
            }
        });
    }
}

/// Follows the vault keys.
struct KeysLoop(App);

impl Round for KeysLoop {
    const NAME: &'static str = "keys";

    async fn run(&self) -> Result<Duration, store::Error> {
        let tended = self.0.keys.tend().await?;
        if tended.returned > 0 {
            self.0.keeper.wake();
        }
        self.0.outbox.wake_if(tended.resolved > 0);
        Ok(Keys::idle_for())
    }

    async fn rest(&self, at_most: Duration) {
        self.0.keys.idle(at_most).await;
    }
}

/// Renews what is due, then warns of what will run out.
struct KeeperLoop(App, Throttle);

impl Round for KeeperLoop {
    const NAME: &'static str = "keeper";

    async fn run(&self) -> Result<Duration, store::Error> {
        let report = self.0.keeper.round().await?;
        if report.lapsed + report.operator_fault + report.set_aside + report.renewed > 0 {
            self.0.outbox.wake();
            self.0.webhooks.wake_if(true);
        }
        let warned = self.0.keeper.warn_if_due(&self.1).await?;
        self.0.outbox.wake_if(warned.mailed > 0);
        self.0.keeper.idle_for().await
    }

    async fn rest(&self, at_most: Duration) {
        self.0.keeper.idle(at_most).await;
    }
}

/// Tries out the grants that nothing else proves.
struct ProbeLoop(App);

impl Round for ProbeLoop {
    const NAME: &'static str = "probe";

    async fn run(&self) -> Result<Duration, store::Error> {
        let report = self.0.prober.round().await?;
        self.0.outbox.wake_if(report.lapsed + report.operator_fault > 0);
        self.0.webhooks.wake_if(report.lapsed > 0);
        self.0.prober.idle_for().await
    }

    async fn rest(&self, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }
}

/// Takes orders in.
struct IntakeLoop(App);

impl Round for IntakeLoop {
    const NAME: &'static str = "intake";

    async fn run(&self) -> Result<Duration, store::Error> {
        let report = self.0.intake.round().await?;
        if report.received > 0 {
            self.0.dispatch.wake();
        }
        self.0.outbox.wake_if(report.failed > 0);
        self.0.intake.idle_for().await
    }

    async fn rest(&self, at_most: Duration) {
        self.0.intake.idle(at_most).await;
    }
}

/// Posts orders.
struct DispatchLoop(App);

impl Round for DispatchLoop {
    const NAME: &'static str = "dispatch";

    async fn run(&self) -> Result<Duration, store::Error> {
        let report = self.0.dispatch.round().await?;
        self.0.outbox.wake_if(report.held + report.posted > 0);
        self.0.webhooks.wake_if(report.posted + report.parked > 0);
        self.0.dispatch.idle_for().await
    }

    async fn rest(&self, at_most: Duration) {
        self.0.dispatch.idle(at_most).await;
    }
}

/// Drops what is kept of orders that are long settled.
struct RetentionLoop(App);

impl Round for RetentionLoop {
    const NAME: &'static str = "retention";

    async fn run(&self) -> Result<Duration, store::Error> {
        self.0.retention.round().await?;
        Ok(Retention::idle_for())
    }

    async fn rest(&self, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }
}

/// Looks after open incidents.
struct WatchLoop(App);

impl Round for WatchLoop {
    const NAME: &'static str = "watch";

    async fn run(&self) -> Result<Duration, store::Error> {
        let report = self.0.watch.round().await?;
        self.0.outbox.wake_if(report.is_news());
        Ok(Watch::idle_for())
    }

    async fn rest(&self, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }
}

/// Sends mails.
struct OutboxLoop(App);

impl Round for OutboxLoop {
    const NAME: &'static str = "outbox";

    async fn run(&self) -> Result<Duration, store::Error> {
        self.0.outbox.round().await?;
        self.0.outbox.idle_for().await
    }

    async fn rest(&self, at_most: Duration) {
        self.0.outbox.idle(at_most).await;
    }
}

/// Tells services of the operator's own.
struct WebhooksLoop(App);

impl Round for WebhooksLoop {
    const NAME: &'static str = "webhooks";

    async fn run(&self) -> Result<Duration, store::Error> {
        let report = self.0.webhooks.round().await?;
        self.0.outbox.wake_if(report.given_up > 0);
        self.0.webhooks.idle_for().await
    }

    async fn rest(&self, at_most: Duration) {
        self.0.webhooks.idle(at_most).await;
    }
}

/// After a connect everything may have work: tokens to schedule, orders that waited, an all-clear.
fn wake_all(
    keeper: &Keeper,
    intake: &Intake,
    dispatch: &Dispatch,
    outbox: &Outbox,
    webhooks: &Webhooks,
) -> Arc<dyn Fn() + Send + Sync> {
    let (keeper, intake, dispatch, outbox) = (keeper.clone(), intake.clone(), dispatch.clone(), outbox.clone());
    let webhooks = webhooks.clone();
    Arc::new(move || {
        webhooks.wake_if(true);
        keeper.wake();
        intake.wake();
        dispatch.wake();
        outbox.wake();
    })
}

fn providers(config: &Config) -> anyhow::Result<Providers> {
    let http = HttpOptions {
        spend_deadline: config.keeper.deadline,
        api_deadline: config.providers.timeout,
        company_limits: config.providers.company_limits,
    };
    let quickbooks = config.providers.quickbooks.as_ref().map(settings);
    let hubspot = config.providers.hubspot.as_ref().map(settings);
    Ok(Providers::new(http, quickbooks, hubspot)?)
}

fn settings(config: &ProviderConfig) -> provider::Settings {
    provider::Settings {
        client_id: config.client_id.clone(),
        client_secret: config.client_secret.clone(),
        environment: config.environment.as_str().to_owned(),
        scopes: config.scopes.clone(),
        authorize_url: config.authorize_url.clone(),
        token_url: config.token_url.clone(),
        revoke_url: config.revoke_url.clone(),
        introspect_url: config.introspect_url.clone(),
        api_url: config.api_url.clone(),
        api_version: config.api_version.clone(),
        keep_alive: config.keep_alive,
    }
}

/// What this machine calls itself.
pub(crate) fn host_name() -> String {
    let host = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
    Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("daemon").to_owned()
}

/// Host, process and a random tail: names this daemon in leases and in the ledger.
fn daemon_name(host: &str) -> String {
    let tail: u16 = rand::random();
    format!("{host}/{}-{tail:04x}", std::process::id())
}
