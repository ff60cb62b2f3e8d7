//! How an order becomes a document: the settings of `[orders.mapping]`, over which an account may lay its own.
//!
//! One function takes a setting as text, whether it comes from the configuration or from an account, so both are checked
//! alike and told in the same words. It does not know orders. Invariant: a `Mapping` that exists is sound.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::{problem::Fault, reader::Section, suggest, value::Value};

/// The longest name of an item in QuickBooks.
const NAME_LENGTH: usize = 100;
/// The word for a customer per contact.
const PER_CONTACT: &str = "per_contact";
/// The longest time that an invoice may be open.
const MOST_DAYS: u16 = 3_650;

/// What an order becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentRule {
    /// Always a sales receipt.
    SalesReceipt,
    /// Always an invoice.
    Invoice,
    /// A receipt when it is paid, else an invoice.
    ByPayment,
}

/// Where tax, or a discount on the whole order, goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A line of an item of its own.
    Line,
    /// QuickBooks' own place for it.
    Quickbooks,
}

/// Which rate an order in a foreign currency has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateRule {
    /// That of QuickBooks for the day.
    Quickbooks,
    /// The order's own.
    Order,
}

/// Who is the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomerRule {
    /// The order's contact.
    PerContact,
    /// One customer for all orders.
    One(String),
}

/// What a cancelled order does to its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCancel {
    /// It is voided.
    Void,
    /// A refund receipt over all of it is added.
    Refund,
    /// A person decides.
    Park,
}

/// What a refunded order does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRefund {
    /// A refund receipt over the amount is added.
    Refund,
    /// A person decides.
    Park,
}

/// `[orders.mapping]`, or what is in force for one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What an order becomes.
    pub document: DocumentRule,
    /// QuickBooks income account of items that we create.
    pub income_account: String,
    /// The item that stands for unknown ones; `None` creates them.
    pub fallback_item: Option<String>,
    /// The item that carries shipping.
    pub shipping_item: String,
    /// Where tax goes.
    pub tax: Placement,
    /// The item that carries sales tax.
    pub tax_item: String,
    /// The tax code of lines when tax is QuickBooks'.
    pub tax_code: Option<String>,
    /// Where a discount on the whole order goes.
    pub discount: Placement,
    /// The item that carries discounts.
    pub discount_item: String,
    /// The account that gets the money of receipts; `None` is undeposited funds.
    pub deposit_account: Option<String>,
    /// The company's time zone.
    pub time_zone: Tz,
    /// Days until an invoice is due.
    pub invoice_days: u16,
    /// Who is the customer.
    pub customer: CustomerRule,
    /// Which rate an order in a foreign currency has.
    pub exchange_rate: RateRule,
    /// What a cancelled order does to its document.
    pub on_cancel: OnCancel,
    /// What a refunded order does.
    pub on_refund: OnRefund,
    /// The item that carries a refund of a part.
    pub refund_item: String,
    /// The account that a refund is paid from when its sale does not name one.
    pub refund_account: String,
}

/// What is wrong with a setting, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {remedy}")]
pub struct Wrong {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub remedy: String,
}

impl Wrong {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

const DOCUMENTS: [(&str, DocumentRule); 3] = [
    ("sales_receipt", DocumentRule::SalesReceipt),
    ("invoice", DocumentRule::Invoice),
    ("by_payment", DocumentRule::ByPayment),
];
const PLACEMENTS: [(&str, Placement); 2] = [("line", Placement::Line), ("quickbooks", Placement::Quickbooks)];
const RATES: [(&str, RateRule); 2] = [("quickbooks", RateRule::Quickbooks), ("order", RateRule::Order)];
const CANCELS: [(&str, OnCancel); 3] =
    [("void", OnCancel::Void), ("refund", OnCancel::Refund), ("park", OnCancel::Park)];
const REFUNDS: [(&str, OnRefund); 2] = [("refund", OnRefund::Refund), ("park", OnRefund::Park)];

impl Mapping {
    /// Every setting, in the order of `default.toml`.
    pub const KEYS: [&str; 18] = [
        "document",
        "income_account",
        "fallback_item",
        "shipping_item",
        "tax",
        "tax_item",
        "tax_code",
        "discount",
        "discount_item",
        "deposit_account",
        "time_zone",
        "invoice_days",
        "customer",
        "exchange_rate",
        "on_cancel",
        "on_refund",
        "refund_item",
        "refund_account",
    ];

    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let mut mapping = Self::blank();
        let mut sound = true;
        for key in Self::KEYS {
            let read = section.read(key, |value| {
                let text = match value {
                    Value::Text(text) => text.clone(),
                    Value::Integer(number) => number.to_string(),
                    _ => {
                        return Err(Fault::new(
                            "is read as another kind",
                            "this is a defect of Lamplighter: report it",
                        ));
                    }
                };
                mapping.assign(key, &text).map_err(|wrong| Fault::new(wrong.message, wrong.remedy))
            });
            sound &= read.is_some();
        }
        sound.then_some(mapping)
    }

