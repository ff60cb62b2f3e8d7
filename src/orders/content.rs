//! What becomes part of a document. The order's revision is a hash over what changes the document's money, lines, date or
//! whose it is, so an edit of anything else posts nothing.

mod revision;
mod standing;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub use self::standing::Wish;
use crate::{
    provider::hubspot::{Contact, LineItem, OrderRecord},
    store::orders::NewOrder,
};

/// The longest document number that QuickBooks takes.
pub(super) const DOCUMENT_NUMBER_LENGTH: usize = 21;

/// An order's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What people call the order.
    pub name: String,
    /// Its number in the shop.
    pub external_number: Option<String>,
    /// The day of the sale, in UTC.
    pub placed_on: Option<NaiveDate>,
    /// The instant of the sale, where it is known: what day that is depends on the company's time zone.
    #[serde(default)]
    pub placed_at: Option<DateTime<Utc>>,
    /// In which money.
    pub currency: Option<String>,
    /// What it comes to.
    pub total: Option<Decimal>,
    /// Of which tax.
    pub tax: Option<Decimal>,
    /// Of which shipping.
    pub shipping: Option<Decimal>,
    /// Who bought.
    pub customer: Option<Customer>,
    /// What was bought.
    pub lines: Vec<Line>,
    /// Line items that the order names and HubSpot did not hand out.
    #[serde(default)]
    pub unread_lines: usize,
    /// What was taken off the whole order; it may be taken off the lines already.
    #[serde(default)]
    pub discount: Option<Decimal>,
    /// Whether prices include tax, where somebody says so; otherwise the total tells.
    #[serde(default)]
    pub tax_included: Option<bool>,
    /// What one unit of its money is worth in the company's.
    #[serde(default)]
    pub exchange_rate: Option<Decimal>,
    /// Whether it is paid, where somebody says so.
    #[serde(default)]
    pub paid: Option<bool>,
    /// What went back to the buyer.
    #[serde(default)]
    pub refunded: Option<Decimal>,
    /// Whether it was called off.
    #[serde(default)]
    pub cancelled: bool,
}

/// Who bought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Mail address.
    pub email: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
    /// The company they name.
    pub company: Option<String>,
}

/// One thing that was bought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// The shop's own number.
    pub sku: Option<String>,
    /// How many.
    pub quantity: Option<Decimal>,
    /// At what price.
    pub price: Option<Decimal>,
    /// What the line comes to, less discounts.
    pub amount: Option<Decimal>,
    /// More about it.
    pub description: Option<String>,
    /// In which money, where that is said.
    #[serde(default)]
    pub currency: Option<String>,
}

impl Content {
    /// Reads an order with its line items and its contact.
    pub fn read(order: &OrderRecord, lines: &[&LineItem], unread_lines: usize, contact: Option<&Contact>) -> Self {
        let text = |name: &str| printable(order.properties.get(name).and_then(Option::as_deref));
        let number = |text: &str| text.parse().or_else(|_| Decimal::from_scientific(text)).ok();
        let money = |name: &str| text(name).and_then(|text| number(text.trim()));
        let billed = |name: &str| text(&format!("hs_billing_address_{name}"));
        let customer = match contact {
            Some(contact) => Customer {
                email: printable(contact.email.as_deref()).or_else(|| billed("email")),
                given_name: printable(contact.first_name.as_deref()),
                family_name: printable(contact.last_name.as_deref()),
                company: printable(contact.company.as_deref()),
            },
            None => Customer {
                email: billed("email"),
                given_name: billed("firstname").or_else(|| billed("name")),
                family_name: billed("lastname"),
                company: None,
            },
        };
        let placed = text("hs_external_created_date").or_else(|| text("hs_createdate"));
        let payment = text("hs_payment_status");
        let total = money("hs_total_price");
        let known = customer.email.is_some() || customer.given_name.is_some() || customer.family_name.is_some();
        Self {
            name: text("hs_order_name").unwrap_or_else(|| format!("Order {}", order.id)),
            external_number: text("hs_external_order_id"),
            placed_on: placed.as_deref().and_then(day),
            placed_at: placed.as_deref().and_then(instant),
            currency: text("hs_currency_code").map(|code| code.to_uppercase()),
            total,
            tax: money("hs_tax"),
            shipping: money("hs_shipping_cost"),
            customer: (known || customer.company.is_some()).then_some(customer),
            lines: lines.iter().map(|line| Line::read(line)).collect(),
            unread_lines,
            discount: money("hs_order_discount"),
            tax_included: None,
            exchange_rate: money("hs_exchange_rate"),
            paid: payment.as_deref().and_then(standing::paid),
            refunded: standing::refunded(&order.properties, money("hs_refund_amount"), total),
            cancelled: standing::cancelled(&order.properties),
        }
    }

