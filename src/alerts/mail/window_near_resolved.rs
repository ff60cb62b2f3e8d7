//! To the operator: no refresh window is at risk any more.

use chrono::{DateTime, Utc};

use super::{
    Rendered,
    letter::{FOR_OPERATORS, Letter, Section, Tone},
};
use crate::{provider::Provider, words};

/// The all-clear that closes what a [`super::WindowNear`] opened.
#[derive(Clone, Copy, Debug)]
pub struct WindowNearResolved {
    /// With whom.
    pub provider: Provider,
    /// When the first window came near.
    pub since: DateTime<Utc>,
    /// When none was at risk any more.
    pub until: DateTime<Utc>,
    /// Connections whose window ran out meanwhile.
    pub lost: u64,
}

impl WindowNearResolved {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let title = self.provider.title();
        let lost = match self.lost {
            0 => "None was lost to it; there is nothing left to do.".to_owned(),
            1 => "1 connection had run out before that; its owner was mailed a link that reconnects it.".to_owned(),
            n => format!(
                "{} had run out before that; their owners were mailed a link that reconnects each.",
                words::count(n, "connection")
            ),
        };
        let mut facts = vec![
            ("Provider", title.to_owned()),
            ("From", words::instant(self.since)),
            ("Until", words::instant(self.until)),
        ];
        if self.lost > 0 {
            facts.push(("Ran out meanwhile", words::number(self.lost)));
        }
        Letter {
            subject: format!("All clear: no refresh window at {title} is at risk any more"),
            preheader: lost.clone(),
            tone: Tone::Good,
            heading: format!("{title} connections are renewed again"),
            greeting: None,
            opening: vec![format!("No connection at {title} waits for its renewal any more.")],
            meaning: Some(Section::new("What this means", [lost])),
            steps: Vec::new(),
            button: None,
            next: None,
            facts,
            footer: vec![FOR_OPERATORS.to_owned()],
        }
        .render()
    }
}
