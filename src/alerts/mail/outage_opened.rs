//! To the operator: a provider is out, and its orders wait.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, Letter, Section, Tone},
};
use crate::{
    provider::{Endpoint, Provider},
    words,
};

/// The most characters of evidence that are repeated.
const EVIDENCE_LENGTH: usize = 300;

/// What the operator is told when a provider-wide failure opens.
#[derive(Clone, Copy, Debug)]
pub struct OutageOpened<'a> {
    /// Who is out.
    pub provider: Provider,
    /// Which half of it.
    pub endpoint: Endpoint,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why we think so.
    pub evidence: &'a str,
    /// Orders that wait for it now.
    pub waiting_orders: u64,
}

impl OutageOpened<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let title = self.endpoint.title(self.provider);
        let status_page = match self.provider {
            Provider::Quickbooks => "status.developer.intuit.com",
            Provider::Hubspot => "status.hubspot.com",
        };
        let waiting = match self.waiting_orders {
            _ if self.endpoint == Endpoint::Tokens => String::new(),
            0 => " No order waits for it yet.".to_owned(),
            1 => " 1 order waits for it now.".to_owned(),
            n => format!(" {} wait for it now.", words::count(n, "order")),
        };
        Letter {
            subject: format!("Outage at {title} since {}", words::instant(self.since)),
            preheader: format!("{} There is nothing to do.", self.what_waits()),
            tone: Tone::Notice,
            heading: words::capitalised(&format!("{title} is out")),
            greeting: None,
            opening: vec![
                words::capitalised(&format!("{title} does not answer as it should. This is what we saw:")),
                words::line(self.evidence, EVIDENCE_LENGTH),
            ],
            meaning: Some(Section::new(
                "What this means",
                [format!(
                    "{}{waiting} No connection changes its state because of it, and owners are not mailed.",
                    self.what_waits()
                )],
            )),
            steps: Vec::new(),
            button: None,
            next: Some(Section::new(
                "What happens next, by itself",
                [format!(
                    "One probe asks {title} again, with growing pauses. When it answers, the flow starts slowly and then \
                     works off what waited, and you get an all-clear. There is nothing to do; {} reports its own state at \
                     {status_page}.",
                    self.provider.title()
                )],
            )),
            facts: vec![
                ("Provider", words::capitalised(&title)),
                ("Since", words::instant(self.since)),
                ("Waiting orders", words::number(self.waiting_orders)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }

    fn what_waits(&self) -> &'static str {
        match (self.endpoint, self.provider) {
            (Endpoint::Tokens, _) => {
                "Renewals wait, however long it lasts. Access tokens work until they run out; orders that need a new one \
                 wait."
            }
            (Endpoint::Api, Provider::Quickbooks) => "Orders wait here and use up no attempts, however long it lasts.",
            (Endpoint::Api, Provider::Hubspot) => {
                "New orders stay in HubSpot and are fetched afterwards, however long it lasts."
            }
        }
    }
}
