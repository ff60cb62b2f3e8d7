//! To the owner: QuickBooks refuses orders for a reason that only they can put right there.

use chrono::{DateTime, Utc};

use super::{
    OwnersPage, ParkedOrder, Rendered,
    letter::{AFTER_THAT, Button, Letter, Section, Tone, owners_footer},
    parked_orders,
};
use crate::words;

/// What an owner can do about an order that QuickBooks refused with this code; the order itself goes in with “Send again”.
pub fn owners_remedy(code: Option<&str>) -> &'static str {
    match code {
        Some("610") => "a customer, product or account that it needs is inactive in QuickBooks: make it active again",
        Some("5020") => {
            "a feature or a permission that it needs is switched off in QuickBooks: switch it on in the company's settings, \
             or ask the company's administrator"
        }
        Some("6140") => "another document has its number: give that one another number in QuickBooks",
        Some("6210") => {
            "the books are closed for its date: open that period again in QuickBooks, under Account and settings, \
             Advanced, at least until the order is in"
        }
        Some("6240") => {
            "a vendor, an employee or an inactive entry has the name that its customer or product needs: rename that one in \
             QuickBooks"
        }
        Some("6480") => "its document is linked to another one: undo that link in QuickBooks",
        Some("6540") => "its document is part of a bank deposit: take it out of the deposit in QuickBooks",
        _ => "do in QuickBooks what it asks for",
    }
}

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
    /// How many were refused since the last mail; nothing in the first one.
    pub new: Option<u64>,
    /// Where the owner can ask for help.
    pub support_contact: Option<&'a str>,
    /// The owner's own page.
    pub page: OwnersPage<'a>,
}

impl OrdersForOwner<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (account, company) = (words::name(self.account), words::name(self.company));
        let total = words::count(self.total, "order");
        let (waits, these, go) =
            if self.total == 1 { ("waits", "this order", "goes") } else { ("wait", "these orders", "go") };
        Letter {
            subject: format!(
                "Action needed: {total} of {account} {waits} for a change in QuickBooks{}",
                self.new.map(|new| format!(", {} new", self.share(new))).unwrap_or_default()
            ),
            preheader: "Everything else goes on. QuickBooks says what has to be changed there.".to_owned(),
            tone: Tone::Action,
            heading: format!("QuickBooks does not take {these}"),
            greeting: Some(format!("Hello {},", words::name(self.owner_name))),
            opening: self.since_last().into_iter().chain([format!(
                "The connection to “{company}” works, and all other orders go in. But QuickBooks refuses {these}, and \
                 what it asks for can only be done in QuickBooks, by somebody with rights in your company."
            )])
            .collect(),
            meaning: Some(parked_orders::section("What QuickBooks says", self.orders, self.total, false)),
            steps: vec![
                format!("Sign in to QuickBooks, open “{company}” and do what is said at each order above."),
                format!("Then open your page with the button below and press “Send again”: {these} {go} in at once."),
            ],
            button: Some(Button {
                label: "Open your page".to_owned(),
                url: self.page.url.to_owned(),
                note: format!(
                    "The link works until {}. {AFTER_THAT} Your page is yours alone and needs no password: do not pass its \
                     address on.",
                    words::instant(self.page.works_until)
                ),
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

    /// How many of them are new, as people say it.
    fn share(&self, new: u64) -> String {
        match new {
            _ if new >= self.total && self.total == 1 => "which is".to_owned(),
            _ if new >= self.total => "all of them".to_owned(),
            _ => format!("{} of them", words::number(new)),
        }
    }

    /// What a mail that is not the first one has to say.
    fn since_last(&self) -> Option<String> {
        let new = self.new?;
        let first = match new {
            _ if new >= self.total => "",
            1 => " It stands first below; the others you know from our last mail.",
            _ => " They stand first below; the others you know from our last mail.",
        };
        Some(format!("Since our last mail QuickBooks refused {}.{first}", words::count(new, "order")))
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
    /// The owner's own page.
    pub page: OwnersPage<'a>,
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
        .render_with(self.page)
    }
}
