//! Companies with grants of their own, an app on a private Postgres, and as many idle rows as are asked for.

use std::{
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use lamplighter::{
    app::App,
    clock::Clock,
    config::{Config, Sources},
    keeper::renewal::{access_place, refresh_place},
    provider::Provider,
    sandbox::{Listen, Sandbox},
    store::{
        self,
        accounts::{self, Account},
        connections::{self, Company, Connected},
        embedded,
        tokens::{self, SealedTokens},
    },
    vault::{self, Vault},
};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct Town {
    pub(crate) app: App,
    pub(crate) sandbox: Sandbox,
    connections: i64,
    // In this order: the server ends before its files go.
    _server: embedded::Server,
    _directory: TempDir,
}

impl Town {
    /// An app with so many QuickBooks connections.
    pub(crate) async fn found(connections: usize, durable: bool) -> Self {
        // Postgres runs as another user than root and must be able to pass.
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let server = crate::server(directory.path(), durable);
        let database = embedded::ensure_database(&server, embedded::DATABASE).await.unwrap();
        let sandbox = Sandbox::start(Clock::system(), Listen::default()).await.unwrap();
        let at = sandbox.endpoints(Provider::Quickbooks);
        let flags = [
            ("data_dir", directory.path().display().to_string()),
            ("smtp.host", "localhost".to_owned()),
            ("keeper.concurrency", crate::CONCURRENCY.to_string()),
            ("providers.quickbooks.client_id", at.client_id),
            ("providers.quickbooks.client_secret", at.client_secret.expose_secret().to_owned()),
            ("providers.quickbooks.environment", "sandbox".to_owned()),
            ("providers.quickbooks.token_url", at.token_url.to_string()),
        ];
        let flags = flags.map(|(key, value)| (key.to_owned(), value)).to_vec();
        let (config, _) = Config::load(Sources { flags, ..Sources::default() }).unwrap();
        let vault =
            Vault::generate(&config.vault.keys_file).and_then(|_| Vault::load(&config.vault.keys_file)).unwrap();
        let pool = store::open(database, config.database.max_connections, Duration::from_secs(10)).await.unwrap();
        let app = App::build(&config, pool, Clock::system(), &[]).await.unwrap();
        let town = Self {
            app,
            sandbox,
            connections: i64::try_from(connections).unwrap(),
            _server: server,
            _directory: directory,
        };
        for n in 0..connections {
            town.connect(&vault, n).await;
        }
        town
    }

    async fn connect(&self, vault: &Vault, n: usize) {
        let (now, realm) = (self.app.clock.now(), format!("91{n:06}"));
        let account = Account {
            id: Uuid::now_v7(),
            name: format!("Account {n}"),
            owner_name: String::new(),
            owner_email: "owner@shop.example".to_owned(),
            created_at: now,
        };
        let company = Company {
            provider: Provider::Quickbooks,
            environment: "sandbox".to_owned(),
            id: realm.clone(),
            name: realm.clone(),
        };
        let mut conn = self.app.pool.acquire().await.unwrap();
        accounts::add(&mut conn, &account).await.unwrap();
        let connected = connections::connect(&mut conn, Uuid::now_v7(), account.id, &company, now).await.unwrap();
        let Connected::New(id) = connected else { unreachable!("the company is new") };
        let grant = self.sandbox.seed_grant(Provider::Quickbooks, &realm, &[], now);
        let sealed = SealedTokens {
            access_sealed: vault.seal(access_place(id), &grant.access_token),
            refresh_sealed: vault.seal(refresh_place(id), &grant.refresh_token),
            refresh_fingerprint: vault::fingerprint(&grant.refresh_token),
            access_expires_at: now + TimeDelta::hours(1),
            refresh_expires_at: None,
            refresh_hard_expires_at: None,
            renewed_at: now,
            renew_at: now + TimeDelta::hours(1),
        };
        let identity = format!("sandbox/{}", self.sandbox.endpoints(Provider::Quickbooks).client_id);
        tokens::replace(&mut conn, id, &identity, &sealed).await.unwrap();
    }

    /// A refresh token that no connection holds.
    pub(crate) async fn grant_of_its_own(&self, realm: &str) -> String {
        let grant = self.sandbox.seed_grant(Provider::Quickbooks, realm, &[], self.app.clock.now());
        grant.refresh_token.expose_secret().to_owned()
    }

    /// Makes every real connection due and takes the time of the round that renews them.
    pub(crate) async fn renew_all(&self) -> Duration {
        let due = "update tokens set renew_at = now() - interval '1 minute' where issued_to <> 'nobody'";
        sqlx::query(due).execute(&self.app.pool).await.unwrap();
        let begun = Instant::now();
        let report = self.app.keeper.round().await.unwrap();
        let elapsed = begun.elapsed();
        assert_eq!(i64::from(report.renewed), self.connections, "{report:?}");
        elapsed
    }

    /// Adds rows that are not due until so many are stored.
    pub(crate) async fn fill_up_to(&self, stored: i64) {
        let there: i64 = sqlx::query_scalar("select count(*) from tokens").fetch_one(&self.app.pool).await.unwrap();
        let steps = [
            "insert into accounts (id, name, owner_name, owner_email, created_at)
             select md5('account' || n)::uuid, 'Idle ' || n, '', 'idle@shop.example', now()
             from generate_series($1::bigint, $2::bigint) n",
            "insert into connections (id, account_id, provider, environment, company_id, company_name, status,
                                      status_changed_at, connected_at)
             select md5('connection' || n)::uuid, md5('account' || n)::uuid, 'quickbooks', 'sandbox', 'idle' || n,
                    'Idle ' || n, 'connected', now(), now()
             from generate_series($1::bigint, $2::bigint) n",
            "insert into tokens (connection_id, provider, generation, access_sealed, refresh_sealed, refresh_fingerprint,
                                 issued_to, access_expires_at, renewed_at, renew_at)
             select md5('connection' || n)::uuid, 'quickbooks', 1, repeat('a', 1300), repeat('r', 120), 'f', 'nobody',
                    now() + interval '1 day', now(), now() + interval '1 day' + n * interval '1 second'
             from generate_series($1::bigint, $2::bigint) n",
            "vacuum analyze tokens, connections, accounts",
        ];
        for sql in steps {
            let query = sqlx::query(sql);
            let query = if sql.contains("$1") { query.bind(there + 1).bind(stored) } else { query };
            query.execute(&self.app.pool).await.unwrap();
        }
    }
}
