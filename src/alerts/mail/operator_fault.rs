//! To the operator: our own deployment is at fault at a provider; no customer was touched.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS_ALONE, Letter, Section, Tone},
};
use crate::{provider::Provider, words};

/// The most characters of a provider's message that are repeated.
const MESSAGE_LENGTH: usize = 300;

/// What the operator is told when a provider refuses us rather than a customer.
#[derive(Clone, Copy, Debug)]
pub struct OperatorFault<'a> {
    /// Who refused, or could not be reached by us.
    pub provider: Provider,
    /// The name of the rule that judged the reply.
    pub rule: &'a str,
    /// The provider's own code.
    pub code: Option<&'a str>,
    /// What failed, without anything secret.
    pub message: &'a str,
    /// When it was first seen.
    pub first_seen_at: DateTime<Utc>,
    /// Connections that met the fault so far. None of them was changed.
    pub connections_touched: u64,
    /// What to check and what to write there.
    pub remedy: &'a str,
    /// The provider's own id of the refusal.
    pub correlation_id: Option<&'a str>,
}

impl OperatorFault<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let title = self.provider.title();
        let named = words::name(self.code.unwrap_or(self.rule));
        Letter {
            subject: format!("Lamplighter setup fault: {title} ({named})"),
            preheader: "No customer was touched and no owner was mailed. Your setup needs a look.".to_owned(),
            tone: Tone::Action,
            heading: format!("Our own setup fails at {title}"),
            greeting: None,
            opening: vec![format!(
                "{}. The fault lies between this deployment and {title}: the client id, the client secret, the redirect \
                 address, TLS, DNS or the clock. It is not a customer’s.",
                words::line(self.message, MESSAGE_LENGTH).trim_end_matches('.')
            )],
            meaning: Some(Section::new("What this means", [self.meaning()])),
            steps: vec![
                words::line(self.remedy, MESSAGE_LENGTH),
                "Run lamplighter doctor where the daemon runs: it checks each of these and says what it found.".to_owned(),
                "If you changed a setting, restart the daemon so that it reads it.".to_owned(),
            ],
            button: None,
            next: Some(Section::new(
                "What happens next, by itself",
                [format!(
                    "Lamplighter goes on trying with growing pauses. When {title} accepts us again, every waiting \
                     connection is renewed and you get an all-clear. Until then there is no second mail about this fault."
                )],
            )),
            facts: self.facts(),
            footer: vec![FOR_OPERATORS_ALONE.to_owned()],
        }
        .render()
    }

    fn meaning(&self) -> String {
        let met = match self.connections_touched {
            0 => "No connection has met it yet.".to_owned(),
            1 => "1 connection has met it so far; it keeps its state and its tokens.".to_owned(),
            n => {
                format!("{} have met it so far; all keep their state and their tokens.", words::count(n, "connection"))
            }
        };
        format!(
            "No customer was touched: nothing lapsed and no owner was mailed. {met} While it lasts, tokens at {} are not \
             renewed, so orders begin to wait as access tokens run out. None is lost.",
            self.provider.title()
        )
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("Provider", self.provider.title().to_owned()),
            ("First seen", words::instant(self.first_seen_at)),
            ("Rule", words::name(self.rule)),
        ];
        if let Some(code) = self.code {
            facts.push(("Provider’s code", words::name(code)));
        }
        facts.push(("Connections that met it", words::number(self.connections_touched)));
        if let Some(id) = self.correlation_id {
            facts.push(("Provider’s reference", words::name(id)));
        }
        facts
    }
}
