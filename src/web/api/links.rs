//! Links for owners: each opens one thing of one account without a login, runs out, and can be made void.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    accounts::row,
    asked::{Content, Path},
    caller::{Caller, Manages},
    problem::{Kind, Problem},
};
use crate::{links::by_hand, provider::Provider, web::Web};

/// What a link is to connect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"provider": "quickbooks"}))]
pub(super) struct NewConnectLink {
    /// With whom.
    provider: Provider,
}

/// A link that connects or reconnects an account; whoever opens it needs no login.
#[derive(Serialize, ToSchema)]
pub(super) struct ConnectLink {
    /// To be sent to the owner.
    url: String,
    /// The account.
    account_id: Uuid,
    /// With whom.
    provider: Provider,
    /// Until when it works.
    expires_at: DateTime<Utc>,
}

/// Make a link that connects or reconnects an account, to be sent to its owner.
#[utoipa::path(post, path = "/api/v1/accounts/{account_id}/connect-links", tag = "connections",
    request_body = NewConnectLink, params(("account_id" = Uuid, Path, description = "The account")),
    security(("key" = ["manage"])), responses(
        (status = 201, description = "The link", body = ConnectLink),
        (status = 409, description = "The provider is not configured")))]
pub(super) async fn make_connect_link(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    Content(wanted): Content<NewConnectLink>,
) -> Result<(StatusCode, Json<ConnectLink>), Problem> {
    caller.admitted(id, "account")?;
    let provider = wanted.provider;
    let mut conn = web.pool.acquire().await?;
    let row = row(&mut conn, id).await?;
    if web.providers.settings(provider).is_none() {
        return Err(Problem::new(
            Kind::Conflict,
            format!("{} is not configured, so no link to it can work", provider.title()),
            format!("set providers.{provider}.client_id and client_secret"),
        ));
    }
    let (url, link) =
        by_hand::connect(&mut conn, &web.links, row.whose(), provider, &caller.actor(), caller.now).await?;
    let made = ConnectLink { url: url.into(), account_id: id, provider, expires_at: link.expires_at };
    Ok((StatusCode::CREATED, Json(made)))
}

/// A link to an owner's page; whoever opens it needs no login.
#[derive(Serialize, ToSchema)]
pub(super) struct PageLink {
    /// To be sent to the owner, and to nobody else.
    url: String,
    /// The account.
    account_id: Uuid,
    /// Until when it works.
    expires_at: DateTime<Utc>,
}

/// Make a link to the owner's page: what is connected, what waits, and buttons that reconnect, disconnect and send again.
#[utoipa::path(post, path = "/api/v1/accounts/{account_id}/page-links", tag = "accounts",
    params(("account_id" = Uuid, Path, description = "The account")), security(("key" = ["manage"])),
    responses((status = 201, description = "The link", body = PageLink)))]
pub(super) async fn make_page_link(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<PageLink>), Problem> {
    caller.admitted(id, "account")?;
    let mut conn = web.pool.acquire().await?;
    let row = row(&mut conn, id).await?;
    let (url, link) = by_hand::owners_page(&mut conn, &web.links, row.whose(), &caller.actor(), caller.now).await?;
    let made = PageLink { url: url.into(), account_id: id, expires_at: link.expires_at };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Which links work no more.
#[derive(Serialize, ToSchema)]
pub(super) struct Revoked {
    /// The account.
    account_id: Uuid,
    /// Those that were made until then.
    revoked_until: DateTime<Utc>,
}

/// Make void every link that was made for an account until now, those in mails too. The next mail carries a new one.
#[utoipa::path(post, path = "/api/v1/accounts/{account_id}/revoke-links", tag = "accounts",
    params(("account_id" = Uuid, Path, description = "The account")), security(("key" = ["manage"])),
    responses((status = 200, description = "They are void", body = Revoked)))]
pub(super) async fn revoke_links(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
) -> Result<Json<Revoked>, Problem> {
    caller.admitted(id, "account")?;
    let mut conn = web.pool.acquire().await?;
    let row = row(&mut conn, id).await?;
    by_hand::revoke(&mut conn, row.whose(), &caller.actor(), caller.now).await?;
    Ok(Json(Revoked { account_id: id, revoked_until: caller.now }))
}
