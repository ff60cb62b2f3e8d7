//! From an alert in the tables to the mail that tells of it. Rendered when it is sent, so that the link is fresh and the
//! numbers are today's.

/// Orders that wait for a person.
mod orders;

/// Mails that are held, and addresses that they do not reach.
mod steering;

/// Warnings of what runs out.
mod warnings;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use super::mail::{
    Lapsed, OperatorFault, OperatorFaultResolved, OutageClosed, OutageOpened, Recovered, Reminder, Rendered,
    RestoreFence, RestoreFenceOpened, SpoolTrouble, SpoolWell, TokensOpenAgain, TokensSetAside, WebhookGivenUp,
    WebhookTakes,
};
use crate::{
    config,
    links::ReconnectLinks,
    provider::{Cause, Endpoint, Provider},
    store::{
        self, accounts,
        alerts::{self, Alert, Kind},
        connections, mails, order_log,
        set_asides::{self, Resting},
        tokens,
    },
};

/// The most companies that one mail names.
const NAMED: i64 = 5;

/// How long an all-clear waits for what was missed to be caught up, so that it can say so.
const CATCH_UP: TimeDelta = TimeDelta::minutes(2);
/// How often there is a look meanwhile.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// What is done with a mail that is due.
pub(super) enum Tale {
    /// It goes out.
    Send(Told),
    /// It would ask for what is done already, or for what nobody wants to hear.
    Drop,
    /// There will be more to say then.
    Wait(DateTime<Utc>),
}

/// A mail's content and how its recipient is called.
pub(super) struct Told {
    pub(super) rendered: Rendered,
    pub(super) recipient_name: Option<String>,
}

/// Renders a queued mail, if it is still of use. The inner error says why it cannot be rendered.
pub(super) async fn tell(
    conn: &mut PgConnection,
    mail: &mails::Claim,
    links: &ReconnectLinks,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Result<Result<Tale, String>, store::Error> {
    let Some(alert) = alerts::get(conn, mail.alert_id).await? else {
        return Ok(Err("its alert is gone".to_owned()));
    };
    if mail.step != mails::Step::Resolved && alert.resolved_at.is_some() {
        return Ok(Ok(Tale::Drop));
    }
    if matches!(mail.step, mails::Step::Reminder | mails::Step::LastCall) && alert.is_quiet(now) {
        return Ok(Ok(Tale::Drop));
    }
    match alert.kind {
        Kind::ConnectionLapsed => {
            return to_owner(conn, &alert, mail, links, config, now).await;
        }
        Kind::HardCapNear => {
            return Ok(warnings::to_owner(conn, &alert, mail.step, links, config, now).await?.map(sent_or_dropped));
        }
        Kind::RefreshWindowNear => {
            return Ok(warnings::to_operator(conn, &alert, mail.step, now).await?.map(sent_or_dropped));
        }
        Kind::OrdersParked => {
            return Ok(orders::to_operator(conn, &alert, mail.step, now).await?.map(sent_or_dropped));
        }
        Kind::OrdersForOwner => {
            return Ok(orders::to_owner(conn, &alert, mail.step, links, config, now).await?.map(sent_or_dropped));
        }
        Kind::LapseStorm => {
            return Ok(steering::storm(conn, &alert, mail.step, now).await?.map(sent_or_dropped));
        }
        Kind::RecipientRefused => {
            return Ok(steering::refused(conn, &alert, mail.step, now).await?.map(sent_or_dropped));
        }
        // Nobody can be mailed that mail does not work.
        Kind::SmtpAway => return Ok(Ok(Tale::Drop)),
        Kind::OperatorFault | Kind::Outage | Kind::TokenSetAside | Kind::RestoreFence => {}
    }
    let waiting = match alert.kind {
        Kind::TokenSetAside => set_asides::resting(conn, alert.detail["key_id"].as_str(), NAMED).await?,
        _ => Resting::default(),
    };
    let rendered = to_operator(&alert, mail.step, waiting, now).map_err(|error| error.to_string());
    Ok(rendered.map(|rendered| Tale::Send(Told { rendered, recipient_name: None })))
}

fn sent_or_dropped(told: Option<Told>) -> Tale {
    told.map_or(Tale::Drop, Tale::Send)
}

async fn to_owner(
    conn: &mut PgConnection,
    alert: &Alert,
    mail: &mails::Claim,
    links: &ReconnectLinks,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Result<Result<Tale, String>, store::Error> {
    let missing = || Ok(Err("its connection is gone".to_owned()));
    let Some(connection_id) = alert.connection_id else { return missing() };
    let Some(connection) = connections::get(conn, connection_id).await? else { return missing() };
    let account = accounts::of_connection(conn, connection_id).await?;
    let support_contact = config.support_contact.as_deref();
    let page = links.make_owners(account.id, now).0;
    let page_url = page.as_str();
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
                page_url,
                correlation_id: alert.detail["evidence"]["correlation_id"].as_str(),
                reminder: Some(reminder).filter(|_| mail.step != mails::Step::Opened),
            }
            .render()
        }
        mails::Step::Resolved => {
            let recovered_at = alert.resolved_at.unwrap_or(now);
            let waiting_orders = order_log::count_waiting(conn, Some(account.id)).await?.unsigned_abs();
            let posted_orders = order_log::count_posted_since(conn, account.id, recovered_at).await?.unsigned_abs();
            let missed = number(&alert.detail, "waiting_orders_at_recovery");
            if waiting_orders > 0 && posted_orders < missed && now < recovered_at + CATCH_UP {
                return Ok(Ok(Tale::Wait(now + LOOK_AGAIN)));
            }
            Recovered {
                account: &account.name,
                owner_name: &account.owner_name,
                provider: connection.provider,
                company: &connection.company_name,
                recovered_at,
                lapsed_at: alert.opened_at,
                posted_orders,
                waiting_orders,
                support_contact,
                page_url,
            }
            .render()
        }
    };
    let recipient_name = Some(account.owner_name).filter(|name| !name.trim().is_empty());
    let told = |rendered| Tale::Send(Told { rendered, recipient_name });
    Ok(rendered.map(told).map_err(|error| error.to_string()))
}

