//! To the owner: a connection has lapsed, and only they can repair it.
//!
//! The words differ by cause, because the repair does; the words of each cause are in `causes`.

mod causes;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    OwnersPage, Rendered,
    letter::{AFTER_THAT, Button, Letter, Section, Tone, owners_footer},
};
use crate::{
    provider::{Cause, Provider},
    words,
};

/// Which of several reminders it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// How long the connection has been out.
    pub out_for: TimeDelta,
    /// No further one follows.
    pub is_last: bool,
}

/// What the owner is told when their connection lapsed.
#[derive(Clone, Copy, Debug)]
pub struct Lapsed<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Whom the mail greets.
    pub owner_name: &'a str,
    /// Where the grant died.
    pub provider: Provider,
    /// The company (QuickBooks) or portal (HubSpot), as the provider names it.
    pub company: &'a str,
    /// Why.
    pub cause: Cause,
    /// When we learned of it.
    pub happened_at: DateTime<Utc>,
    /// Opens the reconnect.
    pub reconnect_url: &'a str,
    /// Until when it does.
    pub link_expires_at: DateTime<Utc>,
    /// Orders that wait for this connection now.
    pub waiting_orders: u64,
    /// When the connection last worked, if it ever did.
    pub last_good_at: Option<DateTime<Utc>>,
    /// Where the owner can ask for help.
    pub support_contact: Option<&'a str>,
    /// The owner's own page.
    pub page: OwnersPage<'a>,
    /// The provider's own id of the refusal.
    pub correlation_id: Option<&'a str>,
    /// Which reminder it is; the first mail is none.
    pub reminder: Option<Reminder>,
}

/// What is said of a lapse: in a line, what happened, and the steps that end at the button which reconnects.
pub fn what_happened(
    cause: Cause,
    provider: Provider,
    account: &str,
    company: &str,
) -> (String, Vec<String>, Vec<String>) {
    let said = causes::words_for(cause, provider, &words::name(account), &words::name(company));
    (said.heading, said.happened, said.steps)
}

impl Lapsed<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let account = words::name(self.account);
        let company = words::name(self.company);
        let said = causes::words_for(self.cause, self.provider, &account, &company);
        let provider = self.provider.title();
        Letter {
            subject: self.subject(said.subject),
            preheader: format!("{} {}", self.waiting_in_short(), said.effort),
            tone: Tone::Action,
            heading: said.heading,
            greeting: Some(format!("Hello {},", words::name(self.owner_name))),
            opening: self.again().into_iter().chain(said.happened).collect(),
            meaning: Some(Section::new("What this means", [self.meaning()])),
            steps: said.steps,
            button: Some(Button {
                label: format!("Reconnect {provider}"),
                url: self.reconnect_url.to_owned(),
                note: format!(
                    "The link works until {} and needs no password of ours: you sign in at {provider} itself. {AFTER_THAT}",
                    words::instant(self.link_expires_at)
                ),
            }),
            next: Some(Section::new("What happens next, by itself", [self.next()])),
            facts: self.facts(account, company),
            footer: owners_footer(self.account, self.support_contact),
        }
        .render_with(self.page)
    }

    /// The same words behind a mark that tells the mails of one incident apart.
    fn subject(&self, first: String) -> String {
        let Some(reminder) = self.reminder else { return first };
        let mark = if reminder.is_last { "Last reminder" } else { "Reminder" };
        let what = first.strip_prefix("Action needed: ").unwrap_or(&first);
        format!("{mark} after {}: {what}", out_for(reminder.out_for))
    }

    fn again(&self) -> Option<String> {
        let reminder = self.reminder?;
        let last = if reminder.is_last { " We will not remind you again." } else { "" };
        Some(format!(
            "We wrote to you about this before: the connection has been out for {}, and nobody has repaired it yet.{last}",
            out_for(reminder.out_for)
        ))
    }

    fn waiting_in_short(&self) -> String {
        match self.waiting_orders {
            0 if self.cause == Cause::PortalDeleted => "Orders cannot be read any more.".to_owned(),
            0 => "New orders will wait; none is lost.".to_owned(),
            1 => "1 order is waiting; none is lost.".to_owned(),
            n => format!("{} are waiting; none is lost.", words::count(n, "order")),
        }
    }

    /// QuickBooks is where orders go, HubSpot where they come from: what waits, and where, differs.
    fn meaning(&self) -> String {
        let queue = match self.waiting_orders {
            0 => "No order is waiting at this moment.".to_owned(),
            1 => "1 order is waiting at this moment.".to_owned(),
            n => format!("{} are waiting at this moment.", words::count(n, "order")),
        };
        match (self.provider, self.cause) {
            (Provider::Hubspot, Cause::PortalDeleted) => format!(
                "We can no longer see any order in HubSpot. What we had collected before is kept. {queue} Orders that we \
                 had not seen yet come back only if HubSpot restores the account."
            ),
            (Provider::Quickbooks, _) => format!(
                "Orders from HubSpot cannot be entered into QuickBooks until you reconnect. We go on collecting them and \
                 keep them in order, so none is lost. {queue} Nothing in your books was changed."
            ),
            (Provider::Hubspot, _) => format!(
                "We cannot see new orders in HubSpot until you reconnect. They stay in HubSpot, so none is lost, and we \
                 fetch everything we missed afterwards. {queue}"
            ),
        }
    }

    fn next(&self) -> String {
        let flow = match (self.provider, self.waiting_orders) {
            (Provider::Hubspot, _) => {
                "we look up every order since the connection stopped and enter it into QuickBooks"
            }
            (Provider::Quickbooks, 1) => "the order that waits is entered into QuickBooks",
            (Provider::Quickbooks, _) => "everything that waits is entered into QuickBooks, oldest first",
        };
        format!(
            "As soon as you have reconnected, {flow}, each order once. You do not have to send anything again. We then \
             write to say that all is well."
        )
    }

    fn facts(&self, account: String, company: String) -> Vec<(&'static str, String)> {
        let mut facts =
            vec![("Account", account), (place(self.provider), company), ("Stopped", words::instant(self.happened_at))];
        if let Some(at) = self.last_good_at {
            facts.push(("Last seen working", words::instant(at)));
        }
        if let Some(id) = self.correlation_id {
            facts.push(("Reference for support", words::name(id)));
        }
        facts
    }
}

/// A length of time as it stands in a subject: `7 days`, `1 day`, and in smaller units before that.
fn out_for(length: TimeDelta) -> String {
    match u64::try_from(length.num_days()).unwrap_or(0) {
        0 => words::span(length),
        days => words::count(days, "day"),
    }
}

/// What a provider calls the thing that was connected.
fn place(provider: Provider) -> &'static str {
    match provider {
        Provider::Quickbooks => "QuickBooks company",
        Provider::Hubspot => "HubSpot account",
    }
}
