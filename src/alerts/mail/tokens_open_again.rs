//! To the operator: the tokens that did not open are at work again.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, Letter, Tone},
};
use crate::words;

/// The all-clear that closes what a [`super::TokensSetAside`] opened.
#[derive(Clone, Copy, Debug)]
pub struct TokensOpenAgain<'a> {
    /// The key that was missing, if one was.
    pub key_id: Option<&'a str>,
    /// When the first of them was met.
    pub first_seen_at: DateTime<Utc>,
    /// When the last of them was at work again.
    pub resolved_at: DateTime<Utc>,
}

impl TokensOpenAgain<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (heading, opening) = match self.key_id.map(words::name) {
            Some(key_id) => (
                format!("The vault key {key_id} is no longer missing"),
                format!("No token waits for the vault key {key_id} any more."),
            ),
            None => ("No stored token is damaged any more".to_owned(), "No token fails to open any more.".to_owned()),
        };
        Letter {
            subject: format!("Lamplighter: {heading}"),
            preheader: "Tokens are renewed again. There is nothing to do.".to_owned(),
            tone: Tone::Good,
            heading,
            greeting: None,
            opening: vec![format!(
                "{opening} They are renewed and waiting orders flow by themselves. There is nothing to do."
            )],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("First seen", words::instant(self.first_seen_at)),
                ("Resolved", words::instant(self.resolved_at)),
                ("Lasted", words::span(self.resolved_at - self.first_seen_at)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
