//! What is sent to QuickBooks, under QuickBooks' names.
//!
//! Amounts are decimals and leave as the exact digits of a JSON number: 0.3 is never 0.30000000000000004.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Points at something by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// QuickBooks' id; for a currency its code.
    pub value: String,
}

impl Reference {
    /// Points at `id`.
    pub fn to(id: impl Into<String>) -> Self {
        Self { value: id.into() }
    }
}

/// A mail address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EmailAddress {
    /// The address.
    pub address: String,
}

/// A customer to create.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewCustomer {
    /// Unique among customers, vendors and employees; no colon, tab or newline.
    pub display_name: String,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// Mail address.
    #[serde(rename = "PrimaryEmailAddr", serialize_with = "address", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A service item to create.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase", into = "ItemOnTheWire")]
pub struct NewItem {
    /// Unique among items.
    pub name: String,
    /// The shop's own number.
    pub sku: Option<String>,
    /// Where its sales are booked.
    pub income_account_id: String,
    /// What stands on a receipt.
    pub description: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ItemOnTheWire {
    name: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    income_account_ref: Reference,
}

impl From<NewItem> for ItemOnTheWire {
    fn from(item: NewItem) -> Self {
        Self {
            name: item.name,
            r#type: "Service",
            sku: item.sku,
            description: item.description,
            income_account_ref: Reference::to(item.income_account_id),
        }
    }
}

/// The kinds of documents that an order can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DocumentKind {
    /// A sale that is already paid.
    SalesReceipt,
    /// A sale that is to be paid.
    Invoice,
    /// Money that went back.
    RefundReceipt,
}

impl DocumentKind {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::SalesReceipt => "sales receipt",
            Self::Invoice => "invoice",
            Self::RefundReceipt => "refund receipt",
        }
    }

    /// QuickBooks' name in queries and replies.
    pub fn entity(self) -> &'static str {
        match self {
            Self::SalesReceipt => "SalesReceipt",
            Self::Invoice => "Invoice",
            Self::RefundReceipt => "RefundReceipt",
        }
    }

    /// QuickBooks' name in addresses.
    pub fn path(self) -> &'static str {
        match self {
            Self::SalesReceipt => "salesreceipt",
            Self::Invoice => "invoice",
            Self::RefundReceipt => "refundreceipt",
        }
    }
}

/// What stands in a document, of any kind.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DocumentBody {
    /// Whom it is for. An invoice must have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_ref: Option<Reference>,
    /// The day of the sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn_date: Option<NaiveDate>,
    /// When an invoice is to be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_date: Option<NaiveDate>,
    /// At most 21 characters.
    pub doc_number: String,
    /// At most 4000 characters; customers do not see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_note: Option<String>,
    /// Required where the company uses several currencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency_ref: Option<Reference>,
    /// What one unit of the document's currency is worth in the company's own.
    #[serde(serialize_with = "exact_if_any", skip_serializing_if = "Option::is_none")]
    pub exchange_rate: Option<Decimal>,
    /// Where the document may be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bill_email: Option<EmailAddress>,
    /// The account that got the money, or that a refund was paid from; QuickBooks' undeposited funds when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deposit_to_account_ref: Option<Reference>,
    /// `TaxExcluded`, `TaxInclusive` or `NotApplicable`; required outside the US.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_tax_calculation: Option<String>,
    /// The tax of the whole document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn_tax_detail: Option<TxnTaxDetail>,
    /// At most 750 lines.
    pub line: Vec<Line>,
}

/// The tax of a whole document.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TxnTaxDetail {
    /// Its sum.
    #[serde(with = "exact")]
    pub total_tax: Decimal,
}

/// One line of a document.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Line {
    /// For an item exactly quantity times unit price, otherwise QuickBooks refuses the document.
    #[serde(with = "exact")]
    pub amount: Decimal,
    detail_type: &'static str,
    /// What stands on the receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_item_line_detail: Option<SalesItemLineDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_line_detail: Option<DiscountLineDetail>,
}

impl Line {
    /// Something sold.
    pub fn item(amount: Decimal, description: Option<String>, detail: SalesItemLineDetail) -> Self {
        Self {
            amount,
            detail_type: "SalesItemLineDetail",
            description,
            sales_item_line_detail: Some(detail),
            discount_line_detail: None,
        }
    }

    /// A fixed amount, given as a positive number, taken off the whole.
    pub fn discount(amount: Decimal, description: Option<String>) -> Self {
        Self {
            amount,
            detail_type: "DiscountLineDetail",
            description,
            sales_item_line_detail: None,
            discount_line_detail: Some(DiscountLineDetail { percent_based: false }),
        }
    }
}

