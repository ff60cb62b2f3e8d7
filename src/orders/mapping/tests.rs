use std::{collections::BTreeMap, str::FromStr as _, sync::LazyLock};

use chrono::{DateTime, Utc};
use proptest::{collection::vec, option, prelude::*};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;
use crate::{
    config::{Config, Sources},
    orders::content::{Customer, Line},
};

fn settings(own: &[(&str, &str)]) -> Mapping {
    // Read once: thousands of cases ask for it.
    static DEFAULTS: LazyLock<Mapping> = LazyLock::new(|| Config::load(Sources::default()).unwrap().0.orders.mapping);
    let own: BTreeMap<_, _> = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    DEFAULTS.with(&own).unwrap()
}

fn decimal(digits: &str) -> Decimal {
    Decimal::from_str(digits).unwrap()
}

fn line(quantity: &str, price: &str, amount: Option<&str>) -> Line {
    Line {
        name: "Lamp: brass".to_owned(),
        quantity: Some(decimal(quantity)),
        price: Some(decimal(price)),
        amount: amount.map(decimal),
        ..Line::default()
    }
}

fn order(lines: Vec<Line>, total: &str) -> Content {
    Content { name: "A-1".to_owned(), total: Some(decimal(total)), lines, ..Content::default() }
}

fn drafted(content: &Content, own: &[(&str, &str)]) -> Result<Draft, Unmappable> {
    draft(content, &settings(own), None, "HS-1", "mark")
}

fn amounts(draft: &Draft) -> Vec<String> {
    draft.lines.iter().map(|line| line.amount.to_string()).collect()
}

