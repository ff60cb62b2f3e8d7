//! Which fields QuickBooks knows, and how long a text may be: what a payload carries beyond that is refused, and not
//! passed over, so that no test can be green with a payload that only a lenient reader takes.
//!
//! The tables hold what can be written. It does not know what the values mean.

use serde_json::Value;

use super::{books::Kind, intuit_fault::Fault};

/// What may stand under a name.
enum Form {
    /// At most so many characters.
    Text(usize),
    Number,
    Flag,
    /// `{"value": "..", "name": ".."}`.
    Reference,
    Object(&'static [Field]),
    List(&'static [Field]),
    /// Things that Lamplighter does not write and this sandbox does not look into.
    Any,
}

type Field = (&'static str, Form);

use Form::{Any, Flag, List, Number, Object, Reference, Text};

const ID: usize = 20;
const DATE: usize = 10;

const EMAIL: &[Field] = &[("Address", Text(100))];
const PHONE: &[Field] = &[("FreeFormNumber", Text(30))];
const ADDRESS: &[Field] = &[
    ("Id", Text(ID)),
    ("Line1", Text(500)),
    ("Line2", Text(500)),
    ("Line3", Text(500)),
    ("Line4", Text(500)),
    ("Line5", Text(500)),
    ("City", Text(255)),
    ("CountrySubDivisionCode", Text(255)),
    ("PostalCode", Text(30)),
    ("Country", Text(255)),
];

/// What every update names.
const CHANGE: &[Field] = &[("Id", Text(ID)), ("SyncToken", Text(ID)), ("sparse", Flag)];

const CUSTOMER: &[Field] = &[
    ("Title", Text(16)),
    ("GivenName", Text(100)),
    ("MiddleName", Text(100)),
    ("FamilyName", Text(100)),
    ("Suffix", Text(16)),
    ("DisplayName", Text(500)),
    ("CompanyName", Text(100)),
    ("PrintOnCheckName", Text(110)),
    ("Active", Flag),
    ("Taxable", Flag),
    ("Notes", Text(2_000)),
    ("PrimaryEmailAddr", Object(EMAIL)),
    ("PrimaryPhone", Object(PHONE)),
    ("Mobile", Object(PHONE)),
    ("BillAddr", Object(ADDRESS)),
    ("ShipAddr", Object(ADDRESS)),
    ("CurrencyRef", Reference),
    ("PaymentMethodRef", Reference),
    ("SalesTermRef", Reference),
    ("PreferredDeliveryMethod", Text(20)),
];

const ITEM: &[Field] = &[
    ("Name", Text(100)),
    ("Sku", Text(100)),
    ("Type", Text(20)),
    ("Description", Text(4_000)),
    ("Active", Flag),
    ("Taxable", Flag),
    ("UnitPrice", Number),
    ("IncomeAccountRef", Reference),
    ("ExpenseAccountRef", Reference),
    ("AssetAccountRef", Reference),
    ("TrackQtyOnHand", Flag),
    ("QtyOnHand", Number),
    ("InvStartDate", Text(DATE)),
    ("SalesTaxCodeRef", Reference),
    ("SalesTaxIncluded", Flag),
    ("ClassRef", Reference),
];

const SALES_ITEM: &[Field] = &[
    ("ItemRef", Reference),
    ("Qty", Number),
    ("UnitPrice", Number),
    ("TaxCodeRef", Reference),
    ("ClassRef", Reference),
    ("ServiceDate", Text(DATE)),
    ("TaxInclusiveAmt", Number),
    ("DiscountRate", Number),
    ("DiscountAmt", Number),
];

const DISCOUNT: &[Field] = &[
    ("PercentBased", Flag),
    ("DiscountPercent", Number),
    ("DiscountAccountRef", Reference),
    ("TaxCodeRef", Reference),
    ("ClassRef", Reference),
];

const LINE: &[Field] = &[
    ("Id", Text(ID)),
    ("LineNum", Number),
    ("Amount", Number),
    ("DetailType", Text(40)),
    ("Description", Text(4_000)),
    ("SalesItemLineDetail", Object(SALES_ITEM)),
    ("DiscountLineDetail", Object(DISCOUNT)),
    ("DescriptionLineDetail", Any),
    ("SubTotalLineDetail", Any),
];

const TAX: &[Field] = &[("TotalTax", Number), ("TxnTaxCodeRef", Reference), ("TaxLine", Any)];

/// What all documents have.
const DOCUMENT: &[Field] = &[
    ("DocNumber", Text(21)),
    ("TxnDate", Text(DATE)),
    ("PrivateNote", Text(4_000)),
    ("CustomerRef", Reference),
    ("CustomerMemo", Object(&[("value", Text(1_000))])),
    ("CurrencyRef", Reference),
    ("ExchangeRate", Number),
    ("BillEmail", Object(EMAIL)),
    ("BillAddr", Object(ADDRESS)),
    ("ShipAddr", Object(ADDRESS)),
    ("ShipDate", Text(DATE)),
    ("ShipMethodRef", Reference),
    ("DepartmentRef", Reference),
    ("ClassRef", Reference),
    ("GlobalTaxCalculation", Text(20)),
    ("ApplyTaxAfterDiscount", Flag),
    ("TxnTaxDetail", Object(TAX)),
    ("PrintStatus", Text(20)),
    ("EmailStatus", Text(20)),
    ("CustomField", Any),
    ("Line", List(LINE)),
];

const PAID: &[Field] =
    &[("DepositToAccountRef", Reference), ("PaymentMethodRef", Reference), ("PaymentRefNum", Text(21))];
const TO_BE_PAID: &[Field] =
    &[("DueDate", Text(DATE)), ("SalesTermRef", Reference), ("Deposit", Number), ("DepositToAccountRef", Reference)];

/// What can be written of an entity, in the tables that make it up.
fn tables(kind: Kind) -> [&'static [Field]; 3] {
    match kind {
        Kind::Account => [&[], &[], CHANGE],
        Kind::Customer => [CUSTOMER, &[], CHANGE],
        Kind::Item => [ITEM, &[], CHANGE],
        Kind::SalesReceipt | Kind::RefundReceipt => [DOCUMENT, PAID, CHANGE],
        Kind::Invoice => [DOCUMENT, TO_BE_PAID, CHANGE],
    }
}

/// Refuses what QuickBooks does not know (2010) and what is too long for it (2050).
pub(super) fn check(kind: Kind, sent: &Value) -> Result<(), Fault> {
    let known = tables(kind);
    let Some(members) = sent.as_object() else { return Err(Fault::unreadable("Request body")) };
    members.iter().try_for_each(|(name, value)| member(&known, name, value))
}

fn member(known: &[&'static [Field]], name: &str, value: &Value) -> Result<(), Fault> {
    match known.iter().copied().flatten().find(|(known, _)| *known == name) {
        Some((name, form)) => stands(name, form, value),
        None => Err(Fault::unreadable(name)),
    }
}

fn stands(name: &'static str, form: &Form, value: &Value) -> Result<(), Fault> {
    const REFERENCE: &[Field] = &[("value", Text(ID)), ("name", Text(500))];
    let object = |fields: &'static [Field]| match value.as_object() {
        Some(members) => members.iter().try_for_each(|(name, value)| member(&[fields], name, value)),
        None => Err(Fault::unreadable(name)),
    };
    match form {
        Any => Ok(()),
        Text(most) => match value.as_str().map(|text| text.chars().count()) {
            Some(length) if length > *most => Err(Fault::too_long(name, *most, length)),
            Some(_) => Ok(()),
            None => Err(Fault::unreadable(name)),
        },
        Number if value.is_number() => Ok(()),
        Flag if value.is_boolean() => Ok(()),
        Number | Flag => Err(Fault::unreadable(name)),
        Reference => object(REFERENCE),
        Object(fields) => object(fields),
        List(fields) => match value.as_array() {
            Some(all) => all.iter().try_for_each(|one| stands(name, &Object(fields), one)),
            None => Err(Fault::unreadable(name)),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(kind: Kind, sent: Value) -> String {
        check(kind, &sent).map_or_else(|fault| format!("{} {}", fault.code, fault.detail), |()| "taken".to_owned())
    }

    #[test]
    fn what_it_does_not_know_it_names() {
        let line = |more: Value| {
            let mut line = json!({"Amount": 1, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {}});
            line["SalesItemLineDetail"] = more;
            json!({"Line": [line]})
        };
        assert_eq!(said(Kind::SalesReceipt, line(json!({"ItemRef": {"value": "4"}}))), "taken");
        for (kind, sent, named) in [
            (Kind::SalesReceipt, json!({"DueDate": "2026-01-01"}), "DueDate"),
            (Kind::Invoice, json!({"PaymentRefNum": "1"}), "PaymentRefNum"),
            (Kind::Invoice, json!({"docNumber": "1"}), "docNumber"),
            (Kind::Customer, json!({"Email": "a@b.c"}), "Email"),
            (Kind::Item, json!({"SKU": "a"}), "SKU"),
            (Kind::SalesReceipt, line(json!({"Quantity": 1})), "Quantity"),
            (Kind::SalesReceipt, line(json!({"ItemRef": {"id": "4"}})), "id"),
            (Kind::SalesReceipt, line(json!({"Qty": "1"})), "Qty"),
            (Kind::SalesReceipt, json!({"Line": {}}), "Line"),
            (Kind::Customer, json!({"PrimaryEmailAddr": "a@b.c"}), "PrimaryEmailAddr"),
        ] {
            let said = said(kind, sent);
            assert!(said.starts_with("2010") && said.contains(&format!("Property Name:{named} ")), "{named}: {said}");
        }
    }

    #[test]
    fn a_text_has_its_limit_in_characters() {
        for (kind, name, most) in [
            (Kind::Invoice, "DocNumber", 21),
            (Kind::SalesReceipt, "PrivateNote", 4_000),
            (Kind::Customer, "GivenName", 100),
            (Kind::Item, "Sku", 100),
        ] {
            assert_eq!(said(kind, json!({name: "ü".repeat(most)})), "taken");
            assert!(said(kind, json!({name: "ü".repeat(most + 1)})).starts_with("2050"), "{name}");
        }
        let long = json!({"Line": [{"Description": "x".repeat(4_001)}]});
        assert!(said(Kind::Invoice, long).starts_with("2050"));
    }
}
