//! To the operator: an owner's address takes no mail.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, Letter, Section, Tone},
};
use crate::words;

/// What the operator is told when mail does not reach an owner's address.
#[derive(Clone, Copy, Debug)]
pub struct RecipientRefused<'a> {
    /// The account's name.
    pub account: &'a str,
    /// The address.
    pub address: &'a str,
    /// What was said: by the server, or by whoever returned the mail.
    pub said: &'a str,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl RecipientRefused<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (account, address) = (words::name(self.account), words::line(self.address, 254));
        Letter {
            subject: format!("Lamplighter cannot mail the owner of {account}"),
            preheader: "Mail does not reach their address. They do not know what you think they know.".to_owned(),
            tone: Tone::Action,
            heading: format!("The owner of {account} cannot be reached"),
            greeting: None,
            opening: vec![format!(
                "Mail to {address} does not arrive. What was said: {}",
                words::line(self.said, 300)
            )],
            meaning: Some(Section::new(
                "What this means",
                ["The owner was not told that their account needs them. What they should know waits in the outbox."
                    .to_owned()],
            )),
            steps: vec![
                format!("Ask the customer for an address that works, and enter it: lamplighter account owner {:?} --email \
                         ADDRESS.", account),
                "Or give them the link yourself: lamplighter connection link --account ACCOUNT --provider PROVIDER."
                    .to_owned(),
            ],
            button: None,
            next: Some(Section::new(
                "What happens next, by itself",
                ["With a new address the mail goes out at once. To this one it is tried again, with growing pauses, unless \
                  the server had taken it and it came back. You get an all-clear when the owner is reached."
                    .to_owned()],
            )),
            facts: vec![("Account", account), ("Address", address), ("Since", words::instant(self.since))],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}

/// The all-clear that closes what a [`RecipientRefused`] opened.
#[derive(Clone, Copy, Debug)]
pub struct RecipientRefusedResolved<'a> {
    /// The account's name.
    pub account: &'a str,
    /// The address that took the mail.
    pub address: &'a str,
    /// Since when the former one, or this one, had been refused.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl RecipientRefusedResolved<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (account, address) = (words::name(self.account), words::line(self.address, 254));
        Letter {
            subject: format!("Lamplighter reaches the owner of {account} again"),
            preheader: "There is nothing to do.".to_owned(),
            tone: Tone::Good,
            heading: format!("The owner of {account} is reached again"),
            greeting: None,
            opening: vec![format!("The mail server took a mail to {address}. There is nothing to do.")],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("Account", account),
                ("Since", words::instant(self.since)),
                ("Until", words::instant(self.until)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
