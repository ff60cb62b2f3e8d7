//! To the operator: a provider's outage is over.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, Letter, Section, Tone},
};
use crate::{
    provider::{Endpoint, Provider},
    words,
};

/// The all-clear that closes what an [`super::OutageOpened`] opened.
#[derive(Clone, Copy, Debug)]
pub struct OutageClosed {
    /// Who answers again.
    pub provider: Provider,
    /// Which half of it.
    pub endpoint: Endpoint,
    /// When the outage began.
    pub since: DateTime<Utc>,
    /// When it ended.
    pub until: DateTime<Utc>,
    /// Orders that waited and are flowing now.
    pub waiting_orders: u64,
}

impl OutageClosed {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let title = self.endpoint.title(self.provider);
        let lasted = words::span(self.until - self.since);
        let flow = match (self.provider, self.waiting_orders) {
            _ if self.endpoint == Endpoint::Tokens => "The renewals that waited are made up for now.".to_owned(),
            (Provider::Hubspot, 0) => "What came in meanwhile is being fetched now, each order once.".to_owned(),
            (_, 0) => "No order had to wait.".to_owned(),
            (_, 1) => "The order that waited is being sent now, once.".to_owned(),
            (_, n) => format!(
                "The {} that waited are being sent now, slowly at first, each once and in order.",
                words::count(n, "order")
            ),
        };
        Letter {
            subject: format!("Outage at {title} is over after {lasted}"),
            preheader: flow.clone(),
            tone: Tone::Good,
            heading: words::capitalised(&format!("{title} answers again")),
            greeting: None,
            opening: vec![format!("The outage at {title} is over after {lasted}.")],
            meaning: Some(Section::new("What this means", [format!("{flow} There is nothing to do.")])),
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("Provider", words::capitalised(&title)),
                ("From", words::instant(self.since)),
                ("Until", words::instant(self.until)),
                ("Orders that waited", words::number(self.waiting_orders)),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
