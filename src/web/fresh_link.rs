//! A link that has run out is no dead end: whoever holds it may have a fresh one mailed to the owner's stored address.
//!
//! Nothing on these pages leads further or tells whether there was an account, so an old link in the wrong hands is of no
//! more use than before; and the owner is mailed once an hour at most, however often it is asked.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::Response,
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Error, Web, pages::MessagePage};
use crate::{
    links::{Refused, by_hand},
    store::accounts,
};

/// Asked with a reconnect link.
pub(super) async fn of_connect(
    State(web): State<Web>,
    token: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let asked = token.ok().and_then(|Path(token)| match web.links.read(&token, web.clock.now()) {
        Ok(link) | Err(Refused::Expired(link)) => Some((link.account_id, link.made_at)),
        Err(Refused::Invalid) => None,
    });
    answer(&web, asked).await
}

/// Asked with a link to the owner's page.
pub(super) async fn of_owner(
    State(web): State<Web>,
    token: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let asked = token.ok().and_then(|Path(token)| match web.links.read_owners(&token, web.clock.now()) {
        Ok(link) | Err(Refused::Expired(link)) => Some((link.account_id, Some(link.made_at))),
        Err(Refused::Invalid) => None,
    });
    answer(&web, asked).await
}

/// Whether a link of an account was made void.
pub(super) async fn is_revoked(web: &Web, account_id: Uuid, made_at: Option<DateTime<Utc>>) -> Result<bool, Error> {
    let mut conn = web.pool.acquire().await?;
    Ok(accounts::are_revoked(&mut conn, account_id, made_at).await?)
}

async fn answer(web: &Web, asked: Option<(Uuid, Option<DateTime<Utc>>)>) -> Result<Response, Error> {
    if let Some((account_id, made_at)) = asked {
        let mut conn = web.pool.acquire().await?;
        // A link that was made void is of no use for anything.
        let is_void = accounts::are_revoked(&mut conn, account_id, made_at).await?;
        let queued = !is_void && by_hand::mail(&mut conn, account_id, web.clock.now()).await?;
        drop(conn);
        if queued {
            (web.connected)();
        }
    }
    Ok(web.answer(StatusCode::OK, MessagePage::link_asked_for()))
}
