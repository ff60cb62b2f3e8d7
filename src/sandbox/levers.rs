//! What a test or a person can do to the world, and what they can ask it.

use std::{collections::BTreeMap, time::Duration};

use chrono::NaiveDate;
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use super::{
    books::{Books, Kind},
    intuit_write,
    ledger::{Document, Ending, TokenCall},
    mailbox::Mail,
    portal::{NewOrder, Portal},
    state::World,
    switches::Switches,
};
use crate::provider::Provider;

/// People and companies.
impl World {
    /// Opens a QuickBooks company, with its accounts and one item. One that is there keeps its books.
    pub fn add_company(&self, realm: &str, name: &str) {
        let now = self.clock.now();
        self.change(|state| {
            state.books.entry(realm.to_owned()).or_insert_with(|| Books::open(name, now)).name = name.to_owned();
        });
    }

    /// Opens a HubSpot portal. One that is there keeps its orders.
    pub fn add_portal(&self, hub_id: &str, domain: &str) {
        self.change(|state| {
            state.portals.entry(hub_id.to_owned()).or_insert_with(|| Portal::new(domain)).domain = domain.to_owned();
        });
    }

    /// The company that consent is given for from now on.
    pub fn choose(&self, provider: Provider, company_id: &str) {
        self.change(|state| state.grants_mut(provider).chosen = Some(company_id.to_owned()));
    }

    /// The next consent is refused.
    pub fn deny_next(&self, provider: Provider) {
        self.change(|state| state.grants_mut(provider).deny_next = true);
    }

    /// A buyer places an order; the answer is its id. A portal that is not there yet is opened.
    pub fn place_order(&self, hub_id: &str, order: NewOrder) -> String {
        let now = self.clock.now();
        self.change(|state| {
            let portal = state.portals.entry(hub_id.to_owned());
            portal.or_insert_with(|| Portal::new("shop.example")).place(order, now).to_string()
        })
    }

    /// Sets properties of an order, which moves its modification date. `false` when there is no such order.
    pub fn edit_order(&self, hub_id: &str, order_id: &str, properties: &BTreeMap<String, String>) -> bool {
        let now = self.clock.now();
        self.change(|state| {
            let portal = state.portals.get_mut(hub_id).zip(order_id.parse().ok());
            portal.is_some_and(|(portal, id)| portal.edit(id, properties, now))
        })
    }

    /// Lets an order name lines that cannot be read, or can be read again. `false` when there is no such order or line.
    pub fn hide_lines(&self, hub_id: &str, order_id: &str, hidden: bool) -> bool {
        self.change(|state| {
            let portal = state.portals.get_mut(hub_id).zip(order_id.parse().ok());
            portal.is_some_and(|(portal, id)| portal.hide_lines(id, hidden))
        })
    }
}

/// What goes wrong.
impl World {
    /// Changes how a provider behaves.
    pub fn switch(&self, provider: Provider, change: impl FnOnce(&mut Switches)) {
        self.change(|state| change(&mut state.grants_mut(provider).switches));
    }

    /// Lets the trouble of single calls be drawn in the order that this seed gives.
    pub fn seed(&self, seed: u64) {
        self.change(|state| state.dice = StdRng::seed_from_u64(seed));
    }

    /// How a provider behaves.
    pub fn switches(&self, provider: Provider) -> Switches {
        self.see(|state| state.grants(provider).switches.clone())
    }

    /// The customer disconnects the app. `false` when there was nothing to disconnect.
    pub fn revoke(&self, provider: Provider, company_id: &str) -> bool {
        self.change(|state| state.grants_mut(provider).revoke_company(company_id))
    }

    /// Somebody else gets the next refresh token of a company's grant: ours is dead, while the grant and its access tokens
    /// live on. `false` when there was no grant.
    pub fn replace(&self, provider: Provider, company_id: &str) -> bool {
        let now = self.clock.now();
        self.change(|state| state.grants_mut(provider).replace_company(company_id, now))
    }

    /// The company's subscription ends (fault 6190), or is paid again. `false` when there is no such company.
    pub fn lapse_subscription(&self, realm: &str, lapsed: bool) -> bool {
        self.with_books(realm, |books| books.subscription_lapsed = lapsed)
    }

    /// The person who connected loses the right to the company (fault 120), or has it back.
    pub fn lose_permission(&self, realm: &str, lost: bool) -> bool {
        self.with_books(realm, |books| books.permission_lost = lost)
    }

    /// Closes the books through this day, which refuses documents dated on it or before (fault 6210); `None` opens
    /// them.
    pub fn close_books(&self, realm: &str, through: Option<NaiveDate>) -> bool {
        self.with_books(realm, |books| books.closed_through = through)
    }

    /// The company's own currency, and whether its documents may be in others.
    pub fn set_currency(&self, realm: &str, home: &str, several: bool) -> bool {
        self.with_books(realm, |books| {
            home.clone_into(&mut books.home_currency);
            books.several_currencies = several;
        })
    }

    /// Where the company is: its country, in two letters, and its time zone, if it says so.
    pub fn set_place(&self, realm: &str, country: &str, time_zone: Option<&str>) -> bool {
        self.with_books(realm, |books| {
            country.clone_into(&mut books.country);
            books.time_zone = time_zone.map(str::to_owned);
        })
    }

    /// A bookkeeper opens a document, lays these fields over it and saves, which moves its sync token, also when there
    /// are none. `false` when there is no such document or QuickBooks would not take it so.
    pub fn edit_document(&self, realm: &str, id: &str, fields: &Value) -> bool {
        let now = self.clock.now();
        self.change(|state| {
            state.books.get_mut(realm).is_some_and(|books| intuit_write::by_hand(books, id, fields, now).is_ok())
        })
    }

