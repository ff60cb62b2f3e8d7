//! To the operator: the directory where renewed tokens wait for Postgres does not do its work; and that it does again.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, FOR_OPERATORS_ALONE, Letter, Section, Tone},
};
use crate::words;

/// The most characters of what went wrong.
const WORDS: usize = 300;

/// Something is wrong with a host's spool.
#[derive(Clone, Copy, Debug)]
pub struct SpoolTrouble<'a> {
    /// The host.
    pub host: &'a str,
    /// The directory.
    pub directory: &'a str,
    /// What kind of trouble it is.
    pub rule: &'a str,
    /// What was found.
    pub words: &'a str,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl SpoolTrouble<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (host, directory) = (words::name(self.host), words::line(self.directory, WORDS));
        let (means, steps) = self.advice(&directory);
        let heading = match self.rule {
            "spool_stuck" => format!("The spool on {host} is not emptied"),
            "spool_unreadable" => format!("The spool on {host} holds what cannot be read"),
            _ => format!("The spool on {host} cannot be written"),
        };
        Letter {
            subject: format!("Lamplighter: t{}", heading.trim_start_matches('T')),
            preheader: "Renewed tokens may be lost if nobody looks. No owner was written to.".to_owned(),
            tone: Tone::Action,
            heading,
            greeting: None,
            opening: vec![format!(
                "Renewed tokens that Postgres cannot take wait on disk, in {directory} on {host}: {}.",
                words::line(self.words, WORDS).trim_end_matches('.')
            )],
            meaning: Some(Section::new("What this means", [means.to_owned()])),
            steps,
            button: None,
            next: Some(Section::new(
                "What happens next, by itself",
                ["The daemon looks again every 20 seconds. You get an all-clear when all is well; until then there is no \
                  second mail about it."
                    .to_owned()],
            )),
            facts: vec![
                ("Host", host),
                ("Directory", directory),
                ("Rule", words::name(self.rule)),
                ("Since", words::instant(self.since)),
            ],
            footer: vec![FOR_OPERATORS_ALONE.to_owned()],
        }
        .render()
    }

    fn advice(&self, directory: &str) -> (&'static str, Vec<String>) {
        let doctor = "Run lamplighter doctor on that host.".to_owned();
        match self.rule {
            "spool_stuck" => (
                "These tokens are the newest that the providers handed out. Until they are stored, what stands in the \
                 database may be worthless; deleting them loses the grants.",
                vec![
                    "Do not delete the files.".to_owned(),
                    "Look into the daemon's log for why they are not stored: is database.url the database that they \
                     belong to?"
                        .to_owned(),
                    doctor,
                ],
            ),
            "spool_unreadable" => (
                "A reply with a renewed token was damaged on disk, and was moved aside. Its connection may need its owner.",
                vec![
                    format!("Keep the files in {directory} that end in .unreadable, and look at the disk and its log."),
                    "Look which connection each is for: its name begins with the connection's id. lamplighter connection \
                     probe ID tells whether its grant still works."
                        .to_owned(),
                    "Then move these files elsewhere: the all-clear follows.".to_owned(),
                ],
            ),
            _ => (
                "As long as Postgres answers, nothing is lost. If it goes away while a token is renewed, the renewed token \
                 has nowhere to go, and its owner would have to reconnect.",
                vec![
                    format!("Look whether the disk is full or read-only: df -h {directory}"),
                    "Let the user who runs lamplighter own data_dir.".to_owned(),
                    doctor,
                ],
            ),
        }
    }
}

/// The spool does its work again.
#[derive(Clone, Copy, Debug)]
pub struct SpoolWell<'a> {
    /// The host.
    pub host: &'a str,
    /// The directory.
    pub directory: &'a str,
    /// Since when there was trouble.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl SpoolWell<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let host = words::name(self.host);
        Letter {
            subject: format!("Lamplighter: the spool on {host} works again"),
            preheader: "There is nothing to do.".to_owned(),
            tone: Tone::Good,
            heading: format!("The spool on {host} works again"),
            greeting: None,
            opening: vec![
                "Renewed tokens that Postgres cannot take are kept safe on disk again. There is nothing to do."
                    .to_owned(),
            ],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("Host", host),
                ("Directory", words::line(self.directory, WORDS)),
                ("Since", words::instant(self.since)),
                ("Until", words::instant(self.until)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