    /// The queue's row for it: request id and document number are fixed here.
    ///
    /// # Errors
    /// Never for content that [`Content::read`] made.
    pub fn into_new_order(self, order: &OrderRecord) -> Result<NewOrder, serde_json::Error> {
        Ok(NewOrder {
            id: Uuid::now_v7(),
            external_id: order.id.clone(),
            revision: self.revision(),
            name: self.name.clone(),
            total: self.total,
            currency: self.currency.clone(),
            content: serde_json::to_value(&self)?,
            modified_at: order.modified_at,
            request_id: Uuid::new_v4(),
            document_number: document_number(&order.id),
        })
    }
}

impl Line {
    fn read(line: &LineItem) -> Self {
        Self {
            name: printable(line.name.as_deref())
                .or_else(|| printable(line.sku.as_deref()))
                .unwrap_or_else(|| format!("Item {}", line.id)),
            sku: printable(line.sku.as_deref()),
            quantity: line.quantity,
            price: line.price,
            amount: line.amount,
            description: printable(line.description.as_deref()),
            currency: printable(line.currency.as_deref()).map(|code| code.to_uppercase()),
        }
    }
}

/// A text without control characters, which neither Postgres' JSON nor QuickBooks takes; `None` when nothing is left.
pub(super) fn printable(text: Option<&str>) -> Option<String> {
    let text: String = text?.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The number of an order's document: the same for ever, and at most 21 characters.
pub fn document_number(external_id: &str) -> String {
    let plain = format!("HS-{external_id}");
    if plain.len() <= DOCUMENT_NUMBER_LENGTH && plain.is_ascii() {
        return plain;
    }
    let hash: String =
        Sha256::digest(external_id.as_bytes()).iter().take(9).map(|byte| format!("{byte:02x}")).collect();
    format!("HS-{hash}")
}

/// When HubSpot made the record, which is not when the shop took the order.
pub(super) fn created_at(order: &OrderRecord) -> Option<DateTime<Utc>> {
    instant(order.properties.get("hs_createdate")?.as_deref()?)
}

fn day(text: &str) -> Option<NaiveDate> {
    instant(text).map(|at| at.date_naive()).or_else(|| text.trim().parse().ok())
}

/// HubSpot writes instants as ISO 8601 or as milliseconds since 1970.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let iso = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc)).ok();
    iso.or_else(|| text.parse().ok().and_then(DateTime::from_timestamp_millis))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn record(properties: &[(&str, &str)]) -> OrderRecord {
        OrderRecord {
            id: "33451".to_owned(),
            properties: properties
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
                .collect::<BTreeMap<_, _>>(),
            modified_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_revision_changes_with_the_document_and_with_nothing_else() {
        let base = [("hs_order_name", "A-1"), ("hs_total_price", "10.00"), ("hs_createdate", "2026-01-09T01:02:03Z")];
        let plain = Content::read(&record(&base), &[], 0, None);
        let noted = Content::read(&record(&[&base[..], &[("hs_order_note", "call first")]].concat()), &[], 0, None);
        let dearer = Content::read(&record(&[base[0], ("hs_total_price", "10.01"), base[2]]), &[], 0, None);
        assert_eq!(plain.revision(), noted.revision());
        assert_ne!(plain.revision(), dearer.revision());
        assert_eq!(plain.placed_on, NaiveDate::from_ymd_opt(2026, 1, 9));
    }

    #[test]
    fn a_document_number_is_stable_and_fits() {
        assert_eq!(document_number("33451"), "HS-33451");
        for id in ["9".repeat(18), "9".repeat(19), "ü".to_owned(), String::new()] {
            let number = document_number(&id);
            assert!(number.len() <= DOCUMENT_NUMBER_LENGTH, "{number}");
            assert_eq!(number, document_number(&id));
        }
        assert_ne!(document_number(&"9".repeat(30)), document_number(&"9".repeat(31)));
    }

    #[test]
    fn a_day_is_read_in_each_of_hubspots_spellings() {
        let expected = NaiveDate::from_ymd_opt(2026, 1, 1);
        for text in ["2026-01-01T00:00:00Z", "1767225600000", "2026-01-01", "2026-01-01T02:00:00.123+02:00"] {
            assert_eq!(day(text), expected, "{text}");
        }
        assert_eq!(day("soon"), None);
    }
}
