//! Where the data lives: which PostgreSQL, and how patiently it is asked.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    problem::Fault,
    reader::{Section, gather},
};

/// `[database]`.
#[derive(Clone, Debug)]
pub struct Database {
    /// PostgreSQL to use; `None` runs one of our own in the data directory.
    pub url: Option<SecretString>,
    /// Most connections that this daemon keeps open.
    pub max_connections: u32,
    /// How long to wait for a free or new connection.
    pub connect_timeout: Duration,
    /// Whether work is held back on a database that looks restored or copied.
    pub restore_fence: bool,
    /// Directory of `initdb` and `postgres`; `None` searches the usual places.
    pub postgres_bin_dir: Option<PathBuf>,
}

impl Database {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let database = gather!(Database {
            url: section.secret("url"),
            max_connections: section.integer("max_connections", 2..=1_000),
            connect_timeout: section.duration("connect_timeout", Duration::from_millis(100)..=Duration::from_mins(10)),
            restore_fence: section.boolean("restore_fence"),
            postgres_bin_dir: section.optional_path("postgres_bin_dir"),
        });
        if database.url.as_ref().is_some_and(|url| !is_postgres(url.expose_secret())) {
            let remedy = r#"write it like "postgres://user:password@host:5432/lamplighter""#;
            let key = section.key("url");
            section.reader().fault(&key, Fault::new("is no PostgreSQL URL", remedy));
        }
        Some(database)
    }
}

fn is_postgres(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
}
