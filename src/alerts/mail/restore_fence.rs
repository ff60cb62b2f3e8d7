//! To the operator: this database looks restored or copied, and everything holds back until somebody decides.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, FOR_OPERATORS_ALONE, Letter, Section, Tone},
};
use crate::words;

/// The most characters of what was found that are repeated.
const FOUND_LENGTH: usize = 400;

/// What the operator is told when a daemon does not trust its database.
#[derive(Clone, Copy, Debug)]
pub struct RestoreFence<'a> {
    /// What was found, in one sentence.
    pub found: &'a str,
    /// Who found it.
    pub daemon: &'a str,
    /// When.
    pub found_at: DateTime<Utc>,
}

impl RestoreFence<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        Letter {
            subject: "Lamplighter holds back: its database looks restored or copied".to_owned(),
            preheader: "Nothing is renewed, posted or mailed until you decide.".to_owned(),
            tone: Tone::Action,
            heading: "Is this the live database?".to_owned(),
            greeting: None,
            opening: vec![format!(
                "A daemon found that {}. It has stopped all work before doing any harm.",
                words::line(self.found, FOUND_LENGTH).trim_end_matches('.')
            )],
            meaning: Some(Section::new(
                "What this means",
                [
                    "Refresh tokens change their value. If the tokens in this database are older than those in use, spending \
                     them can make the provider end the grant, and its owner must connect again. Orders could be looked at \
                     twice, and mails that went out already could go out again."
                        .to_owned(),
                    "Nothing was touched: no token was spent, no order posted, no owner mailed.".to_owned(),
                ],
            )),
            steps: vec![
                "Run lamplighter resume where the daemon runs. It shows what was found and changes nothing.".to_owned(),
                "If this is not the live database, point database.url at the live one and restart.".to_owned(),
                "If it is meant to be the live one from now on, run lamplighter resume --accept-restored-tokens. First make \
                 sure that no daemon works on the other one."
                    .to_owned(),
            ],
            button: None,
            next: Some(Section::new(
                "What happens next, by itself",
                [
                    "The daemon stays up and waits; access tokens run out meanwhile and orders wait. Once you have decided it \
                     goes on without a restart. Until then there is no second mail about this."
                        .to_owned(),
                ],
            )),
            facts: vec![("Found", words::instant(self.found_at)), ("Daemon", words::name(self.daemon))],
            footer: vec![FOR_OPERATORS_ALONE.to_owned()],
        }
        .render()
    }
}

/// The all-clear that closes what a [`RestoreFence`] opened.
#[derive(Clone, Copy, Debug)]
pub struct RestoreFenceOpened {
    /// When it was found.
    pub found_at: DateTime<Utc>,
    /// When work went on.
    pub opened_at: DateTime<Utc>,
    /// Somebody accepted the tokens, rather than that a sign of life of another daemon came.
    pub accepted: bool,
}

impl RestoreFenceOpened {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let why = if self.accepted {
            "Somebody accepted the tokens of this database with lamplighter resume."
        } else {
            "Another daemon works on this very database, so it is the live one."
        };
        Letter {
            subject: "Lamplighter goes on: the database is accepted".to_owned(),
            preheader: "Tokens are renewed again and waiting orders flow. There is nothing to do.".to_owned(),
            tone: Tone::Good,
            heading: "Work goes on".to_owned(),
            greeting: None,
            opening: vec![format!(
                "{why} Tokens are renewed again and waiting orders flow by themselves. A grant that had moved on meanwhile \
                 lapses, and its owner is then mailed a link."
            )],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("Held back since", words::instant(self.found_at)),
                ("Went on", words::instant(self.opened_at)),
                ("Lasted", words::span(self.opened_at - self.found_at)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
