//! From an order's content to the draft of a document, and from the draft to what QuickBooks takes. Pure; amounts are
//! decimals, and the document's total is the order's to the cent or there is no document: what does not add up is for a
//! person, in words that name the numbers.

mod amounts;
mod body;
mod buyer;
mod lines;
mod money;
pub(super) mod text;

#[cfg(test)]
mod tests;

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

pub use self::body::{Company, References};
pub use self::buyer::Buyer;
use self::lines::Lines;
use super::content::Content;
use crate::{
    config::{DocumentRule, Mapping, RateRule},
    provider::quickbooks::DocumentKind,
};

/// QuickBooks takes this many lines.
const MOST_LINES: usize = 750;
/// The longest note that QuickBooks keeps.
const NOTE_LENGTH: usize = 4_000;

/// A document as it is meant, before customer and items are known in QuickBooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// What it becomes.
    pub document: DocumentKind,
    /// Its number.
    pub number: String,
    /// Its date, in the company's time zone.
    pub date: Option<NaiveDate>,
    /// When an invoice is to be paid.
    pub due: Option<NaiveDate>,
    /// In which money.
    pub currency: Option<String>,
    /// The order's own rate, where the settings want it.
    pub exchange_rate: Option<Decimal>,
    /// Whom it is for.
    pub buyer: Option<Buyer>,
    /// Where it may be sent.
    pub email: Option<String>,
    /// What stands on it.
    pub lines: Vec<Entry>,
    /// What QuickBooks takes off the whole.
    pub discount: Option<Decimal>,
    /// What QuickBooks adds as tax.
    pub tax: Option<Decimal>,
    /// What it comes to.
    pub total: Decimal,
    /// The note that customers do not see. It begins with the mark by which an earlier try is known.
    pub note: String,
}

/// A line of the document to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it refers to.
    pub item: ItemName,
    /// What it stands for.
    pub role: Role,
    /// What it comes to.
    pub amount: Decimal,
    /// Quantity and unit price, when they explain the amount exactly.
    pub quantity_and_price: Option<(Decimal, Decimal)>,
    /// What stands on the document.
    pub description: String,
}

/// An item that a document refers to, before it is known in QuickBooks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ItemName {
    /// The shop's own number.
    pub sku: Option<String>,
    /// What it is called.
    pub name: String,
}

/// What a line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Something that was bought.
    Product,
    /// Shipping.
    Shipping,
    /// A discount on the whole order.
    Discount,
    /// Sales tax.
    Tax,
    /// A part of the money that went back.
    Refund,
}

