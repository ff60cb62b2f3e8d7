//! Links that people make and make void by hand. Each stands in the audit log, and none is made that does not.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use url::Url;
use uuid::Uuid;

use super::{Link, OwnerLink, ReconnectLinks};
use crate::{
    provider::Provider,
    store::{
        Error,
        accounts::{self, Whose},
        audit_log::{self, Actor, Deed},
        fresh_links,
    },
};

/// An owner is mailed a fresh link at most so often.
const MAIL_EVERY: TimeDelta = TimeDelta::hours(1);

/// A link that connects or reconnects an account.
///
/// # Errors
/// Database trouble.
pub async fn connect(
    conn: &mut PgConnection,
    links: &ReconnectLinks,
    whose: Whose<'_>,
    provider: Provider,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(Url, Link), Error> {
    let (url, link) = links.make(whose.id, provider, now);
    let detail = json!({ "provider": provider, "expires_at": link.expires_at });
    let deed = Deed { action: "connection.link", account_id: Some(whose.id), subject: whose.name, detail };
    audit_log::record(conn, actor, &deed, now).await?;
    Ok((url, link))
}

/// A link to the owner's page.
///
/// # Errors
/// Database trouble.
pub async fn owners_page(
    conn: &mut PgConnection,
    links: &ReconnectLinks,
    whose: Whose<'_>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(Url, OwnerLink), Error> {
    let (url, link) = links.make_owners(whose.id, now);
    let detail = json!({ "expires_at": link.expires_at });
    let deed = Deed { action: "account.page_link", account_id: Some(whose.id), subject: whose.name, detail };
    audit_log::record(conn, actor, &deed, now).await?;
    Ok((url, link))
}

/// Has a fresh link to the owner's page mailed to the owner, because somebody with an old link asks. `false` when one was
/// mailed within the hour, or there is no such account.
///
/// # Errors
/// Database trouble.
pub async fn mail(conn: &mut PgConnection, account_id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    let mut tx = conn.begin().await?;
    let Some(name) = fresh_links::ask(&mut tx, account_id, now - MAIL_EVERY, now).await? else { return Ok(false) };
    let deed = Deed { action: "account.mail_link", account_id: Some(account_id), subject: &name, detail: json!({}) };
    audit_log::record(&mut tx, &Actor::Owner, &deed, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Makes all links void that were made for an account up to now, those in mails too.
///
/// # Errors
/// Database trouble.
pub async fn revoke(conn: &mut PgConnection, whose: Whose<'_>, actor: &Actor, now: DateTime<Utc>) -> Result<(), Error> {
    let mut tx = conn.begin().await?;
    accounts::revoke_links(&mut tx, whose.id, now).await?;
    let deed =
        Deed { action: "account.revoke_links", account_id: Some(whose.id), subject: whose.name, detail: json!({}) };
    audit_log::record(&mut tx, actor, &deed, now).await?;
    Ok(tx.commit().await?)
}
