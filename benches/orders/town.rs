//! An app on a private, durable Postgres, and as many customers as are asked for.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use lamplighter::{
    app::App,
    clock::Clock,
    config::{Config, Sources},
    store::{self, embedded},
    vault::Vault,
};
use tempfile::TempDir;

pub(crate) struct Town {
    pub(crate) app: App,
    pub(crate) config: Config,
    pub(crate) vault: Vault,
    // In this order: the server ends before its files go.
    _server: embedded::Server,
    _directory: TempDir,
}

impl Town {
    pub(crate) async fn found(set: &[(&str, String)]) -> Self {
        // Postgres runs as another user than root and must be able to pass.
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let options = embedded::Options { root: directory.path().join("postgres"), bin_dir: None, durable: true };
        let server = embedded::Server::start(&options).unwrap();
        let database = embedded::ensure_database(&server, embedded::DATABASE).await.unwrap();
        let ours = [
            ("data_dir", directory.path().display().to_string()),
            ("smtp.host", "localhost".to_owned()),
            ("database.max_connections", crate::CLIENTS.to_string()),
            // A lane needs its client only now and then; the others are kept busy meanwhile.
            ("orders.concurrency", (3 * crate::CLIENTS).to_string()),
            ("providers.quickbooks.environment", "sandbox".to_owned()),
        ];
        let flags = ours.into_iter().chain(set.iter().cloned()).map(|(key, value)| (key.to_owned(), value)).collect();
        let (config, _) = Config::load(Sources { flags, ..Sources::default() }).unwrap();
        let vault =
            Vault::generate(&config.vault.keys_file).and_then(|_| Vault::load(&config.vault.keys_file)).unwrap();
        let pool = store::open(database, config.database.max_connections, Duration::from_secs(10)).await.unwrap();
        let app = App::build(&config, pool, Clock::system(), &[]).await.unwrap();
        Self { app, config, vault, _server: server, _directory: directory }
    }
}
