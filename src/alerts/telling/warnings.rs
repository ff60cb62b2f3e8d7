//! From a warning of what runs out to its mail. What has been put right or overtaken since the mail was queued is not
//! warned of any more.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{Told, Whose, whose};
use crate::{
    alerts::mail::{
        Call, OwnersPage, Reason, Rendered, RunningOut, RunningOutResolved, WindowNear, WindowNearResolved,
    },
    config,
    keeper::warnings,
    links::ReconnectLinks,
    provider::{Endpoint, Provider},
    store::{
        self, alerts::Alert, connections::Status, mails::Step, outages, spends::Outcome, warnings as tables, windows,
    },
};

type Tale = Result<Result<Option<Told>, String>, store::Error>;

/// The hard cap of a connection, to its owner. `told` is whether an earlier mail of the warning was sent.
pub(super) async fn to_owner(
    conn: &mut PgConnection,
    alert: &Alert,
    (step, told): (Step, bool),
    links: &ReconnectLinks,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Tale {
    let Some(Whose { connection, account, page }) = whose(conn, alert, links, now).await? else {
        return Ok(Err("its connection is gone".to_owned()));
    };
    let (connection_id, support_contact) = (connection.id, config.support_contact.as_deref());
    let page = OwnersPage { url: page.0.as_str(), works_until: page.1 };
    let rendered = match call(step) {
        Some(call) => {
            let works = matches!(connection.status, Status::Connected | Status::Failing);
            let open = tables::open_cap(conn, connection_id).await?;
            let end = open.map(|cap| cap.ends_at.unwrap_or(cap.told_end));
            let Some(ends_at) = end.filter(|end| works && *end > now) else { return Ok(Ok(None)) };
            let (url, link) = links.make(account.id, connection.provider, now);
            RunningOut {
                account: &account.name,
                owner_name: &account.owner_name,
                provider: connection.provider,
                company: &connection.company_name,
                call,
                is_first: !told,
                ends_at,
                left: ends_at - now,
                reconnect_url: url.as_str(),
                link_expires_at: link.expires_at,
                support_contact,
                page,
            }
            .render()
        }
        None => RunningOutResolved {
            account: &account.name,
            owner_name: &account.owner_name,
            provider: connection.provider,
            company: &connection.company_name,
            renewed_at: alert.resolved_at.unwrap_or(now),
            ends_at: serde_json::from_value(alert.detail["new_end"].clone()).unwrap_or(None),
            support_contact,
            page,
        }
        .render(),
    };
    let recipient_name = Some(account.owner_name).filter(|name| !name.trim().is_empty());
    Ok(rendered.map(|rendered| Some(Told { rendered, recipient_name })).map_err(|error| error.to_string()))
}

/// The refresh windows of a provider, to the operator.
pub(super) async fn to_operator(
    conn: &mut PgConnection,
    alert: &Alert,
    (step, told): (Step, bool),
    now: DateTime<Utc>,
) -> Tale {
    let provider = alert.provider.unwrap_or(Provider::Quickbooks);
    let rendered = match call(step) {
        Some(call) => match windows_now(conn, provider, (call, !told), now).await? {
            Some(rendered) => rendered,
            None => return Ok(Ok(None)),
        },
        None => {
            let until = alert.resolved_at.unwrap_or(now);
            let lost = windows::lost(conn, provider, alert.opened_at).await?.unsigned_abs();
            WindowNearResolved { provider, since: alert.opened_at, until, lost }.render()
        }
    };
    let told = |rendered| Some(Told { rendered, recipient_name: None });
    Ok(rendered.map(told).map_err(|error| error.to_string()))
}

async fn windows_now(
    conn: &mut PgConnection,
    provider: Provider,
    (call, is_first): (Call, bool),
    now: DateTime<Utc>,
) -> Result<Option<Result<Rendered, askama::Error>>, store::Error> {
    let at_risk = windows::at_risk(conn, warnings::window_bounds(now)).await?;
    let groups: Vec<_> = at_risk.iter().filter(|group| group.provider == provider).collect();
    let Some(earliest) = groups.iter().filter_map(|group| group.earliest).min() else { return Ok(None) };
    let latest = outages::latest(conn, provider, Endpoint::Tokens).await?;
    let is_out = latest.is_some_and(|outage| outage.closed_at.is_none());
    let main = groups.first();
    let reason = match main.and_then(|group| group.outcome) {
        _ if is_out => Reason::Outage,
        Some(Outcome::OperatorFault) => Reason::OurFault,
        Some(Outcome::SetAside) => Reason::SetAside,
        Some(_) => Reason::Failing,
        None => Reason::NotTried,
    };
    let connections = groups.iter().map(|group| group.connections.unsigned_abs()).sum();
    let with_reason = main.map_or(0, |group| group.connections.unsigned_abs());
    let evidence = main.and_then(|group| group.code.as_deref().or(group.rule.as_deref()));
    let left: TimeDelta = earliest - now;
    let mail = WindowNear { provider, call, is_first, connections, earliest, left, reason, with_reason, evidence };
    Ok(Some(mail.render()))
}

fn call(step: Step) -> Option<Call> {
    match step {
        Step::Opened => Some(Call::First),
        Step::Reminder => Some(Call::Reminder),
        Step::LastCall => Some(Call::Last),
        Step::Resolved => None,
    }
}
