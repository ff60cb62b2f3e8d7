//! To the owner: QuickBooks refuses orders for a reason that only they can put right there.

use chrono::{DateTime, Utc};

use super::{
    ParkedOrder, Rendered,
    letter::{Button, Letter, Section, Tone, owners_footer},
    parked_orders,
};
use crate::words;

/// What the owner is told, at most once a day, of orders that wait for them.
#[derive(Clone, Copy, Debug)]
pub struct OrdersForOwner<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Whom the mail greets.
    pub owner_name: &'a str,
    /// The company, as QuickBooks names it.
    pub company: &'a str,
    /// The orders that were refused last.
    pub orders: &'a [ParkedOrder<'a>],
    /// How many there are.
    pub total: u64,
    /// Since when at least one waits.
    pub since: DateTime<Utc>,
    /// It was told before, and new ones came in.
    pub is_again: bool,
    /// Where the owner can ask for help.
    pub support_contact: Option<&'a str>,
    /// Opens the owner's own page.
    pub page_url: &'a str,
}

impl OrdersForOwner<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (account, company) = (words::name(self.account), words::name(self.company));
        let total = words::count(self.total, "order");
        let (waits, these, go) =
            if self.total == 1 { ("waits", "this order", "goes") } else { ("wait", "these orders", "go") };
        let mark = if self.is_again { "Reminder" } else { "Action needed" };
        let now = if self.is_again { " now" } else { "" };
        Letter {
            subject: format!("{mark}: {total} of {account} {waits} for a change in QuickBooks{now}"),
            preheader: "Everything else goes on. QuickBooks says what has to be changed there.".to_owned(),
            tone: Tone::Action,
            heading: format!("QuickBooks does not take {these}"),
            greeting: Some(format!("Hello {},", words::name(self.owner_name))),
            opening: vec![format!(
                "The connection to “{company}” works, and all other orders go in. But QuickBooks refuses {these}, and \
                 what it asks for can only be done in QuickBooks, by somebody with rights in your company."
            )],
            meaning: Some(parked_orders::section("What QuickBooks says", self.orders, self.total, false)),
            steps: vec![
                format!("Sign in to QuickBooks, open “{company}” and do what is said at each order above."),
                format!("Then open your page with the button below and press “Send again”: {these} {go} in at once."),
            ],
            button: Some(Button {
                label: "Open your page".to_owned(),
                url: self.page_url.to_owned(),
                note: "It is yours alone and needs no password: do not pass its address on.".to_owned(),
            }),
            next: Some(Section::new(
                "What happens next, by itself",
                ["Until then these orders stay here, each goes in once, and none is lost. We write about them at most \
                  once a day, only when new ones join them, and once more when all of them are settled."
                    .to_owned()],
            )),
            facts: vec![
                ("Account", account.clone()),
                ("QuickBooks company", company),
                ("Waiting", total),
                ("Since", words::instant(self.since)),
            ],
            footer: owners_footer(self.account, self.support_contact),
        }
        .render()
    }
}

/// The all-clear that closes what an [`OrdersForOwner`] opened.
#[derive(Clone, Copy, Debug)]
pub struct OrdersForOwnerResolved<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Whom the mail greets.
    pub owner_name: &'a str,
    /// Since when orders waited.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Where the owner can ask for help.
    pub support_contact: Option<&'a str>,
    /// Opens the owner's own page.
    pub page_url: &'a str,
}

impl OrdersForOwnerResolved<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let account = words::name(self.account);
        Letter {
            subject: format!("All clear: no order of {account} waits for a change in QuickBooks"),
            preheader: "There is nothing to do.".to_owned(),
            tone: Tone::Good,
            heading: "No order waits for you any more".to_owned(),
            greeting: Some(format!("Hello {},", words::name(self.owner_name))),
            opening: vec![
                "Thank you. The orders that QuickBooks had refused are settled or on their way again.".to_owned(),
            ],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: None,
            facts: vec![
                ("Account", account.clone()),
                ("Since", words::instant(self.since)),
                ("Until", words::instant(self.until)),
            ],
            footer: owners_footer(self.account, self.support_contact),
        }
        .render_with(self.page_url)
    }
}
