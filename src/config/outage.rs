//! When a provider counts as out, and how it is probed.

use std::time::Duration;

use super::reader::{Section, gather};

/// `[outage]`.
#[derive(Clone, Debug)]
pub struct Outage {
    /// Failures in a row that open an outage.
    pub open_after: u32,
    /// First pause between probes.
    pub canary_min: Duration,
    /// Longest pause between probes.
    pub canary_max: Duration,
}

impl Outage {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pause = Duration::from_millis(100)..=Duration::from_hours(24);
        let outage = gather!(Outage {
            open_after: section.integer("open_after", 1..=1_000),
            canary_min: section.duration("canary_min", pause.clone()),
            canary_max: section.duration("canary_max", pause),
        });
        section.ordered(("canary_min", outage.canary_min), ("canary_max", outage.canary_max));
        Some(outage)
    }
}
