//! A document as QuickBooks keeps it: what it is known by, and enough of its content to see whether somebody changed it.
//!
//! The sync token says that something happened to a document, and not what: a payment moves it too. The fingerprint is
//! over what Lamplighter writes, read back from QuickBooks' own replies, so two of them compare like with like. It does
//! not know what was sent.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::documents::exact;
use super::entities::Ref;

/// What QuickBooks puts before the note of a document that is voided.
const VOIDED: &str = "Voided";

/// A document as QuickBooks keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    /// QuickBooks' id.
    pub id: String,
    /// Its revision there.
    pub sync_token: String,
    /// Its number.
    pub doc_number: Option<String>,
    /// Its total, tax included.
    #[serde(rename = "TotalAmt", with = "exact")]
    pub total: Decimal,
    /// Its date.
    pub txn_date: Option<NaiveDate>,
    /// The note that customers do not see; carries the order's mark.
    pub private_note: Option<String>,
    /// Whom it is for.
    #[serde(rename = "CustomerRef")]
    pub customer: Option<Ref>,
    /// In which money.
    #[serde(rename = "CurrencyRef")]
    pub currency: Option<Ref>,
    /// The account that got the money, or that it was paid back from.
    #[serde(rename = "DepositToAccountRef")]
    pub deposit_to: Option<Ref>,
    /// What stands on it.
    #[serde(rename = "Line", default)]
    pub lines: Vec<KeptLine>,
    #[serde(default)]
    txn_tax_detail: Option<KeptTax>,
    #[serde(default)]
    meta_data: Option<MetaData>,
}

