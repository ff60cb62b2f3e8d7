//! To the operator: a provider accepts our deployment again.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, Letter, Tone},
};
use crate::{provider::Provider, words};

/// The all-clear that closes what an [`super::OperatorFault`] opened.
#[derive(Clone, Copy, Debug)]
pub struct OperatorFaultResolved<'a> {
    /// Who accepts us again.
    pub provider: Provider,
    /// The name of the rule that had judged the fault.
    pub rule: &'a str,
    /// When it was first seen.
    pub first_seen_at: DateTime<Utc>,
    /// When a call first worked again.
    pub resolved_at: DateTime<Utc>,
}

impl OperatorFaultResolved<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let title = self.provider.title();
        let rule = words::name(self.rule);
        Letter {
            subject: format!("Lamplighter setup fault resolved: {title} ({rule})"),
            preheader: format!("{title} accepts this deployment again. There is nothing to do."),
            tone: Tone::Good,
            heading: format!("{title} accepts us again"),
            greeting: None,
            opening: vec![format!(
                "The setup fault at {title} is over. Connections are being renewed and waiting orders flow by themselves. \
                 There is nothing to do."
            )],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("First seen", words::instant(self.first_seen_at)),
                ("Resolved", words::instant(self.resolved_at)),
                ("Lasted", words::span(self.resolved_at - self.first_seen_at)),
                ("Rule", rule),
            ],
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
