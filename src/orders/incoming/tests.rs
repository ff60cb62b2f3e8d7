use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn order() -> Value {
    json!({
        "external_id": "1001", "placed_at": "2026-01-09T23:30:00-05:00", "currency": "usd", "total": "21.49",
        "tax": 1.49, "customer": {"email": "rae@post.example", "first_name": "Rae"},
        "lines": [{"name": "Field guide", "sku": "GUIDE-1", "quantity": 2, "price": "10.00"}],
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut order = order();
    *order.pointer_mut(path).unwrap() = value;
    order
}

fn read_value(order: &Value) -> Result<Incoming, Refused> {
    read(&order.to_string(), DEFAULT_SOURCE, DateTime::UNIX_EPOCH)
}

#[test]
fn an_order_becomes_a_row_for_the_queue() {
    let Incoming { source, order } = read_value(&order()).unwrap();
    assert_eq!((source.as_str(), order.document_number.as_str()), ("api", "API-1001"));
    let content: Content = serde_json::from_value(order.content).unwrap();
    assert_eq!(content.placed_on, NaiveDate::from_ymd_opt(2026, 1, 10), "its day is told in UTC");
    assert_eq!((content.currency.as_deref(), content.tax), (Some("USD"), Some(Decimal::new(149, 2))));
    assert_eq!(content.lines[0].quantity, Some(Decimal::TWO));
    assert_eq!(content.customer.unwrap().given_name.as_deref(), Some("Rae"));
}

#[test]
fn how_an_amount_is_written_makes_no_revision_but_its_value_does() {
    let revision = |order: &Value| read_value(order).unwrap().order.revision;
    assert_eq!(revision(&order()), revision(&with("/total", json!("21.490"))));
    assert_ne!(revision(&order()), revision(&with("/total", json!("21.50"))));
}

#[test]
fn what_is_wrong_is_named_with_its_field_and_a_remedy() {
    let mut without = order();
    without.as_object_mut().unwrap().remove("currency");
    let mut typo = order();
    typo["lines"][0]["qty"] = json!(1);
    let mut free = order();
    free["lines"][0].as_object_mut().unwrap().remove("price");
    for (bad, field, words) in [
        (with("/lines/0/price", json!(1e21)), "lines[0].price", "is no amount"),
        (with("/total", json!("-1")), "total", "below zero"),
        (with("/total", Value::Null), "total", "is no amount"),
        (with("/tax", json!("1,49")), "tax", "\"1,49\" is no amount"),
        (with("/placed_at", json!("2026-01-09T10:00:00")), "placed_at", "is no time"),
        (with("/currency", json!("dollars")), "currency", "is no currency"),
        (with("/external_id", json!(" ")), "external_id", "is no id"),
        (with("/lines", json!([])), "lines", "0 lines"),
        (with("/lines/0/name", json!("\u{7}")), "lines[0].name", "is empty"),
        (without, "order", "missing field `currency`"),
        (typo, "lines[0].qty", "unknown field `qty`"),
        (free, "lines[0].price", "is missing"),
        (json!(["no order"]), "", "invalid"),
    ] {
        let refused = read_value(&bad).unwrap_err();
        assert!(refused.field.contains(field) && refused.message.contains(words), "{bad}: {refused:?}");
        assert!(!refused.remedy.is_empty() && !refused.message.contains(" at line "), "{refused:?}");
    }
    assert!(read("{", DEFAULT_SOURCE, DateTime::UNIX_EPOCH).is_err());
    assert!(read(&format!("{} x", order()), DEFAULT_SOURCE, DateTime::UNIX_EPOCH).is_err());
    assert!(named("Web Shop").is_err() && named("").is_err() && named(&"a".repeat(41)).is_err());
    assert_eq!(named("web-shop.2").unwrap(), "web-shop.2");
}

proptest! {
    #[test]
    fn a_document_number_fits_and_is_nobody_else_s(
        pairs in proptest::collection::hash_set(("[a-z0-9][a-z0-9._-]{0,12}", "\\PC{1,24}"), 1..40),
    ) {
        let mut numbers = HashSet::new();
        let pairs: HashSet<_> = pairs.into_iter().collect();
        for (source, id) in &pairs {
            let number = document_number(source, id);
            prop_assert!(number.len() <= DOCUMENT_NUMBER_LENGTH, "{number}");
            prop_assert!(!number.to_uppercase().starts_with("HS-"), "{number}");
            prop_assert_eq!(&number, &document_number(source, id));
            numbers.insert(number.to_uppercase());
        }
        prop_assert_eq!(numbers.len(), pairs.len());
    }
}

#[test]
fn pairs_that_read_alike_have_different_numbers() {
    let numbers: HashSet<_> = [("a", "B-1"), ("a-b", "1"), ("hs", "1"), ("x", "1"), ("api", "a"), ("api", "A")]
        .map(|(source, id)| document_number(source, id).to_uppercase())
        .into();
    assert_eq!(numbers.len(), 6);
}
