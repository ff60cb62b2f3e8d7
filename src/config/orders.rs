//! How orders are fetched and delivered.

use std::time::Duration;

use super::{
    intake::Filters,
    mapping::Mapping,
    reader::{Section, gather},
};

/// `[orders]`.
#[derive(Clone, Debug)]
pub struct Orders {
    /// How often HubSpot is asked for changed orders.
    pub poll_interval: Duration,
    /// How far each question reaches back behind the last one.
    pub overlap: Duration,
    /// How often waiting orders are looked for.
    pub dispatch_interval: Duration,
    /// First pause after a transient failure.
    pub retry_min: Duration,
    /// Longest such pause.
    pub retry_max: Duration,
    /// Failures in a row on one order, while its company answers, after which it is parked.
    pub give_up_after: u32,
    /// The least time from the first of them to the last.
    pub give_up_earliest: Duration,
    /// How long one daemon owns a lane; longer than an API call's deadline.
    pub lease: Duration,
    /// Orders taken at once for one lane.
    pub batch: u32,
    /// Lanes served side by side.
    pub concurrency: usize,
    /// How long settled orders keep their content and their attempts; `None` is for ever.
    pub keep: Option<Duration>,
    /// Which of HubSpot's orders are taken in.
    pub intake: Filters,
    /// How an order becomes a document.
    pub mapping: Mapping,
}

impl Orders {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pause = Duration::from_millis(100)..=Duration::from_hours(24);
        let orders = gather!(Orders {
            poll_interval: section.duration("poll_interval", pause.clone()),
            overlap: section.duration("overlap", Duration::ZERO..=Duration::from_hours(7 * 24)),
            dispatch_interval: section.duration("dispatch_interval", pause.clone()),
            retry_min: section.duration("retry_min", pause.clone()),
            retry_max: section.duration("retry_max", pause),
            give_up_after: section.integer("give_up_after", 1..=1_000_000),
            give_up_earliest: section.duration("give_up_earliest", Duration::ZERO..=Duration::from_hours(30 * 24)),
            lease: section.duration("lease", Duration::from_secs(1)..=Duration::from_hours(1)),
            batch: section.integer("batch", 1..=1_000),
            concurrency: section.integer("concurrency", 1..=256),
            keep: section.duration_or("forever", "keep", Duration::from_hours(24)..=Duration::from_hours(24 * 36_500)),
            intake: Filters::read(&mut section.reader().section("orders.intake")),
            mapping: Mapping::read(&mut section.reader().section("orders.mapping")),
        });
        section.ordered(("retry_min", orders.retry_min), ("retry_max", orders.retry_max));
        Some(orders)
    }
}
