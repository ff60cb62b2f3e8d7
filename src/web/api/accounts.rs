//! Accounts: listed, added, changed; their settings, and the links that connect them.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    asked::{Content, Path, Query},
    caller::{Caller, Manages, Reads, missing},
    paging::{self, Page, Size},
    problem::{Kind, Problem},
};
use crate::{
    config::Mapping,
    orders::settings::{self, Shown},
    store::{
        accounts::{
            by_hand::{self, Change, New, Refused, Unfit},
            listing::{self, Row},
        },
        mappings,
    },
    web::Web,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listed {
    /// Its name, its owner or their address has this in it, in capitals or not.
    search: Option<String>,
    /// The most rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// List accounts, by name.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts", params(Listed), security(("key" = ["read"])),
    responses((status = 200, description = "A page of accounts", body = Page<Row>)))]
pub(super) async fn list_accounts(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Query(asked): Query<Listed>,
) -> Result<Json<Page<Row>>, Problem> {
    let (size, after) = (Size::of(asked.limit)?, paging::behind::<String>(asked.cursor.as_deref())?);
    let own = caller.confined(None)?;
    let mut conn = web.pool.acquire().await?;
    let rows = listing::page(&mut conn, own, asked.search.as_deref(), after.as_deref(), size.fetched()).await?;
    Ok(Json(size.page(rows, |row: &Row| row.name.clone())))
}

/// See one account.
#[utoipa::path(get, path = "/api/v1/accounts/{account_id}", tag = "accounts",
    params(("account_id" = Uuid, Path, description = "The account")), security(("key" = ["read"])),
    responses((status = 200, description = "The account", body = Row)))]
pub(super) async fn get_account(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Path(id): Path<Uuid>,
) -> Result<Json<Row>, Problem> {
    caller.admitted(id, "account")?;
    Ok(Json(row(&mut *web.pool.acquire().await?, id).await?))
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Harbor Books", "owner_name": "Ada Harbor", "owner_email": "ada@harborbooks.example"}))]
pub(super) struct NewAccount {
    /// What it is called; must be new.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The person who is told when something needs them.
    #[schema(min_length = 1, max_length = 200)]
    owner_name: String,
    /// Where they are told.
    #[schema(format = "email", max_length = 254)]
    owner_email: String,
}

/// Add an account. Takes a key for all accounts.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "accounts", request_body = NewAccount,
    security(("key" = ["manage"])), responses(
        (status = 201, description = "The account as it is now", body = Row),
        (status = 409, description = "Another account has that name")))]
pub(super) async fn add_account(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Content(new): Content<NewAccount>,
) -> Result<(StatusCode, Json<Row>), Problem> {
    caller.for_all()?;
    let new = New { name: &new.name, owner_name: &new.owner_name, owner_email: &new.owner_email };
    let mut conn = web.pool.acquire().await?;
    let account = by_hand::add(&mut conn, new, &caller.actor(), caller.now).await?.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(row(&mut conn, account.id).await?)))
}

/// What changes of an account; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"owner_email": "grace@harborbooks.example"}))]
pub(super) struct AccountChange {
    /// What it is called; must be new.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The person who is told when something needs them.
    #[schema(min_length = 1, max_length = 200)]
    owner_name: Option<String>,
    /// Where they are told.
    #[schema(format = "email", max_length = 254)]
    owner_email: Option<String>,
}

/// Change an account's name or its owner. Mails that wait for the owner go to the new address.
#[utoipa::path(patch, path = "/api/v1/accounts/{account_id}", tag = "accounts", request_body = AccountChange,
    params(("account_id" = Uuid, Path, description = "The account")), security(("key" = ["manage"])), responses(
        (status = 200, description = "The account as it is now", body = Row),
        (status = 409, description = "Another account has that name")))]