    /// What is in force where an account's own settings lie over these.
    ///
    /// # Errors
    /// The first setting that cannot be read, such as one that another version stored.
    pub fn with(&self, own: &BTreeMap<String, String>) -> Result<Self, Wrong> {
        let mut effective = self.clone();
        for (key, value) in own {
            effective.assign(key, value)?;
        }
        Ok(effective)
    }

    /// Changes one setting.
    ///
    /// # Errors
    /// There is no such setting, or it cannot have this value; nothing is changed then.
    pub fn assign(&mut self, key: &str, text: &str) -> Result<(), Wrong> {
        let text = text.trim();
        match key {
            "document" => self.document = choice(key, text, &DOCUMENTS)?,
            "income_account" => self.income_account = name(key, text)?,
            "fallback_item" => self.fallback_item = optional(key, text)?,
            "shipping_item" => self.shipping_item = name(key, text)?,
            "tax" => self.tax = choice(key, text, &PLACEMENTS)?,
            "tax_item" => self.tax_item = name(key, text)?,
            "tax_code" => self.tax_code = optional(key, text)?,
            "discount" => self.discount = choice(key, text, &PLACEMENTS)?,
            "discount_item" => self.discount_item = name(key, text)?,
            "deposit_account" => self.deposit_account = optional(key, text)?,
            "time_zone" => self.time_zone = zone(text)?,
            "invoice_days" => self.invoice_days = days(text)?,
            "customer" => {
                self.customer = match name(key, text)? {
                    word if word == PER_CONTACT => CustomerRule::PerContact,
                    one => CustomerRule::One(one),
                };
            }
            "exchange_rate" => self.exchange_rate = choice(key, text, &RATES)?,
            "on_cancel" => self.on_cancel = choice(key, text, &CANCELS)?,
            "on_refund" => self.on_refund = choice(key, text, &REFUNDS)?,
            "refund_item" => self.refund_item = name(key, text)?,
            "refund_account" => self.refund_account = name(key, text)?,
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    /// A setting as it is written; `None` for what is none.
    pub fn text(&self, key: &str) -> Option<String> {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(match key {
            "document" => word(self.document, &DOCUMENTS),
            "income_account" => self.income_account.clone(),
            "fallback_item" => optional(&self.fallback_item),
            "shipping_item" => self.shipping_item.clone(),
            "tax" => word(self.tax, &PLACEMENTS),
            "tax_item" => self.tax_item.clone(),
            "tax_code" => optional(&self.tax_code),
            "discount" => word(self.discount, &PLACEMENTS),
            "discount_item" => self.discount_item.clone(),
            "deposit_account" => optional(&self.deposit_account),
            "time_zone" => self.time_zone.name().to_owned(),
            "invoice_days" => self.invoice_days.to_string(),
            "customer" => match &self.customer {
                CustomerRule::PerContact => PER_CONTACT.to_owned(),
                CustomerRule::One(one) => one.clone(),
            },
            "exchange_rate" => word(self.exchange_rate, &RATES),
            "on_cancel" => word(self.on_cancel, &CANCELS),
            "on_refund" => word(self.on_refund, &REFUNDS),
            "refund_item" => self.refund_item.clone(),
            "refund_account" => self.refund_account.clone(),
            _ => return None,
        })
    }

    /// A start for `read`, which sets every one of them or gives up.
    fn blank() -> Self {
        Self {
            document: DocumentRule::SalesReceipt,
            income_account: String::new(),
            fallback_item: None,
            shipping_item: String::new(),
            tax: Placement::Line,
            tax_item: String::new(),
            tax_code: None,
            discount: Placement::Line,
            discount_item: String::new(),
            deposit_account: None,
            time_zone: Tz::UTC,
            invoice_days: 0,
            customer: CustomerRule::PerContact,
            exchange_rate: RateRule::Quickbooks,
            on_cancel: OnCancel::Void,
            on_refund: OnRefund::Refund,
            refund_item: String::new(),
            refund_account: String::new(),
        }
    }
}

/// What to say of a setting that does not exist.
pub(super) fn unknown(key: &str) -> Wrong {
    let remedy = match suggest::nearest(key, Mapping::KEYS.into_iter()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("write one of {}", Mapping::KEYS.join(", ")),
    };
    Wrong::new(format!("{key:?} is no setting"), remedy)
}

fn choice<T: Copy>(key: &str, text: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        Wrong::new(format!("{key} cannot be {text:?}"), format!("write one of {}", words.join(", ")))
    })
}

