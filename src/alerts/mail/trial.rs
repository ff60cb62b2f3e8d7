//! To whoever asked: mail from this deployment arrives.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{Letter, Section, Tone},
};
use crate::words;

/// The mail of `lamplighter alert test`.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The machine that sends it.
    pub host: &'a str,
    /// The server that it goes through.
    pub server: &'a str,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
}

impl Trial<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        Letter {
            subject: format!("Lamplighter test mail from {}", words::name(self.host)),
            preheader: "Mail from this deployment arrives. There is nothing to do.".to_owned(),
            tone: Tone::Notice,
            heading: "Mail from Lamplighter arrives".to_owned(),
            greeting: None,
            opening: vec!["Somebody asked for this mail with lamplighter alert test. Nothing has happened.".to_owned()],
            meaning: Some(Section::new(
                "What this means",
                ["Mails to owners and operators take the same way as this one. Look whether it came to the inbox and not \
                  to the spam folder, and whether its sender is the one that owners should see."
                    .to_owned()],
            )),
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("Sent from", words::name(self.host)),
                ("Through", words::name(self.server)),
                ("Asked for", words::instant(self.asked_at)),
            ],
            footer: vec!["You get this mail because somebody entered your address as a test.".to_owned()],
        }
        .render()
    }
}
