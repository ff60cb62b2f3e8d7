//! From a lapse to its mails. The all-clear waits for a moment, so that it can say what was caught up.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{LOOK_AGAIN, Tale, Told, Whose, whose};
use crate::{
    alerts::mail::{Lapsed, OwnersPage, Recovered, Reminder, Rendered},
    config,
    links::ReconnectLinks,
    provider::{Cause, Provider},
    store::{
        self,
        accounts::Account,
        alerts::Alert,
        connections::{self, Connection, Status},
        intakes, mails, order_log, tokens,
    },
};

/// How long an all-clear waits for what was missed to be caught up.
const CATCH_UP: TimeDelta = TimeDelta::minutes(2);

pub(super) async fn to_owner(
    conn: &mut PgConnection,
    alert: &Alert,
    (mail, told_before): (&mails::Claim, bool),
    links: &ReconnectLinks,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Result<Result<Tale, String>, store::Error> {
    let Some(Whose { connection, account, page }) = whose(conn, alert, links, now).await? else {
        return Ok(Err("its connection is gone".to_owned()));
    };
    let (connection_id, support_contact) = (connection.id, config.support_contact.as_deref());
    let page = OwnersPage { url: page.0.as_str(), works_until: page.1 };
    let rendered = match mail.step {
        mails::Step::Opened | mails::Step::Reminder | mails::Step::LastCall => {
            let is_last = usize::try_from(mail.number).is_ok_and(|rung| rung >= config.reminders.len());
            let reminder = Reminder { out_for: now - alert.opened_at, is_last };
            let waiting = order_log::count_waiting(conn, Some(account.id)).await?;
            let last_good_at = tokens::renewed_at(conn, connection_id).await?;
            let (url, link) = links.make(account.id, connection.provider, now);
            let cause = serde_json::from_value(alert.detail["cause"].clone()).unwrap_or(Cause::Revoked);
            Lapsed {
                account: &account.name,
                owner_name: &account.owner_name,
                provider: connection.provider,
                company: &connection.company_name,
                cause,
                happened_at: alert.opened_at,
                reconnect_url: url.as_str(),
                link_expires_at: link.expires_at,
                waiting_orders: u64::try_from(waiting).unwrap_or(0),
                last_good_at,
                support_contact,
                page,
                correlation_id: alert.detail["evidence"]["correlation_id"].as_str(),
                // Whoever was told nothing so far is not reminded of it.
                reminder: Some(reminder).filter(|_| mail.step != mails::Step::Opened && told_before),
            }
            .render()
        }
        mails::Step::Resolved => {
            match all_clear(conn, alert, &connection, &account, (page, support_contact), now).await? {
                Some(rendered) => rendered,
                None => return Ok(Ok(Tale::Wait(now + LOOK_AGAIN))),
            }
        }
    };
    let recipient_name = Some(account.owner_name).filter(|name| !name.trim().is_empty());
    let told = |rendered| Tale::Send(Told { rendered, recipient_name });
    Ok(rendered.map(told).map_err(|error| error.to_string()))
}

/// The all-clear; nothing while there will soon be more to say. What waited for QuickBooks is known when it is back; what
/// HubSpot holds is known once it was read.
async fn all_clear(
    conn: &mut PgConnection,
    alert: &Alert,
    connection: &Connection,
    account: &Account,
    (page, support_contact): (OwnersPage<'_>, Option<&str>),
    now: DateTime<Utc>,
) -> Result<Option<Result<Rendered, askama::Error>>, store::Error> {
    let recovered_at = alert.resolved_at.unwrap_or(now);
    let waiting_orders = order_log::count_waiting(conn, Some(account.id)).await?.unsigned_abs();
    let posted_orders = order_log::count_posted_since(conn, account.id, recovered_at).await?.unsigned_abs();
    let there = connections::of_account(conn, account.id).await?;
    let works = |provider| {
        there.iter().any(|one| one.provider == provider && matches!(one.status, Status::Connected | Status::Failing))
    };
    let missing = Provider::ALL.into_iter().find(|other| *other != connection.provider && !works(*other));
    let (is_read, is_caught_up) = match connection.provider {
        Provider::Quickbooks => {
            let missed = alert.detail["waiting_orders_at_recovery"].as_u64().unwrap_or(0);
            (true, waiting_orders == 0 || posted_orders >= missed)
        }
        Provider::Hubspot => {
            let is_read = intakes::was_read(conn, connection.id, recovered_at).await?;
            (is_read, is_read && (waiting_orders == 0 || missing.is_some()))
        }
    };
    if !is_caught_up && now < recovered_at + CATCH_UP {
        return Ok(None);
    }
    let mail = Recovered {
        account: &account.name,
        owner_name: &account.owner_name,
        provider: connection.provider,
        company: &connection.company_name,
        recovered_at,
        lapsed_at: alert.opened_at,
        posted_orders,
        waiting_orders,
        is_read,
        missing,
        support_contact,
        page,
    };
    Ok(Some(mail.render()))
}
