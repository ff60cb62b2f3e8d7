//! QuickBooks' batch: up to 30 writes and queries in one call, each carried out and refused on its own, with HTTP 200.

use std::{collections::HashSet, sync::Arc};

use axum::{
    extract::{self, Path, Query},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    books::{Books, Kind, written},
    intuit_api::{Parameters, lose, once, run, within},
    intuit_fault::Fault,
    intuit_write::{How, Order},
    state::World,
    weather::answer,
};
use crate::provider::Provider;

/// Most items of one batch.
const ITEMS: usize = 30;
/// The longest request id of a batch.
const REQUEST_ID_LENGTH: usize = 36;
/// The longest id of an item.
const ITEM_ID_LENGTH: usize = 10;

/// `POST /v3/company/{realm}/batch`
pub(super) async fn batch(
    extract::State(world): extract::State<Arc<World>>,
    Path(realm): Path<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    let limited = world.switches(Provider::Quickbooks).company_limits;
    let reply = within(&world, &realm, &headers, |books, now| {
        if limited && !books.calls.admit_batch(now) {
            return Err(Fault::throttled());
        }
        let request_id = parameters.get("requestid").map(String::as_str);
        once(books, request_id, REQUEST_ID_LENGTH, |books| {
            let sent: Value = serde_json::from_slice(&body).map_err(|_| Fault::unreadable("Unreadable JSON"))?;
            let items = items(&sent)?;
            let answers: Vec<_> = items
                .into_iter()
                .map(|(id, item)| {
                    let mut answer =
                        each(books, id, item, request_id, now).unwrap_or_else(|fault| json!({"Fault": fault.body()}));
                    answer["bId"] = json!(id);
                    answer
                })
                .collect();
            Ok(json!({"BatchItemResponse": answers, "time": written(now)}))
        })
    });
    let lost = reply.0 == StatusCode::OK && lose(&world, true);
    answer(reply, lost)
}

/// The items under their ids.
fn items(sent: &Value) -> Result<Vec<(&str, &Value)>, Fault> {
    let items = sent["BatchItemRequest"].as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| Fault::missing("BatchItemRequest"))?;
    if items.len() > ITEMS {
        return Err(Fault::business(&format!("A batch can have at most {ITEMS} items; this one has {}.", items.len())));
    }
    let mut seen = HashSet::new();
    let named = items.iter().map(|item| {
        let id = item["bId"].as_str().ok_or_else(|| Fault::missing("bId"))?;
        if id.chars().count() > ITEM_ID_LENGTH {
            return Err(Fault::too_long("bId", ITEM_ID_LENGTH, id.chars().count()));
        }
        if !seen.insert(id) {
            return Err(Fault::business(&format!("The bId {id} is used twice in this batch.")));
        }
        Ok((id, item))
    });
    named.collect()
}

/// What one item says in return.
fn each(
    books: &mut Books,
    id: &str,
    item: &Value,
    request_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Value, Fault> {
    if let Some(statement) = item["Query"].as_str() {
        return Ok(json!({"QueryResponse": run(books, statement, now)?["QueryResponse"]}));
    }
    let members = item.as_object().into_iter().flatten();
    let mut entity = None;
    for (name, value) in members {
        match (Kind::ALL.into_iter().find(|kind| kind.name() == name), name.as_str()) {
            (Some(kind), _) if entity.is_none() => entity = Some((kind, value)),
            (None, "bId" | "operation" | "optionsData") => (),
            _ => return Err(Fault::unreadable(name)),
        }
    }
    let (kind, sent) = entity.ok_or_else(|| Fault::missing("Entity"))?;
    let text = |name: &str| item[name].as_str().map(str::to_owned);
    let operation = text("operation").ok_or_else(|| Fault::missing("operation"))?;
    if (operation == "create") == sent["Id"].is_string() {
        return Err(Fault::unsupported(&operation));
    }
    let how = How::of(Some(&operation), text("optionsData").as_ref())?;
    let request_id = request_id.map(|batch| format!("{batch}/{id}"));
    let order = Order { kind, sent: sent.clone(), how, request_id: request_id.as_deref(), now };
    Ok(json!({kind.name(): order.carry_out(books)?}))
}
