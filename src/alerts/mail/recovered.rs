//! To the owner: the connection works again.

use chrono::{DateTime, Utc};

use super::{
    OwnersPage, Rendered,
    letter::{Letter, Section, Tone, owners_footer},
};
use crate::{provider::Provider, words};

/// The all-clear that closes the incident a [`super::Lapsed`] opened.
#[derive(Clone, Copy, Debug)]
pub struct Recovered<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Whom the mail greets.
    pub owner_name: &'a str,
    /// Where the connection is.
    pub provider: Provider,
    /// The company or portal, as the provider names it.
    pub company: &'a str,
    /// When it was connected again.
    pub recovered_at: DateTime<Utc>,
    /// When it had lapsed.
    pub lapsed_at: DateTime<Utc>,
    /// Orders that went into QuickBooks since then.
    pub posted_orders: u64,
    /// Orders that still wait.
    pub waiting_orders: u64,
    /// HubSpot was read since, so that what came in meanwhile is among the orders above.
    pub is_read: bool,
    /// The account's other provider, while that one is not connected.
    pub missing: Option<Provider>,
    /// Where the owner can ask for help.
    pub support_contact: Option<&'a str>,
    /// The owner's own page.
    pub page: OwnersPage<'a>,
}

impl Recovered<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (title, account, company) = (self.provider.title(), words::name(self.account), words::name(self.company));
        let footer = owners_footer(self.account, self.support_contact);
        Letter {
            subject: format!("All clear: {title} is connected again for {account}"),
            preheader: self.flowing(),
            tone: Tone::Good,
            heading: format!("{title} is connected again"),
            greeting: Some(format!("Hello {},", words::name(self.owner_name))),
            opening: vec![format!(
                "Thank you. “{company}” in {title} is connected again since {}.",
                words::instant(self.recovered_at)
            )],
            meaning: Some(Section::new("What this means", [self.flowing()])),
            steps: Vec::new(),
            button: None,
            next: Some(Section::new(
                "What happens next, by itself",
                ["There is nothing for you to do. We look after the connection from here and write again only if it \
                  needs you."
                    .to_owned()],
            )),
            facts: vec![
                ("Account", account),
                ("Connected again", words::instant(self.recovered_at)),
                ("Had stopped", words::instant(self.lapsed_at)),
                ("Was out for", words::span(self.recovered_at - self.lapsed_at)),
                ("Caught up", words::count(self.posted_orders, "order")),
                ("Still waiting", words::count(self.waiting_orders, "order")),
            ],
            footer,
        }
        .render_with(self.page)
    }

    fn flowing(&self) -> String {
        if let Some(missing) = self.missing {
            return self.half(missing);
        }
        let waiting = match self.waiting_orders {
            1 => "1 more is on its way".to_owned(),
            n => format!("{} more are on their way, oldest first", words::number(n)),
        };
        match (self.provider, self.posted_orders, self.waiting_orders) {
            (Provider::Hubspot, 0, 0) if self.is_read => {
                "We have looked through everything since it stopped: no order waits, and new ones flow as usual."
                    .to_owned()
            }
            (Provider::Hubspot, 0, 0) => {
                "We are fetching every order that came in meanwhile; none was lost.".to_owned()
            }
            (Provider::Quickbooks, 0, 0) => "No order had to wait, and new ones flow as usual.".to_owned(),
            (_, 0, 1) => "The order that waited is on its way into QuickBooks now; it arrives once.".to_owned(),
            (_, 0, n) => format!(
                "The {} that waited are on their way into QuickBooks now, oldest first; each arrives once.",
                words::count(n, "order")
            ),
            (_, posted, 0) => {
                format!(
                    "What was missed is caught up: {} went into QuickBooks since, each once.",
                    words::count(posted, "order")
                )
            }
            (_, posted, _) => format!(
                "{} went into QuickBooks since, and {waiting}; each arrives once.",
                words::capitalised(&words::count(posted, "order"))
            ),
        }
    }

    /// What holds while the account's other provider is not connected.
    fn half(&self, missing: Provider) -> String {
        let waiting = match self.waiting_orders {
            0 => "none waits here now".to_owned(),
            1 => "1 order waits here".to_owned(),
            n => format!("{} wait here", words::count(n, "order")),
        };
        format!("Orders flow as soon as {} is connected as well; {waiting}, and none is lost.", missing.title())
    }
}
