//! A database per test, the app as `app.rs` builds it, and the sandbox. Dropping a [`TestApp`] asserts that nothing was
//! left behind: no open spend, no open attempt, no lease, no mail that the test did not expect, no token spent twice.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    app::App,
    clock::Clock,
    config::{Config, Sources},
    provider::Provider,
    sandbox::{Listen, Mail, NewContact, NewLine, NewOrder, Sandbox, Visit, Visitor},
    store::{
        self,
        accounts::{self, Account},
        connections::{self, Overview},
        embedded, order_log,
    },
    vault::Vault,
    web,
};
use rust_decimal::Decimal;
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;
use uuid::Uuid;

pub(crate) const REALM: &str = "4620816365212402417";
pub(crate) const HUB: &str = "62515";
pub(crate) const OWNER: &str = "ada@harborbooks.example";
pub(crate) const OPERATOR: &str = "operator@lamps.example";

const TEMPLATE: &str = "lamplighter_template";

/// The app under test with everything around it.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) visitor: Visitor,
    /// Options of this test's own database.
    pub(crate) database: PgConnectOptions,
    pub(crate) directory: TempDir,
    expected_mails: Mutex<usize>,
    leaves_open: AtomicBool,
    _stop: DropGuard,
}

impl TestApp {
    /// The app with the sandbox's default switches and nothing connected.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with keys set over the test defaults.
    pub(crate) async fn start_with(set: &[(&str, &str)]) -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let sandbox = Sandbox::start(clock.clone(), Listen::default()).await.unwrap();
        sandbox.add_company(REALM, "Harbor Books");
        sandbox.add_portal(HUB, "harborbooks.example");
        let database = new_database().await;
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = configure(directory.path(), &sandbox, &listener, set);
        Vault::generate(&config.vault.keys_file).unwrap();
        let pool = store::open(database.clone(), 8, Duration::from_secs(10)).await.unwrap();
        let app = App::build(&config, pool, clock.clone(), &[]).await.unwrap();
        let stop = CancellationToken::new();
        serve(listener, &app, &stop);
        Self {
            app,
            sandbox,
            clock,
            config,
            visitor: Visitor::new().unwrap(),
            database,
            directory,
            expected_mails: Mutex::new(0),
            leaves_open: AtomicBool::new(false),
            _stop: stop.drop_guard(),
        }
    }

    /// An app with both providers connected.
    pub(crate) async fn connected() -> (Self, Account) {
        Self::connected_with(&[]).await
    }

    /// The same with keys set.
    pub(crate) async fn connected_with(set: &[(&str, &str)]) -> (Self, Account) {
        let app = Self::start_with(set).await;
        let account = app.account("Harbor Books").await;
        app.connect(&account, Provider::Quickbooks, REALM).await;
        app.connect(&account, Provider::Hubspot, HUB).await;
        (app, account)
    }

    /// Another daemon on the same database and data directory, as a second process would build it.
    pub(crate) async fn second_daemon(&self) -> App {
        let pool = store::open(self.database.clone(), 8, Duration::from_secs(10)).await.unwrap();
        App::build(&self.config, pool, self.clock.clone(), &[]).await.unwrap()
    }

    pub(crate) async fn account(&self, name: &str) -> Account {
        let account = Account {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            owner_name: "Ada Harbor".to_owned(),
            owner_email: OWNER.to_owned(),
            created_at: self.clock.now(),
        };
        accounts::add(&mut *self.conn().await, &account).await.unwrap().expect("the name is new");
        account
    }

    /// Opens a fresh link as the owner and agrees.
    pub(crate) async fn connect(&self, account: &Account, provider: Provider, company: &str) -> Visit {
        self.sandbox.choose(provider, company);
        let visit = self.visitor.open(&self.link(account, provider)).await.unwrap();
        assert!(visit.status.is_success(), "{}: {}", visit.status, visit.body);
        visit
    }

    pub(crate) fn link(&self, account: &Account, provider: Provider) -> Url {
        self.app.links.make(account.id, provider, self.clock.now()).0
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.config.web.public_url.join(path).unwrap()
    }

    /// The connection with a provider; the test has exactly one.
    pub(crate) async fn connection(&self, provider: Provider) -> Overview {
        let rows = connections::overview(&mut *self.conn().await, 100).await.unwrap();
        rows.into_iter().find(|row| row.provider == provider).expect("it is connected")
    }

    pub(crate) async fn order(&self, name: &str) -> order_log::Overview {
        let rows = order_log::list(&mut *self.conn().await, &order_log::Filter::default(), None, 1_000).await.unwrap();
        rows.into_iter().find(|row| row.name == name).expect("the order is there")
    }

    pub(crate) async fn conn(&self) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
        self.app.pool.acquire().await.unwrap()
    }

    /// One number out of this test's database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.app.pool).await.unwrap()
    }

    /// Changes rows behind the app's back.
    pub(crate) async fn execute(&self, sql: &'static str) -> u64 {
        sqlx::query(sql).execute(&self.app.pool).await.unwrap().rows_affected()
    }

    pub(crate) fn advance(&self, by: TimeDelta) -> DateTime<Utc> {
        self.clock.advance(by);
        self.clock.now()
    }

    /// Sends what is due and returns every mail that ever arrived; the test says how many it expects.
    pub(crate) async fn mails(&self, expected: usize) -> Vec<Mail> {
        self.app.outbox.round().await.unwrap();
        let mails = self.sandbox.mails();
        let subjects: Vec<_> = mails.iter().map(|mail| &mail.subject).collect();
        assert_eq!(mails.len(), expected, "{subjects:?}");
        *self.expected_mails.lock().unwrap() = expected;
        mails
    }

    /// Everything that runs by itself, once, in the order in which data flows.
    pub(crate) async fn rounds(&self) {
        self.app.keeper.round().await.unwrap();
        self.app.intake.round().await.unwrap();
        self.app.dispatch.round().await.unwrap();
        self.app.outbox.round().await.unwrap();
    }

    /// The test leaves a claim or an attempt open on purpose, as a crash would.
    pub(crate) fn leaves_something_open(&self) {
        self.leaves_open.store(true, Ordering::SeqCst);
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(self.sandbox.concurrent_spends(), 0, "a refresh token was spent twice at the same time");
        let expected = *self.expected_mails.lock().unwrap();
        let subjects: Vec<_> = self.sandbox.mails().into_iter().map(|mail| mail.subject).collect();
        assert_eq!(subjects.len(), expected, "mails that the test did not expect: {subjects:?}");
        if self.leaves_open.load(Ordering::SeqCst) {
            return;
        }
        let database = self.database.clone();
        let left = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(left_behind(database))
        });
        assert_eq!(left.join().unwrap(), 0, "left open, posted twice or kept untrue: see `left_behind`");
    }
}