fn word<T: PartialEq>(value: T, choices: &[(&str, T)]) -> String {
    choices.iter().find(|(_, choice)| *choice == value).map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

fn name(key: &str, text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new(format!("{key} is empty"), "write a name as QuickBooks shows it"));
    }
    if text.chars().count() > NAME_LENGTH || text.contains(char::is_control) {
        let remedy = format!("write at most {NAME_LENGTH} printable characters");
        return Err(Wrong::new(format!("{key} is no name"), remedy));
    }
    Ok(text.to_owned())
}

fn optional(key: &str, text: &str) -> Result<Option<String>, Wrong> {
    if text.is_empty() { Ok(None) } else { name(key, text).map(Some) }
}

fn zone(text: &str) -> Result<Tz, Wrong> {
    text.parse().map_err(|_| {
        let remedy = r#"write an IANA name, such as "America/New_York", "Europe/Berlin" or "UTC""#;
        Wrong::new(format!("time_zone cannot be {text:?}"), remedy)
    })
}

fn days(text: &str) -> Result<u16, Wrong> {
    text.parse().ok().filter(|days| *days <= MOST_DAYS).ok_or_else(|| {
        let remedy = format!("write a whole number from 0 to {MOST_DAYS}");
        Wrong::new(format!("invoice_days cannot be {text:?}"), remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn defaults() -> Mapping {
        super::super::Config::load(super::super::Sources::default()).unwrap().0.orders.mapping
    }

    #[test]
    fn every_setting_is_written_as_it_is_read() {
        let set = [
            ("document", "by_payment"),
            ("income_account", "Lamps"),
            ("fallback_item", "Anything"),
            ("shipping_item", "Post"),
            ("tax", "quickbooks"),
            ("tax_item", "VAT"),
            ("tax_code", "5"),
            ("discount", "quickbooks"),
            ("discount_item", "Rebate"),
            ("deposit_account", "Bank"),
            ("time_zone", "Asia/Kathmandu"),
            ("invoice_days", "14"),
            ("customer", "Walk-in"),
            ("exchange_rate", "order"),
            ("on_cancel", "refund"),
            ("on_refund", "park"),
            ("refund_item", "Money back"),
            ("refund_account", "Bank"),
        ];
        let changed = defaults().with(&own(&set)).unwrap();
        for (key, value) in set {
            assert_eq!(changed.text(key).as_deref(), Some(value), "{key}");
            assert_ne!(defaults().text(key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(set.map(|(key, _)| key), Mapping::KEYS);
        assert_eq!(changed.with(&own(&[("fallback_item", "")])).unwrap().fallback_item, None);
    }

    #[test]
    fn what_is_wrong_is_said_with_a_remedy() {
        for (key, value, message, remedy) in [
            ("document", "receipt", r#"document cannot be "receipt""#, r#""sales_receipt", "invoice", "by_payment""#),
            ("time_zone", "Berlin", r#"time_zone cannot be "Berlin""#, "Europe/Berlin"),
            ("invoice_days", "-1", r#"invoice_days cannot be "-1""#, "from 0 to 3650"),
            ("shipping_item", " ", "shipping_item is empty", "as QuickBooks shows it"),
            ("docment", "invoice", r#""docment" is no setting"#, r#"did you mean "document"?"#),
            ("colour", "red", r#""colour" is no setting"#, "write one of document, income_account"),
        ] {
            let wrong = defaults().with(&own(&[(key, value)])).unwrap_err();
            assert_eq!(wrong.message, message);
            assert!(wrong.remedy.contains(remedy), "{wrong}");
        }
    }
}
