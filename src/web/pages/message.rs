//! One page with one message: what happened, what it means, what to do.
//!
//! The words of each ending of a connect are in `outcomes` and `refusals`; here is only their shape.

use askama::Template;

use super::Tone;
use crate::words;

/// A message to the person in front of the browser.
#[derive(Clone, Debug, Template)]
#[template(path = "message.html")]
pub struct MessagePage {
    /// The browser's tab.
    pub title: String,
    /// How it ended.
    pub tone: Tone,
    /// What happened, in one line.
    pub heading: String,
    /// What it means.
    pub paragraphs: Vec<String>,
    /// What to do, numbered.
    pub steps: Vec<String>,
    /// The one thing to press: label and address.
    pub action: Option<(String, String)>,
    /// A form of one button, for what must not happen to whoever only looks ahead: label and address.
    pub form: Option<(String, String)>,
    /// What to name when asking for help.
    pub reference: Option<String>,
}

impl MessagePage {
    /// A page without steps, action or reference.
    pub fn new(tone: Tone, title: &str, heading: impl Into<String>) -> Self {
        Self {
            title: title.to_owned(),
            tone,
            heading: heading.into(),
            paragraphs: Vec::new(),
            steps: Vec::new(),
            action: None,
            form: None,
            reference: None,
        }
    }

    /// The page as HTML.
    pub fn render(&self) -> Result<String, askama::Error> {
        Template::render(self)
    }

    /// Adds where to ask for help, when the operator has said so.
    #[must_use]
    pub fn with_contact(self, contact: Option<&str>) -> Self {
        match contact {
            Some(contact) => self.says(format!("Need help? Write to {}.", words::name(contact))),
            None => self,
        }
    }

    pub(super) fn says(mut self, paragraph: impl Into<String>) -> Self {
        self.paragraphs.push(paragraph.into());
        self
    }

    pub(super) fn asks(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }

    pub(super) fn offers(mut self, label: impl Into<String>, url: Option<&str>) -> Self {
        self.action = url.map(|url| (label.into(), url.to_owned()));
        self
    }

    /// The page where a person may ask for a mail with a fresh link, below `/connect/` or `/owner/`.
    pub(super) fn mails_link(mut self, link: Option<&str>) -> Self {
        self.form = link.map(|link| ("Mail me a fresh link".to_owned(), format!("{link}/fresh-link")));
        self
    }

    pub(super) fn refers(mut self, reference: Option<&str>) -> Self {
        self.reference = reference.map(words::name);
        self
    }

    /// The class that lights the lamp, or not.
    fn lamp(&self) -> &'static str {
        self.tone.class()
    }
}