/// Spends, attempts and leases that nobody ended; orders of which two revisions have the document; and what the table of the
/// unposted says that the orders do not, or the other way round.
pub(crate) async fn left_behind(database: PgConnectOptions) -> i64 {
    let mut conn = PgConnection::connect_with(&database).await.unwrap();
    sqlx::query_scalar(
        "select (select count(*) from spends where finished_at is null)
              + (select count(*) from order_attempts where finished_at is null)
              + (select count(*) from tokens where lease_until is not null)
              + (select count(*) from lanes where lease_until is not null)
              + (select count(*) from intakes where lease_until is not null)
              + (select count(*) from mails where lease_until is not null)
              + (select count(*) from webhook_deliveries where lease_until is not null)
              + (select count(*) from (select from orders where status = 'posted' group by source_id, external_id
                                       having count(*) > 1) twice)
              + (select count(*) from (
                     select id, account_id, position, status, received_at from orders where status <> 'posted'
                     except select order_id, account_id, position, status, received_at from unposted) missing)
              + (select count(*) from (
                     select order_id, account_id, position, status, received_at from unposted
                     except select id, account_id, position, status, received_at from orders where status <> 'posted'
                 ) surplus)",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap()
}

/// An order of one line over `cents`.
pub(crate) fn order(name: &str, cents: i64) -> NewOrder {
    NewOrder {
        name: name.to_owned(),
        currency: "USD".to_owned(),
        total: Some(Decimal::new(cents, 2)),
        lines: vec![NewLine {
            name: "Field guide".to_owned(),
            sku: "GUIDE-1".to_owned(),
            quantity: Decimal::ONE,
            price: Decimal::new(cents, 2),
            ..NewLine::default()
        }],
        contact: Some(NewContact {
            email: "reader@post.example".to_owned(),
            first: "Rae".to_owned(),
            last: "Reader".to_owned(),
        }),
        ..NewOrder::default()
    }
}

pub(crate) fn minutes(n: i64) -> TimeDelta {
    TimeDelta::minutes(n)
}

/// What a daemon needs to use the sandbox, as keys to set.
pub(crate) fn sandbox_settings(sandbox: &Sandbox) -> Vec<(String, String)> {
    let mut set = vec![
        ("smtp.host".to_owned(), sandbox.smtp_addr().ip().to_string()),
        ("smtp.port".to_owned(), sandbox.smtp_addr().port().to_string()),
        ("smtp.security".to_owned(), "none".to_owned()),
        ("smtp.from".to_owned(), "Lamplighter <lamplighter@lamps.example>".to_owned()),
        ("alerts.operator_email".to_owned(), OPERATOR.to_owned()),
    ];
    for provider in Provider::ALL {
        let at = sandbox.endpoints(provider);
        let mut key = |name: &str, value: &str| set.push((format!("providers.{provider}.{name}"), value.to_owned()));
        key("client_id", &at.client_id);
        key("client_secret", at.client_secret.expose_secret());
        key("environment", "sandbox");
        key("authorize_url", at.authorize_url.as_str());
        key("token_url", at.token_url.as_str());
        key("revoke_url", at.revoke_url.as_str());
        key("api_url", at.api_url.as_str());
        if let Some(url) = at.introspect_url {
            key("introspect_url", url.as_str());
        }
    }
    // The sandbox counts nothing: a test that is about these limits sets them again.
    for limit in ["requests_per_second", "requests_per_minute", "batches_per_minute"] {
        set.push((format!("providers.quickbooks.{limit}"), "1000000".to_owned()));
    }
    set
}

fn configure(directory: &Path, sandbox: &Sandbox, listener: &TcpListener, set: &[(&str, &str)]) -> Config {
    let at = listener.local_addr().unwrap();
    let mut flags = sandbox_settings(sandbox);
    flags.push(("data_dir".to_owned(), directory.display().to_string()));
    flags.push(("web.listen".to_owned(), at.to_string()));
    flags.push(("web.public_url".to_owned(), format!("http://{at}")));
    flags.extend(set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Config::load(Sources { flags, ..Sources::default() }).unwrap().0
}

fn serve(listener: TcpListener, app: &App, stop: &CancellationToken) {
    let (web, stop) = (app.web.clone(), stop.clone());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { web::serve(listener, web, stop.cancelled_owned()).await });
}

/// A database of its own, copied from one whose schema is up to date.
pub(crate) async fn new_database() -> PgConnectOptions {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static TEMPLATE_MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let maintenance = cluster();
    let mut conn = PgConnection::connect_with(&maintenance).await.unwrap();
    TEMPLATE_MADE
        .get_or_init(|| async {
            create(&maintenance, TEMPLATE, "template0").await;
            let pool = PgPool::connect_with(maintenance.clone().database(TEMPLATE)).await.unwrap();
            store::MIGRATIONS.run(&pool).await.unwrap();
            pool.close().await;
        })
        .await;
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let sql = format!("create database {name} template {TEMPLATE}");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    maintenance.database(&name)
}

async fn create(maintenance: &PgConnectOptions, name: &str, template: &str) {
    let mut conn = PgConnection::connect_with(maintenance).await.unwrap();
    let sql = format!("create database {name} template {template}");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
}

/// One private Postgres for this process; it dies with it, and the next run removes its files.
pub(crate) fn cluster() -> PgConnectOptions {
    static SERVER: OnceLock<embedded::Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let root = scratch().join(format!("lamplighter-test-{}", std::process::id()));
        sweep();
        std::fs::create_dir_all(&root).unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        let options = embedded::Options { root, bin_dir: None, durable: false };
        embedded::Server::start(&options).unwrap_or_else(|error| panic!("{error}"))
    });
    server.connect_options()
}

/// Where another user may pass through: never below root's home.
pub(crate) fn scratch() -> PathBuf {
    PathBuf::from("/var/tmp")
}

fn sweep() {
    for entry in std::fs::read_dir(scratch()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("lamplighter-test-").and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            // Another user's leftovers are theirs to remove.
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
