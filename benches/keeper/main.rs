//! What the keeper costs, as ratios against what is measured beside it in the same run.
//!
//!   cargo bench --bench keeper                 everything; minutes, most of them for a million rows
//!   cargo bench --bench keeper -- renewals     one part: `renewals` or `rounds`
//!
//! `renewals`: renewals per second from claim to commit, beside a floor that does the same HTTP exchange and one durable
//! commit and nothing else. `rounds`: the time of a round with 100 tokens due among 1,000, 100,000 and 1,000,000 stored.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking and prints")]

mod town;

use std::time::{Duration, Instant};

use lamplighter::{provider::Provider, store::embedded};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;

use town::Town;

/// Renewals side by side, in the keeper and in the floor.
const CONCURRENCY: usize = 8;
const CONNECTIONS: usize = 200;
const REPEATS: usize = 7;
const DUE: i64 = 100;
const STORED: [i64; 3] = [1_000, 100_000, 1_000_000];

fn main() {
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if part.as_deref().is_none_or(|part| part == "renewals") {
            renewals().await;
        }
        if part.as_deref().is_none_or(|part| part == "rounds") {
            rounds().await;
        }
    });
}

/// The keeper against the floor, in turns, so that whatever else the machine does meets both.
async fn renewals() {
    let town = Town::found(CONNECTIONS, true).await;
    let floor = Floor::lay(&town).await;
    town.renew_all().await;
    floor.exchange_all().await;
    let (mut keeper, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        keeper.push(town.renew_all().await);
        bare.push(floor.exchange_all().await);
    }
    let (keeper, bare) = (per_second(median(keeper)), per_second(median(bare)));
    println!("renewals, {CONCURRENCY} side by side, durable Postgres, median of {REPEATS}:");
    println!("  keeper  {keeper:>8.0} per second: claim, ledger, exchange, sealed and fenced commit, ledger");
    println!("  floor   {bare:>8.0} per second: the same exchange and one durable commit");
    println!("  ratio   {:>8.2}", keeper / bare);
}

/// The same round among ever more rows that are not due.
async fn rounds() {
    let town = Town::found(usize::try_from(DUE).unwrap(), false).await;
    println!("a round with {DUE} tokens due, median of {REPEATS}:");
    let mut first = None;
    for stored in STORED {
        town.fill_up_to(stored).await;
        town.renew_all().await;
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            times.push(town.renew_all().await);
        }
        let time = median(times).as_secs_f64();
        let first = *first.get_or_insert(time);
        println!("  {stored:>9} stored  {:>7.1} ms  ratio {:.2}", time * 1_000.0, time / first);
    }
}

/// Refresh tokens of its own, spent against the same token endpoint, with one durable commit for each.
struct Floor {
    http: reqwest::Client,
    url: url::Url,
    credentials: (String, String),
    tokens: Vec<String>,
    pool: PgPool,
}

impl Floor {
    async fn lay(town: &Town) -> Self {
        let at = town.sandbox.endpoints(Provider::Quickbooks);
        sqlx::query("create table floor (id int primary key, answer text not null)")
            .execute(&town.app.pool)
            .await
            .unwrap();
        let fill = "insert into floor select n, '' from generate_series(0, $1::int) n";
        sqlx::query(fill).bind(i32::try_from(CONNECTIONS).unwrap()).execute(&town.app.pool).await.unwrap();
        let mut tokens = Vec::new();
        for n in 0..CONNECTIONS {
            tokens.push(town.grant_of_its_own(&format!("77{n:06}")).await);
        }
        Self {
            #[expect(clippy::disallowed_methods, reason = "the floor goes around the product's own client on purpose")]
            http: reqwest::Client::new(),
            url: at.token_url,
            credentials: (at.client_id, at.client_secret.expose_secret().to_owned()),
            tokens,
            pool: town.app.pool.clone(),
        }
    }

    async fn exchange_all(&self) -> Duration {
        use futures_util::{StreamExt as _, stream};
        let begun = Instant::now();
        let all = stream::iter(self.tokens.iter().enumerate());
        all.for_each_concurrent(CONCURRENCY, |(id, token)| self.exchange(i32::try_from(id).unwrap(), token)).await;
        begun.elapsed()
    }

    async fn exchange(&self, id: i32, token: &str) {
        let (user, password) = &self.credentials;
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let reply = self.http.post(self.url.clone()).basic_auth(user, Some(password)).form(&form).send().await.unwrap();
        let answer: serde_json::Value = reply.error_for_status().unwrap().json().await.unwrap();
        let sql = "update floor set answer = $2 where id = $1";
        sqlx::query(sql).bind(id).bind(answer["access_token"].as_str()).execute(&self.pool).await.unwrap();
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn per_second(time: Duration) -> f64 {
    CONNECTIONS as f64 / time.as_secs_f64()
}

/// The private Postgres that a bench runs on.
fn server(root: &std::path::Path, durable: bool) -> embedded::Server {
    let options = embedded::Options { root: root.join("postgres"), bin_dir: None, durable };
    embedded::Server::start(&options).unwrap()
}
