//! What an order that has a document does to it when it is edited, cancelled or refunded.
//!
//! The interface to the mapping is `Wish`. What follows from it is decided in `plan`, which is pure; `standing` does
//! it to the document that stands, `refunds` adds receipts beside it. None of them knows HubSpot or the queue.
//!
//! Three rules hold at every step. What a bookkeeper changed is never overwritten: before each write the document is
//! read, and compared with what we last wrote. Every write has a request id that was stored before it, and is looked for
//! before it is sent again. And each step is kept as soon as QuickBooks has answered, so that a crash repeats at most one.

mod refunds;
mod standing;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{content::Content, posting::Trouble};
use crate::config::{OnCancel, OnRefund};

pub(super) use self::standing::Change;

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

impl Wish {
    /// What an order's content asks for.
    pub fn of(content: &Content) -> Self {
        match content.refunded.filter(|amount| *amount > Decimal::ZERO) {
            _ if content.cancelled => Self::Void,
            Some(amount) => Self::Refund(amount),
            None => Self::Stand,
        }
    }
}

/// The stage of cancelled orders in the pipeline that every portal begins with.
const CANCELLED_STAGE: &str = "3c85a297-e9ce-400b-b42e-9f16853d69d6";

/// Whether HubSpot's properties call an order cancelled.
pub(super) fn cancelled(properties: &BTreeMap<String, Option<String>>) -> bool {
    let word = |name: &str| word(properties, name);
    let status = word("hs_external_order_status");
    ["cancelled", "canceled", "voided"].contains(&status.as_str())
        || word("hs_payment_status") == "voided"
        || [CANCELLED_STAGE, "cancelled", "canceled"].contains(&word("hs_pipeline_stage").as_str())
}

/// How much of an order's money went back, by HubSpot's properties: the amount, or all of `total` where only a status
/// says so. A part that nobody put a figure to is unknown.
pub(super) fn refunded(properties: &BTreeMap<String, Option<String>>, total: Option<Decimal>) -> Option<Decimal> {
    let amount = word(properties, "hs_refund_amount").parse::<Decimal>().ok();
    let all = ["hs_payment_status", "hs_external_order_status"].iter().any(|name| word(properties, name) == "refunded");
    amount.filter(|amount| *amount > Decimal::ZERO).or_else(|| total.filter(|_| all)).map(|amount| amount.round_dp(2))
}

fn word(properties: &BTreeMap<String, Option<String>>, name: &str) -> String {
    properties.get(name).and_then(Option::as_deref).unwrap_or_default().trim().to_lowercase()
}

/// How things stand between an order and its documents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// This revision's content stands there, or content that makes the same document.
    pub(super) same: bool,
    /// We voided the sale.
    pub(super) voided: bool,
    /// What the refund receipts come to.
    pub(super) refunded: Decimal,
    /// What the sale comes to, if it is known.
    pub(super) total: Option<Decimal>,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The sale gets this revision's content.
    pub(super) update: bool,
    /// The sale is voided.
    pub(super) void: bool,
    /// Refund receipts come to this then.
    pub(super) refund: Option<Decimal>,
}

/// What follows from a wish.
pub(super) fn plan(
    wish: Wish,
    standing: Standing,
    on_cancel: OnCancel,
    on_refund: OnRefund,
) -> Result<Plan, (String, &'static str)> {
    const BY_HAND: &str =
        "look at its documents in QuickBooks, correct them by hand, then skip this revision of the order";
    let Standing { same, voided, refunded, total } = standing;
    let nothing = Plan::default();
    let update = Plan { update: !same, ..nothing };
    match wish {
        Wish::Stand if voided => {
            Err(("the order stands again, but its document was voided when it was cancelled".to_owned(), BY_HAND))
        }
        Wish::Stand if !refunded.is_zero() => {
            Err((format!("the order says no more of a refund, but receipts over {refunded} were made"), BY_HAND))
        }
        Wish::Stand => Ok(update),
        Wish::Void | Wish::Refund(_) if voided => Ok(nothing),
        Wish::Void if total.is_some_and(|total| refunded >= total && !refunded.is_zero()) => Ok(nothing),
        Wish::Void => match (on_cancel, total) {
            (OnCancel::Void, _) if refunded.is_zero() => Ok(Plan { void: true, ..nothing }),
            (OnCancel::Void, _) => Err((
                format!(
                    "the order was cancelled after {refunded} of it were refunded: to void it would count that twice"
                ),
                BY_HAND,
            )),
            (OnCancel::Refund, Some(total)) => Ok(Plan { refund: Some(total), ..nothing }),
            (OnCancel::Refund, None) => {
                Err(("the order was cancelled, and it is not known what its document comes to".to_owned(), BY_HAND))
            }
            (OnCancel::Park, _) => Err((
                "the order was cancelled, and orders.on_cancel leaves that to a person".to_owned(),
                "void its document in QuickBooks or add a refund receipt, then skip this revision of the order",
            )),
        },
        Wish::Refund(amount) if total.is_some_and(|total| amount > total) => {
            let total = total.unwrap_or_default();
            Err((format!("{amount} of the order were refunded, which is more than its total of {total}"), BY_HAND))
        }
        Wish::Refund(amount) if amount < refunded => {
            Err((format!("{amount} of the order were refunded, but receipts over {refunded} were made"), BY_HAND))
        }
        Wish::Refund(amount) if amount == refunded => Ok(update),
        Wish::Refund(amount) => match on_refund {
            OnRefund::Refund => Ok(Plan { refund: Some(amount), ..update }),
            OnRefund::Park => Err((
                format!("{amount} of the order were refunded, and orders.on_refund leaves that to a person"),
                "add a refund receipt in QuickBooks, then skip this revision of the order",
            )),
        },
    }
}