    /// A bookkeeper deletes a document. `false` when there is none.
    pub fn delete_document(&self, realm: &str, id: &str) -> bool {
        self.change(|state| {
            let books = state.books.get_mut(realm);
            books.is_some_and(|books| match books.document_by_id(id).map(|(kind, _)| kind) {
                Some(kind) => {
                    books.remove(kind, id);
                    true
                }
                None => false,
            })
        })
    }

    /// The money of a document is deposited: it cannot be changed any more (fault 6540).
    pub fn deposit_document(&self, realm: &str, id: &str) -> bool {
        self.with_books(realm, |books| {
            books.deposited.insert(id.to_owned());
        })
    }

    /// The portal is deleted, and everything in it.
    pub fn delete_portal(&self, hub_id: &str) -> bool {
        self.change(|state| state.portals.get_mut(hub_id).map(|portal| portal.deleted = true).is_some())
    }

    /// Every recipient is refused with this SMTP code (451, 550); `None` takes mail again.
    pub fn refuse_mail(&self, code: Option<u16>) {
        self.change(|state| state.mailbox.refusal = code);
    }

    /// Mail to this address is refused for good, or taken again.
    pub fn refuse_recipient(&self, address: &str, refused: bool) {
        self.refuse_recipient_with(address, refused.then_some(550));
    }

    /// Mail to this address is refused with this SMTP code (452, 550); `None` takes it again.
    pub fn refuse_recipient_with(&self, address: &str, code: Option<u16>) {
        self.change(|state| match code {
            Some(code) => state.mailbox.gone.insert(address.to_owned(), code),
            None => state.mailbox.gone.remove(address),
        });
    }

    /// Every mail is kept when it arrives, and that is said only after this time.
    pub fn delay_mail(&self, delay: Duration) {
        self.change(|state| state.mailbox.delay = delay);
    }

    /// Takes mail for addresses of plain letters only, as a server without SMTPUTF8 does.
    pub fn only_ascii_mail(&self, only: bool) {
        self.change(|state| state.mailbox.ascii_only = only);
    }

    /// Empties the mailbox.
    pub fn forget_mails(&self) {
        self.change(|state| state.mailbox.mails.clear());
    }

    fn with_books(&self, realm: &str, step: impl FnOnce(&mut Books)) -> bool {
        self.change(|state| state.books.get_mut(realm).map(step).is_some())
    }
}

/// What really happened.
impl World {
    /// Every document in a company's books, in the order in which they were made.
    pub fn documents(&self, realm: &str) -> Vec<Document> {
        self.see(|state| state.books.get(realm).map(Books::documents).unwrap_or_default())
    }

    /// A company's customers, as QuickBooks would send them.
    pub fn customers(&self, realm: &str) -> Vec<Value> {
        self.list(realm, Kind::Customer)
    }

    /// A company's items, as QuickBooks would send them.
    pub fn items(&self, realm: &str) -> Vec<Value> {
        self.list(realm, Kind::Item)
    }

    fn list(&self, realm: &str, kind: Kind) -> Vec<Value> {
        self.see(|state| state.books.get(realm).map(|books| books.list(kind).to_vec()).unwrap_or_default())
    }

    /// Every token call that got through to the provider.
    pub fn token_calls(&self, provider: Provider) -> Vec<TokenCall> {
        self.see(|state| state.grants(provider).calls.clone())
    }

    /// Whether the refresh token value with this fingerprint, spent now, would bring the company's tokens.
    pub fn honours(&self, provider: Provider, company_id: &str, fingerprint: &str) -> bool {
        let now = self.clock.now();
        self.see(|state| state.grants(provider).honours(company_id, fingerprint, now))
    }

    /// How the grant of the refresh token value with this fingerprint ended, if it has.
    pub fn ending(&self, provider: Provider, fingerprint: &str) -> Option<Ending> {
        self.see(|state| state.grants(provider).ending_of(fingerprint))
    }

    /// How often a refresh token value was spent while it was being spent already.
    pub fn concurrent_spends(&self) -> u64 {
        self.see(|state| Provider::ALL.iter().map(|provider| state.grants(*provider).concurrent_spends).sum())
    }

    /// Whether a refresh token value is being spent right now.
    pub fn is_spending(&self, provider: Provider) -> bool {
        self.see(|state| state.grants(provider).is_spending())
    }

    /// Requests that reached a provider's API, also those that an outage swallowed.
    pub fn api_calls(&self, provider: Provider) -> u64 {
        self.see(|state| state.grants(provider).api_calls)
    }

    /// Requests that reached a provider's OAuth addresses, also those that an outage swallowed.
    pub fn oauth_calls(&self, provider: Provider) -> u64 {
        self.see(|state| state.grants(provider).oauth_calls)
    }

    /// Every code, refresh token and access token that was ever handed out: what must be readable nowhere.
    pub fn handed_out(&self, provider: Provider) -> Vec<String> {
        self.see(|state| state.grants(provider).handed_out().map(str::to_owned).collect())
    }

    /// Companies with a grant that works.
    pub fn connected(&self, provider: Provider) -> Vec<String> {
        self.see(|state| state.grants(provider).connected().into_iter().map(str::to_owned).collect())
    }

    /// The mails that arrived, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.see(|state| state.mailbox.mails.clone())
    }

    /// The mails that arrived after the one with this id, oldest first.
    pub fn mails_after(&self, id: u64) -> Vec<Mail> {
        self.see(|state| state.mailbox.mails.iter().filter(|mail| mail.id > id).cloned().collect())
    }
}
