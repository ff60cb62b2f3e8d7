//! A durable Postgres that is killed and comes back.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use lamplighter::store::embedded::{DATABASE, Options, Server, ensure_database};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{PgPool, postgres::PgConnectOptions};

/// The server; only this may end it.
#[derive(Clone)]
pub(super) struct Postgres {
    options: Options,
    server: Arc<Mutex<Option<Server>>>,
    database: PgConnectOptions,
    pub(super) crashes: Arc<AtomicU64>,
}

impl Postgres {
    pub(super) async fn start(root: PathBuf) -> Self {
        let options = Options { root, bin_dir: None, durable: true };
        let server = launch(options.clone()).await;
        let database = ensure_database(&server, DATABASE).await.unwrap();
        let pool = PgPool::connect_with(database.clone()).await.unwrap();
        lamplighter::store::MIGRATIONS.run(&pool).await.unwrap();
        pool.close().await;
        Self { options, server: Arc::new(Mutex::new(Some(server))), database, crashes: Arc::default() }
    }

    pub(super) fn socket_dir(&self) -> &Path {
        self.database.get_socket().unwrap()
    }

    /// How to reach it without the proxy.
    pub(super) fn database(&self) -> &PgConnectOptions {
        &self.database
    }

    /// Kills it and starts it again; returns when it answers.
    pub(super) async fn crash(&self, signal: Signal) {
        let server = self.server.lock().unwrap().take();
        tokio::task::spawn_blocking(move || {
            let mut server = server.expect("nobody else ends it");
            let pid = i32::try_from(server.pid().expect("it runs")).unwrap();
            kill(Pid::from_raw(pid), signal).unwrap();
            server.stop().unwrap();
        })
        .await
        .unwrap();
        let again = launch(self.options.clone()).await;
        *self.server.lock().unwrap() = Some(again);
        self.crashes.fetch_add(1, Ordering::Relaxed);
    }
}

async fn launch(options: Options) -> Server {
    tokio::task::spawn_blocking(move || Server::start(&options).unwrap_or_else(|error| panic!("{error}")))
        .await
        .unwrap()
}