pub(super) async fn change_account(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    Content(change): Content<AccountChange>,
) -> Result<Json<Row>, Problem> {
    caller.admitted(id, "account")?;
    let wanted = Change {
        name: change.name.as_deref(),
        owner_name: change.owner_name.as_deref(),
        owner_email: change.owner_email.as_deref(),
    };
    let mut conn = web.pool.acquire().await?;
    by_hand::change(&mut conn, id, wanted, &caller.actor(), caller.now).await?.map_err(refused)?;
    row(&mut conn, id).await.map(Json)
}

/// See how an account's orders become documents, and where each setting comes from.
#[utoipa::path(get, path = "/api/v1/accounts/{account_id}/settings", tag = "accounts",
    params(("account_id" = Uuid, Path, description = "The account")), security(("key" = ["read"])),
    responses((status = 200, description = "All settings, by key", body = BTreeMap<String, Shown>),
        (status = 409, description = "A stored setting cannot be read any more")))]
pub(super) async fn get_settings(
    State(web): State<Web>,
    caller: Caller<Reads>,
    Path(id): Path<Uuid>,
) -> Result<Json<BTreeMap<&'static str, Shown>>, Problem> {
    caller.admitted(id, "account")?;
    let mut conn = web.pool.acquire().await?;
    row(&mut conn, id).await?;
    in_force(&web, &mut conn, id).await.map(Json)
}

/// Set an account's own settings. Those that are left out go back to the default of the configuration; what is posted from
/// now on follows them, and documents that stand are left alone.
#[utoipa::path(put, path = "/api/v1/accounts/{account_id}/settings", tag = "accounts",
    request_body(content = BTreeMap<String, String>, description = "The account's own settings, by key",
        example = json!({"document": "invoice", "invoice_days": "14"})),
    params(("account_id" = Uuid, Path, description = "The account")), security(("key" = ["manage"])),
    responses((status = 200, description = "All settings as they are now, by key", body = BTreeMap<String, Shown>),
        (status = 409, description = "A stored setting cannot be read any more")))]
pub(super) async fn put_settings(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    Content(own): Content<BTreeMap<String, String>>,
) -> Result<Json<BTreeMap<&'static str, Shown>>, Problem> {
    caller.admitted(id, "account")?;
    let pairs = own.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let set: Vec<_> = pairs.collect();
    settings::check(&web.api.mapping, set.iter().copied())
        .map_err(|wrong| Problem::new(Kind::Body, wrong.message, wrong.remedy))?;
    let unset: Vec<_> = Mapping::KEYS.into_iter().filter(|key| !own.contains_key(*key)).collect();
    let mut conn = web.pool.acquire().await?;
    let row = row(&mut conn, id).await?;
    settings::change(&mut conn, row.whose(), &set, &unset, &caller.actor(), caller.now).await?;
    in_force(&web, &mut *web.pool.acquire().await?, id).await.map(Json)
}

async fn in_force(web: &Web, conn: &mut PgConnection, id: Uuid) -> Result<BTreeMap<&'static str, Shown>, Problem> {
    let own = mappings::of_account(conn, id).await?;
    settings::shown(&web.api.mapping, &own).map_err(|wrong| {
        let remedy = format!("set it anew with PUT /api/v1/accounts/{id}/settings: {}", wrong.remedy);
        Problem::new(Kind::Conflict, format!("a stored setting cannot be read: {}", wrong.message), remedy)
    })
}

/// An account that must be there.
pub(super) async fn row(conn: &mut PgConnection, id: Uuid) -> Result<Row, Problem> {
    listing::page(conn, Some(id), None, None, 1).await?.pop().ok_or_else(|| missing("account"))
}

fn refused(why: Refused) -> Problem {
    match why {
        Refused::Unfit(Unfit { field, text, remedy }) => {
            Problem::new(Kind::Body, format!("{} cannot be {text:?}", field.as_str()), remedy)
        }
        Refused::NameTaken(name) => {
            let remedy = "choose another name, or change the account that has it: GET /api/v1/accounts";
            Problem::new(Kind::Conflict, format!("an account named {name:?} exists already"), remedy)
        }
        Refused::Missing => missing("account"),
    }
}
