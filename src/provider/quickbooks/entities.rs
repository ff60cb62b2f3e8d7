//! What QuickBooks answers, reduced to what Lamplighter reads.

use serde::Deserialize;

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
    /// The zone that its days are of, such as `America/Los_Angeles`; many companies do not say.
    #[serde(rename = "DefaultTimeZone", default)]
    pub time_zone: Option<String>,
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
    /// Whether the company charges sales tax.
    pub sales_tax: bool,
    /// Whether QuickBooks computes that tax by itself.
    pub automated_tax: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct RawPreferences {
    currency_prefs: CurrencyPrefs,
    sales_forms_prefs: SalesFormsPrefs,
    tax_prefs: TaxPrefs,
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

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TaxPrefs {
    using_sales_tax: bool,
    partner_tax_enabled: bool,
}

impl From<RawPreferences> for Preferences {
    fn from(raw: RawPreferences) -> Self {
        Self {
            home_currency: raw.currency_prefs.home_currency.map(|currency| currency.id),
            multi_currency: raw.currency_prefs.multi_currency_enabled,
            custom_numbers: raw.sales_forms_prefs.custom_txn_numbers,
            sales_tax: raw.tax_prefs.using_sales_tax,
            automated_tax: raw.tax_prefs.using_sales_tax && raw.tax_prefs.partner_tax_enabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_may_be_partial() {
        let body = r#"{"CurrencyPrefs":{"HomeCurrency":{"value":"CAD"},"MultiCurrencyEnabled":true}}"#;
        let read: Preferences = serde_json::from_str(body).unwrap();
        let foreign = Preferences { home_currency: Some("CAD".into()), multi_currency: true, ..Preferences::default() };
        assert_eq!(read, foreign);
        let body = r#"{"SalesFormsPrefs":{"CustomTxnNumbers":true},"TaxPrefs":{"UsingSalesTax":true,"PartnerTaxEnabled":true}}"#;
        let read: Preferences = serde_json::from_str(body).unwrap();
        assert_eq!((read.custom_numbers, read.sales_tax, read.automated_tax), (true, true, true));
    }
}
