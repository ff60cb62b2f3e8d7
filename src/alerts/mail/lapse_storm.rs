//! To the operator: very many connections lapsed at once, and their owners were not mailed yet.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, Letter, Section, Tone},
};
use crate::{
    provider::{Cause, Provider},
    words,
};

/// What the operator is told instead of a mailing to all owners.
#[derive(Clone, Debug)]
pub struct LapseStorm {
    /// Where they lapsed.
    pub provider: Provider,
    /// How many so far, by cause, the most frequent first.
    pub causes: Vec<(Cause, u64)>,
    /// Mails that are held.
    pub held: u64,
    /// The first of them.
    pub since: DateTime<Utc>,
}

impl LapseStorm {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let title = self.provider.title();
        let lapsed = words::count(self.causes.iter().map(|(_, count)| count).sum(), "connection");
        let held = words::count(self.held, "mail");
        let provider = self.provider;
        let causes: Vec<_> =
            self.causes.iter().map(|(cause, count)| format!("{}: {}", cause.as_str(), words::number(*count))).collect();
        Letter {
            subject: format!("Lamplighter holds {held} to owners: {lapsed} at {title} lapsed at once"),
            preheader: "Look first whether it is one mistake, then release the mails or drop them.".to_owned(),
            tone: Tone::Action,
            heading: format!("Very many {title} connections lapsed at once"),
            greeting: None,
            opening: vec![format!(
                "{} at {title} lapsed since {}, so far. When that many lapse at once, it is often one mistake and not many \
                 owners’ doing: an app that was disabled or changed at {title}, say. So no owner is mailed before you have \
                 looked.",
                words::capitalised(&lapsed),
                words::instant(self.since)
            )],
            meaning: Some(Section::new(
                "What this means",
                [format!(
                    "{} to owners wait, and further ones about lapses at {title} join them. Orders of these accounts wait \
                     too; none is lost. Mails about anything else go out as always.",
                    words::capitalised(&held)
                )],
            )),
            steps: vec![
                format!("Look at the app’s page at {title}, and at some of the refusals: lamplighter connection list, then \
                         lamplighter connection explain ID."),
                format!("If the owners must reconnect, let the mails go out: lamplighter alert release {provider}."),
                format!("If they need not, throw the mails away: lamplighter alert release {provider} --drop. Nobody is \
                         reminded of these lapses then."),
            ],
            button: None,
            next: Some(Section::new(
                "What happens next, by itself",
                ["Nothing, until you decide. An owner who reconnects meanwhile is not asked to. There is no second notice \
                  about this storm."
                    .to_owned()],
            )),
            facts: vec![
                ("Lapsed", lapsed),
                ("Causes", causes.join("; ")),
                ("Mails held", words::number(self.held)),
                ("Since", words::instant(self.since)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}

/// The all-clear that closes what a [`LapseStorm`] opened, when it passed by itself.
#[derive(Clone, Copy, Debug)]
pub struct LapseStormResolved {
    /// Where they had lapsed.
    pub provider: Provider,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl LapseStormResolved {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let title = self.provider.title();
        Letter {
            subject: format!("Lamplighter: no mail to owners at {title} is held any more"),
            preheader: "There is nothing to do.".to_owned(),
            tone: Tone::Good,
            heading: format!("The storm at {title} has passed"),
            greeting: None,
            opening: vec![format!(
                "No mail about a lapse at {title} is held any more: the connections were reconnected or ended meanwhile, \
                 and no further one lapsed for an hour."
            )],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![("Since", words::instant(self.since)), ("Until", words::instant(self.until))],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