/// A body as it goes over the wire.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    doc_number: String,
    private_note: String,
    bill_email: Option<serde_json::Value>,
    txn_tax_detail: Option<SentTax>,
    line: Vec<SentLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentTax {
    total_tax: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentLine {
    amount: Box<RawValue>,
    detail_type: String,
    description: String,
    sales_item_line_detail: Option<SentDetail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentDetail {
    qty: Option<Box<RawValue>>,
    unit_price: Option<Box<RawValue>>,
}

fn sent(draft: &Draft, settings: &Mapping) -> Sent {
    let items = draft.lines.iter().map(|_| "7".to_owned()).collect();
    let references = References { customer: Some("3".to_owned()), items, deposit_to: None };
    let body = draft.body(&Company::default(), settings, &references);
    serde_json::from_str(&serde_json::to_string(&body).unwrap()).unwrap()
}

/// As QuickBooks adds up: lines, less discount, plus tax.
fn total(sent: &Sent) -> Decimal {
    let lines = sent.line.iter().map(|line| match line.detail_type.as_str() {
        "DiscountLineDetail" => -decimal(line.amount.get()),
        _ => decimal(line.amount.get()),
    });
    lines.sum::<Decimal>() + sent.txn_tax_detail.as_ref().map_or(Decimal::ZERO, |tax| decimal(tax.total_tax.get()))
}

/// An order as some shop would have added it up.
#[derive(Debug, Clone)]
struct Shop {
    currency: Option<&'static str>,
    /// Quantity, its places, price, its places, percent off.
    lines: Vec<(u32, u32, u32, u32, Option<u32>)>,
    shipping: u32,
    /// Percent of the lines.
    discount: u32,
    discount_is_in_lines: bool,
    tax: u32,
    tax_included: bool,
    rounds_lines: bool,
    name: String,
    tax_placement: &'static str,
    discount_placement: &'static str,
}

fn shop() -> impl Strategy<Value = Shop> {
    let one = (1_u32..5_000, 0_u32..4, 0_u32..500_000, 0_u32..5, option::of(0_u32..100));
    let words =
        prop_oneof![Just("Lamp"), Just("家 🕯 lámpara"), Just("مصباح"), Just("a:b\tc\nd"), Just("👩\u{200D}👧"),];
    let name = (words, 1_usize..60).prop_map(|(word, times)| word.repeat(times));
    let currency = prop_oneof![Just(None), Just(Some("USD")), Just(Some("JPY")), Just(Some("KWD")), Just(Some("EUR"))];
    let placement = || prop_oneof![Just("line"), Just("quickbooks")];
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    (currency, vec(one, 1..12), 0_u32..100_000, 0_u32..40, 0_u32..30, switches, name, placement(), placement())
        .prop_map(|(currency, lines, shipping, discount, tax, switches, name, tax_placement, discount_placement)| {
            Shop {
                currency,
                lines,
                shipping,
                discount,
                discount_is_in_lines: switches.0,
                tax,
                tax_included: switches.1,
                rounds_lines: switches.2,
                name,
                tax_placement,
                discount_placement,
            }
        })
}

impl Shop {
    fn order(&self) -> Content {
        let places = money::places(self.currency);
        let percent = |amount: Decimal, of: u32| money::round(amount * Decimal::new(of.into(), 2), places);
        let mut lines = Vec::new();
        let mut exact = Vec::new();
        for (quantity, quantity_places, price, price_places, off) in &self.lines {
            let quantity = Decimal::new((*quantity).into(), *quantity_places);
            let price = Decimal::new((*price).into(), *price_places);
            let full = quantity * price;
            let amount = off.map(|off| full - percent(full, off));
            exact.push(amount.unwrap_or(full));
            let (name, sku) = (self.name.clone(), Some(self.name.clone()));
            let quantity = Some(quantity);
            lines.push(Line { name, sku, quantity, price: Some(price), amount, ..Line::default() });
        }
        let sum: Decimal = match self.rounds_lines {
            true => exact.iter().map(|amount| money::round(*amount, places)).sum(),
            false => money::round(exact.iter().sum(), places),
        };
        let shipping = money::round(Decimal::new(self.shipping.into(), 3), places);
        let discount = percent(sum, self.discount);
        let less = if self.discount_is_in_lines { Decimal::ZERO } else { discount };
        let tax = percent(sum, self.tax);
        let more = if self.tax_included { Decimal::ZERO } else { tax };
        let email = Some(format!("{}@post.example", "r".repeat(self.name.len())));
        Content {
            name: self.name.clone(),
            currency: self.currency.map(str::to_owned),
            total: Some(sum + shipping - less + more),
            tax: Some(tax),
            shipping: Some(shipping),
            discount: Some(discount),
            customer: Some(Customer { email, company: Some(self.name.clone()), ..Customer::default() }),
            lines,
            ..Content::default()
        }
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, ..ProptestConfig::default() })]

    #[test]
    fn every_document_comes_to_its_orders_total_and_fits(shop in shop()) {
        let order = shop.order();
        let settings = settings(&[("tax", shop.tax_placement), ("discount", shop.discount_placement)]);
        let draft = draft(&order, &settings, None, "HS-1", "mark").unwrap();
        prop_assert_eq!(Some(draft.total), order.total);
        let sent = sent(&draft, &settings);
        prop_assert_eq!(Some(total(&sent)), order.total);
        prop_assert!(sent.doc_number.len() <= 21 && units(&sent.private_note) <= 4_000 && sent.line.len() <= 750);
        prop_assert!(sent.bill_email.is_none_or(|email| units(email["Address"].as_str().unwrap()) <= 100));
        for line in &sent.line {
            prop_assert!(units(&line.description) <= 4_000);
            let places = decimal(line.amount.get()).normalize().scale();
            prop_assert!(places <= money::places(shop.currency));
            if let Some(SentDetail { qty: Some(quantity), unit_price: Some(price) }) = &line.sales_item_line_detail {
                prop_assert_eq!(decimal(quantity.get()) * decimal(price.get()), decimal(line.amount.get()));
            }
        }
        for entry in &draft.lines {
            let name = &entry.item.name;
            prop_assert!(units(name) <= 100 && !name.contains([':', '\t', '\n']) && !name.is_empty());
            prop_assert!(entry.item.sku.as_deref().is_none_or(|sku| units(sku) <= 100));
        }
        for name in draft.buyer.unwrap().candidates(shop.currency) {
            prop_assert!(units(&name) <= 100 && !name.contains([':', '\t', '\n']), "{name}");
        }
    }
}

