//! From an order's content to a sales receipt. Pure; amounts are decimals, and the receipt's total is the order's to the
//! cent or there is no receipt: what does not add up is for a person.

use rust_decimal::Decimal;

use super::content::{Content, Line};
use crate::provider::quickbooks::{self, DocumentBody, EmailAddress, Reference, SalesItemLineDetail};

/// An item that a receipt refers to, before it is known in QuickBooks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ItemName {
    /// The shop's own number.
    pub sku: Option<String>,
    /// What it is called.
    pub name: String,
}

/// A line of the receipt to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it refers to.
    pub item: ItemName,
    /// What it comes to.
    pub amount: Decimal,
    /// Quantity and unit price, when they explain the amount exactly.
    pub quantity_and_price: Option<(Decimal, Decimal)>,
    /// What stands on the receipt.
    pub description: String,
}

/// Why an order cannot become a receipt, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unmappable {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Names of the items that stand for what HubSpot keeps outside the line items.
#[derive(Clone, Copy, Debug)]
pub struct ExtraItems<'a> {
    /// Shipping.
    pub shipping: &'a str,
    /// Sales tax.
    pub tax: &'a str,
}

/// The lines of an order's receipt.
///
/// # Errors
/// [`Unmappable`] when there is nothing to post or the lines do not add up to the order's total.
pub fn entries(content: &Content, extra: ExtraItems<'_>) -> Result<Vec<Entry>, Unmappable> {
    if content.unread_lines > 0 {
        return Err(Unmappable {
            message: format!("{} of the order's line items cannot be read in HubSpot", content.unread_lines),
            remedy: "restore or remove them in HubSpot; the order is taken in again by itself".to_owned(),
        });
    }
    if content.lines.is_empty() {
        return Err(Unmappable {
            message: "the order has no line items".to_owned(),
            remedy: "add its line items in HubSpot; it is taken in again by itself".to_owned(),
        });
    }
    let mut entries: Vec<_> = content.lines.iter().map(entry).collect();
    for (amount, name) in [(content.shipping, extra.shipping), (content.tax, extra.tax)] {
        if let Some(amount) = amount.map(cents).filter(|amount| !amount.is_zero()) {
            let item = ItemName { sku: None, name: item_name(name) };
            entries.push(Entry { item, amount, quantity_and_price: None, description: name.to_owned() });
        }
    }
    let sum: Decimal = entries.iter().map(|entry| entry.amount).sum();
    match content.total.map(cents) {
        Some(total) if total != sum => Err(Unmappable {
            message: format!("the order's total is {total}, but its lines, shipping and tax come to {sum}"),
            remedy:
                "correct the order in HubSpot so that both agree; it is taken in again by itself. Discounts belong \
                     on the line items"
                    .to_owned(),
        }),
        _ => Ok(entries),
    }
}

fn entry(line: &Line) -> Entry {
    let quantity = line.quantity.unwrap_or(Decimal::ONE);
    let exact = line.price.map(|price| quantity * price);
    let amount = cents(line.amount.or(exact).unwrap_or_default());
    // QuickBooks refuses a line whose amount is not quantity times price to the cent.
    let quantity_and_price = line.price.filter(|_| exact == Some(amount)).map(|price| (quantity, price));
    let description = match (quantity_and_price, line.price) {
        (None, Some(price)) => {
            format!("{} ({} at {}, less discount)", line.name, quantity.normalize(), price.normalize())
        }
        _ => line.description.clone().unwrap_or_else(|| line.name.clone()),
    };
    let item = ItemName { sku: line.sku.clone(), name: item_name(&line.name) };
    Entry { item, amount, quantity_and_price, description: cut(&description, 4000) }
}

/// Whether the order is in the company's own money.
///
/// # Errors
/// [`Unmappable`] when it is not: its amounts would be booked as something else.
pub fn check_currency(content: &Content, home: &str) -> Result<(), Unmappable> {
    match &content.currency {
        Some(currency) if currency != home => Err(Unmappable {
            message: format!("the order is in {currency}, but the company's books are in {home}"),
            remedy: format!("enter it in QuickBooks by hand, or change the order's currency in HubSpot to {home}"),
        }),
        _ => Ok(()),
    }
}

/// The receipt itself, once customer and items are known.
pub fn receipt(
    content: &Content,
    entries: &[Entry],
    item_ids: &[String],
    customer_id: Option<&str>,
    document_number: &str,
    note: &str,
) -> DocumentBody {
    let line = entries.iter().zip(item_ids).map(|(entry, item_id)| {
        let detail = SalesItemLineDetail {
            item_ref: Reference::to(item_id),
            qty: entry.quantity_and_price.map(|(quantity, _)| quantity),
            unit_price: entry.quantity_and_price.map(|(_, price)| price),
            tax_code_ref: None,
        };
        quickbooks::Line::item(entry.amount, Some(entry.description.clone()), detail)
    });
    let email = content.customer.as_ref().and_then(|customer| customer.email.clone());
    DocumentBody {
        customer_ref: customer_id.map(Reference::to),
        txn_date: content.placed_on,
        doc_number: document_number.to_owned(),
        private_note: Some(cut(note, 4000)),
        bill_email: email.map(|address| EmailAddress { address }),
        line: line.collect(),
        ..DocumentBody::default()
    }
}

