//! From an alert in the tables to the mail that tells of it. Rendered when it is sent, so that the link is fresh and the
//! numbers are today's.

/// Fresh links that owners ask for.
mod fresh_link;

/// Lapses, and that they are over.
mod lapses;

/// Orders that wait for a person.
mod orders;

/// Mails that are held, and addresses that they do not reach.
mod steering;

/// Warnings of what runs out.
mod warnings;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use url::Url;

use super::mail::{
    OperatorFault, OperatorFaultResolved, OutageClosed, OutageOpened, Rendered, RestoreFence, RestoreFenceOpened,
    SpoolTrouble, SpoolWell, TokensOpenAgain, TokensSetAside, WebhookGivenUp, WebhookTakes,
};
use crate::{
    config,
    links::ReconnectLinks,
    provider::{Endpoint, Provider},
    store::{
        self,
        accounts::{self, Account},
        alerts::{self, Alert, Kind},
        all_clears,
        connections::{self, Connection},
        mails,
        set_asides::{self, Resting},
        spends,
    },
};

/// The most companies that one mail names.
const NAMED: i64 = 5;

/// How often there is a look at what a mail waits for.
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
    let others = all_clears::others(conn, mail).await?;
    if alert.kind == Kind::LinkAsked {
        return Ok(fresh_link::to_owner(conn, &alert, links, config, now).await?.map(sent_or_dropped));
    }
    if mail.step == mails::Step::Resolved {
        if !others.wanted {
            return Ok(Ok(Tale::Drop));
        }
        // Whether there is anything to clear is known once that mail is sent or dropped.
        if others.under_way {
            return Ok(Ok(Tale::Wait(now + LOOK_AGAIN)));
        }
    } else if alert.resolved_at.is_some() {
        all_clears::withdraw(conn, mail).await?;
        return Ok(Ok(Tale::Drop));
    }
    if matches!(mail.step, mails::Step::Reminder | mails::Step::LastCall) && alert.is_quiet(now) {
        return Ok(Ok(Tale::Drop));
    }
    match alert.kind {
        Kind::ConnectionLapsed => {
            return lapses::to_owner(conn, &alert, (mail, others.told), links, config, now).await;
        }
        Kind::HardCapNear => {
            return Ok(warnings::to_owner(conn, &alert, (mail.step, others.told), links, config, now)
                .await?
                .map(sent_or_dropped));
        }
        Kind::RefreshWindowNear => {
            return Ok(warnings::to_operator(conn, &alert, (mail.step, others.told), now).await?.map(sent_or_dropped));
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
        Kind::SmtpAway | Kind::LinkAsked => return Ok(Ok(Tale::Drop)),
        Kind::OperatorFault | Kind::Outage | Kind::TokenSetAside | Kind::RestoreFence => {}
    }
    let waiting = match alert.kind {
        Kind::TokenSetAside => set_asides::resting(conn, alert.detail["key_id"].as_str(), NAMED).await?,
        _ => Resting::default(),
    };
    let met = match (alert.kind, alert.provider, alert.detail["rule"].as_str()) {
        (Kind::OperatorFault, Some(provider), Some(rule)) => {
            spends::met_fault(conn, provider, rule, alert.opened_at).await?
        }
        _ => 0,
    };
    let rendered = to_operator(&alert, mail.step, waiting, met, now).map_err(|error| error.to_string());
    Ok(rendered.map(|rendered| Tale::Send(Told { rendered, recipient_name: None })))
}

fn sent_or_dropped(told: Option<Told>) -> Tale {
    told.map_or(Tale::Drop, Tale::Send)
}

/// Whom a mail about a connection goes to.
struct Whose {
    connection: Connection,
    account: Account,
    /// A link to the owner's page, and until when it works.
    page: (Url, DateTime<Utc>),
}

/// The owner of the connection that an alert is about; nobody when it is gone.
async fn whose(
    conn: &mut PgConnection,
    alert: &Alert,
    links: &ReconnectLinks,
    now: DateTime<Utc>,
) -> Result<Option<Whose>, store::Error> {
    let Some(connection_id) = alert.connection_id else { return Ok(None) };
    let Some(connection) = connections::get(conn, connection_id).await? else { return Ok(None) };
    let account = accounts::of_connection(conn, connection_id).await?;
    let (page, link) = links.make_owners(account.id, now);
    Ok(Some(Whose { connection, account, page: (page, link.expires_at) }))
}

/// `resting` are the tokens that the alert is about, if it is about tokens that do not open; `met` is how many connections
/// were not renewed because of it, if it is about a fault of our own.
fn to_operator(
    alert: &Alert,
    step: mails::Step,
    resting: Resting,
    met: u64,
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
            connections_touched: met,
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

#[cfg(test)]
mod tests;
