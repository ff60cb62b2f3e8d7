//! The lines of a document: what was bought, then shipping, discount and tax where the settings want them as lines.
//!
//! QuickBooks adds tax to the lines, so prices that include it are taken down by it, in proportion; the total stays.

use rust_decimal::Decimal;

use super::{
    Entry, ItemName, Role,
    amounts::{Sums, quantity},
    money::{round, round_together},
    text,
};
use crate::{
    config::{Mapping, Placement},
    orders::content::{Content, Line},
};

/// The most decimal places that QuickBooks keeps of a quantity and of a price.
const PLACES: (u32, u32) = (5, 7);

/// Everything that has an amount.
pub(super) struct Lines {
    pub(super) entries: Vec<Entry>,
    /// As QuickBooks' own.
    pub(super) discount: Option<Decimal>,
    /// As QuickBooks' own.
    pub(super) tax: Option<Decimal>,
}

pub(super) fn of(content: &Content, settings: &Mapping, sums: &Sums, places: u32) -> Lines {
    let mut amounts = sums.lines.clone();
    amounts.push(sums.shipping);
    let (net, tax) = if sums.tax_included { without(&amounts, sums.tax, places) } else { (amounts, sums.tax) };
    let mut entries: Vec<_> =
        content.lines.iter().zip(&net).zip(&sums.lines).map(|((line, net), said)| product(line, *net, *said)).collect();
    let mut extra = |role, amount: Decimal, name: &str| {
        if !amount.is_zero() {
            let item = ItemName { sku: None, name: item_name(name) };
            entries.push(Entry { item, role, amount, quantity_and_price: None, description: name.to_owned() });
        }
    };
    extra(Role::Shipping, net.last().copied().unwrap_or_default(), &settings.shipping_item);
    if settings.discount == Placement::Line {
        extra(Role::Discount, -sums.discount, &settings.discount_item);
    }
    if settings.tax == Placement::Line {
        extra(Role::Tax, tax, &settings.tax_item);
    }
    let own = |amount: Decimal, placement| (placement == Placement::Quickbooks && !amount.is_zero()).then_some(amount);
    Lines { entries, discount: own(sums.discount, settings.discount), tax: own(tax, settings.tax) }
}

/// Amounts less the tax that is in them, and that tax. Where they are too small to hold it, they stay and tax is nil.
fn without(amounts: &[Decimal], tax: Decimal, places: u32) -> (Vec<Decimal>, Decimal) {
    let gross: Decimal = amounts.iter().sum();
    if gross <= Decimal::ZERO || tax > gross || tax < Decimal::ZERO {
        return (amounts.to_vec(), Decimal::ZERO);
    }
    let rate = (gross - tax) / gross;
    let exact: Vec<_> = amounts.iter().map(|amount| amount * rate).collect();
    // What a division leaves in the 28th place must not keep the amounts from coming to their sum.
    let net = round_together(&exact, gross - tax, places);
    net.map_or_else(|| (amounts.to_vec(), Decimal::ZERO), |net| (net, tax))
}

/// `said` is what the order says the line comes to, `amount` what stands on the document.
fn product(line: &Line, amount: Decimal, said: Decimal) -> Entry {
    let quantity = quantity(line);
    // QuickBooks refuses a line whose amount is not quantity times price to the cent.
    let explained = line.price.filter(|price| {
        let fits = quantity.normalize().scale() <= PLACES.0 && price.normalize().scale() <= PLACES.1;
        fits && !quantity.is_zero() && quantity.checked_mul(*price) == Some(amount)
    });
    let quantity_and_price = explained.map(|price| (quantity.normalize(), price.normalize()));
    let item = ItemName { sku: line.sku.as_deref().map(sku), name: item_name(&line.name) };
    let description =
        text::cut(&description(line, amount, said, quantity_and_price.is_some()), text::DESCRIPTION_LENGTH);
    Entry { item, role: Role::Product, amount, quantity_and_price, description }
}

fn description(line: &Line, amount: Decimal, said: Decimal, explained: bool) -> String {
    let mut parts = Vec::new();
    // What the item's own name and number had to lose stands here in full.
    let cut_name = !text::fits(&text::plain(&line.name), text::NAME_LENGTH);
    match (explained, line.price) {
        (false, Some(price)) => {
            let quantity = quantity(line);
            let full = quantity.checked_mul(price).map(|full| round(full, said.scale()));
            let why = match full {
                Some(full) if full > said => ", less discount",
                Some(full) if full < said => ", plus surcharge",
                _ => "",
            };
            let tax = if amount == said { "" } else { ", less the tax that is in it" };
            parts.push(format!("{} ({} at {}{why}{tax})", line.name, quantity.normalize(), price.normalize()));
        }
        _ if cut_name || line.description.is_none() => parts.push(line.name.clone()),
        _ => {}
    }
    if let Some(sku) = line.sku.as_deref().filter(|sku| !text::fits(sku.trim(), text::NAME_LENGTH)) {
        parts.push(format!("SKU {sku}"));
    }
    parts.extend(line.description.clone().filter(|more| *more != line.name));
    parts.join(". ")
}

pub(super) fn item_name(name: &str) -> String {
    let name = text::name(name);
    if name.is_empty() { "Item".to_owned() } else { name }
}

fn sku(sku: &str) -> String {
    text::cut(sku, text::NAME_LENGTH)
}