/// `resting` are the tokens that the alert is about, if it is about tokens that do not open.
fn to_operator(
    alert: &Alert,
    step: mails::Step,
    resting: Resting,
    now: DateTime<Utc>,
) -> Result<Rendered, askama::Error> {
    let detail = &alert.detail;
    let provider = alert.provider.unwrap_or(Provider::Quickbooks);
    let rule = detail["rule"].as_str().unwrap_or("unknown");
    let over_at = alert.resolved_at.unwrap_or(now);
    let endpoint = serde_json::from_value(detail["endpoint"].clone()).unwrap_or(Endpoint::Api);
    if let Some(host) = detail["webhook_host"].as_str() {
        let id = detail["webhook_id"].as_str().unwrap_or("");
        return match step {
            mails::Step::Resolved => WebhookTakes { host, id, since: alert.opened_at, until: over_at }.render(),
            _ => {
                let [words, event] = ["message", "event"].map(|key| detail[key].as_str().unwrap_or(""));
                let (is_gone, given_up_at) = (rule == "webhook_gone", alert.opened_at);
                WebhookGivenUp { host, id, event, words, is_gone, given_up_at }.render()
            }
        };
    }
    if let Some(host) = detail["spool_host"].as_str() {
        let (directory, since) = (detail["spool_directory"].as_str().unwrap_or("data_dir/spool"), alert.opened_at);
        return match step {
            mails::Step::Resolved => SpoolWell { host, directory, since, until: over_at }.render(),
            _ => {
                let words = detail["message"].as_str().unwrap_or("");
                SpoolTrouble { host, directory, rule, words, since }.render()
            }
        };
    }
    match (alert.kind, step == mails::Step::Resolved) {
        (Kind::Outage, false) => OutageOpened {
            provider,
            endpoint,
            since: alert.opened_at,
            evidence: detail["evidence"].as_str().unwrap_or(""),
            waiting_orders: number(detail, "waiting_orders"),
        }
        .render(),
        (Kind::Outage, true) => OutageClosed {
            provider,
            endpoint,
            since: alert.opened_at,
            until: over_at,
            waiting_orders: number(detail, "waiting_orders_at_recovery"),
        }
        .render(),
        (Kind::RestoreFence, false) => RestoreFence {
            found: detail["words"].as_str().unwrap_or("the database is not the one that was worked on"),
            daemon: detail["daemon"].as_str().unwrap_or("unknown"),
            found_at: alert.opened_at,
        }
        .render(),
        (Kind::RestoreFence, true) => {
            let accepted = detail["accepted"].as_bool().unwrap_or(false);
            RestoreFenceOpened { found_at: alert.opened_at, opened_at: over_at, accepted }.render()
        }
        (Kind::TokenSetAside, false) => TokensSetAside {
            key_id: detail["key_id"].as_str(),
            connections: resting.count,
            companies: resting.companies,
            first_seen_at: alert.opened_at,
        }
        .render(),
        (Kind::TokenSetAside, true) => {
            TokensOpenAgain { key_id: detail["key_id"].as_str(), first_seen_at: alert.opened_at, resolved_at: over_at }
                .render()
        }
        (_, false) => OperatorFault {
            provider,
            rule,
            code: detail["code"].as_str(),
            message: detail["message"].as_str().unwrap_or(""),
            first_seen_at: alert.opened_at,
            connections_touched: u64::from(alert.connection_id.is_some()),
            remedy: "Check the provider's client id and secret, the redirect URI registered there, and this machine's \
                     clock, DNS and TLS. Renewals go on by themselves once it works.",
            correlation_id: detail["correlation_id"].as_str(),
        }
        .render(),
        (_, true) => {
            OperatorFaultResolved { provider, rule, first_seen_at: alert.opened_at, resolved_at: over_at }.render()
        }
    }
}

fn number(detail: &Value, name: &str) -> u64 {
    detail[name].as_u64().unwrap_or(0)
}
