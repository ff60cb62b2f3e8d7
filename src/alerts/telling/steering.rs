//! To the operator: mails of ours that are held, and addresses that they do not reach.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Told;
use crate::{
    alerts::mail::{LapseStorm, LapseStormResolved, RecipientRefused, RecipientRefusedResolved},
    provider::Provider,
    store::{self, accounts, alerts::Alert, mails::Step, storms},
};

type Tale = Result<Result<Option<Told>, String>, store::Error>;

/// Very many lapses at once.
pub(super) async fn storm(conn: &mut PgConnection, alert: &Alert, step: Step, now: DateTime<Utc>) -> Tale {
    let provider = alert.provider.unwrap_or(Provider::Quickbooks);
    let since = serde_json::from_value(alert.detail["since"].clone()).unwrap_or(alert.opened_at);
    let rendered = if step == Step::Resolved {
        LapseStormResolved { provider, since, until: alert.resolved_at.unwrap_or(now) }.render()
    } else {
        let strength = storms::strength(conn, provider, since).await?;
        let causes = strength.causes.iter().map(|(cause, count)| (*cause, count.unsigned_abs())).collect();
        LapseStorm { provider, causes, held: strength.held.unsigned_abs(), since }.render()
    };
    Ok(rendered.map(to_operator).map_err(|error| error.to_string()))
}

/// An owner's address that is refused.
pub(super) async fn refused(conn: &mut PgConnection, alert: &Alert, step: Step, now: DateTime<Utc>) -> Tale {
    let Some(connection_id) = alert.connection_id else { return Ok(Ok(None)) };
    let account = accounts::of_connection(conn, connection_id).await?;
    let (name, address, since) = (account.name.as_str(), account.owner_email.as_str(), alert.opened_at);
    let rendered = if step == Step::Resolved {
        let until = alert.resolved_at.unwrap_or(now);
        RecipientRefusedResolved { account: name, address, since, until }.render()
    } else {
        let said = alert.detail["message"].as_str().unwrap_or("no reason was kept");
        RecipientRefused { account: name, address, said, since }.render()
    };
    Ok(rendered.map(to_operator).map_err(|error| error.to_string()))
}

fn to_operator(rendered: crate::alerts::mail::Rendered) -> Option<Told> {
    Some(Told { rendered, recipient_name: None })
}
