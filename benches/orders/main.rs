//! What the order queue costs, as ratios against what Postgres itself does in the same run.
//!
//!   cargo bench --bench orders                 everything; some minutes
//!   cargo bench --bench orders -- drain        one part: `drain` or `posting`
//!   cargo bench --bench orders -- quick        a smoke test: the same with few orders, figures without meaning
//!
//! `drain`: orders that go nowhere come in through the intake's own statement, in batches, and leave through the machinery
//! of lanes: leased, in order, fair between companies, fenced, with their history. Beside it a floor: claim 100 and mark
//! 100 done, by hand-written SQL, with as many clients. `posting`: orders from the simulated HubSpot into the simulated
//! QuickBooks, beside a floor that does the same HTTP exchange and one durable commit and nothing else.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking and prints")]

mod floor;
mod posting;
mod queue;
mod town;

use std::time::Duration;

/// Clients side by side, in the product and in the floor.
const CLIENTS: usize = 10;

/// How much is done.
#[derive(Clone, Copy)]
struct Scale {
    jobs: usize,
    many_lanes: usize,
    repeats: usize,
    companies: usize,
    orders_each: usize,
}

fn main() {
    let words: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let has = |word: &str| words.iter().any(|one| one == word);
    let all = !has("drain") && !has("posting");
    let scale = if has("quick") {
        Scale { jobs: 2_000, many_lanes: 50, repeats: 1, companies: 4, orders_each: 5 }
    } else {
        Scale { jobs: 100_000, many_lanes: 1_000, repeats: 5, companies: 20, orders_each: 50 }
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if all || has("drain") {
            drain(scale).await;
        }
        if all || has("posting") {
            posting::compare(scale).await;
        }
    });
}

/// In turns, so that whatever else the machine does meets all of them.
async fn drain(scale: Scale) {
    let queue = queue::Queue::found(scale.many_lanes).await;
    let pool = &queue.town.app.pool;
    floor::lay(pool).await;
    let lanes = [scale.many_lanes, 10];
    let (mut floor, mut enqueued, mut drained) = (Vec::new(), [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for turn in 0..=scale.repeats {
        let bare = floor::drain(pool, scale.jobs).await;
        for (n, lanes) in lanes.into_iter().enumerate() {
            let came = queue.enqueue(scale.jobs, lanes).await;
            let went = queue.drain(scale.jobs).await;
            // The first turn warms everything up.
            if turn > 0 || scale.repeats == 1 {
                enqueued[n].push(came);
                drained[n].push(went);
            }
        }
        if turn > 0 || scale.repeats == 1 {
            floor.push(bare);
        }
    }
    let jobs = scale.jobs as f64;
    let floor = jobs / median(floor).as_secs_f64();
    println!(
        "drain of {jobs} no-op orders, {CLIENTS} clients, batches of {}, durable Postgres, median of {}:",
        queue::BATCH,
        scale.repeats
    );
    println!("  floor, claim 100 and mark done 100    {floor:>8.0} jobs/s");
    for ((lanes, came), went) in lanes.into_iter().zip(enqueued).zip(drained) {
        let (came, went) = (jobs / median(came).as_secs_f64(), jobs / median(went).as_secs_f64());
        println!("  {lanes:>5} lanes: enqueue {came:>8.0} jobs/s, drain {went:>8.0} jobs/s, ratio {:.2}", went / floor);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
