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

use rust_decimal::Decimal;

use super::{
    content::{Content, Wish},
    posting::Trouble,
};
use crate::config::{OnCancel, OnRefund};

pub(super) use self::standing::Change;

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
    /// The sale is an invoice, of which it is not known here whether anybody paid it.
    pub(super) invoice: bool,
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
    let Standing { same, voided, refunded, total, invoice } = standing;
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
            (OnCancel::Refund, _) if invoice => Err((
                "the order was cancelled, and a refund receipt for an invoice that nobody paid would be wrong"
                    .to_owned(),
                "void the invoice in QuickBooks, or add a credit memo or a refund receipt; then skip this revision of the \
                 order",
            )),
            (OnCancel::Refund, Some(total)) => Ok(Plan { refund: Some(total), ..nothing }),
            (OnCancel::Refund, None) => {
                Err(("the order was cancelled, and it is not known what its document comes to".to_owned(), BY_HAND))
            }
            (OnCancel::Park, _) => Err((
                "the order was cancelled, and the setting on_cancel leaves that to a person".to_owned(),
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
        Wish::Refund(amount) if invoice => Err((
            format!(
                "{amount} of the order were refunded, and whether its invoice was paid is known to QuickBooks alone"
            ),
            "add a refund receipt in QuickBooks if it was paid, else a credit memo; then skip this revision of the order",
        )),
        Wish::Refund(amount) => match on_refund {
            OnRefund::Refund => Ok(Plan { refund: Some(amount), ..update }),
            OnRefund::Park => Err((
                format!("{amount} of the order were refunded, and the setting on_refund leaves that to a person"),
                "add a refund receipt in QuickBooks, then skip this revision of the order",
            )),
        },
    }
}

/// Whether two revisions make the same document, whatever becomes of it later.
pub(super) fn same_document(one: &Content, other: &Content) -> bool {
    plain(one).revision() == plain(other).revision()
}

/// The order as if nothing had become of it later.
pub(super) fn plain(content: &Content) -> Content {
    Content { cancelled: false, refunded: None, ..content.clone() }
}

/// For a person.
fn parked(message: impl Into<String>, remedy: impl Into<String>) -> Trouble {
    Trouble::Parked { message: message.into(), remedy: remedy.into(), failure: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(wish: Wish, change: impl Fn(&mut Standing, &mut OnCancel, &mut OnRefund)) -> Result<Plan, String> {
        let total = Some(Decimal::from(20));
        let mut standing = Standing { same: true, voided: false, refunded: Decimal::ZERO, total, invoice: false };
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
        assert!(planned(Wish::Void, on_cancel(OnCancel::Park)).unwrap_err().contains("on_cancel"));
        let park = |_: &mut Standing, _: &mut OnCancel, on_refund: &mut OnRefund| *on_refund = OnRefund::Park;
        assert!(planned(Wish::Refund(five), park).unwrap_err().contains("on_refund"));
    }

    #[test]
    fn what_an_invoice_was_paid_is_for_a_person() {
        let five = Decimal::from(5);
        let invoice = |standing: &mut Standing, _: &mut OnCancel, _: &mut OnRefund| standing.invoice = true;
        assert!(planned(Wish::Refund(five), invoice).unwrap_err().contains("invoice"));
        assert_eq!(planned(Wish::Void, invoice), Ok(Plan { void: true, ..Plan::default() }));
        let refunds = |standing: &mut Standing, on_cancel: &mut OnCancel, _: &mut OnRefund| {
            (standing.invoice, *on_cancel) = (true, OnCancel::Refund);
        };
        assert!(planned(Wish::Void, refunds).unwrap_err().contains("invoice"));
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