/// Why an order cannot become a document, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error, utoipa::ToSchema)]
#[error("{message}")]
pub struct Unmappable {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Unmappable {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

/// An order's content as it is stored.
///
/// # Errors
/// [`Unmappable`] when another version wrote it in another shape.
pub fn stored(content: &Value) -> Result<Content, Unmappable> {
    Content::deserialize(content).map_err(|error| {
        let remedy = "it was stored by another version of lamplighter: change the order at its source, so that it comes in \
                      again";
        Unmappable::new(format!("the stored order cannot be read: {error}"), remedy)
    })
}

/// The draft of an order's document, of this kind if it stands already. `mark` begins the note.
///
/// # Errors
/// [`Unmappable`] when there is nothing to post, or it does not add up, or it does not fit into a document.
pub fn draft(
    content: &Content,
    settings: &Mapping,
    kind: Option<DocumentKind>,
    number: &str,
    mark: &str,
) -> Result<Draft, Unmappable> {
    readable(content)?;
    let places = money::places(content.currency.as_deref());
    let sums = amounts::reconcile(content, places)?;
    let document = kind.map_or_else(|| document(content, settings), Ok)?;
    let mut lost = Vec::new();
    let buyer = buyer::of(content, settings, &mut lost);
    if document == DocumentKind::Invoice && buyer.is_none() {
        let remedy = "name the buyer at the order's source, or one customer of all orders: `lamplighter account settings NAME \
                      --set customer=\"Walk-in\"`; then retry the order";
        return Err(Unmappable::new("the order names no buyer, and an invoice must have a customer", remedy));
    }
    let Lines { entries, discount, tax } = lines::of(content, settings, &sums, places);
    let count = entries.len() + usize::from(discount.is_some());
    if count > MOST_LINES {
        let message = format!("the order needs {count} lines, and a QuickBooks document can have {MOST_LINES}");
        return Err(Unmappable::new(message, "split the order at its source, or enter it in QuickBooks by hand"));
    }
    let date = date(content, settings);
    let due = date.filter(|_| document == DocumentKind::Invoice);
    Ok(Draft {
        document,
        number: number.to_owned(),
        date,
        due: due.and_then(|day| day.checked_add_days(Days::new(settings.invoice_days.into()))),
        currency: content.currency.clone(),
        exchange_rate: content.exchange_rate.filter(|_| settings.exchange_rate == RateRule::Order),
        buyer,
        email: buyer::mail_address(content),
        lines: entries,
        discount,
        tax,
        total: sums.total,
        note: note(mark, &lost),
    })
}

/// The kind of document that an order becomes.
///
/// # Errors
/// [`Unmappable`] when that hangs on a payment of which nothing is said.
pub fn document(content: &Content, settings: &Mapping) -> Result<DocumentKind, Unmappable> {
    match (settings.document, content.paid) {
        (DocumentRule::SalesReceipt, _) | (DocumentRule::ByPayment, Some(true)) => Ok(DocumentKind::SalesReceipt),
        (DocumentRule::Invoice, _) | (DocumentRule::ByPayment, Some(false)) => Ok(DocumentKind::Invoice),
        (DocumentRule::ByPayment, None) => Err(Unmappable::new(
            "nothing that is understood says whether the order is paid, and its document hangs on that",
            "set the order's payment status to paid or unpaid at its source, or set `document` to sales_receipt or invoice \
             with `lamplighter account settings`; then retry the order",
        )),
    }
}

impl Draft {
    /// The refund of this sale: all of it with its lines, or a part as one amount of the settings' item.
    pub fn refund(&self, amount: Decimal, settings: &Mapping, number: &str, mark: &str) -> Self {
        let whole = Self {
            document: DocumentKind::RefundReceipt,
            number: number.to_owned(),
            date: None,
            due: None,
            note: note(mark, &[]),
            ..self.clone()
        };
        if amount == self.total {
            return whole;
        }
        let item = ItemName { sku: None, name: lines::item_name(&settings.refund_item) };
        let description = format!("Refund of a part of {}", self.number);
        let line = Entry { item, role: Role::Refund, amount, quantity_and_price: None, description };
        Self { lines: vec![line], discount: None, tax: None, total: amount, ..whole }
    }
}

/// What must be so whatever it comes to.
fn readable(content: &Content) -> Result<(), Unmappable> {
    let count = content.unread_lines;
    if count > 0 {
        let remedy = "restore or remove them in HubSpot; the order is taken in again by itself";
        return Err(Unmappable::new(format!("{count} of the order's line items cannot be read in HubSpot"), remedy));
    }
    if content.lines.is_empty() {
        let remedy = "add its line items at its source, which brings it in again";
        return Err(Unmappable::new("the order has no line items", remedy));
    }
    let other = |line: &&super::content::Line| {
        line.currency.is_some() && content.currency.is_some() && line.currency != content.currency
    };
    if let Some(line) = content.lines.iter().find(other) {
        let (own, whole) = (line.currency.as_deref().unwrap_or(""), content.currency.as_deref().unwrap_or(""));
        let message = format!("the order is in {whole}, but its line {:?} is in {own}", text::cut(&line.name, 100));
        return Err(Unmappable::new(message, "correct the currencies at its source so that they agree"));
    }
    Ok(())
}

/// The day of the sale in the company's time zone.
fn date(content: &Content, settings: &Mapping) -> Option<NaiveDate> {
    let there = content.placed_at.map(|at| at.with_timezone(&settings.time_zone).date_naive());
    there.or(content.placed_on)
}

/// The mark first: what is too long is cut at the end.
fn note(mark: &str, lost: &[String]) -> String {
    let whole = std::iter::once(mark).chain(lost.iter().map(String::as_str)).collect::<Vec<_>>().join("\n");
    text::cut(&whole, NOTE_LENGTH)
}
