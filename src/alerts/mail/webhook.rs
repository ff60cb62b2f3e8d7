//! To the operator: a service of their own does not take its messages; and that it takes them again.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, FOR_OPERATORS_ALONE, Letter, Section, Tone},
};
use crate::words;

/// The most characters of what went wrong.
const WORDS: usize = 300;

/// A message was given up after days of tries, or the endpoint said that it is gone.
#[derive(Clone, Copy, Debug)]
pub struct WebhookGivenUp<'a> {
    /// The endpoint's host: its whole address may hold a secret.
    pub host: &'a str,
    /// The webhook.
    pub id: &'a str,
    /// What the message told.
    pub event: &'a str,
    /// Why it was not taken, the last time.
    pub words: &'a str,
    /// It said so itself, and was switched off.
    pub is_gone: bool,
    /// When it was given up.
    pub given_up_at: DateTime<Utc>,
}

impl WebhookGivenUp<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (host, id, event) = (words::name(self.host), words::name(self.id), words::name(self.event));
        let heading = match self.is_gone {
            true => format!("{host} is gone and was switched off"),
            false => format!("{host} does not take its webhooks"),
        };
        let reason = words::line(self.words, WORDS);
        let (preheader, opening, steps, next) = match self.is_gone {
            true => (
                "It answered 410. Nothing is sent there any more. Tokens and orders are not touched.",
                format!(
                    "Your service at {host} answered a message ({event}) with 410, which says that it is gone for good. \
                     Nothing is sent there any more, and what waited for it was given up."
                ),
                vec![
                    format!("If it is meant to be gone, run lamplighter webhook remove {id}: this alert ends with it."),
                    format!("If it is not, put the service right, then run lamplighter webhook enable {id}."),
                    "Run lamplighter webhook deliveries --open to see what was missed; given-up messages are not sent again."
                        .to_owned(),
                ],
                "Nothing, until you decide. There is no second mail about it; when the service was switched on again and \
                 takes a message, you get an all-clear.",
            ),
            false => (
                "A message was given up after five days of tries. Tokens and orders are not touched.",
                format!(
                    "A message ({event}) for your service at {host} was tried for five days and is given up. The last time: \
                     {}.",
                    reason.trim_end_matches('.')
                ),
                vec![
                    "Look at the service and at what stands before it: its address, its certificate, its log.".to_owned(),
                    format!("Run lamplighter webhook test {id} until it is taken."),
                    "Run lamplighter webhook deliveries --open to see what was missed; given-up messages are not sent again."
                        .to_owned(),
                ],
                "New messages are still tried. When the service takes one, you get an all-clear. Until then there is no \
                 second mail about it.",
            ),
        };
        Letter {
            subject: format!("Lamplighter: {heading}"),
            preheader: preheader.to_owned(),
            tone: Tone::Action,
            heading,
            greeting: None,
            opening: vec![opening],
            meaning: Some(Section::new(
                "What this means",
                ["Your service does not know what that message told. Tokens, orders and owners are not touched by it."
                    .to_owned()],
            )),
            steps,
            button: None,
            next: Some(Section::new("What happens next, by itself", [next.to_owned()])),
            facts: vec![("Webhook", id), ("Host", host), ("Given up", words::instant(self.given_up_at))],
            footer: vec![FOR_OPERATORS_ALONE.to_owned()],
        }
        .render()
    }
}

/// The endpoint takes messages again.
#[derive(Clone, Copy, Debug)]
pub struct WebhookTakes<'a> {
    /// The endpoint's host.
    pub host: &'a str,
    /// The webhook.
    pub id: &'a str,
    /// When a message was first given up.
    pub since: DateTime<Utc>,
    /// When one was taken again.
    pub until: DateTime<Utc>,
}

impl WebhookTakes<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let heading = format!("{} takes its webhooks again", words::name(self.host));
        Letter {
            subject: format!("Lamplighter: {heading}"),
            preheader: "Messages arrive again.".to_owned(),
            tone: Tone::Good,
            heading,
            greeting: None,
            opening: vec![
                "Messages arrive there again. Those that were given up meanwhile are not sent any more: `lamplighter \
                 webhook deliveries --open` lists them."
                    .to_owned(),
            ],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("Webhook", words::name(self.id)),
                ("First given up", words::instant(self.since)),
                ("Resolved", words::instant(self.until)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
