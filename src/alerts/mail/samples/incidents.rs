//! The mails about orders that wait for a person, and about mail itself.

use super::*;

pub(super) const ORDERS: [ParkedOrder<'static>; 2] = [
    ParkedOrder {
        name: "#1042",
        account: "Harbor Books",
        code: Some("6210"),
        message: "The account period has closed and the account books cannot be updated through 31 Oct 2026.",
        remedy: "the period is closed in QuickBooks: reopen it or move the order's date, then change the order at its source",
    },
    ParkedOrder {
        name: "#1039",
        account: "Harbor Books",
        code: Some("6240"),
        message: "Duplicate Name Exists Error: The name supplied already exists.",
        remedy: "a customer, vendor, employee or inactive item of that name exists: rename it in QuickBooks",
    },
];

pub(super) fn orders_parked(is_again: bool) -> OrdersParked<'static> {
    OrdersParked { orders: &ORDERS, total: 7, since: at("2026-11-21T22:30:00Z"), is_again }
}

/// The same in words for their owner.
pub(super) fn owners_orders() -> [ParkedOrder<'static>; 2] {
    ORDERS.map(|order| ParkedOrder { remedy: owners_remedy(order.code), ..order })
}

pub(super) fn orders_for_owner<'a>(orders: &'a [ParkedOrder<'a>], new: Option<u64>) -> OrdersForOwner<'a> {
    OrdersForOwner {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        company: "Harbor Books LLC",
        orders,
        total: 2,
        since: at("2026-11-21T22:30:00Z"),
        new,
        support_contact: Some("support@operator.example"),
        page: page(),
    }
}

pub(super) fn orders_for_owner_resolved() -> OrdersForOwnerResolved<'static> {
    OrdersForOwnerResolved {
        account: "Harbor Books",
        owner_name: "Mara Lindqvist",
        since: at("2026-11-21T22:30:00Z"),
        until: at("2026-11-22T08:05:00Z"),
        support_contact: Some("support@operator.example"),
        page: page(),
    }
}

pub(super) fn lapse_storm() -> LapseStorm {
    LapseStorm {
        provider: Provider::Quickbooks,
        causes: vec![(Cause::Revoked, 37), (Cause::ReplyLost, 2)],
        held: 19,
        since: at("2026-11-21T22:30:00Z"),
    }
}

pub(super) fn recipient_refused() -> RecipientRefused<'static> {
    RecipientRefused {
        account: "Harbor Books",
        address: "mara@harborbooks.example",
        said: "permanent error (550): 5.1.1 the recipient: mailbox unavailable",
        since: at("2026-11-21T22:30:00Z"),
    }
}

pub(super) fn all() -> Result<Vec<Sample>, askama::Error> {
    let resolved = OrdersParkedResolved { since: at("2026-11-21T22:30:00Z"), until: at("2026-11-22T08:05:00Z") };
    let (since, until) = (at("2026-11-21T22:30:00Z"), at("2026-11-22T08:05:00Z"));
    let passed = LapseStormResolved { provider: Provider::Quickbooks, since, until };
    let reached =
        RecipientRefusedResolved { account: "Harbor Books", address: "mara@harborbooks.example", since, until };
    Ok(vec![
        Sample::operator("lapse_storm", lapse_storm().render()?),
        Sample::operator("lapse_storm_resolved", passed.render()?),
        Sample::operator("recipient_refused", recipient_refused().render()?),
        Sample::operator("recipient_refused_resolved", reached.render()?),
        Sample::operator("orders_parked", orders_parked(false).render()?),
        Sample::operator("orders_parked_again", orders_parked(true).render()?),
        Sample::operator("orders_parked_resolved", resolved.render()?),
        Sample::owner("orders_for_owner", orders_for_owner(&owners_orders(), None).render()?),
        Sample::owner("orders_for_owner_again", orders_for_owner(&owners_orders(), Some(1)).render()?),
        Sample::owner("orders_for_owner_resolved", orders_for_owner_resolved().render()?),
    ])
}
