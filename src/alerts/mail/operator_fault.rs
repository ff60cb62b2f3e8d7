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
    /// Connections whose renewal met the fault so far. None of them was changed.
    pub connections_touched: u64,
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
                words::capitalised(words::line(self.message, MESSAGE_LENGTH).trim_end_matches('.'))
            )],
            meaning: Some(Section::new("What this means", [self.meaning()])),
            steps: vec![
                self.remedy(),
                "Run lamplighter doctor where the daemon runs: it checks what it can and says what it found.".to_owned(),
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

    /// What to check and what to write there, by the rule that judged the reply.
    fn remedy(&self) -> String {
        let (title, provider) = (self.provider.title(), self.provider);
        match self.rule {
            "client_refused" => format!(
                "Compare client_id and client_secret in [providers.{provider}] with the keys of the app at {title}, and see \
                 that they are those of the configured environment."
            ),
            "settings_refused" => format!(
                "Compare the redirect address, which begins with web.public_url, and providers.{provider}.scopes with what \
                 the app at {title} is registered with."
            ),
            "scopes_not_asked_for" => format!(
                "Compare providers.{provider}.scopes with the scopes that the app at {title} needs and add what is missing; \
                 the owners then have to reconnect, with links from lamplighter connection link."
            ),
            "issued_to_another_app" => format!(
                "Set client_id and environment in [providers.{provider}] to what they were when the owners connected. If the \
                 change was meant, let the owners reconnect, with links from lamplighter connection link."
            ),
            "redirected" | "endpoint_missing" | "unsendable" => format!(
                "Correct the addresses in [providers.{provider}], token_url and api_url first: they must lead to {title} \
                 itself, without a redirect. Left out, they have the values that are right."
            ),
            "certificate_refused" => format!(
                "Check this machine’s clock, its CA certificates, and any proxy on the way to {title} that opens TLS."
            ),
            "not_configured" => {
                format!("Add [providers.{provider}] with client_id and client_secret to the configuration.")
            }
            _ => format!("Read what is said above, and compare [providers.{provider}] with the app at {title}."),
        }
    }

    fn meaning(&self) -> String {
        let met = match self.connections_touched {
            0 => "No renewal has met it so far: it showed when something else was asked for.".to_owned(),
            1 => "The renewal of 1 connection has met it so far; it keeps its state and its tokens.".to_owned(),
            n => format!(
                "The renewals of {} have met it so far; all keep their state and their tokens.",
                words::count(n, "connection")
            ),
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
        facts.push(("Renewals that met it", words::number(self.connections_touched)));
        if let Some(id) = self.correlation_id {
            facts.push(("Provider’s reference", words::name(id)));
        }
        facts
    }
}
