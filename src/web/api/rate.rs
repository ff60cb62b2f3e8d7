//! How fast one key may ask this process, so that a program in a loop leaves the daemon to the others. A key that was quiet
//! for a minute is forgotten.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

use super::problem::{Kind, Problem};

/// After so many requests the keys that were quiet are forgotten.
const SWEEP_EVERY: u32 = 4_096;

type Limiter = RateLimiter<String, HashMapStateStore<String>, MonotonicClock, NoOpMiddleware<Instant>>;

/// Keeps every key to its rate.
pub(in crate::web) struct Rate {
    limiter: Limiter,
    per_minute: NonZeroU32,
    requests: AtomicU32,
}

impl Rate {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let limiter = RateLimiter::hashmap_with_clock(Quota::per_minute(per_minute), MonotonicClock);
        Self { limiter, per_minute, requests: AtomicU32::new(0) }
    }

    pub(super) fn check(&self, prefix: &str) -> Result<(), Problem> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&prefix.to_owned()).map_err(|not_yet| {
            let wait = not_yet.wait_time_from(MonotonicClock.now());
            Problem::new(
                Kind::Rate,
                format!("the key {prefix} asked more than {} times in a minute", self.per_minute),
                "wait as long as Retry-After says; web.api_requests_per_minute says how many are allowed",
            )
            .in_seconds(wait.as_secs() + 1)
        })
    }
}
