//! How fast one company may be asked: Intuit counts the calls of an app to each company, by the second and by the minute,
//! and answers 429 to what is too much. So a call waits here for its turn before it is sent.
//!
//! Counts what this process sends. A lane belongs to one daemon at a time, so that is nearly all there is; what another one
//! sends beside it, a probe or a lookup by hand, is covered by the pause after a 429. A company that was not called for a
//! minute is forgotten.

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
use url::Url;

/// After so many turns those companies are forgotten that were not called for a minute.
const SWEEP_EVERY: u32 = 4_096;

/// How often one company may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls in a second.
    pub per_second: NonZeroU32,
    /// Calls in a minute.
    pub per_minute: NonZeroU32,
    /// Batches in a minute, each of which is a call too.
    pub batches_per_minute: NonZeroU32,
}

type Limiter = RateLimiter<String, HashMapStateStore<String>, MonotonicClock, NoOpMiddleware<Instant>>;

/// Keeps to the limits, company by company. Never more than the limit in any second or minute: calls are spread over the
/// second, and of a minute's calls at most a tenth are sent as fast as they come, the rest one by one.
#[derive(Debug)]
pub(super) struct Turnstile {
    seconds: Limiter,
    minutes: Limiter,
    batches: Limiter,
    turns: AtomicU32,
}

impl Turnstile {
    pub(super) fn new(limits: Limits) -> Self {
        let limiter = |quota| RateLimiter::hashmap_with_clock(quota, MonotonicClock);
        let minutes = |most: NonZeroU32| {
            let burst = NonZeroU32::new(most.get() / 10).unwrap_or(NonZeroU32::MIN);
            let steady = NonZeroU32::new(most.get() - burst.get()).unwrap_or(NonZeroU32::MIN);
            limiter(Quota::per_minute(steady).allow_burst(burst))
        };
        Self {
            seconds: limiter(Quota::per_second(limits.per_second).allow_burst(NonZeroU32::MIN)),
            minutes: minutes(limits.per_minute),
            batches: minutes(limits.batches_per_minute),
            turns: AtomicU32::new(0),
        }
    }

    /// Waits until a company may be called, or sent a batch.
    pub(super) async fn pass(&self, company: &str, batch: bool) {
        let company = company.to_owned();
        // The longer wait first: a turn of the second that is taken before it would be stale after it.
        let limiters = batch.then_some(&self.batches).into_iter().chain([&self.minutes, &self.seconds]);
        for limiter in limiters {
            while let Err(not_yet) = limiter.check_key(&company) {
                tokio::time::sleep(not_yet.wait_time_from(MonotonicClock.now())).await;
            }
        }
        if self.turns.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.seconds.retain_recent();
            self.minutes.retain_recent();
            self.batches.retain_recent();
        }
    }
}

/// The company that an address of the accounting API is about, and whether it is that of its batches.
pub(super) fn company(url: &Url) -> Option<(&str, bool)> {
    let mut segments = url.path_segments()?.skip_while(|segment| *segment != "company");
    segments.next()?;
    Some((segments.next()?, segments.next() == Some("batch")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn turnstile(per_second: u32, per_minute: u32) -> Turnstile {
        let some = |n| NonZeroU32::new(n).unwrap();
        let limits =
            Limits { per_second: some(per_second), per_minute: some(per_minute), batches_per_minute: some(1_000) };
        Turnstile::new(limits)
    }

    #[tokio::test]
    async fn a_company_waits_for_its_turn_and_another_does_not() {
        let turnstile = turnstile(20, 100_000);
        let begun = Instant::now();
        turnstile.pass("one", false).await;
        turnstile.pass("other", false).await;
        assert!(begun.elapsed() < Duration::from_millis(40), "{:?}: nobody waited yet", begun.elapsed());
        for _ in 0..4 {
            turnstile.pass("one", false).await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}: each waits for a twentieth", begun.elapsed());
    }

    #[tokio::test]
    async fn a_minute_begins_with_a_tenth_of_its_calls_and_spreads_the_rest() {
        let turnstile = turnstile(1_000_000, 1_000);
        let begun = Instant::now();
        for _ in 0..104 {
            turnstile.pass("one", false).await;
        }
        // 900 are left for the minute: one in 67 ms.
        assert!(begun.elapsed() >= Duration::from_millis(4 * 66), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn batches_have_a_limit_of_their_own() {
        let turnstile = turnstile(1_000_000, 1_000_000);
        let begun = Instant::now();
        for batch in [true; 103].into_iter().chain([false; 100]) {
            turnstile.pass("one", batch).await;
        }
        // 900 are left for the minute: one in 67 ms.
        assert!(begun.elapsed() >= Duration::from_millis(3 * 66), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn companies_that_are_quiet_are_forgotten() {
        let turnstile = turnstile(1_000_000, 1_000_000);
        for n in 0..SWEEP_EVERY {
            turnstile.pass(&n.to_string(), false).await;
        }
        // Of a million a minute each one is forgotten at once.
        assert!(turnstile.minutes.len() < 200, "{}", turnstile.minutes.len());
    }

    #[test]
    fn the_company_stands_in_the_address() {
        let url = |text: &str| Url::parse(text).unwrap();
        let company = |text: &str| company(&url(text)).map(|(company, batch)| (company.to_owned(), batch));
        let one = |id: &str, batch| Some((id.to_owned(), batch));
        assert_eq!(company("https://a.example/v3/company/4620/query?query=x"), one("4620", false));
        assert_eq!(company("https://a.example/proxy/v3/company/4620/batch"), one("4620", true));
        assert_eq!(company("https://a.example/v3/company"), None);
        assert_eq!(company("https://a.example/"), None);
    }
}
