//! QuickBooks Online's accounting API: what an order needs and nothing more.
//!
//! Every call names the access token and the company (realm). A create carries a request id: Intuit answers a repeated
//! id with the first reply instead of creating again, so the caller fixes the id once and reuses it on every try. This
//! module does not know orders, and it remembers nothing.

mod documents;
mod entities;
mod filing;
mod kept;
mod lists;

use std::collections::HashMap;

use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use self::documents::{
    DiscountLineDetail, DocumentBody, DocumentKind, EmailAddress, Line, NewCustomer, NewItem, Reference,
    SalesItemLineDetail, TxnTaxDetail,
};
pub use self::entities::{CompanyInfo, Preferences, Ref};
pub use self::filing::{BATCH, Standing};
pub use self::kept::{Document, KeptLine};
pub use self::lists::{KeptCustomer, KeptItem};
use super::api::Channel;
use super::http::Http;
use super::reply::Reply;
use super::verdict::{Call, Surface};
use super::{Failure, Provider, Settings};

/// Intuit serves this version whatever is asked for today; saying it keeps tomorrow's away.
const MINOR_VERSION: (&str, &str) = ("minorversion", "75");

/// QuickBooks' accounting API.
#[derive(Clone, Copy, Debug)]
pub struct Api<'a>(Channel<'a>);

impl<'a> Api<'a> {
    pub(super) fn new(http: &'a Http, settings: &'a Settings) -> Self {
        Self(Channel { http, settings })
    }

    /// The company behind a realm; also the cheapest proof that an access token works.
    pub async fn company_info(&self, access: &SecretString, realm: &str) -> Result<CompanyInfo, Failure> {
        let url = self.0.url(&["v3", "company", realm, "companyinfo", realm]);
        self.fetch("read company info", access, url, "CompanyInfo").await
    }

    /// The company's currency and numbering settings.
    pub async fn preferences(&self, access: &SecretString, realm: &str) -> Result<Preferences, Failure> {
        let url = self.0.url(&["v3", "company", realm, "preferences"]);
        self.fetch("read preferences", access, url, "Preferences").await
    }

    /// Creates a service item. `Rejected` with code `6240` means that the name is taken.
    pub async fn create_item(
        &self,
        access: &SecretString,
        realm: &str,
        item: &NewItem,
        request_id: &str,
    ) -> Result<Ref, Failure> {
        self.create("create item", access, realm, ("item", "Item"), item, request_id).await
    }

    /// The active account with this name.
    pub async fn account_by_name(
        &self,
        access: &SecretString,
        realm: &str,
        name: &str,
    ) -> Result<Option<Ref>, Failure> {
        self.first("find account by name", access, realm, "Account", ("Name", name)).await
    }

    /// Some active income account.
    pub async fn any_income_account(&self, access: &SecretString, realm: &str) -> Result<Option<Ref>, Failure> {
        self.first("find income account", access, realm, "Account", ("AccountType", "Income")).await
    }

    /// The document with this number: how an unknown outcome is settled.
    pub async fn document_by_number(
        &self,
        access: &SecretString,
        realm: &str,
        kind: DocumentKind,
        doc_number: &str,
    ) -> Result<Option<Document>, Failure> {
        self.first("find document", access, realm, kind.entity(), ("DocNumber", doc_number)).await
    }

    /// Creates a document. `Rejected` with code `6140` means that the number is in use: look it up and compare.
    pub async fn create_document(
        &self,
        access: &SecretString,
        realm: &str,
        kind: DocumentKind,
        body: &DocumentBody,
        request_id: &str,
    ) -> Result<Document, Failure> {
        self.create("create document", access, realm, (kind.path(), kind.entity()), body, request_id).await
    }

    async fn fetch<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        access: &SecretString,
        url: url::Url,
        entity: &'static str,
    ) -> Result<T, Failure> {
        let request = self.0.get(url).query(&[MINOR_VERSION]);
        self.0.ask(call(operation, Surface::Read), access, request, |reply| entity_in(&reply.read()?, entity)).await
    }

    async fn first<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        access: &SecretString,
        realm: &str,
        entity: &'static str,
        filter: (&str, &str),
    ) -> Result<Option<T>, Failure> {
        Ok(self.found(operation, access, realm, entity, filter, 1).await?.into_iter().next())
    }

    /// What a query finds, `most` at most.
    async fn found<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        access: &SecretString,
        realm: &str,
        entity: &'static str,
        (field, value): (&str, &str),
        most: usize,
    ) -> Result<Vec<T>, Failure> {
        let query = format!("SELECT * FROM {entity} WHERE {field} = '{}' MAXRESULTS {most}", escaped(value));
        let url = self.0.url(&["v3", "company", realm, "query"]);
        let request = self.0.get(url).query(&[("query", query.as_str()), MINOR_VERSION]);
        let read = |reply: &Reply| {
            let found: HashMap<String, Box<RawValue>> = entity_in(&reply.read()?, "QueryResponse")?;
            match found.get(entity) {
                Some(rows) => serde_json::from_str(rows.get()).ok(),
                // Nothing found is a response without the entity's key.
                None => Some(Vec::new()),
            }
        };
        self.0.ask(call(operation, Surface::Read), access, request, read).await
    }

    async fn create<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        access: &SecretString,
        realm: &str,
        (path, entity): (&'static str, &'static str),
        what: &impl Serialize,
        request_id: &str,
    ) -> Result<T, Failure> {
        let url = self.0.url(&["v3", "company", realm, path]);
        let request = self.0.post(url).query(&[MINOR_VERSION, ("requestid", request_id)]).json(what);
        self.0.ask(call(operation, Surface::Create), access, request, |reply| entity_in(&reply.read()?, entity)).await
    }
}

fn call(operation: &'static str, surface: Surface) -> Call {
    Call { provider: Provider::Quickbooks, operation, surface }
}

/// One entity of a reply's envelope. Raw, because a detour through floating point would cost cents.
fn entity_in<T: DeserializeOwned>(envelope: &HashMap<String, Box<RawValue>>, entity: &str) -> Option<T> {
    serde_json::from_str(envelope.get(entity)?.get()).ok()
}

/// A value inside the quotes of a query.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_name_cannot_end_the_value() {
        assert_eq!(escaped("King's \\ Groceries"), "King\\'s \\\\ Groceries");
    }
}
