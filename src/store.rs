//! The only SQL. One file per noun, plain functions over a connection; the caller owns the transaction.
//!
//! Nothing here calls a provider, sends a mail or waits while a transaction is open. Leases are written with the
//! database's clock, because daemons share them; every other time is handed in.

/// A private Postgres under the data directory.
pub mod embedded;

/// Customers of the operator.
pub mod accounts;

/// Authorizations for one company at one provider.
pub mod connections;

/// Authorizations in progress in somebody's browser.
pub mod oauth_states;

/// Sealed tokens: claim, keep, release.
pub mod tokens;

/// The ledger of every use of a refresh token.
pub mod spends;

/// Connections that somebody chose to end.
pub mod farewells;

/// Everything about one connection, for a person.
pub mod dossiers;

/// How far each HubSpot portal has been read.
pub mod intakes;

/// Where orders come from.
pub mod sources;

/// Keys with which programs use the API.
pub mod api_keys;

/// When a grant was last seen to work.
pub mod probes;

/// QuickBooks companies as queues.
pub mod lanes;

/// Orders on their way.
pub mod orders;

/// Every attempt to post an order.
pub mod attempts;

/// People who may use the dashboard.
pub mod operators;

/// What people did by hand.
pub mod audit_log;

/// What we last wrote into QuickBooks for each order.
pub mod documents;

/// Orders for people: found, explained, decided on by hand, pruned.
pub mod order_log;

/// Customers, items and accounts once found in a company.
pub mod quickbooks_names;

/// An account's own settings of how orders become documents.
pub mod mappings;

/// Provider-wide failures.
pub mod outages;

/// What a person must know.
pub mod alerts;

/// Who is reminded of what is not repaired.
pub mod reminders;

/// What people are told of at intervals.
pub mod digests;

/// Fresh links that owners ask for.
pub mod fresh_links;

/// Whether an all-clear has anything to clear.
pub mod all_clears;

/// Very many lapses at once, and the mails that wait for a person's word.
pub mod storms;

/// Addresses that mail does not reach.
pub mod recipients;

/// The outbox of mails.
pub mod mails;

/// Warnings of what is about to run out, step by step.
pub mod warnings;

/// Refresh windows that nothing renews in time.
pub mod windows;

/// The last day in numbers.
pub mod trends;

/// The reconnects to come.
pub mod forecast;

/// Which vault keys the database depends on.
pub mod vault_keys;

/// Everything at once, for whoever compares it with what really happened.
#[cfg(feature = "sandbox")]
pub mod audit;
/// What is sealed, by key.
pub mod sealed;

/// Tokens that did not open.
pub mod set_asides;

/// Endpoints of the operator's own services.
pub mod webhooks;

/// What these endpoints must still be told.
pub mod webhook_deliveries;

/// How it stands, in a few numbers.
pub mod levels;

/// Who works on this database.
pub mod daemons;

/// Which database this is.
pub mod identity;

use std::time::Duration;

use sqlx::{
    Connection as _, PgConnection, PgPool,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// Forward-only migrations, applied at every start.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// What the database can answer beside rows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused, or is not there.
    #[error("the database did not carry out a statement")]
    Sql(#[from] sqlx::Error),
    /// A write that concerns one row met none or several.
    #[error("{what} {id} was expected once in the database, but the statement met {met} rows")]
    RowCount {
        /// The noun.
        what: &'static str,
        /// Its id.
        id: String,
        /// How many rows.
        met: u64,
    },
    /// The server cannot be reached at start.
    #[error(
        "cannot reach Postgres at {place}: check that it runs and that database.url is right, or leave database.url \
         empty for an embedded one"
    )]
    Unreachable {
        /// Host or socket, port and database; never the password.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error(
        "cannot bring the database's schema up to date: an older lamplighter may be pointed at a newer database; use the \
         newest one, or restore the backup that fits this one"
    )]
    Migrate(#[from] MigrateError),
}

impl Error {
    /// Whether the server is away rather than at odds with us: worth waiting for.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Sql(error) => match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed => true,
                // 57P0x: the server shuts down or starts up; 08xxx: connection trouble; 53300: too many clients.
                sqlx::Error::Database(error) => error
                    .code()
                    .is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code == "53300"),
                _ => false,
            },
            Self::RowCount { .. } | Self::Migrate(_) => false,
        }
    }
}

impl Error {
    /// Whether the same statement may work in a moment: the server is away, or two transactions got into each other's way.
    pub fn may_pass(&self) -> bool {
        let collided = |code: &str| matches!(code, "40001" | "40P01" | "55P03");
        match self {
            Self::Sql(sqlx::Error::Database(error)) if error.code().is_some_and(|code| collided(&code)) => true,
            other => other.is_away(),
        }
    }
}

/// Asserts that a write met exactly the one row it was for.
pub(crate) fn one_row(what: &'static str, id: impl ToString, met: u64) -> Result<(), Error> {
    if met == 1 { Ok(()) } else { Err(Error::RowCount { what, id: id.to_string(), met }) }
}

/// Opens a pool and brings the schema up to date.
///
/// # Errors
/// [`Error::Unreachable`] when the server does not answer within `timeout`, [`Error::Migrate`].
pub async fn open(options: PgConnectOptions, max_connections: u32, timeout: Duration) -> Result<PgPool, Error> {
    let place = format!(
        "{}:{}/{}",
        options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string()),
        options.get_port(),
        options.get_database().unwrap_or("")
    );
    let options = options.application_name("lamplighter");
    // Not through the pool: it waits in silence for a server that refuses, and then knows only that it waited.
    let connected = tokio::time::timeout(timeout, PgConnection::connect_with(&options)).await;
    let mut first =
        connected.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(|source| Error::Unreachable { place, source })?;
    MIGRATIONS.run(&mut first).await?;
    first.close().await?;
    Ok(PgPoolOptions::new()
        .max_connections(max_connections)
        .min_connections(0)
        .acquire_timeout(timeout)
        .idle_timeout(Duration::from_secs(300))
        .connect_lazy_with(options))
}

/// Answers whether the database answers.
///
/// # Errors
/// Whatever the server or the network says.
pub async fn ping(pool: &PgPool) -> Result<(), Error> {
    sqlx::query_scalar!(r#"select 1 as "one!""#).fetch_one(pool).await?;
    Ok(())
}
