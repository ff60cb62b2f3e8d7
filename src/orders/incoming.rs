//! Orders of any cart but HubSpot, in one shape for the API and for files. The shape is read strictly: an unknown field, a
//! float in disguise or a day without a meaning refuses that one order, with the field and what to write instead.
//!
//! Knows nothing of HTTP or files, and nothing of QuickBooks. Invariant: an amount is the decimal that was written, never
//! one that went through a float.

mod decimal;
mod flag;
mod shape;
mod taking;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use self::{decimal::Amount, shape::Item};
pub use self::{
    shape::Order,
    taking::{Fate, take},
};
use super::content::{Content, Customer, DOCUMENT_NUMBER_LENGTH, Line, printable};
use crate::store::orders::NewOrder;

/// The source of orders that name none.
pub const DEFAULT_SOURCE: &str = "api";
/// The most lines of one order.
const MOST_LINES: usize = 1_000;
/// The longest id.
const LONGEST_ID: usize = 200;

/// An order that may be stored.
#[derive(Debug)]
pub struct Incoming {
    /// The name of its source.
    pub source: String,
    /// The queue's row for it.
    pub order: NewOrder,
}

/// Why an order cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field}: {message}: {remedy}")]
pub struct Refused {
    /// Where, such as `lines[0].price`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub remedy: String,
}

impl Refused {
    fn new(field: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), remedy: remedy.into() }
    }
}

/// Reads one order. `source` is the name for one that carries none; `now` counts as the time of its last change, as the cart
/// sends what it knows now.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(json: &str, source: &str, now: DateTime<Utc>) -> Result<Incoming, Refused> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let order: Order = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| refused(&error))?;
    deserializer.end().map_err(|error| unreadable(&error.to_string()))?;
    let source = named(order.source.as_deref().unwrap_or(source))?;
    let external_id = identified(&order.external_id)?;
    let content = content(order, &external_id)?;
    let stored = serde_json::to_value(&content).map_err(|error| unreadable(&error.to_string()))?;
    Ok(Incoming {
        order: NewOrder {
            id: Uuid::now_v7(),
            revision: content.revision(),
            name: content.name,
            total: content.total,
            currency: content.currency,
            content: stored,
            modified_at: now,
            request_id: Uuid::new_v4(),
            document_number: document_number(&source, &external_id),
            external_id,
        },
        source,
    })
}

/// The id that an unreadable order seems to have, for the reply about it.
pub fn claimed_id(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        external_id: String,
    }
    serde_json::from_str::<Claimed>(json).ok().map(|claimed| claimed.external_id).filter(|id| id.len() <= LONGEST_ID)
}

/// Checks the name of a source.
///
/// # Errors
/// What a name looks like.
pub fn named(name: &str) -> Result<String, Refused> {
    let good = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-".contains(letter);
    let begins_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    if begins_well && name.len() <= 40 && name.chars().all(good) {
        return Ok(name.to_owned());
    }
    let remedy = "write up to 40 small letters, digits, dots, dashes or underscores, such as \"webshop\"";
    Err(Refused::new("source", format!("{:?} names no source", shortened(name)), remedy))
}

/// The number of an order's document: the same for ever, different for every source and id, at most 21 characters, and
/// never that of a HubSpot order. Books may not tell capitals from small letters, so only what is the same in either is
/// shown as it is.
pub fn document_number(source: &str, external_id: &str) -> String {
    let plain = format!("{}-{external_id}", source.to_ascii_uppercase());
    let harmless = |letter: char| {
        letter.is_ascii_uppercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_' | '.' | '#')
    };
    // With a dash in the source's name two pairs could read the same; HS and X stand for something else.
    let clear = !source.contains('-') && !matches!(source, "hs" | "x") && external_id.chars().all(harmless);
    if clear && plain.len() <= DOCUMENT_NUMBER_LENGTH {
        return plain;
    }
    let mut hash = Sha256::new();
    hash.update(source.as_bytes());
    // No name holds it.
    hash.update([0]);
    hash.update(external_id.as_bytes());
    let hash: String = hash.finalize().iter().take(9).map(|byte| format!("{byte:02X}")).collect();
    format!("X-{hash}")
}

