//! What Postgres does when nothing is asked of it but to claim and to mark done.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::task::JoinSet;

const BATCH: i64 = 100;

pub(crate) async fn lay(pool: &PgPool) {
    let steps = [
        "create table floor_jobs (id bigint generated always as identity primary key, state text not null,
                                  payload jsonb not null) with (autovacuum_vacuum_scale_factor = 0.01)",
        "create index floor_jobs_ready on floor_jobs (id) where state = 'ready'",
    ];
    for sql in steps {
        sqlx::query(sql).execute(pool).await.unwrap();
    }
}

/// How long it takes until no job is left.
pub(crate) async fn drain(pool: &PgPool, jobs: usize) -> Duration {
    let fill = "insert into floor_jobs (state, payload)
                select 'ready', jsonb_build_object('n', n) from generate_series(1, $1::bigint) n";
    sqlx::query("truncate floor_jobs").execute(pool).await.unwrap();
    sqlx::query(fill).bind(i64::try_from(jobs).unwrap()).execute(pool).await.unwrap();
    sqlx::query("vacuum analyze floor_jobs").execute(pool).await.unwrap();
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..crate::CLIENTS {
        clients.spawn(client(pool.clone()));
    }
    clients.join_all().await;
    let elapsed = begun.elapsed();
    let left: i64 =
        sqlx::query_scalar("select count(*) from floor_jobs where state <> 'done'").fetch_one(pool).await.unwrap();
    assert_eq!(left, 0);
    elapsed
}

async fn client(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    let claim = "with picked as (
                     select id from floor_jobs where state = 'ready' order by id limit $1 for update skip locked
                 )
                 update floor_jobs f set state = 'running' from picked where f.id = picked.id returning f.id";
    loop {
        let ids: Vec<i64> = sqlx::query_scalar(claim).bind(BATCH).fetch_all(&mut *conn).await.unwrap();
        if ids.is_empty() {
            break;
        }
        let done = "update floor_jobs set state = 'done' where id = any($1)";
        sqlx::query(done).bind(ids).execute(&mut *conn).await.unwrap();
    }
}
