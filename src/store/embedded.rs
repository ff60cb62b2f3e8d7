//! A private PostgreSQL under the data directory, for an installation that names no database.
//!
//! It runs the PostgreSQL programs found on the machine, reachable through a Unix socket only, as a child of this
//! process. PostgreSQL refuses to run as root, so a root daemon hands the cluster to an unprivileged account.
//! It knows nothing of Lamplighter's tables.
//!
//! Invariants: one daemon per directory, held by a file lock; the directory `data` is always a whole cluster; no
//! PostgreSQL outlives its daemon for long, and one that did is stopped before the next is started; one that ends while
//! its daemon lives is started again.

mod account;
mod binaries;
mod cluster;
mod error;
mod layout;
mod log;
mod postmaster;
mod program;
mod revival;

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

pub use self::{
    binaries::{Binaries, find},
    error::Error,
    revival::keep_running,
};
use self::{layout::Layout, postmaster::Postmaster};

/// The role that owns everything in the cluster.
pub const SUPERUSER: &str = "lamplighter";
/// The daemon's database in the cluster.
pub const DATABASE: &str = "lamplighter";
/// The port is only a part of the socket's name: nothing listens on the network.
const PORT: u16 = 5432;
/// The file whose lock says that a process runs the server.
const LOCK: &str = "lock";

/// How to run the private PostgreSQL.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of the cluster, its log and its lock.
    pub root: PathBuf,
    /// Directory of the PostgreSQL programs; searched for when absent.
    pub bin_dir: Option<PathBuf>,
    /// Whether a commit survives a power cut. Only tests and demos say no.
    pub durable: bool,
}

/// A running private PostgreSQL; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    // Dropped first: the lock must outlive the process it guards.
    postmaster: Postmaster,
    layout: Layout,
    binaries: Binaries,
    durable: bool,
    _lock: File,
}

impl Server {
    /// Starts the server, creating the cluster on first use. Blocks until it accepts connections.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let layout = Layout::prepare(&options.root)?;
        let lock = lock(&layout)?;
        postmaster::stop_leftover(&layout)?;
        let binaries = cluster::ensure(&layout, options)?;
        let postmaster = postmaster::start(&binaries, &layout, options.durable)?;
        tracing::info!(
            version = binaries.version,
            root = %layout.root.display(),
            pid = postmaster.pid(),
            "private PostgreSQL is ready"
        );
        Ok(Self { postmaster, layout, binaries, durable: options.durable, _lock: lock })
    }

    /// Starts the server again after it has ended by itself. Blocks until it accepts connections, at the same place.
    fn restart(&mut self) -> Result<(), Error> {
        if let Ok(status) = self.postmaster.status() {
            tracing::error!(%status, log = %self.layout.log.display(),
                "private PostgreSQL ended by itself: starting it again; its log says why");
        }
        postmaster::stop_leftover(&self.layout)?;
        self.postmaster = postmaster::start(&self.binaries, &self.layout, self.durable)?;
        tracing::warn!(pid = self.postmaster.pid(), "private PostgreSQL is ready again");
        Ok(())
    }

    /// How to connect to the maintenance database `postgres`; name another with `.database()`.
    pub fn connect_options(&self) -> PgConnectOptions {
        options(&self.layout.socket_dir)
    }

    /// The directory that holds the socket.
    pub fn socket_dir(&self) -> &Path {
        &self.layout.socket_dir
    }

    /// The version of the programs, such as `15.18`.
    pub fn version(&self) -> &str {
        &self.binaries.version
    }

    /// The process id, or none once PostgreSQL has ended.
    pub fn pid(&self) -> Option<u32> {
        self.postmaster.pid()
    }

    /// Stops the server and waits until it is gone. Open connections are cut. Harmless when repeated.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.postmaster.stop()
    }
}

/// How to connect to the server that another process runs under `root` now, if one does.
pub fn running(root: &Path) -> Option<PgConnectOptions> {
    if !root.join(LOCK).exists() {
        return None;
    }
    let layout = Layout::prepare(root).ok()?;
    match lock(&layout) {
        Err(Error::InUse { .. }) => Some(options(&layout.socket_dir)),
        Ok(_) | Err(_) => None,
    }
}

fn options(socket_dir: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(PORT)
        .username(SUPERUSER)
        .database("postgres")
        .ssl_mode(PgSslMode::Disable)
}

/// Creates the database unless it exists, and says how to connect to it.
pub async fn ensure_database(server: &Server, name: &str) -> Result<PgConnectOptions, Error> {
    let failed = |source| Error::Database { name: name.to_owned(), source };
    let maintenance = server.connect_options();
    let mut conn = PgConnection::connect_with(&maintenance).await.map_err(failed)?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut conn)
        .await
        .map_err(failed)?;
    if !exists {
        let quoted = name.replace('"', "\"\"");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE \"{quoted}\""))).execute(&mut conn).await.map_err(failed)?;
    }
    conn.close().await.map_err(failed)?;
    Ok(maintenance.database(name))
}

/// Held for the server's life; the kernel lets go of it however the daemon ends.
fn lock(layout: &Layout) -> Result<File, Error> {
    let path = layout.root.join(LOCK);
    let file = layout.open_append(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { root: layout.root.clone() }),
        Err(TryLockError::Error(source)) => Err(Error::file("lock", path)(source)),
    }
}

#[cfg(test)]
mod tests;
