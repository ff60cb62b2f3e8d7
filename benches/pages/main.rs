//! What a page costs with few and with many things stored, as a ratio between the two in the same run.
//!
//!   cargo bench --bench pages                  10,000 connections and 100,000 orders beside a hundredth of them; minutes
//!   cargo bench --bench pages -- quick         a smoke test: the same with next to nothing, figures without meaning
//!
//! Each page is asked for over HTTP by one signed-in operator, owner or program after the other, so what is counted is the
//! time until the last byte is there. The goal is that every page answers within 100 ms at the median.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking and prints")]

mod stock;
#[expect(dead_code, reason = "pages seal nothing")]
#[path = "../orders/town.rs"]
mod town;

use std::time::{Duration, Instant};

use stock::{Desk, Page, Stock};

/// Connections of the daemon's pool.
const CLIENTS: usize = 10;
/// What no median may be over.
const GOAL: Duration = Duration::from_millis(100);

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    // Accounts, each with two connections and twenty orders, and how often a page is asked for.
    let (few, many, repeats) = if quick { (5, 10, 3) } else { (50, 5_000, 31) };
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let desk = Desk::open().await;
        let mut stock = Stock::default();
        let mut measured = Vec::new();
        for accounts in [few, many] {
            desk.fill_up_to(&mut stock, accounts).await;
            let mut medians = Vec::new();
            for page in desk.pages().await {
                medians.push((median(&desk, &page, repeats).await, page));
            }
            measured.push(medians);
        }
        println!("a page, median of {repeats}; {} and {} connections, ten times as many orders:", 2 * few, 2 * many);
        let mut slow = Vec::new();
        for ((before, page), (now, _)) in measured[0].iter().zip(&measured[1]) {
            let ratio = now.as_secs_f64() / before.as_secs_f64();
            println!("  {:<52} {:>6.1} ms {:>7.1} ms  ratio {ratio:>6.2}", page.name, millis(*before), millis(*now));
            slow.extend((*now > GOAL).then_some(page.name));
        }
        println!("over {} ms: {}", GOAL.as_millis(), if slow.is_empty() { "none".to_owned() } else { slow.join(", ") });
    });
}

async fn median(desk: &Desk, page: &Page, repeats: usize) -> Duration {
    desk.ask(page).await;
    let mut times = Vec::new();
    for _ in 0..repeats {
        let begun = Instant::now();
        desk.ask(page).await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
