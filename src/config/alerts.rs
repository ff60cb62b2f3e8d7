//! Who is told, and how patiently mails are sent.

use std::time::Duration;

use lettre::message::Mailbox;

use super::reader::{Section, gather};

/// `[alerts]`.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// Who hears of the deployment's own faults; `None` only logs them.
    pub operator_email: Option<Mailbox>,
    /// How long after a lapse its owner is reminded, each longer than the one before it.
    pub reminders: Vec<Duration>,
    /// How often the operator is mailed of parked orders while new ones come in; `None` never.
    pub parked_digest: Option<Duration>,
    /// Whether owners are mailed of parked orders that only they can put right.
    pub owner_orders: bool,
    /// How many connections of one provider may lapse within an hour before their owners' mails are held back; 0 never holds.
    pub storm_after: u32,
    /// First pause after a mail could not be sent.
    pub retry_min: Duration,
    /// Longest such pause.
    pub retry_max: Duration,
    /// Whom owners may ask for help, as shown to them.
    pub support_contact: Option<String>,
    /// Where replies to mails go; `None` leaves that to the sender.
    pub reply_to: Option<Mailbox>,
}

impl Alerts {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pause = Duration::from_millis(100)..=Duration::from_hours(24);
        let rung = Duration::from_mins(1)..=Duration::from_hours(365 * 24);
        let mut alerts = gather!(Alerts {
            operator_email: section.optional_mailbox("operator_email"),
            reminders: section.ladder("reminders", rung),
            parked_digest: section.duration_or(
                "off",
                "parked_digest",
                Duration::from_mins(1)..=Duration::from_hours(30 * 24)
            ),
            owner_orders: section.boolean("owner_orders"),
            storm_after: section.integer("storm_after", 0..=1_000_000),
            retry_min: section.duration("retry_min", pause.clone()),
            retry_max: section.duration("retry_max", pause),
            support_contact: section.optional_text("support_contact"),
            reply_to: section.optional_mailbox("reply_to"),
        });
        if alerts.reply_to.is_none() {
            alerts.reply_to = alerts.support_contact.as_deref().and_then(|contact| contact.parse().ok());
        }
        section.ordered(("retry_min", alerts.retry_min), ("retry_max", alerts.retry_max));
        Some(alerts)
    }
}