/// What was sold on a line.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SalesItemLineDetail {
    /// The item.
    pub item_ref: Reference,
    /// How many.
    #[serde(serialize_with = "exact_if_any", skip_serializing_if = "Option::is_none")]
    pub qty: Option<Decimal>,
    /// At what price.
    #[serde(serialize_with = "exact_if_any", skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Decimal>,
    /// `TAX` or `NON` in the US, elsewhere the id of a tax code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_code_ref: Option<Reference>,
}

/// How a discount is meant.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DiscountLineDetail {
    /// Whether the amount is a percentage.
    pub percent_based: bool,
}

fn address<S: serde::Serializer>(email: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    email.clone().map(|address| EmailAddress { address }).serialize(serializer)
}

fn exact_if_any<S: serde::Serializer>(amount: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match amount {
        Some(amount) => exact::serialize(amount, serializer),
        None => serializer.serialize_none(),
    }
}

/// A decimal as the digits of a JSON number, both ways, never through floating point.
pub(super) mod exact {
    use std::str::FromStr;

    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
    use serde_json::value::RawValue;

    pub(in crate::provider::quickbooks) fn serialize<S: Serializer>(
        amount: &Decimal,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        RawValue::from_string(amount.to_string()).map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub(in crate::provider::quickbooks) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Decimal, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let digits = raw.get().trim_matches('"');
        Decimal::from_str(digits).or_else(|_| Decimal::from_scientific(digits)).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn decimal(digits: &str) -> Decimal {
        Decimal::from_str(digits).unwrap()
    }

    #[test]
    fn amounts_leave_as_exact_digits() {
        for (amount, digits) in [
            (decimal("0.1") + decimal("0.2"), "0.3"),
            (decimal("1234567890.12"), "1234567890.12"),
            (decimal("9007199254740993.01"), "9007199254740993.01"),
            (decimal("35.00"), "35.00"),
            (decimal("-5"), "-5"),
        ] {
            let tax = serde_json::to_string(&TxnTaxDetail { total_tax: amount }).unwrap();
            assert_eq!(tax, format!(r#"{{"TotalTax":{digits}}}"#));
        }
    }

    #[test]
    fn a_receipt_has_quickbooks_names_and_nothing_that_is_not_set() {
        let detail = SalesItemLineDetail {
            item_ref: Reference::to("10"),
            qty: Some(decimal("3")),
            unit_price: Some(decimal("0.10")),
            tax_code_ref: Some(Reference::to("NON")),
        };
        let receipt = DocumentBody {
            customer_ref: Some(Reference::to("59")),
            txn_date: NaiveDate::from_ymd_opt(2026, 1, 9),
            doc_number: "HS-33451".into(),
            private_note: None,
            currency_ref: Some(Reference::to("USD")),
            bill_email: None,
            deposit_to_account_ref: None,
            global_tax_calculation: None,
            txn_tax_detail: None,
            due_date: None,
            exchange_rate: None,
            line: vec![
                Line::item(decimal("0.30"), Some("Pest control".into()), detail),
                Line::discount(decimal("0.05"), None),
            ],
        };
        assert_eq!(
            serde_json::to_string(&receipt).unwrap(),
            concat!(
                r#"{"CustomerRef":{"value":"59"},"TxnDate":"2026-01-09","DocNumber":"HS-33451","#,
                r#""CurrencyRef":{"value":"USD"},"Line":[{"Amount":0.30,"DetailType":"SalesItemLineDetail","#,
                r#""Description":"Pest control","SalesItemLineDetail":{"ItemRef":{"value":"10"},"Qty":3,"#,
                r#""UnitPrice":0.10,"TaxCodeRef":{"value":"NON"}}},{"Amount":0.05,"DetailType":"DiscountLineDetail","#,
                r#""DiscountLineDetail":{"PercentBased":false}}]}"#
            )
        );
    }

    #[test]
    fn customers_and_items() {
        let customer = NewCustomer {
            display_name: "King's Groceries".into(),
            email: Some("king@example.com".into()),
            ..NewCustomer::default()
        };
        assert_eq!(
            serde_json::to_string(&customer).unwrap(),
            r#"{"DisplayName":"King's Groceries","PrimaryEmailAddr":{"Address":"king@example.com"}}"#
        );
        let item = NewItem { name: "Hours".into(), sku: None, income_account_id: "79".into(), description: None };
        assert_eq!(
            serde_json::to_string(&item).unwrap(),
            r#"{"Name":"Hours","Type":"Service","IncomeAccountRef":{"value":"79"}}"#
        );
    }
}
