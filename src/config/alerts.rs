//! Who is told, and how patiently mails are sent.

use std::time::Duration;

use lettre::message::Mailbox;

use super::reader::{Section, gather};

/// `[alerts]`.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// Who hears of the deployment's own faults; `None` only logs them.
    pub operator_email: Option<Mailbox>,
    /// First pause after a mail could not be sent.
    pub retry_min: Duration,
    /// Longest such pause.
    pub retry_max: Duration,
    /// Whom owners may ask for help, as shown to them.
    pub support_contact: Option<String>,
}

impl Alerts {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pause = Duration::from_millis(100)..=Duration::from_hours(24);
        let alerts = gather!(Alerts {
            operator_email: section.optional_mailbox("operator_email"),
            retry_min: section.duration("retry_min", pause.clone()),
            retry_max: section.duration("retry_max", pause),
            support_contact: section.optional_text("support_contact"),
        });
        section.ordered(("retry_min", alerts.retry_min), ("retry_max", alerts.retry_max));
        Some(alerts)
    }
}
