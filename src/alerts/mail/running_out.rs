//! To the owner: a permission comes to the end of its life, and only they can start a new one.
//!
//! Nothing is broken yet, and the mail must not sound as if it were. It is sent up to three times; each time says how
//! much time is left.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    OwnersPage, Rendered,
    letter::{AFTER_THAT, Button, Letter, Section, Tone, owners_footer},
};
use crate::{provider::Provider, words};

/// Which of three times to warn has come. Whoever is late at the first ones is warned for the first time at a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The first.
    First,
    /// The one in the middle.
    Reminder,
    /// The last.
    Last,
}

/// What the owner is told before the hard cap of their permission.
#[derive(Clone, Copy, Debug)]
pub struct RunningOut<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Whom the mail greets.
    pub owner_name: &'a str,
    /// Where the permission ends.
    pub provider: Provider,
    /// The company or portal, as the provider names it.
    pub company: &'a str,
    /// Which of the mails it is.
    pub call: Call,
    /// No earlier one was sent.
    pub is_first: bool,
    /// When the permission ends.
    pub ends_at: DateTime<Utc>,
    /// How long that is from now.
    pub left: TimeDelta,
    /// Opens the reconnect.
    pub reconnect_url: &'a str,
    /// Until when it does.
    pub link_expires_at: DateTime<Utc>,
    /// Where the owner can ask for help.
    pub support_contact: Option<&'a str>,
    /// The owner's own page.
    pub page: OwnersPage<'a>,
}

impl RunningOut<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (title, account, company) = (self.provider.title(), words::name(self.account), words::name(self.company));
        let left = days(self.left);
        let end = words::instant(self.ends_at);
        let first = format!("{} left: renew the {title} permission for {company}", at_the_start(self.left));
        let subject = match self.call {
            call if self.is_first || call == Call::First => first,
            Call::First | Call::Reminder => {
                format!("Reminder: {left} left to renew the {title} permission for {company}")
            }
            Call::Last => format!("Last call: {left} left to renew the {title} permission for {company}"),
        };
        Letter {
            subject,
            preheader: "Everything works today. One link keeps it so, in about two minutes.".to_owned(),
            tone: if self.call == Call::First { Tone::Notice } else { Tone::Action },
            heading: format!("The {title} permission ends in {left}"),
            greeting: Some(format!("Hello {},", words::name(self.owner_name))),
            opening: vec![
                format!(
                    "The permission that you gave us for “{company}” works today, and it ends on {end}. {}",
                    self.so_far()
                ),
                self.why(),
            ],
            meaning: Some(Section::new("If you do nothing", [self.otherwise()])),
            steps: self.steps(&company),
            button: Some(self.button()),
            next: Some(Section::new("What happens next, by itself", [self.next()])),
            facts: vec![
                ("Account", account.clone()),
                (place(self.provider), company),
                ("Permission ends", end),
                ("Time left", at_the_start(self.left)),
            ],
            footer: owners_footer(self.account, self.support_contact),
        }
        .render_with(self.page)
    }

    fn so_far(&self) -> &'static str {
        match self.call {
            Call::First => "Nothing is broken, and there is time; but it needs you once before then.",
            Call::Reminder if self.is_first => "Nothing is broken, but it needs you once before then.",
            Call::Reminder => "Nothing is broken, but it still waits for you.",
            Call::Last if self.is_first => {
                "Nothing is broken yet, but it needs you once before then. We do not write again before that day."
            }
            Call::Last => "Nothing is broken yet. This is our last mail before that day.",
        }
    }

    fn why(&self) -> String {
        let title = self.provider.title();
        let limit = match self.provider {
            Provider::Quickbooks => {
                "Intuit lets every permission live for at most five years from the day it was given."
            }
            Provider::Hubspot => "HubSpot lets a permission live only so long from the day it was given.",
        };
        format!(
            "{limit} We renew our access all the time, but that does not move this end: {title} takes a new permission \
             only from you."
        )
    }

    /// QuickBooks is where orders go, HubSpot where they come from.
    fn otherwise(&self) -> String {
        let stop = match self.provider {
            Provider::Quickbooks => {
                "from that moment on orders from HubSpot wait here instead of reaching QuickBooks. We go on collecting them"
            }
            Provider::Hubspot => "from that moment on we no longer see new orders in HubSpot. They stay there",
        };
        format!(
            "Until then nothing changes; {stop}, so none is lost, and everything follows once you have reconnected. We \
             would write to you once more on that day."
        )
    }

    fn steps(&self, company: &str) -> Vec<String> {
        let title = self.provider.title();
        let (whom, choice) = match self.provider {
            Provider::Quickbooks => ("the primary admin or a company admin", ("company", "Connect")),
            Provider::Hubspot => ("a Super Admin, or somebody with App Marketplace access", ("account", "Connect app")),
        };
        let (thing, press) = choice;
        vec![
            format!("Press “Reconnect {title} now” below and sign in as {whom}."),
            format!("Choose the {thing} “{company}” and press {press}. That is all; nothing stops meanwhile."),
        ]
    }

    fn button(&self) -> Button {
        let title = self.provider.title();
        Button {
            label: format!("Reconnect {title} now"),
            url: self.reconnect_url.to_owned(),
            note: format!(
                "The link works until {} and needs no password of ours: you sign in at {title} itself. {AFTER_THAT}",
                words::instant(self.link_expires_at)
            ),
        }
    }

    fn next(&self) -> String {
        let term = match self.provider {
            Provider::Quickbooks => "a new term of five years begins",
            Provider::Hubspot => "a new full term begins",
        };
        let again = match self.call {
            Call::First => " As long as you have not, we remind you 30 and 7 days before the end.",
            Call::Reminder if self.is_first => " As long as you have not, we remind you 7 days before the end.",
            Call::Reminder => " As long as you have not, we remind you once more, 7 days before the end.",
            Call::Last => "",
        };
        format!("As soon as you have reconnected, {term} and we write to say so. Orders flow all the while.{again}")
    }
}

/// What a provider calls the thing that was connected.
fn place(provider: Provider) -> &'static str {
    match provider {
        Provider::Quickbooks => "QuickBooks company",
        Provider::Hubspot => "HubSpot account",
    }
}

/// Time left, within a sentence: `60 days`, `1 day`, `less than a day`. A mail that goes out some minutes after its day
/// began still says the round number.
pub(super) fn days(left: TimeDelta) -> String {
    match u64::try_from((left + TimeDelta::hours(12)).num_days()).unwrap_or(0) {
        0 => "less than a day".to_owned(),
        n => words::count(n, "day"),
    }
}

/// The same where a line begins.
pub(super) fn at_the_start(left: TimeDelta) -> String {
    days(left).replacen("less", "Less", 1)
}
