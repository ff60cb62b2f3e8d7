//! Orders that go nowhere: in through the intake's statement, out through the machinery of lanes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use lamplighter::{
    keeper::access::Unavailable,
    orders::{
        Parts,
        dispatch::{Dispatch, Posted, Poster, Trouble},
    },
    outage::OutageWatch,
    provider::Failure,
    store::{
        self,
        attempts::Outcome,
        lanes::{self, Claim},
        orders::{self, NewOrder, Waiting},
    },
    telemetry::Metrics,
};
use serde_json::json;
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{CLIENTS, town::Town};

/// Orders of one turn of a lane.
pub(crate) const BATCH: usize = 500;
/// Orders that come in together.
const PAGE: usize = 100;

/// Says that every order was delivered.
#[derive(Clone)]
struct Nowhere;

impl Poster for Nowhere {
    type Session = ();

    async fn open(&self, _: &Claim) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn post(&self, _: &Claim, (): &mut (), order: &Waiting) -> Result<Posted, Trouble> {
        Ok(Posted { document_id: order.external_id.clone(), outcome: Outcome::Posted })
    }

    async fn look_up(&self, _: &Claim, (): &(), _: &Waiting) -> Result<Option<Posted>, Trouble> {
        Ok(None)
    }

    async fn tell(&self, _: &Claim, (): &(), _: &Failure) -> Result<(), store::Error> {
        Ok(())
    }
}

pub(crate) struct Queue {
    pub(crate) town: Town,
    dispatch: Dispatch<Nowhere>,
    /// Account and source of each lane.
    lanes: Vec<(Uuid, Uuid)>,
}

impl Queue {
    pub(crate) async fn found(count: usize) -> Self {
        let town = Town::found(&[
            ("providers.quickbooks.client_id", "bench-client".to_owned()),
            ("providers.quickbooks.client_secret", "bench-secret".to_owned()),
            ("orders.batch", BATCH.to_string()),
        ])
        .await;
        let app = &town.app;
        let steps = [
            "insert into accounts (id, name, owner_name, owner_email, created_at)
             select md5('account' || n)::uuid, 'Account ' || n, '', 'owner@shop.example', now()
             from generate_series(1, $1::bigint) n",
            "insert into connections (id, account_id, provider, environment, company_id, company_name, status,
                                      status_changed_at, connected_at)
             select md5(provider || n)::uuid, md5('account' || n)::uuid, provider, 'sandbox', 'company' || n, 'Company ' || n,
                    'connected', now(), now()
             from generate_series(1, $1::bigint) n, unnest(array['quickbooks', 'hubspot']) provider",
            "insert into sources (id, account_id, kind, name, created_at)
             select id, account_id, 'hubspot', 'hubspot ' || company_id, now() from connections
             where provider = 'hubspot' and $1 > 0",
            "insert into lanes (connection_id) select md5('quickbooks' || n)::uuid from generate_series(1, $1::bigint) n",
        ];
        for sql in steps {
            sqlx::query(sql).bind(i64::try_from(count).unwrap()).execute(&app.pool).await.unwrap();
        }
        sqlx::query("vacuum analyze accounts, connections, lanes").execute(&app.pool).await.unwrap();
        let lanes = sqlx::query_as(
            "select md5('account' || n)::uuid, md5('hubspot' || n)::uuid from generate_series(1, $1::bigint) n",
        )
        .bind(i64::try_from(count).unwrap())
        .fetch_all(&app.pool)
        .await
        .unwrap();
        let parts = Parts {
            pool: app.pool.clone(),
            keeper: app.keeper.clone(),
            providers: app.web.providers.clone(),
            outages: OutageWatch::new(app.pool.clone(), app.clock.clone(), town.config.outage.clone(), None),
            config: town.config.orders.clone(),
            daemon: Arc::from("bench/1"),
            metrics: Metrics::default(),
            stopping: CancellationToken::new(),
        };
        let dispatch = Dispatch::with(parts, Nowhere);
        Self { town, dispatch, lanes }
    }

    /// Stores so many orders over the first `lanes` lanes, a hundred in a transaction.
    pub(crate) async fn enqueue(&self, jobs: usize, lanes: usize) -> Duration {
        let pool = &self.town.app.pool;
        sqlx::query("truncate orders, order_attempts, documents, unposted").execute(pool).await.unwrap();
        let (each, batch) = (jobs / lanes, PAGE.min(jobs / lanes));
        assert_eq!((each % batch, jobs % lanes), (0, 0));
        let begun = Instant::now();
        // All lanes grow side by side, as they do when a whole town shops.
        let batches = (0..each / batch).flat_map(|_| &self.lanes[..lanes]);
        stream::iter(batches)
            .for_each_concurrent(CLIENTS, |&(account_id, source_id)| self.receive(account_id, source_id, batch))
            .await;
        let elapsed = begun.elapsed();
        sqlx::query("vacuum analyze orders, order_attempts, unposted").execute(pool).await.unwrap();
        elapsed
    }

    async fn receive(&self, account_id: Uuid, source_id: Uuid, count: usize) {
        let now = self.town.app.clock.now();
        let orders: Vec<_> = (0..count).map(|_| order(now)).collect();
        let mut conn = self.town.app.pool.acquire().await.unwrap();
        let mut tx = conn.begin().await.unwrap();
        let received = orders::receive(&mut tx, account_id, source_id, &orders, now).await.unwrap();
        assert_eq!(received.len(), count);
        lanes::wake(&mut tx, account_id, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// How long it takes until the database shows no order waiting.
    pub(crate) async fn drain(&self, jobs: usize) -> Duration {
        let begun = Instant::now();
        let report = self.dispatch.round().await.unwrap();
        let elapsed = begun.elapsed();
        let left = "select count(*) from orders where status <> 'posted'";
        let left: i64 = sqlx::query_scalar(left).fetch_one(&self.town.app.pool).await.unwrap();
        let history: i64 =
            sqlx::query_scalar("select count(*) from order_attempts").fetch_one(&self.town.app.pool).await.unwrap();
        assert_eq!((left, history, report.posted as usize), (0, jobs as i64, jobs));
        elapsed
    }
}

fn order(now: chrono::DateTime<chrono::Utc>) -> NewOrder {
    let id = Uuid::now_v7();
    let external_id = id.simple().to_string();
    NewOrder {
        id,
        revision: external_id.clone(),
        name: "#1".to_owned(),
        total: None,
        currency: None,
        content: json!({}),
        modified_at: now,
        request_id: id,
        document_number: "HS-1".to_owned(),
        external_id,
    }
}
