//! Authorizations in progress in somebody's browser: single use, short-lived, bound to that browser.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::provider::Provider;

/// An authorization that was begun here.
#[derive(Debug)]
pub struct OauthState {
    /// For whom.
    pub account_id: Uuid,
    /// With whom.
    pub provider: Provider,
}

/// What a callback's `state` turned out to be.
#[derive(Debug)]
pub enum Taken {
    /// Ours, fresh, from this browser; it is used up now.
    Fresh(OauthState),
    /// Ours, but its time is over.
    Expired(OauthState),
    /// Ours, but it was used before.
    Used(OauthState),
    /// Ours, but the links of its account were revoked since it was begun.
    Revoked,
    /// Begun in another browser, or never begun here.
    Unknown,
}

/// Remembers an authorization that begins, and forgets the long expired ones.
///
/// # Errors
/// Database trouble.
pub async fn begin(
    conn: &mut PgConnection,
    state_hash: &[u8],
    browser_hash: &[u8],
    state: &OauthState,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "with forgotten as (delete from oauth_states where expires_at < $6::timestamptz - interval '1 day')
         insert into oauth_states (state_hash, browser_hash, account_id, provider, created_at, expires_at)
         values ($1, $2, $3, $4, $6, $5)",
        state_hash,
        browser_hash,
        state.account_id,
        state.provider as Provider,
        expires_at,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Uses a state up, if it is fresh and belongs to this browser. Another browser cannot use it up.
///
/// # Errors
/// Database trouble.
pub async fn take(
    conn: &mut PgConnection,
    state_hash: &[u8],
    browser_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Taken, Error> {
    let row = sqlx::query!(
        r#"with taken as (
               update oauth_states set used_at = $3
               where state_hash = $1 and browser_hash = $2 and used_at is null and expires_at > $3
               returning state_hash
           )
           select account_id, provider as "provider: Provider",
                  used_at is null and expires_at <= $3 as "expired!",
                  exists (select from accounts a
                          where a.id = oauth_states.account_id and a.links_revoked_at >= oauth_states.created_at) as "revoked!",
                  exists (select from taken) as "fresh!"
           from oauth_states where state_hash = $1 and browser_hash = $2"#,
        state_hash,
        browser_hash,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        None => Taken::Unknown,
        Some(row) => {
            let state = OauthState { account_id: row.account_id, provider: row.provider };
            match (row.fresh, row.expired) {
                _ if row.revoked => Taken::Revoked,
                (true, _) => Taken::Fresh(state),
                (false, true) => Taken::Expired(state),
                (false, false) => Taken::Used(state),
            }
        }
    })
}
