//! Accounts: listed, added, changed; their settings, and the links that connect them.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::json;
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
    orders::settings::{self, Shown},
    store::{
        accounts::{
            self, Account, Change, Changed,
            listing::{self, Row},
        },
        audit_log::Deed,
        mappings,
    },
    web::Web,
    words,
};

/// The longest name and the longest address.
const LONGEST_NAME: usize = 200;
const LONGEST_ADDRESS: usize = 254;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listed {
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
    let rows = listing::page(&mut *web.pool.acquire().await?, own, after.as_deref(), size.fetched()).await?;
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
    let account = Account {
        id: Uuid::now_v7(),
        name: name("name", &new.name)?,
        owner_name: name("owner_name", &new.owner_name)?,
        owner_email: address(&new.owner_email)?,
        created_at: caller.now,
    };
    let mut tx = web.pool.begin().await?;
    if accounts::add(&mut tx, &account).await?.is_none() {
        return Err(taken(&account.name));
    }
    let detail = json!({ "owner_name": account.owner_name });
    let deed = Deed { action: "account.add", account_id: Some(account.id), subject: &account.name, detail };
    caller.record(&mut tx, &deed).await?;
    let row = row(&mut tx, account.id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(row)))
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

/// Change an account's name or its owner. Mails that are on their way already keep their recipient.
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
    let called = change.name.as_deref().map(|text| name("name", text)).transpose()?;
    let owner_name = change.owner_name.as_deref().map(|text| name("owner_name", text)).transpose()?;
    let owner_email = change.owner_email.as_deref().map(address).transpose()?;
    let wanted =
        Change { name: called.as_deref(), owner_name: owner_name.as_deref(), owner_email: owner_email.as_deref() };
    let mut conn = web.pool.acquire().await?;
    match accounts::change(&mut conn, id, &wanted, &caller.actor(), caller.now).await? {
        Changed::Done => row(&mut conn, id).await.map(Json),
        Changed::NameTaken => Err(taken(called.as_deref().unwrap_or_default())),
        Changed::Missing => Err(missing("account")),
    }
}

/// See how an account's orders become documents, and where each setting comes from.
#[utoipa::path(get, path = "/api/v1/accounts/{account_id}/settings", tag = "accounts",
    params(("account_id" = Uuid, Path, description = "The account")), security(("key" = ["read"])),
    responses((status = 200, description = "All settings, by key", body = BTreeMap<String, Shown>)))]
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
    responses((status = 200, description = "All settings as they are now, by key", body = BTreeMap<String, Shown>)))]
pub(super) async fn put_settings(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Path(id): Path<Uuid>,
    Content(own): Content<BTreeMap<String, String>>,
) -> Result<Json<BTreeMap<&'static str, Shown>>, Problem> {
    caller.admitted(id, "account")?;
    let pairs = own.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    settings::check(&web.api.mapping, pairs).map_err(|wrong| Problem::new(Kind::Body, wrong.message, wrong.remedy))?;
    let mut tx = web.pool.begin().await?;
    let row = row(&mut tx, id).await?;
    settings::replace(&mut tx, id, &own, caller.now).await?;
    let deed =
        Deed { action: "account.settings", account_id: Some(id), subject: &row.name, detail: json!({ "own": own }) };
    caller.record(&mut tx, &deed).await?;
    tx.commit().await?;
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
    listing::page(conn, Some(id), None, 1).await?.pop().ok_or_else(|| missing("account"))
}

fn taken(name: &str) -> Problem {
    let remedy = "choose another name, or change the account that has it: GET /api/v1/accounts";
    Problem::new(Kind::Conflict, format!("an account named {name:?} exists already"), remedy)
}

fn name(field: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control) {
        let remedy = format!("write 1 to {LONGEST_NAME} characters in one line");
        return Err(Problem::new(Kind::Body, format!("{field} cannot be {:?}", words::name(text)), remedy));
    }
    Ok(text.to_owned())
}

fn address(text: &str) -> Result<String, Problem> {
    let address = text.trim().parse::<lettre::Address>().ok().map(|address| address.to_string());
    address.filter(|address| address.len() <= LONGEST_ADDRESS).ok_or_else(|| {
        let detail = format!("owner_email cannot be {:?}", words::name(text));
        Problem::new(Kind::Body, detail, "write one mail address, such as ada@harborbooks.example")
    })
}
