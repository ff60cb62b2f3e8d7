//! One QuickBooks company: its lists, its sales receipts, and why it may refuse to be written to.
//!
//! Entities are kept as the JSON that QuickBooks would send, in the order in which they were made. A successful create
//! is remembered by its request id, and the same id gets the same reply for ever; a refusal is not remembered, since
//! nothing was carried out.

use std::collections::HashMap;

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::ledger::Document;

/// What a company keeps lists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Account,
    Customer,
    Item,
    SalesReceipt,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Account, Kind::Customer, Kind::Item, Kind::SalesReceipt];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Account => "Account",
            Kind::Customer => "Customer",
            Kind::Item => "Item",
            Kind::SalesReceipt => "SalesReceipt",
        }
    }

    /// By the name in a query or, in lower case, in a path.
    pub(super) fn named(name: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// A company's books.
pub(super) struct Books {
    pub(super) name: String,
    pub(super) subscription_lapsed: bool,
    pub(super) permission_lost: bool,
    /// Nothing dated on or before this day can be written.
    pub(super) closed_through: Option<NaiveDate>,
    lists: HashMap<Kind, Vec<Value>>,
    replies: HashMap<String, Value>,
    origins: HashMap<String, (Option<String>, DateTime<Utc>)>,
    last_id: u64,
    last_number: u64,
}

impl Books {
    /// A new company with the accounts and the one item that QuickBooks starts with.
    pub(super) fn open(name: &str, now: DateTime<Utc>) -> Self {
        let mut books = Self {
            name: name.to_owned(),
            subscription_lapsed: false,
            permission_lost: false,
            closed_through: None,
            lists: HashMap::new(),
            replies: HashMap::new(),
            origins: HashMap::new(),
            last_id: 0,
            last_number: 1_000,
        };
        let accounts = [
            ("Services", "Income", "ServiceFeeIncome", "Revenue"),
            ("Sales of Product Income", "Income", "SalesOfProductIncome", "Revenue"),
            ("Undeposited Funds", "Other Current Asset", "UndepositedFunds", "Asset"),
        ];
        for (name, kind, subkind, class) in accounts {
            let account = json!({
                "Name": name, "FullyQualifiedName": name, "Active": true, "Classification": class,
                "AccountType": kind, "AccountSubType": subkind, "CurrentBalance": 0,
                "CurrencyRef": {"value": "USD", "name": "United States Dollar"},
            });
            books.add(Kind::Account, account, None, now);
        }
        let hours = json!({
            "Name": "Hours", "FullyQualifiedName": "Hours", "Active": true, "Type": "Service", "Taxable": false,
            "UnitPrice": 0, "TrackQtyOnHand": false, "IncomeAccountRef": {"value": "1", "name": "Services"},
        });
        books.add(Kind::Item, hours, None, now);
        books
    }

    pub(super) fn list(&self, kind: Kind) -> &[Value] {
        self.lists.get(&kind).map_or(&[], Vec::as_slice)
    }

    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.list(kind).iter().find(|entity| entity["Id"] == id)
    }

    /// Gives an entity its id and its times, and keeps it.
    pub(super) fn add(&mut self, kind: Kind, mut entity: Value, request_id: Option<&str>, now: DateTime<Utc>) -> Value {
        self.last_id += 1;
        let id = self.last_id.to_string();
        entity["Id"] = json!(id);
        entity["SyncToken"] = json!("0");
        entity["domain"] = json!("QBO");
        entity["sparse"] = json!(false);
        entity["MetaData"] = json!({"CreateTime": written(now), "LastUpdatedTime": written(now)});
        self.lists.entry(kind).or_default().push(entity.clone());
        self.origins.insert(id, (request_id.map(str::to_owned), now));
        entity
    }

    /// Keeps a changed entity under a new sync token.
    pub(super) fn replace(&mut self, kind: Kind, mut entity: Value, now: DateTime<Utc>) -> Option<Value> {
        let kept = self.lists.get_mut(&kind)?.iter_mut().find(|kept| kept["Id"] == entity["Id"])?;
        let next = kept["SyncToken"].as_str().and_then(|token| token.parse::<u64>().ok()).unwrap_or_default() + 1;
        entity["SyncToken"] = json!(next.to_string());
        entity["sparse"] = json!(false);
        entity["MetaData"] = kept["MetaData"].clone();
        entity["MetaData"]["LastUpdatedTime"] = json!(written(now));
        *kept = entity.clone();
        Some(entity)
    }

    pub(super) fn remove(&mut self, kind: Kind, id: &str) {
        if let Some(list) = self.lists.get_mut(&kind) {
            list.retain(|entity| entity["Id"] != id);
        }
    }

    /// The number for a document that came without one.
    pub(super) fn next_number(&mut self) -> String {
        self.last_number += 1;
        self.last_number.to_string()
    }

    /// What was answered to this request id before.
    pub(super) fn replay(&self, request_id: &str) -> Option<&Value> {
        self.replies.get(request_id)
    }

    pub(super) fn remember(&mut self, request_id: &str, reply: &Value) {
        self.replies.insert(request_id.to_owned(), reply.clone());
    }

    /// The sales receipts, for an audit.
    pub(super) fn documents(&self) -> Vec<Document> {
        self.list(Kind::SalesReceipt).iter().map(|raw| self.document(raw)).collect()
    }

    fn document(&self, raw: &Value) -> Document {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let id = text(&raw["Id"]).unwrap_or_default();
        let (request_id, created_at) = self.origins.get(&id).cloned().unwrap_or_default();
        let customer = raw["CustomerRef"]["value"].as_str().and_then(|id| self.find(Kind::Customer, id));
        Document {
            doc_number: text(&raw["DocNumber"]),
            total: decimal(&raw["TotalAmt"]).unwrap_or_default(),
            customer_name: customer.and_then(|customer| text(&customer["DisplayName"])),
            private_note: text(&raw["PrivateNote"]),
            request_id,
            created_at,
            raw: raw.clone(),
            id,
        }
    }
}

/// A time as QuickBooks writes it, in its own Pacific offset.
pub(super) fn written(at: DateTime<Utc>) -> String {
    let pacific = FixedOffset::west_opt(7 * 3_600);
    pacific.map_or_else(|| at.to_rfc3339(), |zone| at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

/// An exact amount from a number in JSON.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number in JSON from an exact amount.
pub(super) fn number(amount: Decimal) -> Value {
    // With a decimal point always, as QuickBooks writes amounts.
    amount.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}
