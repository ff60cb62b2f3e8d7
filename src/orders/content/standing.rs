//! Whether an order stands, was paid, was called off or paid back: shops write it in words of their own, which are read
//! without regard to case, spaces and dashes. A word that is not known says nothing.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::Content;

/// The stage of cancelled orders in the pipeline that every portal begins with.
const CANCELLED_STAGE: &str = "3c85a297-e9ce-400b-b42e-9f16853d69d6";

/// What an order wants to be in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It stands.
    Stand,
    /// It was called off.
    Void,
    /// It stands, and this much of the money went back, over all.
    Refund(Decimal),
}

impl Content {
    /// What the order wants to be in the books.
    pub fn wish(&self) -> Wish {
        match self.refunded.filter(|amount| *amount > Decimal::ZERO) {
            _ if self.cancelled => Wish::Void,
            Some(amount) => Wish::Refund(amount),
            None => Wish::Stand,
        }
    }
}

/// Whether a payment status says that the order is paid.
pub(super) fn paid(status: &str) -> Option<bool> {
    match word(status).as_str() {
        "paid" | "succeeded" | "completed" | "captured" | "settled" | "refunded" | "partiallyrefunded"
        | "partialrefund" | "partlyrefunded" => Some(true),
        "unpaid" | "pending" | "authorized" | "authorised" | "processing" | "partiallypaid" | "partlypaid"
        | "overdue" | "failed" | "expired" | "open" | "due" | "notpaid" => Some(false),
        _ => None,
    }
}

/// How much of an order's money went back, by HubSpot's properties: the amount, or all of `total` where only a status
/// says so. A part that nobody put a figure to is unknown.
pub(super) fn refunded(
    properties: &BTreeMap<String, Option<String>>,
    amount: Option<Decimal>,
    total: Option<Decimal>,
) -> Option<Decimal> {
    let amount = amount.map(|amount| amount.abs()).filter(|amount| !amount.is_zero());
    let all = ["hs_payment_status", "hs_external_order_status"];
    let all = all.iter().any(|name| word(said(properties, name)) == "refunded");
    amount.or_else(|| total.filter(|_| all)).map(|amount| amount.round_dp(2))
}

/// Whether HubSpot's properties say that the order was called off.
pub(super) fn cancelled(properties: &BTreeMap<String, Option<String>>) -> bool {
    let off =
        |name: &str| matches!(word(said(properties, name)).as_str(), "cancelled" | "canceled" | "voided" | "void");
    !said(properties, "hs_external_canceled_date").is_empty()
        || said(properties, "hs_pipeline_stage") == CANCELLED_STAGE
        || ["hs_external_order_status", "hs_payment_status", "hs_pipeline_stage"].into_iter().any(off)
}

fn said<'a>(properties: &'a BTreeMap<String, Option<String>>, name: &str) -> &'a str {
    properties.get(name).and_then(Option::as_deref).unwrap_or_default().trim()
}

fn word(status: &str) -> String {
    status.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[test]
    fn words_of_shops_are_understood() {
        assert_eq!(
            ["Paid", "PARTIALLY_REFUNDED", "partially paid", "Pending", "?"].map(paid),
            [Some(true), Some(true), Some(false), Some(false), None]
        );
    }

    #[test]
    fn hubspot_says_in_several_ways_that_an_order_is_off() {
        for (name, value) in [
            ("hs_pipeline_stage", CANCELLED_STAGE),
            ("hs_pipeline_stage", "Cancelled"),
            ("hs_external_order_status", "CANCELLED"),
            ("hs_external_order_status", "canceled"),
            ("hs_payment_status", "voided"),
            ("hs_external_canceled_date", "2026-01-09T01:02:03Z"),
        ] {
            assert!(cancelled(&properties(&[(name, value)])), "{name} {value}");
        }
        let standing =
            [("hs_pipeline_stage", "open"), ("hs_payment_status", "refunded"), ("hs_external_canceled_date", "")];
        assert!(!cancelled(&properties(&standing)));
    }

    #[test]
    fn a_refund_has_its_amount_or_is_all_of_it() {
        let total = Some(Decimal::new(2_000, 2));
        let read = |amount: Option<&str>, pairs: &[(&str, &str)]| {
            let amount = amount.map(|amount| amount.parse().unwrap());
            refunded(&properties(pairs), amount, total).map(|amount| amount.to_string())
        };
        assert_eq!(read(Some("5.5"), &[]).as_deref(), Some("5.5"));
        assert_eq!(read(Some("-5.5"), &[]).as_deref(), Some("5.5"), "some shops write what went out");
        assert_eq!(read(None, &[("hs_payment_status", "Refunded")]).as_deref(), Some("20.00"));
        assert_eq!(read(Some("7"), &[("hs_payment_status", "refunded")]).as_deref(), Some("7"));
        assert_eq!(read(Some("0"), &[("hs_payment_status", "partially_refunded")]), None);
        assert_eq!(read(None, &[("hs_payment_status", "paid")]), None);
    }

    #[test]
    fn an_order_wants_one_thing() {
        let ten = Some(Decimal::TEN);
        let order = |refunded, cancelled| Content { total: ten, refunded, cancelled, ..Content::default() }.wish();
        assert_eq!(order(None, false), Wish::Stand);
        assert_eq!(order(Some(Decimal::ZERO), false), Wish::Stand);
        assert_eq!(order(Some(Decimal::ONE), false), Wish::Refund(Decimal::ONE));
        assert_eq!(order(ten, true), Wish::Void);
    }
}
