//! The one layout that all mails share, as text and as HTML.
//!
//! Knows where a heading, a step, a button and a fact stand, in light, in dark, on a phone. Knows no words: those are
//! in the file of each mail.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{Rendered, wrapping};
use crate::words;

/// What colour the mail carries, and the word that says the same to those who see no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Somebody must do something.
    Action,
    /// All is well again.
    Good,
    /// For your information.
    Notice,
}

impl Tone {
    fn label(self) -> &'static str {
        match self {
            Tone::Action => "Action needed",
            Tone::Good => "All clear",
            Tone::Notice => "For your information",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Tone::Action => "action",
            Tone::Good => "good",
            Tone::Notice => "notice",
        }
    }

    /// Ink and ground of the label in light mode; dark mode overrides them by class.
    fn colors(self) -> (&'static str, &'static str) {
        match self {
            Tone::Action => ("#7a3d00", "#fde8c4"),
            Tone::Good => ("#17563a", "#dff0e5"),
            Tone::Notice => ("#3d4a59", "#e9e5db"),
        }
    }
}

/// The one thing to press.
pub(super) struct Button {
    pub(super) label: String,
    pub(super) url: String,
    /// What holds for the link: until when, for whom.
    pub(super) note: String,
}

/// The link to an owner's own page.
#[derive(Clone, Copy, Debug)]
pub struct OwnersPage<'a> {
    /// Opens it.
    pub url: &'a str,
    /// Until when it does.
    pub works_until: DateTime<Utc>,
}

impl OwnersPage<'_> {
    fn note(&self) -> String {
        format!("The link works until {}. {AFTER_THAT}", words::instant(self.works_until))
    }
}

/// What becomes of a link in a mail.
pub(super) const AFTER_THAT: &str = "After that it offers to mail you a fresh one.";

/// A heading with its paragraphs.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) paragraphs: Vec<String>,
}

impl Section {
    pub(super) fn new(title: &'static str, paragraphs: impl Into<Vec<String>>) -> Self {
        Self { title, paragraphs: paragraphs.into() }
    }
}

/// The content of a mail, in the order in which it is read.
pub(super) struct Letter {
    pub(super) subject: String,
    /// What a mailbox shows beside the subject.
    pub(super) preheader: String,
    pub(super) tone: Tone,
    pub(super) heading: String,
    pub(super) greeting: Option<String>,
    /// What happened.
    pub(super) opening: Vec<String>,
    /// What it means.
    pub(super) meaning: Option<Section>,
    /// What to do, numbered; empty when there is nothing to do.
    pub(super) steps: Vec<String>,
    pub(super) button: Option<Button>,
    /// What happens next by itself.
    pub(super) next: Option<Section>,
    /// Label and value.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) footer: Vec<String>,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct AsText<'a> {
    letter: &'a Letter,
    page: Option<OwnersPage<'a>>,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct AsHtml<'a> {
    letter: &'a Letter,
    page: Option<OwnersPage<'a>>,
    ink: &'static str,
    ground: &'static str,
}

impl AsHtml<'_> {
    /// The words of a line with their spaces, and whether one is an option of a command: that must not be broken at its
    /// hyphens, or nobody can tell how it is written.
    fn words<'a>(&self, line: &'a str) -> impl Iterator<Item = (bool, &'a str)> {
        line.split_inclusive(' ').map(|word| (word.starts_with("--"), word))
    }
}

impl Letter {
    /// Lays the letter out twice.
    pub(super) fn render(self) -> Result<Rendered, askama::Error> {
        self.lay_out(None)
    }

    /// The same for an owner, with a link to their own page at the end.
    pub(super) fn render_with(self, page: OwnersPage<'_>) -> Result<Rendered, askama::Error> {
        self.lay_out(Some(page))
    }

    fn lay_out(self, page: Option<OwnersPage<'_>>) -> Result<Rendered, askama::Error> {
        let text = wrapping::fold(&AsText { letter: &self, page }.render()?);
        let (ink, ground) = self.tone.colors();
        let html = AsHtml { letter: &self, page, ink, ground }.render()?;
        Ok(Rendered { subject: self.subject, text, html })
    }
}

/// The last line of a mail to operators.
pub(super) const FOR_OPERATORS: &str = "You get this mail because you run Lamplighter.";

/// The last line of a mail to operators about what is no owner's business.
pub(super) const FOR_OPERATORS_ALONE: &str =
    "You get this mail because you run Lamplighter. Owners were not written to.";

/// The last lines of a mail to an owner.
pub(super) fn owners_footer(account: &str, support_contact: Option<&str>) -> Vec<String> {
    let questions = support_contact.map(|contact| format!("Questions? Write to {}.", words::name(contact)));
    let why = format!(
        "You get this mail because you look after the connection between HubSpot and QuickBooks for {}. We never ask for a \
         password by mail.",
        words::name(account)
    );
    questions.into_iter().chain([why]).collect()
}
