//! To the operator: orders wait for a person.

use chrono::{DateTime, Utc};

use super::{
    ParkedOrder, Rendered,
    letter::{FOR_OPERATORS, Letter, Tone},
    parked_orders,
};
use crate::words;

/// What the operator is told, at intervals, of orders that QuickBooks refuses or that cannot become documents.
#[derive(Clone, Copy, Debug)]
pub struct OrdersParked<'a> {
    /// The ones that were parked last.
    pub orders: &'a [ParkedOrder<'a>],
    /// How many there are.
    pub total: u64,
    /// Since when at least one is parked.
    pub since: DateTime<Utc>,
    /// It was told before, and new ones came in.
    pub is_again: bool,
}

impl OrdersParked<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let total = words::capitalised(&words::count(self.total, "order"));
        let subject = match (self.is_again, self.total) {
            (false, _) => format!("{total} parked for a person"),
            (true, 1) => "1 order is parked now, a new one among them".to_owned(),
            (true, _) => format!("{total} are parked now, new ones among them"),
        };
        Letter {
            subject: format!("Lamplighter: {subject}"),
            preheader: "All other orders go on. These wait until somebody has looked at them.".to_owned(),
            tone: Tone::Action,
            heading: if self.total == 1 { "1 order waits for you".to_owned() } else { format!("{total} wait for you") },
            greeting: None,
            opening: vec![
                "QuickBooks refused them, or something in them cannot become a document. Trying again by itself would not \
                 help, so they are parked. All other orders go on, and none of these is lost."
                    .to_owned(),
            ],
            meaning: Some(parked_orders::section("The orders, the latest first", self.orders, self.total, true)),
            steps: vec![
                "See all of them: lamplighter order list --status parked. One with all its attempts: lamplighter order \
                 show ORDER."
                    .to_owned(),
                "Put right what is said above, then put them back into the queue: lamplighter order retry ORDER, or by \
                 code: lamplighter order retry --parked --code CODE."
                    .to_owned(),
                "One that is not to be posted at all: lamplighter order skip ORDER --reason TEXT.".to_owned(),
            ],
            button: None,
            next: Some(super::letter::Section::new(
                "What happens next, by itself",
                ["An order that is changed at its source comes in again. You get another mail only when new ones are \
                  parked, and an all-clear when none is left. To hear no more of it: lamplighter alert list, then \
                  lamplighter alert ack ID."
                    .to_owned()],
            )),
            facts: vec![("Parked", words::count(self.total, "order")), ("Since", words::instant(self.since))],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}

/// The all-clear that closes what an [`OrdersParked`] opened.
#[derive(Clone, Copy, Debug)]
pub struct OrdersParkedResolved {
    /// Since when orders were parked.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl OrdersParkedResolved {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        Letter {
            subject: "Lamplighter: no order is parked any more".to_owned(),
            preheader: "There is nothing to do.".to_owned(),
            tone: Tone::Good,
            heading: "No order is parked any more".to_owned(),
            greeting: None,
            opening: vec!["Every order that was parked is posted, back in the queue or skipped.".to_owned()],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("Since", words::instant(self.since)),
                ("Until", words::instant(self.until)),
                ("Lasted", words::span(self.until - self.since)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
