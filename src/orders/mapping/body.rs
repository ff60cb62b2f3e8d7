//! From a draft to what QuickBooks takes, once it is known what the names refer to and how the company is set up.

use rust_decimal::Decimal;

use super::{Draft, Role, Unmappable};
use crate::{
    config::{Mapping, Placement, RateRule},
    provider::quickbooks::{
        DocumentBody, DocumentKind, EmailAddress, Line, Reference, SalesItemLineDetail, TxnTaxDetail,
    },
};

/// Where tax codes are the words `TAX` and `NON`, and a document need not say how it counts tax.
const UNITED_STATES: &str = "US";

/// How the company is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Company {
    /// Its own currency.
    pub home_currency: Option<String>,
    /// Whether it uses others too.
    pub multi_currency: bool,
    /// Where it is, in two letters.
    pub country: Option<String>,
}

/// What the names of a draft refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The customer.
    pub customer: Option<String>,
    /// An item for each line.
    pub items: Vec<String>,
    /// The account that gets the money.
    pub deposit_to: Option<String>,
}

impl Company {
    /// The order's currency, if it is not the company's own.
    pub fn foreign<'a>(&self, draft: &'a Draft) -> Option<&'a str> {
        draft.currency.as_deref().filter(|code| self.home_currency.as_deref().is_some_and(|home| home != *code))
    }
}

impl Draft {
    /// Whether the document can be booked in its currency.
    ///
    /// # Errors
    /// [`Unmappable`] when its amounts would be booked as something else.
    pub fn check_currency(&self, company: &Company, settings: &Mapping) -> Result<(), Unmappable> {
        let Some(code) = company.foreign(self) else { return Ok(()) };
        let home = company.home_currency.as_deref().unwrap_or_default();
        if !company.multi_currency {
            return Err(Unmappable::new(
                format!("the order is in {code}, but the company's books are in {home}"),
                format!(
                    "switch on multicurrency in QuickBooks and retry the order, enter it there by hand, or change the \
                     order's currency at its source to {home}"
                ),
            ));
        }
        if self.buyer.is_none() {
            return Err(Unmappable::new(
                format!("the order is in {code} and names no buyer, and only a customer can be billed in {code}"),
                "name the buyer at the order's source, which brings it in again",
            ));
        }
        let rated = self.exchange_rate.is_some_and(|rate| rate > Decimal::ZERO);
        if settings.exchange_rate == RateRule::Order && !rated {
            return Err(Unmappable::new(
                format!("the order is in {code} and has no exchange rate to {home}"),
                "set the order's exchange rate at its source, or take QuickBooks' own: `lamplighter account settings NAME \
                 --set exchange_rate=quickbooks`; then retry the order",
            ));
        }
        Ok(())
    }

    /// What QuickBooks takes.
    pub fn body(&self, company: &Company, settings: &Mapping, references: &References) -> DocumentBody {
        let abroad = company.country.as_deref().is_some_and(|country| country != UNITED_STATES);
        let code = self.tax_code(settings, abroad);
        let lines = self.lines.iter().zip(&references.items).map(|(entry, item)| {
            let detail = SalesItemLineDetail {
                item_ref: Reference::to(item),
                qty: entry.quantity_and_price.map(|(quantity, _)| quantity),
                unit_price: entry.quantity_and_price.map(|(_, price)| price),
                tax_code_ref: code.as_deref().filter(|_| entry.role != Role::Tax).map(Reference::to),
            };
            Line::item(entry.amount, Some(entry.description.clone()), detail)
        });
        let discount = self.discount.map(|amount| Line::discount(amount, Some(settings.discount_item.clone())));
        let quickbooks_tax = settings.tax == Placement::Quickbooks;
        let counted = if quickbooks_tax { "TaxExcluded" } else { "NotApplicable" };
        let foreign = company.foreign(self).is_some();
        let currency = self.currency.clone().filter(|_| company.multi_currency);
        DocumentBody {
            customer_ref: references.customer.clone().map(Reference::to),
            txn_date: self.date,
            due_date: self.due,
            doc_number: self.number.clone(),
            private_note: Some(self.note.clone()),
            currency_ref: currency.map(Reference::to),
            exchange_rate: self.exchange_rate.filter(|_| foreign),
            bill_email: self.email.clone().map(|address| EmailAddress { address }),
            deposit_to_account_ref: references
                .deposit_to
                .clone()
                .filter(|_| self.document != DocumentKind::Invoice)
                .map(Reference::to),
            global_tax_calculation: abroad.then(|| counted.to_owned()),
            txn_tax_detail: self.tax.map(|total_tax| TxnTaxDetail { total_tax }),
            line: lines.chain(discount).collect(),
        }
    }

    fn tax_code(&self, settings: &Mapping, abroad: bool) -> Option<String> {
        if settings.tax != Placement::Quickbooks {
            return None;
        }
        let usual = || if self.tax.is_some() { "TAX" } else { "NON" };
        settings.tax_code.clone().or_else(|| (!abroad).then(|| usual().to_owned()))
    }
}
