//! A live access token for the operator's own services, so that none of them keeps grants of its own. Renewed first if it
//! must be, by the same protocol as always. A refresh token never leaves this house.

use std::time::Duration;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    asked::Path,
    caller::{Caller, Fetches, missing},
    connections::ended,
    problem::{Kind, Problem},
    under_way,
};
use crate::{
    keeper::access::Unavailable,
    provider::{Endpoint, Provider},
    store::{audit_log::Deed, dossiers, outages},
    web::Web,
};

/// A token that lasts for less is renewed before it is handed out: whoever asks wants to work with it.
const LEAST_LIFE: Duration = Duration::from_secs(60);

/// An access token that works now. Ask again when it is about to end, and never keep it elsewhere.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "access_token": "eyJhbGciOiJkaXIi", "token_type": "Bearer", "expires_at": "2026-11-20T15:00:00Z",
    "expires_in": 3240, "connection_id": "019aa7b3-21b0-7f00-9c11-7f2a4f3c0b22", "provider": "quickbooks",
    "environment": "production", "company_id": "4620816365212402417", "company_name": "Harbor Books",
    "api_url": "https://quickbooks.api.intuit.com/",
}))]
pub(super) struct AccessToken {
    /// To be sent as `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Its end.
    expires_at: DateTime<Utc>,
    /// In how many seconds that is.
    expires_in: i64,
    /// Of which connection.
    connection_id: Uuid,
    /// With whom.
    provider: Provider,
    /// `production` or `sandbox`.
    environment: String,
    /// Intuit's realm id or HubSpot's hub id.
    company_id: String,
    /// The company.
    company_name: String,
    /// Where the provider's API is.
    api_url: String,
}

/// Fetch a live access token of a connection, renewed first if it must be.
#[utoipa::path(post, path = "/api/v1/connections/{connection_id}/access-token", tag = "tokens",
    params(("connection_id" = Uuid, Path, description = "The connection")), security(("key" = ["tokens"])), responses(
        (status = 200, description = "The token; not to be cached", body = AccessToken,
            headers(("Cache-Control" = String, description = "`no-store`"))),
        (status = 409, description = "The connection has lapsed or is disconnected")))]
pub(super) async fn fetch_access_token(
    State(web): State<Web>,
    caller: Caller<Fetches>,
    Path(id): Path<Uuid>,
) -> Result<Json<AccessToken>, Problem> {
    let dossier = dossiers::get(&mut *web.pool.acquire().await?, id).await?.ok_or_else(|| missing("connection"))?;
    caller.admitted(dossier.account_id, "connection")?;
    if let Some(over) = ended(&dossier) {
        return Err(over);
    }
    let keeper = web.keeper.clone();
    let live = match under_way(&web, async move { keeper.access_token_lasting(id, LEAST_LIFE).await }).await? {
        Ok(live) => live,
        Err(reason) => return Err(why_not(&web, id, reason, caller.now).await?),
    };
    let Some(settings) = web.providers.settings(dossier.provider) else {
        return Err(Problem::new(
            Kind::HeldBack,
            format!("{} is not configured any more", dossier.provider.title()),
            format!("set providers.{}.client_id and client_secret", dossier.provider),
        ));
    };
    let api_url = settings.api_url.to_string();
    let mut conn = web.pool.acquire().await?;
    let subject = format!("{}/{}", dossier.account, dossier.provider);
    let detail = json!({ "connection_id": id, "generation": live.generation, "expires_at": live.expires_at });
    let deed =
        Deed { action: "connection.access_token", account_id: Some(dossier.account_id), subject: &subject, detail };
    // Before it is handed out: what cannot be written down is not done.
    caller.record(&mut conn, &deed).await?;
    Ok(Json(AccessToken {
        access_token: live.token.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_at: live.expires_at,
        expires_in: (live.expires_at - web.clock.now()).num_seconds().max(0),
        connection_id: id,
        provider: dossier.provider,
        environment: dossier.environment,
        company_id: dossier.company_id,
        company_name: dossier.company_name,
        api_url,
    }))
}

/// Looks again: asking may have shown that the grant is dead, or that the provider is out.
async fn why_not(web: &Web, id: Uuid, reason: Unavailable, now: DateTime<Utc>) -> Result<Problem, Problem> {
    let mut conn = web.pool.acquire().await?;
    let dossier = dossiers::get(&mut conn, id).await?.ok_or_else(|| missing("connection"))?;
    if let Some(over) = ended(&dossier) {
        return Ok(over);
    }
    if !matches!(reason, Unavailable::NotNow) {
        return Ok(reason.into());
    }
    let outage = outages::latest(&mut conn, dossier.provider, Endpoint::Tokens).await?;
    Ok(match outage.filter(|outage| outage.closed_at.is_none()) {
        Some(outage) => Problem::new(
            Kind::ProviderOut,
            format!(
                "{} is down for everybody, and the stored token has run out",
                Endpoint::Tokens.title(dossier.provider)
            ),
            "ask again when Retry-After says: the daemon notices by itself when it is back",
        )
        .after(Some(outage.canary_at), now),
        None => Problem::from(reason).after(dossier.renew_at, now),
    })
}