/// Whether two revisions make the same document, whatever becomes of it later.
pub(super) fn same_document(one: &Content, other: &Content) -> bool {
    let plain = |content: &Content| Content { cancelled: false, refunded: None, ..content.clone() };
    plain(one) == plain(other)
}

/// For a person.
fn parked(message: impl Into<String>, remedy: impl Into<String>) -> Trouble {
    Trouble::Parked { message: message.into(), remedy: remedy.into(), failure: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[test]
    fn hubspot_says_in_several_ways_that_an_order_is_off() {
        for (name, value) in [
            ("hs_pipeline_stage", CANCELLED_STAGE),
            ("hs_pipeline_stage", "Cancelled"),
            ("hs_external_order_status", "CANCELLED"),
            ("hs_external_order_status", "canceled"),
            ("hs_payment_status", "voided"),
        ] {
            assert!(cancelled(&properties(&[(name, value)])), "{name} {value}");
        }
        assert!(!cancelled(&properties(&[("hs_pipeline_stage", "open"), ("hs_payment_status", "refunded")])));
    }

    #[test]
    fn a_refund_has_its_amount_or_is_all_of_it() {
        let total = Some(Decimal::new(2_000, 2));
        let read = |pairs: &[(&str, &str)]| refunded(&properties(pairs), total).map(|amount| amount.to_string());
        assert_eq!(read(&[("hs_refund_amount", "5.5")]).as_deref(), Some("5.5"));
        assert_eq!(read(&[("hs_payment_status", "Refunded")]).as_deref(), Some("20.00"));
        assert_eq!(read(&[("hs_payment_status", "refunded"), ("hs_refund_amount", "7")]).as_deref(), Some("7"));
        assert_eq!(read(&[("hs_payment_status", "partially_refunded"), ("hs_refund_amount", "0")]), None);
        assert_eq!(read(&[("hs_payment_status", "paid")]), None);
    }

    fn planned(wish: Wish, change: impl Fn(&mut Standing, &mut OnCancel, &mut OnRefund)) -> Result<Plan, String> {
        let total = Some(Decimal::from(20));
        let mut standing = Standing { same: true, voided: false, refunded: Decimal::ZERO, total };
        let (mut on_cancel, mut on_refund) = (OnCancel::Void, OnRefund::Refund);
        change(&mut standing, &mut on_cancel, &mut on_refund);
        plan(wish, standing, on_cancel, on_refund).map_err(|(words, _)| words)
    }

    #[test]
    fn each_wish_has_its_consequence() {
        let (five, twenty) = (Decimal::from(5), Decimal::from(20));
        let nothing = Plan::default();
        let update = Plan { update: true, ..nothing };
        let edited = |standing: &mut Standing, _: &mut OnCancel, _: &mut OnRefund| standing.same = false;
        assert_eq!(planned(Wish::Stand, |_, _, _| ()), Ok(nothing));
        assert_eq!(planned(Wish::Stand, edited), Ok(update));
        assert_eq!(planned(Wish::Void, edited), Ok(Plan { void: true, ..nothing }));
        assert_eq!(planned(Wish::Refund(five), edited), Ok(Plan { refund: Some(five), ..update }));
        assert_eq!(planned(Wish::Refund(five), |s, _, _| s.refunded = five), Ok(nothing), "it is there");
        let on_cancel = |how| move |_: &mut Standing, on_cancel: &mut OnCancel, _: &mut OnRefund| *on_cancel = how;
        assert_eq!(planned(Wish::Void, on_cancel(OnCancel::Refund)), Ok(Plan { refund: Some(twenty), ..nothing }));
        assert!(planned(Wish::Void, on_cancel(OnCancel::Park)).unwrap_err().contains("orders.on_cancel"));
        let park = |_: &mut Standing, _: &mut OnCancel, on_refund: &mut OnRefund| *on_refund = OnRefund::Park;
        assert!(planned(Wish::Refund(five), park).unwrap_err().contains("orders.on_refund"));
    }

    #[test]
    fn money_never_counts_twice() {
        let (five, twenty) = (Decimal::from(5), Decimal::from(20));
        assert!(planned(Wish::Void, |s, _, _| s.refunded = five).unwrap_err().contains("twice"));
        assert_eq!(planned(Wish::Void, |s, _, _| s.refunded = twenty), Ok(Plan::default()), "all went back");
        assert_eq!(planned(Wish::Void, |s, _, _| s.voided = true), Ok(Plan::default()));
        assert_eq!(planned(Wish::Refund(five), |s, _, _| s.voided = true), Ok(Plan::default()));
        assert!(planned(Wish::Refund(Decimal::from(21)), |_, _, _| ()).unwrap_err().contains("more than"));
        assert!(planned(Wish::Refund(five), |s, _, _| s.refunded = twenty).is_err());
        assert!(planned(Wish::Stand, |s, _, _| s.refunded = five).is_err());
        assert!(planned(Wish::Stand, |s, _, _| s.voided = true).unwrap_err().contains("stands again"));
    }
}
