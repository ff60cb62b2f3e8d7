//! From an alert in the tables to the mail that tells of it. Rendered when it is sent, so that the link is fresh and the
//! numbers are today's.

/// Warnings of what runs out.
mod warnings;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use super::mail::{
    Lapsed, OperatorFault, OperatorFaultResolved, OutageClosed, OutageOpened, Recovered, Rendered, RestoreFence,
    RestoreFenceOpened, TokensOpenAgain, TokensSetAside, WebhookGivenUp, WebhookTakes,
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

/// A mail's content and how its recipient is called.
pub(super) struct Told {
    pub(super) rendered: Rendered,
    pub(super) recipient_name: Option<String>,
}

/// Renders a queued mail; nothing if it would ask for what is done already. The inner error says why it cannot be
/// rendered.
pub(super) async fn tell(
    conn: &mut PgConnection,
    mail: &mails::Claim,
    links: &ReconnectLinks,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Result<Result<Option<Told>, String>, store::Error> {
    let Some(alert) = alerts::get(conn, mail.alert_id).await? else {
        return Ok(Err("its alert is gone".to_owned()));
    };
    if mail.step != mails::Step::Resolved && alert.resolved_at.is_some() {
        return Ok(Ok(None));
    }
    match alert.kind {
        Kind::ConnectionLapsed => {
            return Ok(to_owner(conn, &alert, mail.step, links, config, now).await?.map(Some));
        }
        Kind::HardCapNear => return warnings::to_owner(conn, &alert, mail.step, links, config, now).await,
        Kind::RefreshWindowNear => return warnings::to_operator(conn, &alert, mail.step, now).await,
        Kind::OperatorFault | Kind::Outage | Kind::TokenSetAside | Kind::RestoreFence => {}
    }
    let waiting = match alert.kind {
        Kind::TokenSetAside => set_asides::resting(conn, alert.detail["key_id"].as_str(), NAMED).await?,
        _ => Resting::default(),
    };
    let rendered = to_operator(&alert, mail.step, waiting, now).map_err(|error| error.to_string());
    Ok(rendered.map(|rendered| Some(Told { rendered, recipient_name: None })))
}

async fn to_owner(
    conn: &mut PgConnection,
    alert: &Alert,
    step: mails::Step,
    links: &ReconnectLinks,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Result<Result<Told, String>, store::Error> {
    let missing = || Ok(Err("its connection is gone".to_owned()));
    let Some(connection_id) = alert.connection_id else { return missing() };
    let Some(connection) = connections::get(conn, connection_id).await? else { return missing() };
    let account = accounts::of_connection(conn, connection_id).await?;
    let support_contact = config.support_contact.as_deref();
    let rendered = match step {
        mails::Step::Opened | mails::Step::Reminder | mails::Step::LastCall => {
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
                correlation_id: alert.detail["evidence"]["correlation_id"].as_str(),
            }
            .render()
        }
        mails::Step::Resolved => Recovered {
            account: &account.name,
            owner_name: &account.owner_name,
            provider: connection.provider,
            company: &connection.company_name,
            recovered_at: alert.resolved_at.unwrap_or(now),
            lapsed_at: alert.opened_at,
            waiting_orders: number(&alert.detail, "waiting_orders_at_recovery"),
            support_contact,
        }
        .render(),
    };
    let recipient_name = Some(account.owner_name).filter(|name| !name.trim().is_empty());
    Ok(rendered.map(|rendered| Told { rendered, recipient_name }).map_err(|error| error.to_string()))
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
                let words = detail["message"].as_str().unwrap_or("");
                let event = detail["event"].as_str().unwrap_or("");
                WebhookGivenUp { host, id, event, words, given_up_at: alert.opened_at }.render()
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
