//! From an owner's wish for a fresh link to the mail that carries it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Told;
use crate::{
    alerts::mail::{FreshLink, OwnersPage},
    config,
    links::ReconnectLinks,
    store::{self, accounts, alerts::Alert},
};

pub(super) async fn to_owner(
    conn: &mut PgConnection,
    alert: &Alert,
    links: &ReconnectLinks,
    config: &config::Alerts,
    now: DateTime<Utc>,
) -> Result<Result<Option<Told>, String>, store::Error> {
    let account_id = alert.detail["account_id"].as_str().unwrap_or_default();
    let Some(account) = accounts::find(conn, account_id).await? else { return Ok(Ok(None)) };
    let (url, link) = links.make_owners(account.id, now);
    let mail = FreshLink {
        account: &account.name,
        owner_name: &account.owner_name,
        asked_at: alert.opened_at,
        support_contact: config.support_contact.as_deref(),
        page: OwnersPage { url: url.as_str(), works_until: link.expires_at },
    };
    let rendered = mail.render();
    let recipient_name = Some(account.owner_name).filter(|name| !name.trim().is_empty());
    Ok(rendered.map(|rendered| Some(Told { rendered, recipient_name })).map_err(|error| error.to_string()))
}