/// The name a customer gets in QuickBooks: the company they name, else their own, else their address.
pub fn customer_name(customer: &super::content::Customer) -> Option<String> {
    let own = [&customer.given_name, &customer.family_name].into_iter().flatten().map(|name| name.trim());
    let own = own.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
    let company = customer.company.clone().filter(|name| !name.trim().is_empty());
    let name = company.or_else(|| (!own.is_empty()).then_some(own)).or_else(|| customer.email.clone())?;
    Some(cut(&plain(&name), 100))
}

/// QuickBooks forbids a colon, a tab and a line break in names, and items have at most 100 characters.
fn item_name(name: &str) -> String {
    let name = cut(&plain(name), 100);
    if name.is_empty() { "Item".to_owned() } else { name }
}

fn plain(name: &str) -> String {
    let replaced = name.replace(':', " -");
    replaced
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect::<String>().trim().to_owned()
}

fn cents(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::orders::content::Customer;

    const EXTRA: ExtraItems<'static> = ExtraItems { shipping: "Shipping", tax: "Sales tax" };

    fn line(quantity: i64, price: i64, amount: Option<i64>) -> Line {
        Line {
            name: "Lamp: brass".to_owned(),
            sku: None,
            quantity: Some(Decimal::from(quantity)),
            price: Some(Decimal::new(price, 2)),
            amount: amount.map(|amount| Decimal::new(amount, 2)),
            description: None,
        }
    }

    fn content(lines: Vec<Line>, total: Option<i64>, shipping: i64, tax: i64) -> Content {
        Content {
            name: "A-1".to_owned(),
            external_number: None,
            placed_on: None,
            currency: None,
            total: total.map(|total| Decimal::new(total, 2)),
            tax: Some(Decimal::new(tax, 2)),
            shipping: Some(Decimal::new(shipping, 2)),
            customer: None,
            lines,
            discount: None,
            unread_lines: 0,
            cancelled: false,
            refunded: None,
        }
    }

    proptest! {
        #[test]
        fn a_receipt_comes_to_the_orders_total_to_the_cent(
            lines in proptest::collection::vec((1_i64..50, 0_i64..100_000, proptest::option::of(0_i64..1_000_000)), 1..20),
            shipping in 0_i64..5_000, tax in 0_i64..5_000,
        ) {
            let sum: i64 = lines.iter().map(|(quantity, price, amount)| amount.unwrap_or(quantity * price)).sum();
            let lines = lines.into_iter().map(|(quantity, price, amount)| line(quantity, price, amount)).collect();
            let content = content(lines, Some(sum + shipping + tax), shipping, tax);
            let entries = entries(&content, EXTRA).unwrap();
            prop_assert_eq!(entries.iter().map(|e| e.amount).sum::<Decimal>(), Decimal::new(sum + shipping + tax, 2));
            for entry in &entries {
                if let Some((quantity, price)) = entry.quantity_and_price {
                    prop_assert_eq!(quantity * price, entry.amount);
                }
                prop_assert!(!entry.item.name.contains(':'));
            }
        }
    }

    #[test]
    fn an_order_that_does_not_add_up_is_for_a_person() {
        let wrong = entries(&content(vec![line(2, 500, None)], Some(999), 0, 0), EXTRA).unwrap_err();
        assert_eq!(wrong.message, "the order's total is 9.99, but its lines, shipping and tax come to 10.00");
        assert!(entries(&content(vec![], Some(0), 0, 0), EXTRA).unwrap_err().message.contains("no line items"));
    }

    #[test]
    fn a_discounted_line_keeps_its_amount_and_says_why() {
        let entries = entries(&content(vec![line(3, 1000, Some(2700))], Some(2700), 0, 0), EXTRA).unwrap();
        assert_eq!(entries[0].amount, Decimal::new(2700, 2));
        assert_eq!(entries[0].quantity_and_price, None);
        assert_eq!(entries[0].description, "Lamp: brass (3 at 10, less discount)");
    }

    #[test]
    fn a_customer_is_named_as_well_as_can_be() {
        let customer = |company: &str, given: &str, email: &str| Customer {
            email: Some(email.to_owned()),
            given_name: Some(given.to_owned()),
            family_name: None,
            company: Some(company.to_owned()),
        };
        assert_eq!(customer_name(&customer("Harbor: Books", "Ada", "a@b.c")).unwrap(), "Harbor - Books");
        assert_eq!(customer_name(&customer(" ", "Ada\tL", "a@b.c")).unwrap(), "Ada L");
        assert_eq!(customer_name(&customer("", "", "a@b.c")).unwrap(), "a@b.c");
    }
}
