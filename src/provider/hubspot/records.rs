//! HubSpot's records, reduced to what Lamplighter reads.
//!
//! HubSpot sends every property as a string or null, and sends ids now as strings, now as numbers. Both are read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};

/// A portal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountDetails {
    /// The portal's id.
    #[serde(deserialize_with = "id")]
    pub portal_id: String,
    /// The company's currency, such as `USD`.
    #[serde(rename = "companyCurrency", default)]
    pub currency: Option<String>,
    /// An IANA name, such as `US/Eastern`.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Where its users log in, such as `app-eu1.hubspot.com`.
    #[serde(default)]
    pub ui_domain: Option<String>,
}

/// What HubSpot knows of a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Introspection {
    /// Whether it is honoured.
    pub active: bool,
    /// The portal's id.
    #[serde(default, deserialize_with = "id_if_any")]
    pub hub_id: Option<String>,
    /// The portal's domain, by which people know it.
    #[serde(default)]
    pub hub_domain: Option<String>,
    /// Who connected it.
    #[serde(default)]
    pub user: Option<String>,
}

/// One order as HubSpot keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRecord {
    /// HubSpot's id.
    pub id: String,
    /// All properties that were asked for.
    pub properties: BTreeMap<String, Option<String>>,
    /// When it or something it is calculated from last changed.
    pub modified_at: DateTime<Utc>,
}

/// One page of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPage {
    /// In the order of the search.
    pub orders: Vec<OrderRecord>,
    /// How many the whole search matches.
    pub total: u64,
}

/// What can be related to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Related {
    /// What was ordered.
    LineItems,
    /// Who ordered it.
    Contacts,
}

impl Related {
    pub(super) fn path(self) -> &'static str {
        match self {
            Related::LineItems => "line_items",
            Related::Contacts => "contacts",
        }
    }
}

/// Records asked for by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<T> {
    /// Those that exist.
    pub found: Vec<T>,
    /// The ids of those that do not, or no longer.
    pub missing: Vec<String>,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineItem {
    /// HubSpot's id.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// The shop's own number.
    pub sku: Option<String>,
    /// How many.
    pub quantity: Option<Decimal>,
    /// At what price.
    pub price: Option<Decimal>,
    /// Quantity times price, less discounts.
    pub amount: Option<Decimal>,
    /// More about it.
    pub description: Option<String>,
    /// Its currency, such as `USD`.
    pub currency: Option<String>,
}

/// Who ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// HubSpot's id.
    pub id: String,
    /// Mail address.
    pub email: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// The company they name.
    pub company: Option<String>,
}

/// Any CRM record, as it comes over the wire.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    #[serde(default)]
    properties: BTreeMap<String, Option<Text>>,
    #[serde(default)]
    updated_at: Option<String>,
}

impl Record {
    pub(super) const LINE_ITEM: [&str; 7] =
        ["name", "hs_sku", "quantity", "price", "amount", "description", "hs_line_item_currency_code"];
    pub(super) const CONTACT: [&str; 4] = ["email", "firstname", "lastname", "company"];

    fn text(&self, property: &str) -> Option<String> {
        let text = &self.properties.get(property)?.as_ref()?.0;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn decimal(&self, property: &str) -> Option<Decimal> {
        let text = self.text(property)?;
        text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
    }

    pub(super) fn line_item(self) -> LineItem {
        LineItem {
            name: self.text("name"),
            sku: self.text("hs_sku"),
            quantity: self.decimal("quantity"),
            price: self.decimal("price"),
            amount: self.decimal("amount"),
            description: self.text("description"),
            currency: self.text("hs_line_item_currency_code"),
            id: self.id,
        }
    }

    pub(super) fn contact(self) -> Contact {
        Contact {
            email: self.text("email"),
            first_name: self.text("firstname"),
            last_name: self.text("lastname"),
            company: self.text("company"),
            id: self.id,
        }
    }

    /// `earliest` stands in for a time that is missing or unreadable: one odd record must not hold up the others, and
    /// the search has found it at or after that instant.
    pub(super) fn order(self, earliest: DateTime<Utc>) -> OrderRecord {
        let said = self.text("hs_lastmodifieddate").and_then(|text| instant(&text));
        let modified_at = said.or_else(|| instant(self.updated_at.as_deref()?)).unwrap_or(earliest);
        let properties = self.properties.into_iter().map(|(name, value)| (name, value.map(|text| text.0)));
        OrderRecord { id: self.id, properties: properties.collect(), modified_at }
    }
}

/// A time as HubSpot writes it: ISO 8601, or milliseconds since 1970.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    match text.parse::<i64>() {
        Ok(millis) => DateTime::from_timestamp_millis(millis),
        Err(_) => DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
    }
}

/// A string, or a number or truth value read as one.
#[derive(Debug)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        }))
    }
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Text::deserialize(deserializer)?.0)
}

fn id_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &str) -> Record {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn times_in_both_spellings_and_in_none() {
        let earliest = DateTime::UNIX_EPOCH;
        let at = |body: &str| record(body).order(earliest).modified_at.timestamp_millis();
        assert_eq!(
            at(r#"{"id":"1","properties":{"hs_lastmodifieddate":"2026-01-01T00:00:00.123Z"}}"#),
            1_767_225_600_123
        );
        assert_eq!(at(r#"{"id":1,"properties":{"hs_lastmodifieddate":"1767225600123"}}"#), 1_767_225_600_123);
        assert_eq!(at(r#"{"id":"1","properties":{},"updatedAt":"2026-01-01T00:00:00Z"}"#), 1_767_225_600_000);
        assert_eq!(at(r#"{"id":"1","properties":{"hs_lastmodifieddate":"soon"}}"#), 0);
    }

    #[test]
    fn properties_are_strings_null_or_numbers() {
        let body = r#"{"id":"7","properties":{"name":" Hat ","quantity":"2","price":19.5,"amount":"1e1","hs_sku":null,
            "description":""}}"#;
        let item = record(body).line_item();
        assert_eq!(item.name.as_deref(), Some("Hat"));
        assert_eq!(item.quantity, Some(Decimal::from(2)));
        assert_eq!(item.price.map(|price| price.to_string()).as_deref(), Some("19.5"));
        assert_eq!(item.amount, Some(Decimal::from(10)));
        assert_eq!((item.sku, item.description), (None, None));
    }

    #[test]
    fn introspection_of_an_unknown_token() {
        let known: Introspection =
            serde_json::from_str(r#"{"active":true,"hub_id":1234567,"user":"j@example.com","token":"x"}"#).unwrap();
        assert_eq!(known.hub_id.as_deref(), Some("1234567"));
        let unknown: Introspection = serde_json::from_str(r#"{"active":false}"#).unwrap();
        assert_eq!(unknown, Introspection { active: false, hub_id: None, hub_domain: None, user: None });
    }
}
