//! To the owner: the fresh link that somebody with an old one asked for.

use chrono::{DateTime, Utc};

use super::{
    OwnersPage, Rendered,
    letter::{AFTER_THAT, Button, Letter, Section, Tone, owners_footer},
};
use crate::words;

/// A fresh link to the owner's page.
#[derive(Clone, Copy, Debug)]
pub struct FreshLink<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Whom the mail greets.
    pub owner_name: &'a str,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// Where the owner can ask for help.
    pub support_contact: Option<&'a str>,
    /// The owner's own page.
    pub page: OwnersPage<'a>,
}

impl FreshLink<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let account = words::name(self.account);
        let until = words::instant(self.page.works_until);
        Letter {
            subject: format!("Your fresh link for {account}"),
            preheader: format!("It opens your page until {until}."),
            tone: Tone::Notice,
            heading: "Here is your fresh link".to_owned(),
            greeting: Some(format!("Hello {},", words::name(self.owner_name))),
            opening: vec![format!(
                "On {} somebody opened a link in an older mail of ours, which had run out, and asked for a new one. It \
                 opens your page: there you see your connections, and reconnect what needs it.",
                words::instant(self.asked_at)
            )],
            meaning: Some(Section::new(
                "If that was not you",
                ["There is nothing to do. The link went to you alone, and whoever asked learned nothing.".to_owned()],
            )),
            steps: Vec::new(),
            button: Some(Button {
                label: "Open your page".to_owned(),
                url: self.page.url.to_owned(),
                note: format!(
                    "The link works until {until}. {AFTER_THAT} It is yours alone and needs no password: do not pass \
                     its address on."
                ),
            }),
            next: None,
            facts: vec![("Account", account), ("Works until", until)],
            footer: owners_footer(self.account, self.support_contact),
        }
        .render()
    }
}
