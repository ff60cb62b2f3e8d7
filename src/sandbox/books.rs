//! One QuickBooks company: its lists, its documents, and why it may refuse to be written to.
//!
//! Entities are kept as the JSON that QuickBooks would send, in the order in which they were made. A successful create
//! is remembered by its request id, and the same id gets the same reply for ever; a refusal is not remembered, since
//! nothing was carried out.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    intuit_limits::Calls,
    ledger::{Deed, Document, Write},
};
use crate::provider::quickbooks::DocumentKind;

/// What a company keeps lists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Account,
    Customer,
    Item,
    SalesReceipt,
    Invoice,
    RefundReceipt,
}

impl Kind {
    pub(super) const ALL: [Kind; 6] =
        [Kind::Account, Kind::Customer, Kind::Item, Kind::SalesReceipt, Kind::Invoice, Kind::RefundReceipt];
    pub(super) const DOCUMENTS: [Kind; 3] = [Kind::SalesReceipt, Kind::Invoice, Kind::RefundReceipt];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Account => "Account",
            Kind::Customer => "Customer",
            Kind::Item => "Item",
            Kind::SalesReceipt => "SalesReceipt",
            Kind::Invoice => "Invoice",
            Kind::RefundReceipt => "RefundReceipt",
        }
    }

    /// What QuickBooks calls it in its words to people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Kind::SalesReceipt => "Sales Receipt",
            Kind::RefundReceipt => "Refund Receipt",
            Kind::Account | Kind::Customer | Kind::Item | Kind::Invoice => self.name(),
        }
    }

    /// The kind of document that it is.
    pub(super) fn document(self) -> Option<DocumentKind> {
        match self {
            Kind::SalesReceipt => Some(DocumentKind::SalesReceipt),
            Kind::Invoice => Some(DocumentKind::Invoice),
            Kind::RefundReceipt => Some(DocumentKind::RefundReceipt),
            Kind::Account | Kind::Customer | Kind::Item => None,
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
    /// Its own currency.
    pub(super) home_currency: String,
    /// Whether its documents may be in others, and must say in which.
    pub(super) several_currencies: bool,
    /// Two letters.
    pub(super) country: String,
    /// Said in its company info, if it is.
    pub(super) time_zone: Option<String>,
    /// How often it was called lately.
    pub(super) calls: Calls,
    /// Documents whose money was deposited: they cannot be changed.
    pub(super) deposited: HashSet<String>,
    lists: HashMap<Kind, Vec<Value>>,
    replies: HashMap<String, Value>,
    histories: HashMap<String, Vec<Write>>,
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
            home_currency: "USD".to_owned(),
            several_currencies: false,
            country: "US".to_owned(),
            time_zone: None,
            calls: Calls::default(),
            deposited: HashSet::new(),
            lists: HashMap::new(),
            replies: HashMap::new(),
            histories: HashMap::new(),
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
            books.add(Kind::Account, account, Write::by_app(now, None));
        }
        let hours = json!({
            "Name": "Hours", "FullyQualifiedName": "Hours", "Active": true, "Type": "Service", "Taxable": false,
            "UnitPrice": 0, "TrackQtyOnHand": false, "IncomeAccountRef": {"value": "1", "name": "Services"},
        });
        books.add(Kind::Item, hours, Write::by_app(now, None));
        books
    }

    pub(super) fn list(&self, kind: Kind) -> &[Value] {
        self.lists.get(&kind).map_or(&[], Vec::as_slice)
    }

    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.list(kind).iter().find(|entity| entity["Id"] == id)
    }

    /// Gives an entity its id and its times, and keeps it.
    pub(super) fn add(&mut self, kind: Kind, mut entity: Value, write: Write) -> Value {
        self.last_id += 1;
        let id = self.last_id.to_string();
        entity["Id"] = json!(id);
        entity["SyncToken"] = json!("0");
        entity["domain"] = json!("QBO");
        entity["sparse"] = json!(false);
        entity["MetaData"] = json!({"CreateTime": written(write.at), "LastUpdatedTime": written(write.at)});
        self.lists.entry(kind).or_default().push(entity.clone());
        self.histories.insert(id, vec![write]);
        entity
    }

    /// Keeps a changed entity under a new sync token.
    pub(super) fn replace(&mut self, kind: Kind, mut entity: Value, write: Write) -> Option<Value> {
        let kept = self.lists.get_mut(&kind)?.iter_mut().find(|kept| kept["Id"] == entity["Id"])?;
        let next = kept["SyncToken"].as_str().and_then(|token| token.parse::<u64>().ok()).unwrap_or_default() + 1;
        entity["SyncToken"] = json!(next.to_string());
        entity["sparse"] = json!(false);
        entity["MetaData"] = kept["MetaData"].clone();
        entity["MetaData"]["LastUpdatedTime"] = json!(written(write.at));
        *kept = entity.clone();
        let id = entity["Id"].as_str().unwrap_or_default();
        self.histories.entry(id.to_owned()).or_default().push(write);
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

    /// Every document, for an audit, in the order in which they were made.
    pub(super) fn documents(&self) -> Vec<Document> {
        let of_kind = |kind: Kind| Some((kind, kind.document()?));
        let kinds = Kind::ALL.into_iter().filter_map(of_kind);
        let mut all: Vec<_> =
            kinds.flat_map(|(kind, document)| self.list(kind).iter().map(move |raw| (document, raw))).collect();
        all.sort_by_key(|(_, raw)| raw["Id"].as_str().and_then(|id| id.parse::<u64>().ok()));
        all.into_iter().map(|(kind, raw)| self.document(kind, raw)).collect()
    }

    /// The kind and the content of a document.
    pub(super) fn document_by_id(&self, id: &str) -> Option<(Kind, &Value)> {
        Kind::DOCUMENTS.into_iter().find_map(|kind| Some((kind, self.find(kind, id)?)))
    }

    fn document(&self, kind: DocumentKind, raw: &Value) -> Document {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let id = text(&raw["Id"]).unwrap_or_default();
        let writes = self.histories.get(&id).cloned().unwrap_or_default();
        let first = writes.first();
        let customer = raw["CustomerRef"]["value"].as_str().and_then(|id| self.find(Kind::Customer, id));
        Document {
            kind,
            doc_number: text(&raw["DocNumber"]),
            sync_token: text(&raw["SyncToken"]).unwrap_or_default(),
            total: decimal(&raw["TotalAmt"]).unwrap_or_default(),
            voided: writes.iter().any(|write| write.deed == Deed::Voided),
            customer_name: customer.and_then(|customer| text(&customer["DisplayName"])),
            private_note: text(&raw["PrivateNote"]),
            request_id: first.and_then(|write| write.request_id.clone()),
            created_at: first.map(|write| write.at).unwrap_or_default(),
            writes,
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
