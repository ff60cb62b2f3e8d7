//! What QuickBooks answers, reduced to what Lamplighter reads.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::documents::exact;

/// A customer, item or account by its id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ref {
    /// QuickBooks' id.
    #[serde(rename = "Id", alias = "value")]
    pub id: String,
    /// The name a person knows it by; empty when the reply leaves it out.
    #[serde(rename = "Name", alias = "DisplayName", alias = "name", default)]
    pub name: String,
}

/// The company behind a realm.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CompanyInfo {
    /// The name in use.
    #[serde(rename = "CompanyName")]
    pub name: String,
    /// The name in contracts.
    #[serde(rename = "LegalName")]
    pub legal_name: Option<String>,
    /// Two letters.
    #[serde(rename = "Country")]
    pub country: Option<String>,
}

/// The company's settings that decide how a document must look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "RawPreferences")]
pub struct Preferences {
    /// The company's own currency, such as `USD`.
    pub home_currency: Option<String>,
    /// Whether a document must name its currency.
    pub multi_currency: bool,
    /// Whether document numbers come from us rather than from QuickBooks.
    pub custom_numbers: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct RawPreferences {
    currency_prefs: CurrencyPrefs,
    sales_forms_prefs: SalesFormsPrefs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct CurrencyPrefs {
    home_currency: Option<Ref>,
    multi_currency_enabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SalesFormsPrefs {
    custom_txn_numbers: bool,
}

impl From<RawPreferences> for Preferences {
    fn from(raw: RawPreferences) -> Self {
        Self {
            home_currency: raw.currency_prefs.home_currency.map(|currency| currency.id),
            multi_currency: raw.currency_prefs.multi_currency_enabled,
            custom_numbers: raw.sales_forms_prefs.custom_txn_numbers,
        }
    }
}

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_keeps_its_cents() {
        let body = r#"{"Id":"263","SyncToken":"0","DocNumber":"1074","TotalAmt":1234567890.12,"TxnDate":"2026-01-09",
            "CustomerRef":{"value":"3","name":"Cool Cars"},"domain":"QBO","sparse":false}"#;
        let document: Document = serde_json::from_str(body).unwrap();
        assert_eq!(document.total.to_string(), "1234567890.12");
        assert_eq!(document.customer, Some(Ref { id: "3".into(), name: "Cool Cars".into() }));
        assert_eq!(document.private_note, None);
    }

    #[test]
    fn preferences_may_be_partial() {
        let body = r#"{"CurrencyPrefs":{"HomeCurrency":{"value":"CAD"},"MultiCurrencyEnabled":true}}"#;
        let read: Preferences = serde_json::from_str(body).unwrap();
        assert_eq!(
            read,
            Preferences { home_currency: Some("CAD".into()), multi_currency: true, custom_numbers: false }
        );
    }
}