#[test]
fn an_order_that_does_not_add_up_is_for_a_person() {
    let wrong = drafted(&order(vec![line("2", "5", None)], "9.99"), &[]).unwrap_err();
    assert_eq!(wrong.message, "the order's total is 9.99, but its lines, shipping and tax come to 10.00");
    let discounted = Content { discount: Some(Decimal::ONE), ..order(vec![line("2", "5", None)], "8.99") };
    let wrong = drafted(&discounted, &[]).unwrap_err();
    let expected =
        "the order's total is 8.99, but its lines, shipping and tax, less the discount of 1.00, come to 9.00";
    assert_eq!(wrong.message, expected);
    for (bad, words) in [
        (order(vec![], "0"), "no line items"),
        (order(vec![line("1", "-5", None)], "-5"), "total is -5.00"),
        (
            order(vec![line("99999999999999", "99999999999999", None)], "1"),
            "larger than QuickBooks takes (99999999999)",
        ),
        (Content { unread_lines: 2, ..order(vec![line("1", "5", None)], "5") }, "2 of the order's line items"),
        (order(vec![line("1", "5", None); 751], "3755"), "needs 751 lines"),
    ] {
        let wrong = drafted(&bad, &[]).unwrap_err();
        assert!(wrong.message.contains(words) && !wrong.remedy.is_empty(), "{wrong}");
    }
    assert_eq!(drafted(&order(vec![line("1", "5", None); 750], "3750"), &[]).unwrap().lines.len(), 750);
    let mut mixed = Content { currency: Some("USD".to_owned()), ..order(vec![line("1", "5", None)], "5") };
    mixed.lines[0].currency = Some("EUR".to_owned());
    assert!(drafted(&mixed, &[]).unwrap_err().message.contains(r#"in USD, but its line "Lamp: brass" is in EUR"#));
}

#[test]
fn a_line_keeps_its_amount_and_says_why() {
    for (one, expected, quantity_and_price) in [
        (line("3", "10", Some("27")), "Lamp: brass (3 at 10, less discount)", None),
        (line("3", "0.333", None), "Lamp: brass (3 at 0.333)", None),
        (line("0.5", "3", None), "Lamp: brass", Some((decimal("0.5"), decimal("3")))),
        (line("1", "0", None), "Lamp: brass", Some((decimal("1"), decimal("0")))),
    ] {
        let total = one.amount.unwrap_or_else(|| one.quantity.unwrap() * one.price.unwrap());
        let draft = drafted(&order(vec![one], &total.to_string()), &[]).unwrap();
        assert_eq!(
            (draft.lines[0].description.as_str(), draft.lines[0].quantity_and_price),
            (expected, quantity_and_price)
        );
    }
}

#[test]
fn a_discount_on_the_whole_is_booked_once_and_where_the_settings_say() {
    let lines = vec![line("1", "30", None), line("1", "20", None)];
    let off = Content { discount: Some(decimal("5")), ..order(lines.clone(), "45") };
    assert_eq!(amounts(&drafted(&off, &[]).unwrap()), ["30.00", "20.00", "-5.00"]);
    let own = drafted(&off, &[("discount", "quickbooks")]).unwrap();
    assert_eq!((amounts(&own), own.discount), (vec!["30.00".to_owned(), "20.00".to_owned()], Some(decimal("5.00"))));
    // The shop took it off the lines before, and tells it once more.
    let told_twice = Content { discount: Some(decimal("5")), ..order(lines, "50") };
    assert_eq!(amounts(&drafted(&told_twice, &[]).unwrap()), ["30.00", "20.00"]);
}

#[test]
fn tax_that_is_in_the_prices_is_taken_out_of_them() {
    let order =
        Content { tax: Some(decimal("19")), ..order(vec![line("1", "100", None), line("1", "19", None)], "119") };
    let draft = drafted(&order, &[("tax", "quickbooks")]).unwrap();
    assert_eq!((draft.tax, draft.total), (Some(decimal("19.00")), decimal("119.00")));
    assert_eq!(amounts(&draft), ["84.03", "15.97"]);
    assert!(draft.lines[0].description.ends_with("less the tax that is in it)"), "{}", draft.lines[0].description);
    assert_eq!(amounts(&drafted(&order, &[]).unwrap()), ["84.03", "15.97", "19.00"]);
}

#[test]
fn a_document_is_dated_in_the_companys_zone_and_due_later() {
    let at: DateTime<Utc> = "2026-01-09T23:30:00Z".parse().unwrap();
    let customer = Customer { email: Some("rae@post.example".to_owned()), ..Customer::default() };
    let order = Content { placed_at: Some(at), customer: Some(customer), ..order(vec![line("1", "5", None)], "5") };
    let dated = |zone| drafted(&order, &[("time_zone", zone)]).unwrap().date.unwrap().to_string();
    assert_eq!(["UTC", "Asia/Tokyo", "America/New_York"].map(dated), ["2026-01-09", "2026-01-10", "2026-01-09"]);
    let invoice = drafted(&order, &[("document", "invoice"), ("invoice_days", "14")]).unwrap();
    assert_eq!((invoice.document, invoice.due.unwrap().to_string()), (DocumentKind::Invoice, "2026-01-23".to_owned()));
}

#[test]
fn a_payment_may_decide_what_an_order_becomes() {
    let rule = settings(&[("document", "by_payment")]);
    let of = |paid| document(&Content { paid, ..Content::default() }, &rule).map_err(|wrong| wrong.message);
    assert_eq!(of(Some(true)), Ok(DocumentKind::SalesReceipt));
    assert_eq!(of(Some(false)), Ok(DocumentKind::Invoice));
    assert!(of(None).unwrap_err().contains("whether the order is paid"));
    let nobody = drafted(&order(vec![line("1", "5", None)], "5"), &[("document", "invoice")]).unwrap_err();
    assert!(nobody.message.contains("names no buyer"));
}

#[test]
fn foreign_money_needs_a_company_and_a_customer_that_take_it() {
    let home =
        |multi_currency| Company { home_currency: Some("USD".into()), multi_currency, country: Some("US".into()) };
    let customer = Some(Customer { email: Some("rae@post.example".to_owned()), ..Customer::default() });
    let rate = Some(decimal("1.08"));
    let order = Content {
        currency: Some("EUR".into()),
        customer,
        exchange_rate: rate,
        ..order(vec![line("1", "5", None)], "5")
    };
    let rule = settings(&[("exchange_rate", "order")]);
    let draft = draft(&order, &rule, None, "HS-1", "mark").unwrap();
    let wrong = draft.check_currency(&home(false), &rule).unwrap_err();
    assert_eq!(wrong.message, "the order is in EUR, but the company's books are in USD");
    draft.check_currency(&home(true), &rule).unwrap();
    let body = draft.body(&home(true), &rule, &References { items: vec!["7".into()], ..References::default() });
    assert_eq!((body.currency_ref.unwrap().value.as_str(), body.exchange_rate), ("EUR", rate));
    let unrated = Draft { exchange_rate: None, ..draft.clone() };
    assert!(unrated.check_currency(&home(true), &rule).unwrap_err().message.contains("no exchange rate to USD"));
    let nobody = Draft { buyer: None, ..draft };
    assert!(nobody.check_currency(&home(true), &rule).unwrap_err().message.contains("names no buyer"));
}

#[test]
fn tax_codes_follow_the_country() {
    let order = Content { tax: Some(decimal("1")), ..order(vec![line("1", "5", None)], "6") };
    let coded = |country: &str, own: &[(&str, &str)]| {
        let (rule, draft) = (settings(own), drafted(&order, own).unwrap());
        let company = Company { country: Some(country.to_owned()), ..Company::default() };
        let items = vec!["7".to_owned(); draft.lines.len()];
        let body = draft.body(&company, &rule, &References { items, ..References::default() });
        let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&body).unwrap()).unwrap();
        let code = json["Line"][0]["SalesItemLineDetail"]["TaxCodeRef"]["value"].as_str().map(str::to_owned);
        (code, body.global_tax_calculation)
    };
    let quickbooks = ("tax", "quickbooks");
    assert_eq!(coded("US", &[]), (None, None));
    assert_eq!(coded("US", &[quickbooks]), (Some("TAX".to_owned()), None));
    assert_eq!(coded("DE", &[]), (None, Some("NotApplicable".to_owned())));
    assert_eq!(coded("DE", &[quickbooks, ("tax_code", "5")]), (Some("5".to_owned()), Some("TaxExcluded".to_owned())));
}

