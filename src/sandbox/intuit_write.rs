//! One write into a company's books: a create, a change, a void or a deletion, alone or out of a batch, by an app or by
//! hand. What it may carry stands in `intuit_fields`, what it must mean in `intuit_documents` and `intuit_lists`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    books::{Books, Kind},
    intuit_documents,
    intuit_fault::Fault,
    intuit_fields, intuit_lists,
    ledger::{Deed, Write, Writer},
};

/// What the address says about a write, beside the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct How {
    delete: bool,
    /// As an invoice is voided.
    void: bool,
    /// As a sales receipt is voided.
    include_void: bool,
    allow_twice: bool,
}

impl How {
    /// From `operation` and `include`.
    pub(super) fn of(operation: Option<&String>, include: Option<&String>) -> Result<Self, Fault> {
        let mut how = Self::default();
        match operation.map(String::as_str) {
            None | Some("create" | "update") => (),
            Some("delete") => how.delete = true,
            Some("void") => how.void = true,
            Some(other) => return Err(Fault::unsupported(other)),
        }
        match include.map(String::as_str) {
            None => (),
            Some("void") => how.include_void = true,
            Some("allowduplicatedocnum") => how.allow_twice = true,
            Some(other) => return Err(Fault::unsupported(other)),
        }
        Ok(how)
    }

    /// Whether a document of this kind is voided; only receipts know the one way, only invoices the other.
    fn voids(self, kind: Kind) -> Result<bool, Fault> {
        match (kind, self.void, self.include_void) {
            (_, false, false) => Ok(false),
            (Kind::Invoice, true, false) | (Kind::SalesReceipt, false, true) => Ok(true),
            _ => Err(Fault::unsupported("void")),
        }
    }
}

/// One write.
pub(super) struct Order<'a> {
    pub(super) kind: Kind,
    pub(super) sent: Value,
    pub(super) how: How,
    pub(super) request_id: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

impl Order<'_> {
    /// What is kept then, or what says that it is gone.
    pub(super) fn carry_out(self, books: &mut Books) -> Result<Value, Fault> {
        intuit_fields::check(self.kind, &self.sent)?;
        let write = Write::by_app(self.now, self.request_id);
        let Some(id) = self.sent.get("Id") else {
            let entity = checked(books, self.kind, self.sent, self.how.allow_twice, self.now)?;
            return Ok(books.add(self.kind, entity, write));
        };
        let id = id.as_str().unwrap_or_default().to_owned();
        let kept = books.find(self.kind, &id).ok_or_else(Fault::not_found)?.clone();
        match self.sent["SyncToken"].as_str() {
            None => return Err(Fault::missing("SyncToken")),
            Some(token) if kept["SyncToken"] != token => return Err(Fault::stale()),
            Some(_) => (),
        }
        let void = self.how.voids(self.kind)?;
        if books.deposited.contains(&id) {
            return Err(Fault::deposited());
        }
        if let Some(day) = kept["TxnDate"].as_str().and_then(|day| day.parse().ok()) {
            intuit_documents::open_on(books, day)?;
        }
        if self.how.delete {
            books.remove(self.kind, &id);
            return Ok(json!({"status": "Deleted", "domain": "QBO", "Id": id}));
        }
        let (next, deed) = if void {
            (intuit_documents::voided(kept), Deed::Voided)
        } else {
            let base = if self.sent["sparse"] == true { kept } else { json!({}) };
            let next = laid_over(base, &self.sent);
            (checked(books, self.kind, next, self.how.allow_twice, self.now)?, Deed::Changed)
        };
        books.replace(self.kind, next, Write { deed, ..write }).ok_or_else(Fault::not_found)
    }
}

/// A bookkeeper lays these fields over a document and saves.
pub(super) fn by_hand(books: &mut Books, id: &str, fields: &Value, now: DateTime<Utc>) -> Result<(), Fault> {
    let (kind, kept) = books.document_by_id(id).ok_or_else(Fault::not_found)?;
    let next = laid_over(kept.clone(), fields);
    let next = checked(books, kind, next, true, now)?;
    let write = Write { at: now, deed: Deed::Changed, by: Writer::Person, request_id: None };
    books.replace(kind, next, write).map(drop).ok_or_else(Fault::not_found)
}

fn laid_over(mut base: Value, fields: &Value) -> Value {
    if let (Some(base), Some(fields)) = (base.as_object_mut(), fields.as_object()) {
        base.extend(fields.clone());
    }
    base
}

fn checked(
    books: &mut Books,
    kind: Kind,
    entity: Value,
    allow_twice: bool,
    now: DateTime<Utc>,
) -> Result<Value, Fault> {
    match kind {
        Kind::SalesReceipt | Kind::Invoice | Kind::RefundReceipt => {
            intuit_documents::check(books, kind, entity, allow_twice, now)
        }
        Kind::Customer => intuit_lists::customer(books, entity),
        Kind::Item => intuit_lists::item(books, entity),
        Kind::Account => Err(Fault::unsupported("create")),
    }
}
