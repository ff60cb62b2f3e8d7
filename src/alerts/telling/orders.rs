//! From a digest of parked orders to its mail. It tells of what is parked when it is sent, and of nothing if that is no
//! order any more.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Told, Whose, whose};
use crate::{
    alerts::{
        mail::{
            OrdersForOwner, OrdersForOwnerResolved, OrdersParked, OrdersParkedResolved, OwnersPage, ParkedOrder,
            owners_remedy,
        },
        watch::OWNERS_CODES,
    },
    config,
    links::ReconnectLinks,
    store::{
        self,
        alerts::Alert,
        digests::{self, Parked},
        mails::Step,
    },
};

/// The most orders that one mail describes.
const SHOWN: i64 = 10;

type Tale = Result<Result<Option<Told>, String>, store::Error>;

/// Everything that is parked, to the operator.
pub(super) async fn to_operator(conn: &mut PgConnection, alert: &Alert, step: Step, now: DateTime<Utc>) -> Tale {
    let rendered = if step == Step::Resolved {
        OrdersParkedResolved { since: alert.opened_at, until: alert.resolved_at.unwrap_or(now) }.render()
    } else {
        let (parked, heap) = digests::latest(conn, None, SHOWN).await?;
        if parked.is_empty() {
            return Ok(Ok(None));
        }
        digests::note(conn, alert.id, heap.newest).await?;
        let (orders, total, is_again) = (described(&parked), heap.count.unsigned_abs(), step != Step::Opened);
        OrdersParked { orders: &orders, total, since: alert.opened_at, is_again }.render()
    };
    let told = |rendered| Some(Told { rendered, recipient_name: None });
    Ok(rendered.map(told).map_err(|error| error.to_string()))
}

/// What is parked for a reason of theirs, to an owner.
pub(super) async fn to_owner(
    conn: &mut PgConnection,
    alert: &Alert,
    step: Step,
    links: &ReconnectLinks,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Tale {
    let Some(Whose { connection, account, page }) = whose(conn, alert, links, now).await? else {
        return Ok(Err("its connection is gone".to_owned()));
    };
    let (connection_id, support_contact) = (connection.id, config.support_contact.as_deref());
    let page = OwnersPage { url: page.0.as_str(), works_until: page.1 };
    let rendered = if step == Step::Resolved {
        OrdersForOwnerResolved {
            account: &account.name,
            owner_name: &account.owner_name,
            since: alert.opened_at,
            until: alert.resolved_at.unwrap_or(now),
            support_contact,
            page,
        }
        .render()
    } else {
        let (parked, heap) = digests::latest(conn, Some((connection_id, OWNERS_CODES)), SHOWN).await?;
        if parked.is_empty() {
            return Ok(Ok(None));
        }
        digests::note(conn, alert.id, heap.newest).await?;
        let new = digests::refused_after(conn, connection_id, OWNERS_CODES, told_before(alert)).await?.unsigned_abs();
        if new == 0 {
            return Ok(Ok(None));
        }
        let mut for_owner = described(&parked);
        for order in &mut for_owner {
            order.remedy = owners_remedy(order.code);
        }
        OrdersForOwner {
            account: &account.name,
            owner_name: &account.owner_name,
            company: &connection.company_name,
            orders: &for_owner,
            total: heap.count.unsigned_abs(),
            since: alert.opened_at,
            new: Some(new).filter(|_| step != Step::Opened),
            support_contact,
            page,
        }
        .render()
    };
    let recipient_name = Some(account.owner_name).filter(|name| !name.trim().is_empty());
    Ok(rendered.map(|rendered| Some(Told { rendered, recipient_name })).map_err(|error| error.to_string()))
}

/// How far the mails before this one told.
fn told_before(alert: &Alert) -> i64 {
    alert.detail["told_before"].as_i64().unwrap_or(0)
}

fn described(parked: &[Parked]) -> Vec<ParkedOrder<'_>> {
    parked.iter().map(describe).collect()
}

fn describe(order: &Parked) -> ParkedOrder<'_> {
    let name = if order.name.trim().is_empty() { &order.external_id } else { &order.name };
    ParkedOrder {
        name,
        account: &order.account,
        code: order.code.as_deref(),
        message: order.message.as_deref().unwrap_or("no reason was kept"),
        remedy: order.remedy.as_deref().unwrap_or("look at the order"),
    }
}
