//! One HubSpot portal: its orders, their line items and their contacts.
//!
//! Every property is text, as in HubSpot. A change moves `hs_lastmodifieddate`, which is what clients poll by.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An order to place in a portal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// What the merchant calls it.
    pub name: String,
    /// ISO currency; `USD` when empty.
    #[serde(default)]
    pub currency: String,
    /// `hs_total_price`; added up from the rest when left out.
    #[serde(default)]
    pub total: Option<Decimal>,
    /// `hs_tax`.
    #[serde(default)]
    pub tax: Option<Decimal>,
    /// `hs_shipping_cost`.
    #[serde(default)]
    pub shipping: Option<Decimal>,
    /// What was bought.
    #[serde(default)]
    pub lines: Vec<NewLine>,
    /// Who bought it.
    #[serde(default)]
    pub contact: Option<NewContact>,
    /// Any other property, such as `hs_order_note`; these win over the ones above.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// One line of a new order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    /// What it is.
    pub name: String,
    /// `hs_sku`, unless empty.
    #[serde(default)]
    pub sku: String,
    /// How many.
    pub quantity: Decimal,
    /// Price of one.
    pub price: Decimal,
    /// Of the whole line; quantity times price when left out.
    #[serde(default)]
    pub amount: Option<Decimal>,
}

/// The buyer of a new order. An email that the portal knows already is the same contact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewContact {
    /// Where they are reached.
    pub email: String,
    /// First name, unless empty.
    #[serde(default)]
    pub first: String,
    /// Last name, unless empty.
    #[serde(default)]
    pub last: String,
}

/// What a portal keeps records of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shelf {
    Orders,
    LineItems,
    Contacts,
}

impl Shelf {
    /// By the name in a path, in both spellings that HubSpot takes.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "orders" | "order" | "0-123" => Some(Shelf::Orders),
            "line_items" | "line_item" | "0-8" => Some(Shelf::LineItems),
            "contacts" | "contact" | "0-1" => Some(Shelf::Contacts),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Shelf::Orders => "orders",
            Shelf::LineItems => "line_items",
            Shelf::Contacts => "contacts",
        }
    }

    fn created_property(self) -> &'static str {
        match self {
            Shelf::Contacts => "createdate",
            _ => "hs_createdate",
        }
    }

    fn modified_property(self) -> &'static str {
        match self {
            Shelf::Contacts => "lastmodifieddate",
            _ => "hs_lastmodifieddate",
        }
    }
}

/// One record.
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl Record {
    /// As the API sends it, with the asked and the standing properties; what is asked for and not set is null.
    pub(super) fn shown(&self, shelf: Shelf, asked: &[String]) -> Value {
        let standing = [shelf.created_property(), shelf.modified_property(), "hs_object_id"];
        let names = standing.into_iter().chain(asked.iter().map(String::as_str));
        let properties: serde_json::Map<_, _> =
            names.map(|name| (name.to_owned(), json!(self.properties.get(name)))).collect();
        json!({
            "id": self.id.to_string(),
            "properties": properties,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
            "archived": false,
        })
    }
}

/// A HubSpot account.
pub(super) struct Portal {
    pub(super) domain: String,
    pub(super) deleted: bool,
    shelves: BTreeMap<Shelf, BTreeMap<u64, Record>>,
    links: BTreeMap<(u64, Shelf), Vec<u64>>,
    /// Records that nobody gets to see, though links lead to them.
    hidden: BTreeSet<u64>,
    last_id: u64,
}

