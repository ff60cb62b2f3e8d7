//! The built program as its user meets it: a child process with a data directory of its own, its exit codes, what it
//! prints, and what it does when it or its database is killed. The providers are a sandbox in this process.

mod alerts;
mod away;
mod by_hand;
mod changes;
mod collector;
mod crash;
mod demo;
mod fence;
mod forecast;
mod intake;
mod keys;
mod life;
mod lists;
mod mail;
mod mapping;
mod operators;
mod orders;
mod probe;
mod several;
mod spans;
mod startup;
mod status;
mod usage;
mod webhooks;

use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::PermissionsExt as _,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use lamplighter::{
    clock::Clock,
    provider::Provider,
    sandbox::{Listen, Sandbox, Visit, Visitor},
    store::embedded,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;
use url::Url;

use crate::harness::{HUB, OWNER, REALM, sandbox_settings, scratch};

const ACCOUNT: &str = "Harbor Books";
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Hours pass in seconds, and a lease that a killed process left behind runs out soon.
const PACE: [(&str, &str); 20] = [
    ("keeper.check_interval", "1s"),
    ("keeper.lease", "6s"),
    ("keeper.deadline", "2s"),
    ("keeper.commit_budget", "2s"),
    ("keeper.retry_min", "200ms"),
    ("keeper.retry_max", "1s"),
    ("orders.poll_interval", "300ms"),
    ("orders.overlap", "10s"),
    ("orders.dispatch_interval", "500ms"),
    ("orders.retry_min", "200ms"),
    ("orders.retry_max", "1s"),
    ("orders.lease", "6s"),
    ("providers.timeout", "2s"),
    ("outage.canary_min", "500ms"),
    ("outage.canary_max", "1s"),
    ("alerts.retry_min", "300ms"),
    ("alerts.retry_max", "1s"),
    ("smtp.timeout", "2s"),
    ("database.connect_timeout", "2s"),
    ("log.format", "json"),
];

/// Looks again and again until there is what the caller waits for. Nothing else here waits.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what} in vain");
    }
}

/// One installation: a data directory, an address, and the settings laid over the defaults.
struct Installation {
    home: TempDir,
    listen: SocketAddr,
    settings: Vec<(String, String)>,
}

/// How a command ended.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl Installation {
    /// Nothing but a place to live; its data directory does not exist yet.
    fn bare() -> Self {
        let home = tempfile::Builder::new().prefix("lamplighter-process-").tempdir_in(scratch()).unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let listen = free_address();
        let settings = vec![
            ("data_dir".to_owned(), home.path().join("data").display().to_string()),
            ("web.listen".to_owned(), listen.to_string()),
            ("web.public_url".to_owned(), format!("http://{listen}")),
        ];
        Self { home, listen, settings }
    }

    /// Ready to serve against the sandbox, but for a key.
    fn beside(sandbox: &Sandbox) -> Self {
        let mut installation = Self::bare();
        installation.settings.extend(sandbox_settings(sandbox));
        PACE.into_iter().fold(installation, |installation, (key, value)| installation.set(key, value))
    }

    /// Ready to serve against the sandbox, on a database of somebody else's.
    async fn on(sandbox: &Sandbox, database: &PgConnectOptions) -> Self {
        let installation = Self::beside(sandbox).set("database.url", &database_url(database));
        installation.run(&["key", "generate"]).await.ok();
        installation
    }

    fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn url(&self) -> Url {
        format!("http://{}/", self.listen).parse().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        for (key, value) in &self.settings {
            command.env(format!("LAMPLIGHTER__{}", key.to_uppercase().replace('.', "__")), value);
        }
        command
    }

    async fn run(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments)).await
    }

    /// Starts the daemon and does not wait for it.
    fn serve(&self) -> Daemon {
        let output = self.home.path().join("output");
        let file = File::options().create(true).append(true).open(&output).unwrap();
        let child = self.command(&["serve"]).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Daemon { child, output, url: self.url(), visitor: Visitor::new().unwrap() }
    }

    /// Starts the daemon; returns when it answers.
    async fn up(&self) -> Daemon {
        let mut daemon = self.serve();
        until("the daemon to answer", async || {
            let gone = daemon.child.try_wait().unwrap();
            assert!(gone.is_none(), "it ended with {gone:?}:\n{}", daemon.output());
            (daemon.status("healthz").await == Some(200)).then_some(())
        })
        .await;
        daemon
    }

    /// Adds the account and lets its owner open a link for either provider.
    async fn connect(&self, sandbox: &Sandbox) {
        self.run(&["account", "add", ACCOUNT, "--owner-name", "Ada Harbor", "--owner-email", OWNER]).await.ok();
        for (provider, company) in [(Provider::Quickbooks, REALM), (Provider::Hubspot, HUB)] {
            sandbox.choose(provider, company);
            let visit = Visitor::new().unwrap().open(&self.link(provider).await).await.unwrap();
            assert!(visit.status.is_success(), "{}: {}", visit.status, visit.body);
        }
    }

    async fn link(&self, provider: Provider) -> Url {
        let link = ["connection", "link", "--account", ACCOUNT, "--provider", provider.as_str()];
        self.run(&link).await.ok().stdout.trim().parse().unwrap()
    }

    /// The connection with a provider, as the command line tells it.
    async fn connection(&self, provider: Provider) -> Value {
        let rows = self.run(&["connection", "list", "--json"]).await.ok().json();
        let row = rows.as_array().unwrap().iter().find(|row| row["provider"] == provider.as_str());
        row.unwrap_or_else(|| panic!("not connected: {rows}")).clone()
    }

    /// Our own Postgres under the data directory, while a daemon runs it.
    fn embedded(&self) -> PgConnectOptions {
        let running = embedded::running(&self.data().join("postgres"));
        running.expect("a daemon runs it").database(embedded::DATABASE)
    }

    fn postmaster_file(&self) -> PathBuf {
        self.data().join("postgres/data/postmaster.pid")
    }

    /// The process of our own Postgres.
    fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.postmaster_file()).ok()?;
        text.lines().next()?.trim().parse().ok().map(Pid::from_raw)
    }
}

