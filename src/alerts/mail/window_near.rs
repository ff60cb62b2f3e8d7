//! To the operator: refresh windows run out because nothing renews them. The owners cannot help yet, and are not told.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Call, Rendered,
    letter::{FOR_OPERATORS_ALONE, Letter, Section, Tone},
    running_out::{at_the_start, days},
};
use crate::{provider::Provider, words};

/// What stands in the way of most renewals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The provider refuses our deployment.
    OurFault,
    /// The stored tokens do not open.
    SetAside,
    /// The provider is down.
    Outage,
    /// Tries fail, or are not answered.
    Failing,
    /// Nobody tried since they became due.
    NotTried,
}

/// What the operator is told when refresh windows come to their end unrenewed.
#[derive(Clone, Copy, Debug)]
pub struct WindowNear<'a> {
    /// With whom.
    pub provider: Provider,
    /// Which of the mails it is.
    pub call: Call,
    /// No earlier one was sent.
    pub is_first: bool,
    /// How many connections.
    pub connections: u64,
    /// When the first of them is lost.
    pub earliest: DateTime<Utc>,
    /// How long that is from now; below zero once it has passed.
    pub left: TimeDelta,
    /// What stands in the way of most of them.
    pub reason: Reason,
    /// How many of them.
    pub with_reason: u64,
    /// The provider's code or our rule, from their latest spends.
    pub evidence: Option<&'a str>,
}

impl WindowNear<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let title = self.provider.title();
        let (over, many) = (self.left <= TimeDelta::zero(), words::count(self.connections, "connection"));
        let (are, them) = if self.connections == 1 { ("is", "it") } else { ("are", "them") };
        let left = match (self.call, over) {
            (_, true) if self.is_first => "Time is up".to_owned(),
            (call, _) if self.is_first || call == Call::First => format!("{} left", at_the_start(self.left)),
            (Call::First | Call::Reminder, _) => format!("Reminder: {} left", days(self.left)),
            (Call::Last, false) => format!("Last call: {} left", days(self.left)),
            (Call::Last, true) => "Last call: time is up".to_owned(),
        };
        let heading = match over {
            true => format!("The first refresh window at {title} has ended"),
            false => format!("The first refresh window at {title} ends in {}", days(self.left)),
        };
        Letter {
            subject: format!("{left}, and {many} at {title} {are} not being renewed"),
            preheader: format!("Repair it by {} and nobody has to reconnect.", words::instant(self.earliest)),
            tone: Tone::Action,
            heading,
            greeting: None,
            opening: vec![
                format!(
                    "{many} at {title} {are} due for renewal, and no renewal of {them} succeeds. A refresh token that is \
                     not renewed within its window is lost; the first window ends on {}.",
                    words::instant(self.earliest)
                ),
                self.why(),
            ],
            meaning: Some(Section::new("What this means", [self.meaning()])),
            steps: self.steps(),
            button: None,
            next: Some(Section::new("What happens next, by itself", [self.next()])),
            facts: self.facts(),
            footer: vec![FOR_OPERATORS_ALONE.to_owned()],
        }
        .render()
    }

    fn why(&self) -> String {
        let title = self.provider.title();
        let what = match self.reason {
            Reason::OurFault => format!("{title} does not accept this deployment."),
            Reason::SetAside => "the stored tokens do not open with the vault keys at hand.".to_owned(),
            Reason::Outage => format!("{title} is down, and its outage is still open."),
            Reason::Failing => format!("{title} does not answer as it should."),
            Reason::NotTried => "no daemon has tried to renew since they became due.".to_owned(),
        };
        let evidence = self.said().map(|code| format!(" The latest tries say: {}.", words::name(code)));
        let share = match self.with_reason {
            n if n == self.connections || n == 0 => String::new(),
            n => format!(" That is so for {} of them.", words::number(n)),
        };
        format!("The reason: {what}{}{share}", evidence.unwrap_or_default())
    }

    /// The evidence, where it says more than the reason does.
    fn said(&self) -> Option<&str> {
        self.evidence.filter(|_| matches!(self.reason, Reason::OurFault | Reason::Failing))
    }

    fn meaning(&self) -> String {
        let then = match self.left <= TimeDelta::zero() {
            true => "Every further day loses more of them for good",
            false => "If it is not repaired by then, they are lost one by one",
        };
        format!(
            "No owner was mailed because of it, for none of them can repair it, and a renewal that works saves every \
             connection whose window is still open. {then}: then each owner has to reconnect by hand."
        )
    }

    fn steps(&self) -> Vec<String> {
        let title = self.provider.title();
        let repair = match self.reason {
            Reason::OurFault => format!(
                "Compare the client id and secret in [providers.{}] with the app’s keys at {title}, and restart the daemon \
                 after a change. If another app or environment is configured than the one that was connected, set the old \
                 one again.",
                self.provider
            ),
            Reason::SetAside => {
                "Put the vault key that each token’s own mail names back into vault.keys_file. A restart is not needed."
                    .to_owned()
            }
            Reason::Outage | Reason::Failing => format!(
                "Look whether {title} can be reached from this machine (proxy, DNS, TLS, firewall), and at what {title} \
                 reports of itself. If the fault is there, report it to their support."
            ),
            Reason::NotTried => format!(
                "See that lamplighter serve runs and that [providers.{}] is configured, and look for warnings in its log.",
                self.provider
            ),
        };
        vec![
            repair,
            "Run lamplighter doctor where the daemon runs: it says what does not work.".to_owned(),
            "Run lamplighter connection forecast: it lists the connections at risk and when each of them ends."
                .to_owned(),
        ]
    }

    fn next(&self) -> String {
        let again = match self.call {
            Call::First => " We remind you 30 and 7 days before the first window ends.",
            Call::Reminder if self.is_first => " We remind you 7 days before the first window ends.",
            Call::Reminder => " We remind you once more, 7 days before the first window ends.",
            Call::Last => "",
        };
        format!(
            "Lamplighter goes on trying. As soon as it works, every connection is renewed by itself, its window starts anew \
             and you get an all-clear.{again}"
        )
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("Provider", self.provider.title().to_owned()),
            ("Connections at risk", words::number(self.connections)),
            ("First window ends", words::instant(self.earliest)),
        ];
        if let Some(code) = self.said() {
            facts.push(("Latest tries", words::name(code)));
        }
        facts
    }
}