impl Portal {
    pub(super) fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            deleted: false,
            shelves: BTreeMap::new(),
            links: BTreeMap::new(),
            hidden: BTreeSet::new(),
            last_id: 33_450,
        }
    }

    pub(super) fn records(&self, shelf: Shelf) -> impl Iterator<Item = &Record> {
        self.shelves.get(&shelf).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn find(&self, shelf: Shelf, id: &str) -> Option<&Record> {
        self.shelves.get(&shelf)?.get(&id.parse().ok()?).filter(|record| !self.hidden.contains(&record.id))
    }

    /// Hides the lines of an order, or shows them again. Its modification date stays. Says whether it has any.
    pub(super) fn hide_lines(&mut self, order: u64, hidden: bool) -> bool {
        let lines = self.linked(order, Shelf::LineItems).to_vec();
        for line in &lines {
            if hidden {
                self.hidden.insert(*line)
            } else {
                self.hidden.remove(line)
            };
        }
        !lines.is_empty()
    }

    /// Ids of what hangs on an order.
    pub(super) fn linked(&self, order: u64, shelf: Shelf) -> &[u64] {
        self.links.get(&(order, shelf)).map_or(&[], Vec::as_slice)
    }

    /// Places an order with its lines and its buyer; the answer is its id.
    pub(super) fn place(&mut self, new: NewOrder, now: DateTime<Utc>) -> u64 {
        let lines: Decimal = new.lines.iter().map(NewLine::total).sum();
        let extra = new.tax.unwrap_or_default() + new.shipping.unwrap_or_default();
        let currency = if new.currency.is_empty() { "USD".to_owned() } else { new.currency };
        let mut properties = texts([
            ("hs_order_name", new.name),
            ("hs_currency_code", currency.clone()),
            ("hs_subtotal_price", lines.to_string()),
            ("hs_total_price", new.total.unwrap_or(lines + extra).to_string()),
            ("hs_tax", new.tax.map(|tax| tax.to_string()).unwrap_or_default()),
            ("hs_shipping_cost", new.shipping.map(|cost| cost.to_string()).unwrap_or_default()),
            ("hs_pipeline", "14a2e10e-5471-408a-906e-c51f3b04369e".to_owned()),
            ("hs_pipeline_stage", "4b27b500-f031-4927-9811-68a0b525cbae".to_owned()),
        ]);
        properties.extend(new.properties);
        let order = self.add(Shelf::Orders, properties, now);
        let lines = new.lines.into_iter().map(|line| {
            let amount = line.total().to_string();
            texts([
                ("name", line.name),
                ("hs_sku", line.sku),
                ("quantity", line.quantity.to_string()),
                ("price", line.price.to_string()),
                ("amount", amount),
                ("hs_line_item_currency_code", currency.clone()),
            ])
        });
        let lines: Vec<_> = lines.map(|properties| self.add(Shelf::LineItems, properties, now)).collect();
        self.links.insert((order, Shelf::LineItems), lines);
        if let Some(contact) = new.contact {
            let contact = self.contact(contact, now);
            self.links.insert((order, Shelf::Contacts), vec![contact]);
        }
        order
    }

    /// Sets properties of an order and moves its modification date. Says whether there is such an order.
    pub(super) fn edit(&mut self, id: u64, changes: &BTreeMap<String, String>, now: DateTime<Utc>) -> bool {
        let Some(order) = self.shelves.get_mut(&Shelf::Orders).and_then(|orders| orders.get_mut(&id)) else {
            return false;
        };
        order.properties.extend(changes.clone());
        order.properties.insert("hs_lastmodifieddate".to_owned(), iso(now));
        order.updated_at = now;
        true
    }

    fn contact(&mut self, new: NewContact, now: DateTime<Utc>) -> u64 {
        let same = |record: &&Record| record.properties.get("email").is_some_and(|email| *email == new.email);
        if let Some(known) = self.records(Shelf::Contacts).find(same) {
            return known.id;
        }
        let properties = texts([("email", new.email), ("firstname", new.first), ("lastname", new.last)]);
        self.add(Shelf::Contacts, properties, now)
    }

    fn add(&mut self, shelf: Shelf, mut properties: BTreeMap<String, String>, now: DateTime<Utc>) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        properties.insert("hs_object_id".to_owned(), id.to_string());
        properties.insert(shelf.created_property().to_owned(), iso(now));
        properties.insert(shelf.modified_property().to_owned(), iso(now));
        let record = Record { id, properties, created_at: now, updated_at: now };
        self.shelves.entry(shelf).or_default().insert(id, record);
        id
    }
}

impl NewLine {
    fn total(&self) -> Decimal {
        self.amount.unwrap_or(self.quantity * self.price)
    }
}

/// A time as HubSpot writes it.
pub(super) fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn texts<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    let set = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    set.map(|(name, value)| (name.to_owned(), value)).collect()
}
