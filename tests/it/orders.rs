//! Orders from HubSpot to QuickBooks: what is posted, what is not, and what a person is told.

mod api;
mod batch;
mod changes;
mod cursor;
mod daemons;
mod filters;
mod invoices;
mod lanes;
mod log;
mod mapping;
mod portals;
mod receipts;
mod refusals;
mod revisions;
mod storm;
mod sync;
mod trouble;
mod webhooks;

use std::collections::BTreeMap;

use lamplighter::{
    provider::Provider::{self, Hubspot, Quickbooks},
    sandbox::{Document, NewOrder, Switches},
    store::{
        accounts::Account,
        order_log::{self, Overview},
        orders::Status,
    },
};
use serde_json::{Value, json};

use crate::harness::{HUB, TestApp, minutes, order};

/// An order over ten dollars gets shipping.
pub(crate) const DEARER: [(&str, &str); 2] = [("hs_shipping_cost", "5.00"), ("hs_total_price", "15.00")];
/// And loses it again.
const AS_BEFORE: [(&str, &str); 2] = [("hs_shipping_cost", ""), ("hs_total_price", "10.00")];

/// One of several customers of the operator, connected on both sides.
pub(crate) struct Customer {
    pub(crate) account: Account,
    pub(crate) realm: String,
    pub(crate) hub: String,
}

impl TestApp {
    /// Connects `count` more customers.
    pub(crate) async fn customers(&self, count: u64) -> Vec<Customer> {
        let mut customers = Vec::new();
        for number in 0..count {
            let (realm, hub) = (format!("91304{number:02}"), format!("70{number:02}"));
            self.sandbox.add_company(&realm, &format!("Company {number}"));
            self.sandbox.add_portal(&hub, &format!("shop{number}.example"));
            let account = self.account(&format!("Account {number}")).await;
            self.connect(&account, Quickbooks, &realm).await;
            self.connect(&account, Hubspot, &hub).await;
            customers.push(Customer { account, realm, hub });
        }
        customers
    }

    /// Lets the poll interval pass and does everything once.
    pub(crate) async fn later(&self) {
        self.advance(minutes(6));
        self.rounds().await;
    }

    pub(crate) fn quickbooks(&self, change: impl FnOnce(&mut Switches)) {
        self.sandbox.switch(Quickbooks, change);
    }

    /// The numbers of the documents in a company, in the order in which they were made.
    pub(crate) fn numbers(&self, realm: &str) -> Vec<String> {
        self.sandbox.documents(realm).into_iter().filter_map(|document| document.doc_number).collect()
    }

    pub(crate) fn place(&self, order: NewOrder) -> String {
        self.sandbox.place_order(HUB, order)
    }

    /// An order whose document was made without a reply; another one before it, so that this was the only reply that was
    /// lost.
    async fn unanswered(&self) -> String {
        self.place(order("A-0", 500));
        self.rounds().await;
        let id = self.place(order("A-1", 1_000));
        self.quickbooks(|switches| switches.lost_create_replies = 1);
        self.later().await;
        id
    }

    /// A change in HubSpot, a minute later.
    fn edit(&self, id: &str, properties: &[(&str, &str)]) {
        self.advance(minutes(1));
        let properties: BTreeMap<_, _> = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(self.sandbox.edit_order(HUB, id, &properties));
    }

    /// All revisions of an order, the first one first.
    async fn revisions(&self, external_id: &str) -> Vec<Overview> {
        let mut rows =
            order_log::list(&mut *self.conn().await, &order_log::Filter::default(), None, 10_000).await.unwrap();
        rows.retain(|row| row.external_id == external_id);
        rows.reverse();
        rows
    }

    async fn statuses(&self, external_id: &str) -> Vec<Status> {
        self.revisions(external_id).await.into_iter().map(|row| row.status).collect()
    }

    /// Waits until somebody waits for a lock.
    async fn somebody_waits(&self) {
        while self.count("select count(*) from pg_locks where not granted").await == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Something that a bookkeeper writes into the books, without us.
    async fn by_hand(&self, realm: &str, entity: &str, body: Value) -> Value {
        let id = self.connection(Quickbooks).await.id;
        let live = self.app.keeper.access_token(id).await.unwrap();
        let url = format!("{}/v3/company/{realm}/{entity}", self.sandbox.endpoints(Quickbooks).api_url);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = secrecy::ExposeSecret::expose_secret(&live.token).to_owned();
        let reply = client.post(url).bearer_auth(token).json(&body).send().await.unwrap();
        let status = reply.status();
        let body: Value = reply.json().await.unwrap();
        assert!(status.is_success(), "{body}");
        body
    }
}

/// The number of an order's document.
pub(crate) fn number(id: &str) -> String {
    format!("HS-{id}")
}

fn totals(documents: &[Document]) -> Vec<String> {
    documents.iter().map(|document| format!("{:.2}", document.total)).collect()
}

async fn reconnect(app: &TestApp, account: &Account, provider: Provider, company: &str) {
    app.connect(account, provider, company).await;
    app.later().await;
}

fn receipt_by_hand(number: &str, note: &str) -> Value {
    json!({"DocNumber": number, "PrivateNote": note, "Line": [{
        "Amount": 1.5, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "4"}},
    }]})
}
