//! The document of the API: made from the handlers, and completed with what all routes have in common.

use std::sync::Arc;

use axum::{http::header, response::IntoResponse};
use serde_json::{Map, Value, json};
use utoipa::{OpenApi as _, openapi::OpenApi};

use super::problem::{Kind, Said};
use crate::api_keys::Scope;

/// What the document begins with.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Lamplighter", license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    components(schemas(Said)),
    tags(
        (name = "status", description = "Everything at one look."),
        (name = "accounts", description = "Customers, their owners and their settings."),
        (name = "connections", description = "Authorizations at QuickBooks and HubSpot."),
        (name = "tokens", description = "Live access tokens for your own services."),
        (name = "orders", description = "Orders on their way to QuickBooks."),
        (name = "spends", description = "The ledger of every use of a refresh token."),
        (name = "alerts", description = "What a person must know."),
        (name = "mails", description = "Mails of ours that came back."),
        (name = "outages", description = "Failures of a provider for everybody."),
        (name = "audit log", description = "What people and programs did by hand."),
    ),
)]
struct Base;

const WORDS: &str = "\
Keeps OAuth grants alive and orders flowing. Every request carries a key of `lamplighter apikey add`, as `Authorization: \
Bearer KEY`. A key is for one account or for all; what belongs to another account is not there for it (404).

Lists come in pages: `limit` says how many rows (50 unless told, 200 at most); while a reply has `next`, send that as \
`cursor` for the next page. Times are RFC 3339 with their zone, amounts are decimals as text, ids are UUIDs.

What is not done is answered as `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail` and `remedy`. \
After 429 and 503 wait as long as `Retry-After` says. A body holds 64 KiB at most, orders 8 MiB.";

/// The document without any path.
pub(super) fn base() -> OpenApi {
    let mut base = Base::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut base.info.version);
    base.info.description = Some(WORDS.to_owned());
    base
}

/// The whole document, from the one that the handlers make.
pub(super) fn complete(made: &OpenApi) -> Value {
    let mut document = serde_json::to_value(made).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({ "key": {
        "type": "http", "scheme": "bearer",
        "description": format!("A key of `lamplighter apikey add`. Scopes: {}.", scopes()),
    }});
    // What an attribute cannot say of a variant.
    document["components"]["schemas"]["CartOrders"]["oneOf"][1]["maxItems"] = json!(super::incoming::MOST_ORDERS);
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (_, operation) in item.as_object_mut().into_iter().flatten() {
            complete_operation(path, operation);
        }
    }
    document
}

fn scopes() -> String {
    let all: Vec<_> = Scope::ALL.iter().map(|scope| format!("`{}` ({})", scope.as_str(), scope.allows())).collect();
    all.join(", ")
}

/// What any route may answer beside what its handler says.
fn complete_operation(path: &str, operation: &mut Value) {
    let names_account =
        operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "account"));
    let has_body = operation.get("requestBody").is_some();
    let Some(replies) = operation["responses"].as_object_mut() else { return };
    let mut kinds = vec![Kind::Query, Kind::Key, Kind::Scope, Kind::Rate, Kind::Internal, Kind::Unavailable];
    if path.contains('{') || names_account || has_body {
        kinds.push(Kind::NotFound);
    }
    if has_body {
        kinds.extend([Kind::TooLarge, Kind::Body]);
    }
    for kind in kinds {
        let status = kind.status().as_u16().to_string();
        replies.entry(status).or_insert_with(|| json!({ "description": kind.title() }));
    }
    for (status, reply) in replies.iter_mut() {
        if status.as_str() < "400" {
            continue;
        }
        if reply.get("content").is_none() {
            reply["content"] =
                json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        }
        let headers = headers(status);
        if !headers.is_empty() {
            reply["headers"] = Value::Object(headers);
        }
    }
}

fn headers(status: &str) -> Map<String, Value> {
    let header = |name: &str, words: &str, schema: Value| {
        Map::from_iter([(name.to_owned(), json!({ "description": words, "schema": schema, "required": true }))])
    };
    match status {
        "401" => header("WWW-Authenticate", "`Bearer`", json!({ "type": "string" })),
        "429" | "503" => {
            header("Retry-After", "In how many seconds to ask again.", json!({ "type": "integer", "minimum": 1 }))
        }
        _ => Map::new(),
    }
}

/// Serves it.
pub(super) async fn serve(text: Arc<str>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, text.to_string())
}
