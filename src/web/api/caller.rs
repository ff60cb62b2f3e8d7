//! Who asks: the key of a request is looked at before anything else of it is believed, and never logged.

use std::marker::PhantomData;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::PgConnection;
use uuid::Uuid;

use super::problem::{Kind, Problem};
use crate::{
    api_keys::{self, Holder, Refused, Scope},
    store::audit_log::{self, Actor, Deed},
    web::Web,
    words,
};

/// A scope as a type, so that a handler names the one that it needs.
pub(super) trait Needs: Send + Sync {
    const SCOPE: Scope;
}

/// Needs `orders:write`.
pub(super) struct Sends;
/// Needs `read`.
pub(super) struct Reads;
/// Needs `manage`.
pub(super) struct Manages;
/// Needs `tokens`.
pub(super) struct Fetches;

impl Needs for Sends {
    const SCOPE: Scope = Scope::OrdersWrite;
}
impl Needs for Reads {
    const SCOPE: Scope = Scope::Read;
}
impl Needs for Manages {
    const SCOPE: Scope = Scope::Manage;
}
impl Needs for Fetches {
    const SCOPE: Scope = Scope::Tokens;
}

/// The holder of a key that works and has the scope.
pub(super) struct Caller<S> {
    pub(super) holder: Holder,
    pub(super) now: DateTime<Utc>,
    scope: PhantomData<S>,
}

impl<S: Needs> FromRequestParts<Web> for Caller<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let key = bearer(&parts.headers).ok_or_else(|| refused("the request carries no API key"))?;
        let now = web.clock.now();
        let opened = api_keys::open(&mut *web.pool.acquire().await?, &key, now).await?;
        let holder = opened.map_err(|why| match why {
            Refused::Unknown => refused("this is no API key of ours"),
            Refused::Revoked(at) => refused(&format!("this API key was revoked on {}", words::instant(at))),
            Refused::Expired(at) => refused(&format!("this API key ran out on {}", words::instant(at))),
        })?;
        web.api.rate.check(&holder.prefix)?;
        if !holder.scopes.contains(&S::SCOPE) {
            let has: Vec<_> = holder.scopes.iter().map(|scope| scope.as_str()).collect();
            return Err(Problem::new(
                Kind::Scope,
                format!("this takes the scope {}; the key {} has {}", S::SCOPE.as_str(), holder.prefix, has.join(", ")),
                format!("make one that may: lamplighter apikey add NAME --scope {}", S::SCOPE.as_str()),
            ));
        }
        Ok(Self { holder, now, scope: PhantomData })
    }
}

impl<S> Caller<S> {
    /// The account to which a list is confined: the key's own, or the one that was asked for.
    pub(super) fn confined(&self, asked: Option<Uuid>) -> Result<Option<Uuid>, Problem> {
        if let Some(asked) = asked {
            self.admitted(asked, "account")?;
        }
        Ok(self.holder.account_id.or(asked))
    }

    /// What belongs to another account is not there for this key.
    pub(super) fn admitted(&self, account_id: Uuid, noun: &str) -> Result<(), Problem> {
        if self.holder.is_for(account_id) { Ok(()) } else { Err(missing(noun)) }
    }

    /// For what concerns all accounts.
    pub(super) fn for_all(&self) -> Result<(), Problem> {
        match self.holder.account_id {
            None => Ok(()),
            Some(_) => Err(Problem::new(
                Kind::Scope,
                "this concerns all accounts, and the key is for one",
                "make one for all: lamplighter apikey add NAME --scope SCOPE, without --account",
            )),
        }
    }

    /// Who does what the caller does.
    pub(super) fn actor(&self) -> Actor {
        self.holder.actor()
    }

    /// Writes down what the caller does, in the transaction of the deed.
    pub(super) async fn record(&self, conn: &mut PgConnection, deed: &Deed<'_>) -> Result<(), Problem> {
        Ok(audit_log::record(conn, &self.actor(), deed, self.now).await?)
    }
}

/// There is none, or none for this key: which of both is nobody's business.
pub(super) fn missing(noun: &str) -> Problem {
    Problem::not_found(noun, format!("take its id from the list: GET /api/v1/{noun}s"))
}

fn refused(detail: &str) -> Problem {
    let remedy = "send `Authorization: Bearer KEY` with a key that `lamplighter apikey add` made and that still works";
    Problem::new(Kind::Key, detail, remedy)
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretString::from(key.trim()))
}
