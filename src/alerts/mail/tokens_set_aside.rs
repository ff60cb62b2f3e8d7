//! To the operator: stored tokens do not open, for want of a vault key or because they are damaged.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS_ALONE, Letter, Section, Tone},
};
use crate::words;

/// What the operator is told once for all tokens that miss the same key.
#[derive(Clone, Debug)]
pub struct TokensSetAside<'a> {
    /// The key that is missing; absent when the key is there and the stored text is damaged.
    pub key_id: Option<&'a str>,
    /// How many connections wait for it now.
    pub connections: u64,
    /// Some of them, by company.
    pub companies: Vec<String>,
    /// When the first of them was met.
    pub first_seen_at: DateTime<Utc>,
}

impl TokensSetAside<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let connections = words::count(self.connections.max(1), "connection");
        let (heading, opening) = match self.key_id.map(words::name) {
            Some(key_id) => (
                format!("The vault key {key_id} is missing"),
                format!(
                    "The tokens of {connections} are sealed with the vault key {key_id}, which a daemon does not have."
                ),
            ),
            None => (
                "Stored tokens are damaged".to_owned(),
                format!(
                    "The stored tokens of {connections} do not open although the vault key is there: the text was \
                     damaged, or moved there from another row."
                ),
            ),
        };
        Letter {
            subject: format!("Lamplighter: {heading} ({connections})"),
            preheader: "No customer was touched and no owner was mailed. Tokens that do not open wait.".to_owned(),
            tone: Tone::Action,
            heading,
            greeting: None,
            opening: vec![opening],
            meaning: Some(Section::new(
                "What this means",
                ["These tokens were set aside and delay no other. They are not renewed meanwhile, so orders begin to wait \
                  as access tokens run out; and a grant that nobody renews ends one day. None is lost yet."
                    .to_owned()],
            )),
            steps: self.steps(),
            button: None,
            next: Some(Section::new("What happens next, by itself", [self.next()])),
            facts: vec![
                ("Connections", self.names()),
                ("First seen", words::instant(self.first_seen_at)),
            ],
            footer: vec![FOR_OPERATORS_ALONE.to_owned()],
        }
        .render()
    }

    fn steps(&self) -> Vec<String> {
        if self.key_id.is_none() {
            return vec![
                "Send each owner a new link: lamplighter connection link. The reconnect replaces what is damaged."
                    .to_owned(),
                "Look for what wrote into the table tokens beside Lamplighter, or for a failing disk.".to_owned(),
            ];
        }
        vec![
            "Run lamplighter key list where the daemons run: it shows which daemon lacks the key.".to_owned(),
            "Put the key’s line back into vault.keys_file there, behind the first key, from your copy or from another \
             host. A restart is not needed."
                .to_owned(),
        ]
    }

    fn names(&self) -> String {
        let named: Vec<_> = self.companies.iter().map(|name| words::name(name)).collect();
        match self.connections.saturating_sub(named.len() as u64) {
            0 => named.join(", "),
            more => format!("{} and {} more", named.join(", "), words::number(more)),
        }
    }

    fn next(&self) -> String {
        let when = match self.key_id {
            Some(_) => {
                "The daemons see the key within seconds, take these tokens up at once, and you get an all-clear."
            }
            None => "Each is tried again every hour. When they open, you get an all-clear.",
        };
        format!("{when} Until then there is no second mail about this, however many connections meet it.")
    }
}
