//! Which content is the same order. What a person may enrich at any time (a contact's name, the order's title, whether it
//! was paid) is no part of it: such an edit must not make a document that stands look changed.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Content, Customer, Line};

/// What the hash is over.
#[derive(Serialize)]
struct Essence<'a> {
    placed_at: Option<DateTime<Utc>>,
    placed_on: Option<NaiveDate>,
    currency: Option<&'a str>,
    total: Option<Decimal>,
    tax: Option<Decimal>,
    shipping: Option<Decimal>,
    discount: Option<Decimal>,
    tax_included: Option<bool>,
    refunded: Option<Decimal>,
    cancelled: bool,
    customer: Option<Identity<'a>>,
    lines: Vec<Sold<'a>>,
    unread_lines: usize,
}

/// Whose the document is: an address says it, and only without one a name does.
#[derive(Serialize)]
enum Identity<'a> {
    Email(String),
    Names([Option<&'a str>; 3]),
}

#[derive(Serialize)]
struct Sold<'a> {
    name: &'a str,
    sku: Option<&'a str>,
    quantity: Option<Decimal>,
    price: Option<Decimal>,
    amount: Option<Decimal>,
    description: Option<&'a str>,
    currency: Option<&'a str>,
}

impl Content {
    /// A hash over what changes the document's money, lines, date or whose it is.
    pub fn revision(&self) -> String {
        let essence = Essence {
            placed_at: self.placed_at,
            placed_on: self.placed_on.filter(|_| self.placed_at.is_none()),
            currency: self.currency.as_deref(),
            total: plain(self.total),
            tax: some(self.tax),
            shipping: some(self.shipping),
            discount: some(self.discount),
            tax_included: self.tax_included,
            refunded: some(self.refunded),
            cancelled: self.cancelled,
            customer: self.customer.as_ref().map(identity),
            lines: self.lines.iter().map(sold).collect(),
            unread_lines: self.unread_lines,
        };
        let json = serde_json::to_vec(&essence).unwrap_or_default();
        Sha256::digest(&json).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn identity(customer: &Customer) -> Identity<'_> {
    match &customer.email {
        Some(email) => Identity::Email(email.trim().to_lowercase()),
        None => Identity::Names([
            customer.company.as_deref(),
            customer.given_name.as_deref(),
            customer.family_name.as_deref(),
        ]),
    }
}

fn sold(line: &Line) -> Sold<'_> {
    Sold {
        name: &line.name,
        sku: line.sku.as_deref(),
        quantity: plain(line.quantity),
        price: plain(line.price),
        amount: plain(line.amount),
        description: line.description.as_deref(),
        currency: line.currency.as_deref(),
    }
}

/// 10.0 and 10.00 are one amount.
fn plain(amount: Option<Decimal>) -> Option<Decimal> {
    amount.map(|amount| amount.normalize())
}

/// No tax and a tax of zero are one, too.
fn some(amount: Option<Decimal>) -> Option<Decimal> {
    plain(amount).filter(|amount| !amount.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        Content {
            name: "A-1".to_owned(),
            total: Some(Decimal::new(1000, 2)),
            customer: Some(Customer { email: Some("Rae@post.example".to_owned()), ..Customer::default() }),
            lines: vec![Line { name: "Lamp".to_owned(), price: Some(Decimal::new(1000, 2)), ..Line::default() }],
            ..Content::default()
        }
    }

    fn changed(change: impl FnOnce(&mut Content)) -> bool {
        let mut other = content();
        change(&mut other);
        other.revision() != content().revision()
    }

    #[test]
    fn what_a_person_enriches_is_the_same_order() {
        let customer = |change: fn(&mut Customer)| move |order: &mut Content| change(order.customer.as_mut().unwrap());
        assert!(!changed(customer(|who| who.given_name = Some("Rae".to_owned()))));
        assert!(!changed(customer(|who| who.company = Some("Harbor Books".to_owned()))));
        assert!(!changed(customer(|who| who.email = Some("rae@post.example".to_owned()))));
        assert!(!changed(|order| order.name = "A-1, urgent".to_owned()));
        assert!(!changed(|order| order.paid = Some(true)));
        assert!(!changed(|order| order.exchange_rate = Some(Decimal::ONE)));
        assert!(!changed(|order| order.total = Some(Decimal::from(10))));
        assert!(!changed(|order| order.tax = Some(Decimal::ZERO)));
    }

    #[test]
    fn what_changes_the_document_is_another_revision() {
        assert!(changed(|order| order.total = Some(Decimal::from(11))));
        assert!(changed(|order| order.discount = Some(Decimal::ONE)));
        assert!(changed(|order| order.refunded = Some(Decimal::ONE)));
        assert!(changed(|order| order.cancelled = true));
        assert!(changed(|order| order.currency = Some("EUR".to_owned())));
        assert!(changed(|order| order.placed_on = NaiveDate::from_ymd_opt(2026, 1, 9)));
        assert!(changed(|order| order.lines[0].sku = Some("L-1".to_owned())));
        assert!(changed(|order| order.lines[0].quantity = Some(Decimal::TWO)));
        assert!(changed(|order| order.customer.as_mut().unwrap().email = Some("ray@post.example".to_owned())));
        assert!(changed(|order| order.customer = None));
    }

    #[test]
    fn without_an_address_the_name_says_who() {
        let named = |name: &str| Content {
            customer: Some(Customer { given_name: Some(name.to_owned()), ..Customer::default() }),
            ..content()
        };
        assert_ne!(named("Rae").revision(), named("Ray").revision());
    }
}
