//! Customers and items as QuickBooks keeps them, with what tells two of the same name apart.
//!
//! A name is found only while its owner is active, but an inactive one, a vendor or an employee still holds it: a create
//! is then refused with code 6240. This module does not decide who is meant.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::Api;
use super::documents::{NewCustomer, Reference};
use super::entities::Ref;
use crate::provider::Failure;

/// One mail address may be that of several customers: this many are looked at.
const MOST: usize = 20;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "RawCustomer")]
pub struct KeptCustomer {
    /// QuickBooks' id.
    pub id: String,
    /// The name a person knows it by.
    pub name: String,
    /// Its mail addresses, as written.
    pub email: Option<String>,
    /// In which money it is billed, for ever.
    pub currency: Option<String>,
    /// Whether it can be billed.
    pub active: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawCustomer {
    id: String,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    primary_email_addr: Option<RawAddress>,
    #[serde(default)]
    currency_ref: Option<Ref>,
    #[serde(default = "yes")]
    active: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawAddress {
    #[serde(default)]
    address: Option<String>,
}

impl From<RawCustomer> for KeptCustomer {
    fn from(raw: RawCustomer) -> Self {
        Self {
            id: raw.id,
            name: raw.display_name,
            email: raw.primary_email_addr.and_then(|email| email.address).filter(|email| !email.trim().is_empty()),
            currency: raw.currency_ref.map(|currency| currency.id),
            active: raw.active,
        }
    }
}

/// A product or service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeptItem {
    /// QuickBooks' id.
    pub id: String,
    /// The name a person knows it by.
    #[serde(default)]
    pub name: String,
    /// The shop's own number.
    #[serde(default)]
    pub sku: Option<String>,
    /// `Service`, `Inventory`, `NonInventory`, `Category` or `Group`.
    #[serde(rename = "Type", default)]
    pub kind: Option<String>,
    /// Whether it can be sold.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// A customer to create in a currency; `None` is the company's own.
#[derive(Serialize)]
struct InCurrency<'a> {
    #[serde(flatten)]
    customer: &'a NewCustomer,
    #[serde(rename = "CurrencyRef", skip_serializing_if = "Option::is_none")]
    currency: Option<Reference>,
}

impl Api<'_> {
    /// Active customers with this mail address.
    pub async fn customers_by_email(
        &self,
        access: &SecretString,
        realm: &str,
        email: &str,
    ) -> Result<Vec<KeptCustomer>, Failure> {
        self.found("find customers by email", access, realm, "Customer", ("PrimaryEmailAddr", email), MOST).await
    }

    /// The active customer with this display name.
    pub async fn customer_called(
        &self,
        access: &SecretString,
        realm: &str,
        display_name: &str,
    ) -> Result<Option<KeptCustomer>, Failure> {
        let found = self.found("find customer by name", access, realm, "Customer", ("DisplayName", display_name), MOST);
        Ok(found.await?.into_iter().next())
    }

    /// Active products and services with this SKU.
    pub async fn items_by_sku(&self, access: &SecretString, realm: &str, sku: &str) -> Result<Vec<KeptItem>, Failure> {
        self.found("find items by sku", access, realm, "Item", ("Sku", sku), MOST).await
    }

    /// The active products and services with this name; a category may have it too.
    pub async fn items_called(&self, access: &SecretString, realm: &str, name: &str) -> Result<Vec<KeptItem>, Failure> {
        self.found("find items by name", access, realm, "Item", ("Name", name), MOST).await
    }

    /// Creates a customer who is billed in this currency, else in the company's own. `Rejected` with code `6240` means that
    /// the name is taken, by a vendor perhaps.
    pub async fn create_customer(
        &self,
        access: &SecretString,
        realm: &str,
        customer: &NewCustomer,
        currency: Option<&str>,
        request_id: &str,
    ) -> Result<Ref, Failure> {
        let what = InCurrency { customer, currency: currency.map(Reference::to) };
        self.create("create customer", access, realm, ("customer", "Customer"), &what, request_id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_and_items_are_read_with_what_tells_them_apart() {
        let body = r#"{"Id":"7","DisplayName":"Rae","PrimaryEmailAddr":{"Address":"rae@post.example"},"Active":false,
            "CurrencyRef":{"value":"EUR","name":"Euro"},"Balance":1.5}"#;
        let read: KeptCustomer = serde_json::from_str(body).unwrap();
        let (email, currency) = (Some("rae@post.example".to_owned()), Some("EUR".to_owned()));
        assert_eq!(read, KeptCustomer { id: "7".into(), name: "Rae".into(), email, currency, active: false });
        let read: KeptItem = serde_json::from_str(r#"{"Id":"8","Name":"Lamp","Type":"Service"}"#).unwrap();
        assert!(read.active && read.sku.is_none(), "{read:?}");
    }

    #[test]
    fn a_customer_is_created_in_a_currency() {
        let customer = NewCustomer {
            display_name: "Rae".into(),
            email: Some("rae@post.example".into()),
            ..NewCustomer::default()
        };
        let what = InCurrency { customer: &customer, currency: Some(Reference::to("EUR")) };
        let expected =
            r#"{"DisplayName":"Rae","PrimaryEmailAddr":{"Address":"rae@post.example"},"CurrencyRef":{"value":"EUR"}}"#;
        assert_eq!(serde_json::to_string(&what).unwrap(), expected);
    }
}