/// One line of a document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeptLine {
    /// What it comes to; lines that only describe have none.
    #[serde(default, deserialize_with = "exact_if_any")]
    pub amount: Option<Decimal>,
    /// What kind of line it is.
    #[serde(default)]
    pub detail_type: String,
    /// What stands there.
    pub description: Option<String>,
    #[serde(default)]
    sales_item_line_detail: Option<KeptItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeptItem {
    item_ref: Option<Ref>,
    #[serde(default, deserialize_with = "exact_if_any")]
    qty: Option<Decimal>,
    #[serde(default, deserialize_with = "exact_if_any")]
    unit_price: Option<Decimal>,
    tax_code_ref: Option<Ref>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeptTax {
    #[serde(default, deserialize_with = "exact_if_any")]
    total_tax: Option<Decimal>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetaData {
    #[serde(default)]
    last_updated_time: Option<String>,
}

impl Document {
    /// When it was last changed; `None` when the reply does not say.
    pub fn updated_at(&self) -> Option<DateTime<Utc>> {
        let written = self.meta_data.as_ref()?.last_updated_time.as_deref()?;
        DateTime::parse_from_rfc3339(written).ok().map(|at| at.with_timezone(&Utc))
    }

    /// Its tax.
    pub fn tax(&self) -> Decimal {
        self.txn_tax_detail.as_ref().and_then(|tax| tax.total_tax).unwrap_or_default()
    }

    /// Whether it was voided: it stands, with nothing on it, and its note says so.
    pub fn is_void(&self) -> bool {
        let said = self.private_note.as_deref().is_some_and(|note| note.starts_with(VOIDED));
        said && self.total.is_zero() && self.lines.iter().all(|line| line.amount.unwrap_or_default().is_zero())
    }

    /// Whether its note carries this mark.
    pub fn carries(&self, mark: &str) -> bool {
        self.private_note.as_deref().is_some_and(|note| note.contains(mark))
    }

    /// A hash over the content that Lamplighter writes. What QuickBooks adds by itself, such as a balance, names beside
    /// ids and sums of lines, is left out.
    pub fn fingerprint(&self) -> String {
        let id = |reference: &Option<Ref>| reference.as_ref().map(|reference| reference.id.clone());
        let digits = |amount: Option<Decimal>| amount.map(|amount| amount.normalize().to_string());
        let lines: Vec<_> = self.lines.iter().filter(|line| line.detail_type != "SubTotalLineDetail").collect();
        let lines: Vec<_> = lines
            .into_iter()
            .map(|line| {
                let item = line.sales_item_line_detail.as_ref();
                let numbers =
                    [digits(line.amount), digits(item.and_then(|i| i.qty)), digits(item.and_then(|i| i.unit_price))];
                let item = (item.and_then(|i| id(&i.item_ref)), item.and_then(|i| id(&i.tax_code_ref)));
                (&line.detail_type, &line.description, numbers, item)
            })
            .collect();
        let head = (&self.doc_number, self.txn_date, &self.private_note, id(&self.customer), id(&self.currency));
        let sums = (digits(Some(self.total)), digits(Some(self.tax())));
        let text = format!("{head:?}{sums:?}{lines:?}");
        Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn exact_if_any<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    #[derive(Deserialize)]
    struct Exact(#[serde(with = "exact")] Decimal);
    Ok(Option::<Exact>::deserialize(deserializer)?.map(|Exact(amount)| amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"Id":"263","SyncToken":"0","DocNumber":"1074","TotalAmt":1234567890.12,"TxnDate":"2026-01-09",
        "CustomerRef":{"value":"3","name":"Cool Cars"},"domain":"QBO","sparse":false,"PrivateNote":"ours",
        "TxnTaxDetail":{"TotalTax":0.12},"MetaData":{"CreateTime":"x","LastUpdatedTime":"2026-01-09T10:00:00-08:00"},
        "Line":[{"Id":"1","Amount":1234567890.00,"DetailType":"SalesItemLineDetail","Description":"Cars",
                 "SalesItemLineDetail":{"ItemRef":{"value":"4"},"Qty":1,"UnitPrice":1234567890}},
                {"Amount":1234567890.00,"DetailType":"SubTotalLineDetail","SubTotalLineDetail":{}}]}"#;

    fn read(body: &str) -> Document {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn a_document_keeps_its_cents() {
        let document = read(BODY);
        assert_eq!(
            (document.total.to_string().as_str(), document.tax().to_string().as_str()),
            ("1234567890.12", "0.12")
        );
        assert_eq!(document.customer, Some(Ref { id: "3".into(), name: "Cool Cars".into() }));
        assert_eq!(document.lines[0].amount.unwrap().to_string(), "1234567890.00");
        assert_eq!(document.updated_at().unwrap().to_rfc3339(), "2026-01-09T18:00:00+00:00");
        assert!(document.carries("our") && !document.carries("theirs") && !document.is_void());
    }

    #[test]
    fn the_least_reply_is_enough() {
        let document =
            read(r#"{"Id":"1","SyncToken":"0","TotalAmt":0,"MetaData":{},"Line":[{"DetailType":"DescriptionOnly"}]}"#);
        assert_eq!((document.updated_at(), document.private_note.clone(), document.is_void()), (None, None, false));
    }

    #[test]
    fn a_fingerprint_is_of_our_content_alone() {
        let ours = read(BODY).fingerprint();
        let same = [
            (r#""SyncToken":"0""#, r#""SyncToken":"7","Balance":5,"EmailStatus":"EmailSent""#),
            ("1234567890.00,\"DetailType\":\"SalesItem", "1234567890,\"DetailType\":\"SalesItem"),
            ("Cool Cars", "Cooler Cars"),
            ("T10:00:00", "T11:00:00"),
        ];
        for (from, to) in same {
            assert_eq!(read(&BODY.replace(from, to)).fingerprint(), ours, "{to}");
        }
        let other = [
            ("2026-01-09\",", "2026-01-10\","),
            ("\"value\":\"3\"", "\"value\":\"5\""),
            ("\"ours\"", "\"theirs\""),
            ("1234567890.12", "1234567890.13"),
            ("\"Cars\"", "\"Carts\""),
            ("\"Qty\":1", "\"Qty\":2"),
            ("\"value\":\"4\"", "\"value\":\"6\""),
            ("\"1074\"", "\"1075\""),
            ("\"TotalTax\":0.12", "\"TotalTax\":0.13"),
        ];
        for (from, to) in other {
            assert_ne!(read(&BODY.replacen(from, to, 1)).fingerprint(), ours, "{to}");
        }
    }

    #[test]
    fn a_void_document_has_nothing_on_it_and_says_so() {
        let void = r#"{"Id":"1","SyncToken":"1","TotalAmt":0,"PrivateNote":"Voided - ours","Line":[{"Amount":0.0}]}"#;
        assert!(read(void).is_void());
        for (from, to) in [("Voided - ", ""), ("\"TotalAmt\":0", "\"TotalAmt\":1"), ("0.0", "0.1")] {
            assert!(!read(&void.replacen(from, to, 1)).is_void(), "{to}");
        }
    }
}