fn content(order: Order, external_id: &str) -> Result<Content, Refused> {
    let (placed_at, placed_on) = placed(&order.placed_at)?;
    let currency = order.currency.trim().to_ascii_uppercase();
    if currency.len() != 3 || !currency.chars().all(|letter| letter.is_ascii_uppercase()) {
        let message = format!("{:?} is no currency", shortened(&order.currency));
        return Err(Refused::new("currency", message, "write its three letters, such as \"USD\""));
    }
    if order.lines.is_empty() || order.lines.len() > MOST_LINES {
        let message = format!("{} lines", order.lines.len());
        return Err(Refused::new("lines", message, format!("send from 1 to {MOST_LINES} lines")));
    }
    let lines = order.lines.into_iter().enumerate();
    let lines = lines.map(|(at, item)| line(at, item)).collect::<Result<Vec<_>, _>>()?;
    let customer = order.customer.map(|buyer| Customer {
        email: printable(buyer.email.as_deref()),
        given_name: printable(buyer.first_name.as_deref()),
        family_name: printable(buyer.last_name.as_deref()),
        company: printable(buyer.company.as_deref()),
    });
    let somebody = |who: &Customer| {
        who.email.is_some() || who.given_name.is_some() || who.family_name.is_some() || who.company.is_some()
    };
    Ok(Content {
        name: printable(order.name.as_deref()).unwrap_or_else(|| external_id.to_owned()),
        external_number: Some(external_id.to_owned()),
        placed_on: Some(placed_on),
        placed_at,
        currency: Some(currency),
        total: Some(positive("total", order.total)?),
        tax: order.tax.map(|tax| positive("tax", tax)).transpose()?,
        shipping: order.shipping.map(|shipping| positive("shipping", shipping)).transpose()?,
        tax_included: order.tax_included,
        exchange_rate: order.exchange_rate.map(rate).transpose()?,
        paid: order.paid,
        refunded: order.refunded.map(|refunded| positive("refunded", refunded)).transpose()?,
        cancelled: order.cancelled.unwrap_or_default(),
        discount: order.discount.map(|discount| positive("discount", discount)).transpose()?,
        customer: customer.filter(somebody),
        lines,
        unread_lines: 0,
    })
}

fn line(at: usize, item: Item) -> Result<Line, Refused> {
    let field = |name: &str| format!("lines[{at}].{name}");
    if item.price.is_none() && item.amount.is_none() {
        let remedy = "write the price of one, or the amount of the whole line less discounts, or both";
        return Err(Refused::new(field("price"), "is missing, and so is the amount", remedy));
    }
    let name = printable(Some(&item.name));
    let name = name.ok_or_else(|| Refused::new(field("name"), "is empty", "write what was bought"))?;
    Ok(Line {
        name,
        sku: printable(item.sku.as_deref()),
        quantity: item.quantity.map(|Amount(quantity)| quantity),
        price: item.price.map(|Amount(price)| price),
        amount: item.amount.map(|Amount(amount)| amount),
        description: printable(item.description.as_deref()),
        currency: None,
    })
}

fn positive(field: &str, Amount(amount): Amount) -> Result<Decimal, Refused> {
    // A zero is a zero: "0.00" and "-0" must not be two revisions.
    let amount = if amount.is_zero() { Decimal::ZERO } else { amount };
    if amount.is_sign_negative() && !amount.is_zero() {
        return Err(Refused::new(field, format!("{amount} is below zero"), "write an amount from 0 up"));
    }
    Ok(amount)
}

fn identified(text: &str) -> Result<String, Refused> {
    let id = text.trim();
    if id.is_empty() || id.chars().count() > LONGEST_ID || id.chars().any(char::is_control) {
        let remedy = format!("write the order's own id in the cart, from 1 to {LONGEST_ID} printable characters");
        return Err(Refused::new("external_id", format!("{:?} is no id", shortened(id)), remedy));
    }
    Ok(id.to_owned())
}

fn rate(Amount(rate): Amount) -> Result<Decimal, Refused> {
    if rate <= Decimal::ZERO {
        let remedy = "write what one unit of the order's currency is worth in the company's own";
        return Err(Refused::new("exchange_rate", format!("{rate} is no rate"), remedy));
    }
    Ok(rate)
}

/// The instant, where one is written, and its day in UTC.
fn placed(text: &str) -> Result<(Option<DateTime<Utc>>, NaiveDate), Refused> {
    let text = text.trim();
    let instant = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
    let day = instant.map(|at| (Some(at), at.date_naive())).or_else(|_| text.parse().map(|day| (None, day)));
    day.map_err(|_| {
        let remedy = "write it with its zone, such as \"2026-01-09T14:30:00Z\" or \"2026-01-09T09:30:00-05:00\", or a \
                      day alone, such as \"2026-01-09\"";
        Refused::new("placed_at", format!("{:?} is no time", shortened(text)), remedy)
    })
}

fn refused(error: &serde_path_to_error::Error<serde_json::Error>) -> Refused {
    let field = error.path().to_string();
    let words = error.inner().to_string();
    // The position in a text that the sender may have built with a library helps nobody.
    let words = words.split(" at line ").next().unwrap_or(&words).to_owned();
    let remedy = if error.inner().is_data() {
        if words.starts_with("unknown field") {
            "take it out, or see the README for the fields of an order"
        } else if words.starts_with("missing field") {
            "add it"
        } else {
            "see the README for the fields of an order"
        }
    } else {
        "send one JSON object for every order"
    };
    // An amount brings its own remedy.
    if let Some((message, remedy)) = words.split_once("; ") {
        return Refused::new(field, message, remedy);
    }
    Refused::new(if field == "." { "order".to_owned() } else { field }, words, remedy)
}

fn unreadable(why: &str) -> Refused {
    Refused::new("order", format!("cannot be read: {why}"), "send one JSON object for every order")
}

/// What is repeated to a person of what they sent.
fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