#[test]
fn what_is_too_long_stands_elsewhere_in_full() {
    let long = format!("Harbor {}", "Books ".repeat(30));
    let customer = Customer {
        company: Some(long.clone()),
        email: Some(format!("{}@b.c", "x".repeat(120))),
        ..Customer::default()
    };
    let mut order = Content { customer: Some(customer), ..order(vec![line("1", "5", None)], "5") };
    order.lines[0].name = "Lamp ".repeat(40);
    let draft = drafted(&order, &[]).unwrap();
    let buyer = draft.buyer.unwrap();
    assert!(buyer.name.ends_with('…') && buyer.name.chars().count() <= 100 && buyer.email.is_none());
    assert!(
        draft.note.starts_with("mark\n") && draft.note.contains(long.trim()) && draft.note.contains(&"x".repeat(120))
    );
    assert!(draft.lines[0].item.name.ends_with('…') && draft.lines[0].description.contains("Lamp ".repeat(39).trim()));
    let walk_in = drafted(&order, &[("customer", "Walk-in")]).unwrap();
    assert!(walk_in.buyer.unwrap().name == "Walk-in" && walk_in.note.contains("Customer: Harbor"));
}

#[test]
fn a_refund_mirrors_the_sale_or_a_part_of_it() {
    let sale = drafted(&order(vec![line("1", "30", None), line("1", "20", None)], "50"), &[]).unwrap();
    let all = sale.refund(decimal("50"), &settings(&[]), "HS-1R", "back");
    assert_eq!((all.document, amounts(&all), all.total), (DocumentKind::RefundReceipt, amounts(&sale), sale.total));
    let part = sale.refund(decimal("12.5"), &settings(&[("refund_item", "Money back")]), "HS-1R", "back");
    assert_eq!((part.number.as_str(), part.note.as_str(), part.total), ("HS-1R", "back", decimal("12.5")));
    assert_eq!(part.lines.len(), 1);
    let line = &part.lines[0];
    assert_eq!((line.item.name.as_str(), line.amount, line.role), ("Money back", decimal("12.5"), Role::Refund));
    assert_eq!(line.description, "Refund of a part of HS-1");
}

#[test]
fn a_document_that_stands_keeps_its_kind() {
    let content = Content { paid: Some(true), ..order(vec![line("1", "5", None)], "5") };
    let rule = settings(&[("document", "by_payment")]);
    let kind = |standing| draft(&content, &rule, standing, "HS-1", "mark").map(|draft| draft.document);
    assert_eq!(kind(None), Ok(DocumentKind::SalesReceipt));
    assert!(kind(Some(DocumentKind::Invoice)).unwrap_err().message.contains("must have a customer"));
}
