//! What each line comes to, and how an order's figures are meant. Shops do not say whether prices include tax, or whether
//! a discount on the whole order is taken off the lines already; the total tells: of the possible readings, the first that
//! gives the order's total to the cent is taken, the plainest first. If none does, there is no document.

use rust_decimal::Decimal;

use super::{
    Unmappable,
    money::{self, round, round_together},
};
use crate::orders::content::{Content, Line};

/// The figures of an order, as they are meant. `lines - discount + shipping (+ tax, unless included) = total`.
#[derive(Debug)]
pub(super) struct Sums {
    /// What each line comes to.
    pub(super) lines: Vec<Decimal>,
    pub(super) shipping: Decimal,
    /// Zero when the lines have it already.
    pub(super) discount: Decimal,
    pub(super) tax: Decimal,
    pub(super) tax_included: bool,
    pub(super) total: Decimal,
}

/// Reads the figures.
///
/// # Errors
/// [`Unmappable`] when they do not add up, are negative in sum, or too large for QuickBooks.
pub(super) fn reconcile(content: &Content, places: u32) -> Result<Sums, Unmappable> {
    let exact = content.lines.iter().map(exact).collect::<Option<Vec<_>>>().ok_or_else(too_large)?;
    let side = |amount: Option<Decimal>| round(amount.unwrap_or_default(), places);
    let within = |amount: &Option<Decimal>| amount.is_none_or(|amount| amount.abs() <= money::MOST);
    if ![content.shipping, content.tax, content.discount, content.total].iter().all(within) {
        return Err(too_large());
    }
    let (shipping, tax) = (side(content.shipping), side(content.tax));
    let discount = side(content.discount).abs();
    let plain: Vec<_> = exact.iter().map(|amount| round(*amount, places)).collect();
    let sum: Decimal = plain.iter().sum();
    let said = content.tax_included;
    let Some(total) = content.total.map(|total| round(total, places)) else {
        let tax_included = said.unwrap_or(false);
        let total = sum + shipping - discount + if tax_included { Decimal::ZERO } else { tax };
        return settled(Sums { lines: plain, shipping, discount, tax, tax_included, total });
    };
    for (tax_included, less) in [(false, discount), (false, Decimal::ZERO), (true, discount), (true, Decimal::ZERO)] {
        if said.is_some_and(|said| said != tax_included) || (tax_included && tax.is_zero() && said.is_none()) {
            continue;
        }
        let wanted = total - shipping + less - if tax_included { Decimal::ZERO } else { tax };
        let lines = if wanted == sum {
            Some(plain.clone())
        } else if round(exact.iter().sum(), places) == wanted {
            // The shop rounded the sum, we the lines.
            round_together(&exact, wanted, places)
        } else {
            None
        };
        if let Some(lines) = lines {
            return settled(Sums { lines, shipping, discount: less, tax, tax_included, total });
        }
    }
    let come_to = sum + shipping - discount + if said == Some(true) { Decimal::ZERO } else { tax };
    let parts = match (discount.is_zero(), said) {
        (true, Some(true)) => "its lines and shipping, tax included,".to_owned(),
        (true, _) => "its lines, shipping and tax".to_owned(),
        (false, _) => format!("its lines, shipping and tax, less the discount of {discount},"),
    };
    Err(Unmappable::new(
        format!("the order's total is {total}, but {parts} come to {come_to}"),
        "correct the order at its source so that both agree, which brings it in again. A discount belongs on the line \
         items or in the order's own discount",
    ))
}

/// The amount of a line before rounding; `None` when it is larger than QuickBooks takes.
fn exact(line: &Line) -> Option<Decimal> {
    let amount = match line.amount {
        Some(amount) => amount,
        None => quantity(line).checked_mul(line.price.unwrap_or_default())?,
    };
    (amount.abs() <= money::MOST).then_some(amount)
}

/// How many; one, if nobody says.
pub(super) fn quantity(line: &Line) -> Decimal {
    line.quantity.unwrap_or(Decimal::ONE)
}

fn settled(sums: Sums) -> Result<Sums, Unmappable> {
    if sums.total < Decimal::ZERO {
        let message = format!("the order's total is {}, and a document cannot be negative", sums.total);
        return Err(Unmappable::new(message, "enter it in QuickBooks by hand, as a refund receipt or a credit memo"));
    }
    if sums.total > money::MOST {
        return Err(too_large());
    }
    Ok(sums)
}

fn too_large() -> Unmappable {
    let message = format!("an amount of the order is larger than QuickBooks takes ({})", money::MOST);
    Unmappable::new(message, "correct quantities and prices at the order's source, which brings it in again")
}
