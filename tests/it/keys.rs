//! Vault keys in use: rotation beside daemons that renew, tokens whose key is missing, and keys that may go.

mod pruning;
mod rotation;
mod set_aside;

use std::{collections::BTreeMap, ops::ControlFlow, path::Path, time::Duration};

use lamplighter::{
    app::App,
    keeper::renewal::{access_place, refresh_place},
    keys::{
        self,
        rotation::{Report, Rotation, Step},
    },
    provider::Provider,
    store::{self, vault_keys},
    vault::{Key, Vault, key_id_of},
};
use secrecy::ExposeSecret as _;
use sqlx::{PgPool, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::harness::TestApp;

/// A row of `tokens` as it is stored.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) connection_id: Uuid,
    pub(crate) generation: i64,
    pub(crate) access_sealed: String,
    pub(crate) refresh_sealed: String,
}

pub(crate) async fn rows(pool: &PgPool) -> Vec<Row> {
    let sql = "select connection_id, generation, access_sealed, refresh_sealed from tokens order by connection_id";
    sqlx::query_as(sql).fetch_all(pool).await.unwrap()
}

/// Adds connections that somebody disconnected long ago: their tokens are stored and nobody renews them.
pub(crate) async fn add_idle(pool: &PgPool, count: usize, seal: impl Fn(Uuid) -> (String, String)) {
    let account = Uuid::now_v7();
    sqlx::query("insert into accounts values ($1, $2, 'Ida Idle', 'ida@idle.example', now())")
        .bind(account)
        .bind(format!("Idle {account}"))
        .execute(pool)
        .await
        .unwrap();
    let ids: Vec<Uuid> = std::iter::repeat_with(Uuid::now_v7).take(count).collect();
    let (access, refresh): (Vec<_>, Vec<_>) = ids.iter().map(|id| seal(*id)).unzip();
    sqlx::query(
        "with made as (
             insert into connections (id, account_id, provider, environment, company_id, company_name, status,
                                      status_changed_at, connected_at)
             select id, $2, 'quickbooks', 'sandbox', id::text, 'Idle ' || id, 'disconnected', now(), now()
             from unnest($1) id returning id
         )
         insert into tokens (connection_id, provider, generation, access_sealed, refresh_sealed, refresh_fingerprint, issued_to,
                             access_expires_at, renewed_at)
         select r.id, 'quickbooks', 1, r.access, r.refresh, 'f', 'nobody', now(), now()
         from unnest($1, $3, $4) r (id, access, refresh) join made on made.id = r.id",
    )
    .bind(&ids)
    .bind(account)
    .bind(&access)
    .bind(&refresh)
    .execute(pool)
    .await
    .unwrap();
}

/// What an idle row's tokens are, so that they can be told after any number of rotations.
pub(crate) fn sealed_by(vault: &Vault) -> impl Fn(Uuid) -> (String, String) {
    move |id| {
        let seal = |place, kind: &str| vault.seal(place, &format!("{kind} {id}").into());
        (seal(access_place(id), "access"), seal(refresh_place(id), "refresh"))
    }
}

/// Every token opens, is whole, and is sealed under this key.
pub(crate) async fn assert_all_under(pool: &PgPool, vault: &Vault, key_id: &str) {
    for row in rows(pool).await {
        for (place, sealed, kind) in [
            (access_place(row.connection_id), &row.access_sealed, "access"),
            (refresh_place(row.connection_id), &row.refresh_sealed, "refresh"),
        ] {
            assert_eq!(key_id_of(sealed), Some(key_id), "{row:?}");
            let opened = vault.open(place, sealed).unwrap();
            let opened = opened.expose_secret();
            let idle = format!("{kind} {}", row.connection_id);
            assert!(opened == idle || !opened.contains(&row.connection_id.to_string()), "{opened} instead of {idle}");
        }
    }
}

impl TestApp {
    pub(crate) fn vault(&self) -> Vault {
        Vault::load(&self.config.vault.keys_file).unwrap()
    }

    fn rotation(&self, timeout: Duration) -> Rotation<'_> {
        let (pool, keys_file) = (&self.app.pool, self.config.vault.keys_file.as_path());
        Rotation { pool, keys_file, clock: &self.clock, timeout }
    }

    /// A whole rotation, followed by this daemon as soon as it is waited for.
    async fn rotate(&self) -> Report {
        self.app.presence.beat(true).await.unwrap();
        self.rotate_until(|_| false).await.unwrap()
    }

    /// The same, ended as if by `kill -9` right after a step.
    pub(crate) async fn rotate_until(&self, ends: impl Fn(&Step) -> bool) -> Result<Report, keys::Error> {
        let waited_for = tokio::sync::Notify::new();
        let rotation = self.rotation(Duration::from_secs(60));
        let mut tell = |step: &Step| {
            if ends(step) {
                return ControlFlow::Break(());
            }
            if matches!(step, Step::Waiting(_)) {
                waited_for.notify_one();
            }
            ControlFlow::Continue(())
        };
        let follow = async {
            loop {
                waited_for.notified().await;
                self.app.keys.tend().await.unwrap();
            }
        };
        tokio::select! {
            report = rotation.run(&mut tell) => report,
            never = follow => never,
        }
    }

    /// A daemon with a keys file of its own, as on another machine.
    async fn daemon_elsewhere(&self, keys_file: &Path) -> App {
        std::fs::copy(&self.config.vault.keys_file, keys_file).unwrap();
        let mut config = self.config.clone();
        keys_file.clone_into(&mut config.vault.keys_file);
        App::build(&config, self.pool().await, self.clock.clone(), &[]).await.unwrap()
    }

    async fn pool(&self) -> PgPool {
        let options: PgConnectOptions = self.database.clone();
        store::open(options, 8, Duration::from_secs(10)).await.unwrap()
    }

    async fn key(&self, id: &str) -> vault_keys::VaultKey {
        let keys = vault_keys::list(&mut *self.conn().await).await.unwrap();
        keys.into_iter().find(|key| key.id == id).expect("the database knows it")
    }

    /// Seals a connection's tokens under another key, as a daemon with a newer keys file would have.
    async fn seal_under(&self, key: &Key, provider: Provider) {
        let id = self.connection(provider).await.id;
        let row = rows(&self.app.pool).await.into_iter().find(|row| row.connection_id == id).unwrap();
        let vault = self.vault();
        let anew = |place, sealed: &str| key.seal(place, &vault.open(place, sealed).unwrap());
        sqlx::query("update tokens set access_sealed = $2, refresh_sealed = $3 where connection_id = $1")
            .bind(id)
            .bind(anew(access_place(id), &row.access_sealed))
            .bind(anew(refresh_place(id), &row.refresh_sealed))
            .execute(&self.app.pool)
            .await
            .unwrap();
    }
}

fn only(key_id: &str, rows: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(key_id.to_owned(), rows)])
}