/// A daemon that runs; a failed test ends it.
struct Daemon {
    child: Child,
    output: PathBuf,
    url: Url,
    visitor: Visitor,
}

impl Daemon {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Everything that it and its forerunners in the same installation printed.
    fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    async fn get(&self, path: &str) -> Option<Visit> {
        self.visitor.open(&self.url.join(path).unwrap()).await.ok()
    }

    async fn status(&self, path: &str) -> Option<u16> {
        self.get(path).await.map(|visit| visit.status.as_u16())
    }

    async fn ended(&mut self) -> ExitStatus {
        until("the daemon to end", async || self.child.try_wait().unwrap()).await
    }

    /// Asks it to end, as systemd does.
    async fn terminate(mut self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{}", self.output());
    }

    async fn kill_hard(mut self) {
        kill(self.pid(), Signal::SIGKILL).unwrap();
        assert_eq!(self.ended().await.signal(), Some(Signal::SIGKILL as i32));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) && !std::thread::panicking() {
            return;
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let text = fs::read_to_string(&self.output).unwrap_or_default();
            drop(writeln!(std::io::stderr(), "{text}"));
        }
    }
}

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplighter"));
    // Neither a proxy nor a setting of the developer's own takes part; Ctrl-C ends the tests, which end their daemons.
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).process_group(0).args(arguments);
    command
}

async fn run(mut command: Command) -> Said {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let Output { status, stdout, stderr } = match tokio::time::timeout(PATIENCE, ended).await {
        Ok(output) => output.unwrap(),
        Err(_) => {
            kill(pid, Signal::SIGKILL).unwrap();
            panic!("a command did not end: {command:?}");
        }
    };
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code().expect("it was not killed"), stdout: text(stdout), stderr: text(stderr) }
}

/// Below the ports that the system gives out by itself, so that no other test is given it meanwhile.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 10_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    std::iter::repeat_with(|| base + NEXT.fetch_add(1, Ordering::SeqCst))
        .take(1_000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|at| TcpListener::bind(at).is_ok())
        .expect("a port is free")
}

/// The providers, with one company on either side, whose tokens live for seconds.
async fn town() -> Sandbox {
    let sandbox = Sandbox::start(Clock::system(), Listen::default()).await.unwrap();
    sandbox.add_company(REALM, ACCOUNT);
    sandbox.add_portal(HUB, "harborbooks.example");
    for provider in Provider::ALL {
        sandbox.switch(provider, |switches| switches.access_lifetime = Duration::from_secs(4));
    }
    sandbox
}

fn database_url(database: &PgConnectOptions) -> String {
    let socket = database.get_socket().unwrap().display();
    format!("postgres://lamplighter@localhost/{}?host={socket}", database.get_database().unwrap())
}

/// Every row of every table, as text.
async fn everything(database: &PgConnectOptions) -> String {
    let mut conn = PgConnection::connect_with(database).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let mut text = String::new();
    for table in tables {
        let sql = format!(r#"select coalesce(string_agg(t::text, E'\n' order by t::text), '') from "{table}" t"#);
        let rows: String = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut conn).await.unwrap();
        text += &format!("== {table}\n{rows}\n");
    }
    conn.close().await.unwrap();
    text
}

async fn number(database: &PgConnectOptions, sql: &'static str) -> i64 {
    let mut conn = PgConnection::connect_with(database).await.unwrap();
    let number = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    number
}

/// A process that is gone, or that is only waiting to be counted.
fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.map_or(true, |stat| stat.contains(") Z "))
}
