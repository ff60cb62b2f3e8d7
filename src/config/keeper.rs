//! How tokens are renewed: when, how patiently, how many at once.

use std::time::Duration;

use humantime::format_duration;

use super::{
    problem::Fault,
    reader::{Section, gather},
};

/// `[keeper]`.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// Longest sleep between two looks at all connections.
    pub check_interval: Duration,
    /// Share of a token's lifetime after which it is renewed, 0.1 to 0.95.
    pub renew_at: f64,
    /// Random share of the lifetime by which renewals are spread; `renew_at + jitter` is below 1.
    pub jitter: f64,
    /// How long one daemon owns a renewal; longer than `deadline + commit_budget`.
    pub lease: Duration,
    /// How long an expired lease is left to its holder, who may have a reply in its spool.
    pub takeover: Duration,
    /// HTTP deadline of one spend.
    pub deadline: Duration,
    /// Time allowed for storing the reply.
    pub commit_budget: Duration,
    /// First pause after a transient failure.
    pub retry_min: Duration,
    /// Longest such pause.
    pub retry_max: Duration,
    /// Renewals that run side by side.
    pub concurrency: usize,
    /// How often a grant is tried out that nothing else proved; `None` never asks.
    pub probe_interval: Option<Duration>,
}

impl Keeper {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let call = Duration::from_secs(1)..=Duration::from_mins(10);
        let pause = Duration::from_millis(100)..=Duration::from_hours(24);
        let keeper = gather!(Keeper {
            check_interval: section.duration("check_interval", Duration::from_secs(1)..=Duration::from_hours(24)),
            renew_at: section.fraction("renew_at", 0.1..=0.95),
            jitter: section.fraction("jitter", 0.0..=0.5),
            lease: section.duration("lease", Duration::from_secs(1)..=Duration::from_hours(1)),
            // A daemon whose database was away looks for it every five seconds.
            takeover: section.duration("takeover", Duration::from_secs(6)..=Duration::from_mins(10)),
            deadline: section.duration("deadline", call.clone()),
            commit_budget: section.duration("commit_budget", call),
            retry_min: section.duration("retry_min", pause.clone()),
            retry_max: section.duration("retry_max", pause),
            concurrency: section.integer("concurrency", 1..=256),
            probe_interval: section.duration_or(
                "off",
                "probe_interval",
                Duration::from_mins(1)..=Duration::from_hours(720)
            ),
        });
        section.ordered(("retry_min", keeper.retry_min), ("retry_max", keeper.retry_max));
        keeper.check_lease(section);
        if keeper.renew_at + keeper.jitter >= 1.0 {
            let message = format!("{} plus keeper.jitter {} is not below 1", keeper.renew_at, keeper.jitter);
            let fault = Fault::new(message, "lower one of them: a token must be renewed before it runs out");
            section.reader().fault("keeper.renew_at", fault);
        }
        Some(keeper)
    }

    /// A lease that ends during a spend would let a second daemon spend the same value.
    fn check_lease(&self, section: &mut Section<'_>) {
        if self.deadline + self.commit_budget < self.lease {
            return;
        }
        let message = format!(
            "keeper.deadline {} plus keeper.commit_budget {} is not below keeper.lease {}",
            format_duration(self.deadline),
            format_duration(self.commit_budget),
            format_duration(self.lease),
        );
        let fault = Fault::new(message, "raise keeper.lease, or two daemons could spend one token at the same time");
        section.reader().fault("keeper.lease", fault);
    }
}
