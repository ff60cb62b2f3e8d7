//! The QuickBooks accounting API: who may call, what is read, and where a write goes.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{self, Path, Query},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    books::{Books, Kind, written},
    grants::take_one,
    intuit_fault::{Fault, not_authenticated, not_authorized},
    intuit_lists, intuit_query, intuit_receipts,
    state::World,
    weather::{Reply, answer},
};
use crate::provider::Provider;

/// The longest request id that Intuit takes.
const REQUEST_ID_LENGTH: usize = 50;

type Parameters = Query<HashMap<String, String>>;

/// `GET /v3/company/{realm}/companyinfo/{realm}`
pub(super) async fn company_info(
    extract::State(world): extract::State<Arc<World>>,
    Path((realm, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let reply = within(&world, &realm, &headers, |books, now| {
        Ok(json!({
            "CompanyInfo": {
                "CompanyName": books.name, "LegalName": books.name, "Country": "US", "Id": "1", "SyncToken": "0",
                "FiscalYearStartMonth": "January", "domain": "QBO", "sparse": false,
            },
            "time": written(now),
        }))
    });
    answer(reply, false)
}

/// `GET /v3/company/{realm}/preferences`
pub(super) async fn preferences(
    extract::State(world): extract::State<Arc<World>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
) -> Response {
    let reply = within(&world, &realm, &headers, |_, now| {
        Ok(json!({
            "Preferences": {
                "CurrencyPrefs": { "MultiCurrencyEnabled": false, "HomeCurrency": { "value": "USD" } },
                "SalesFormsPrefs": { "CustomTxnNumbers": true },
                "Id": "1", "SyncToken": "0", "domain": "QBO", "sparse": false,
            },
            "time": written(now),
        }))
    });
    answer(reply, false)
}

/// `GET /v3/company/{realm}/query?query=`
pub(super) async fn query(
    extract::State(world): extract::State<Arc<World>>,
    Path(realm): Path<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    let statement = parameters.get("query").cloned().unwrap_or_default();
    answer(within(&world, &realm, &headers, |books, now| run(books, &statement, now)), false)
}

/// `POST /v3/company/{realm}/query` with the statement as text.
pub(super) async fn posted_query(
    extract::State(world): extract::State<Arc<World>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
    statement: String,
) -> Response {
    answer(within(&world, &realm, &headers, |books, now| run(books, &statement, now)), false)
}

fn run(books: &Books, statement: &str, now: DateTime<Utc>) -> Result<Value, Fault> {
    let found = intuit_query::run(statement, |kind| books.list(kind))?;
    Ok(json!({"QueryResponse": found, "time": written(now)}))
}

/// `GET /v3/company/{realm}/{entity}/{id}`
pub(super) async fn read(
    extract::State(world): extract::State<Arc<World>>,
    Path((realm, entity, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let reply = within(&world, &realm, &headers, |books, now| {
        let kind = Kind::named(&entity).ok_or_else(|| Fault::unsupported(&entity))?;
        let found = books.find(kind, &id).ok_or_else(Fault::not_found)?;
        Ok(enveloped(kind, found, now))
    });
    answer(reply, false)
}

/// `POST /v3/company/{realm}/{entity}`: creates, and with an `Id` in the body updates, voids or deletes.
pub(super) async fn write(
    extract::State(world): extract::State<Arc<World>>,
    Path((realm, entity)): Path<(String, String)>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    let mut created = false;
    let reply = within(&world, &realm, &headers, |books, now| {
        let kind = Kind::named(&entity).filter(|kind| *kind != Kind::Account);
        let kind = kind.ok_or_else(|| Fault::unsupported(&entity))?;
        let request_id = parameters.get("requestid").map(String::as_str);
        let length = request_id.map_or(0, |id| id.chars().count());
        if length > REQUEST_ID_LENGTH {
            return Err(Fault::too_long("requestid", REQUEST_ID_LENGTH, length));
        }
        if let Some(reply) = request_id.and_then(|id| books.replay(id)) {
            return Ok(reply.clone());
        }
        let sent: Value = serde_json::from_slice(&body).map_err(|_| Fault::unreadable("Unreadable JSON"))?;
        created = sent.get("Id").is_none();
        let order = Order { kind, sent, parameters: &parameters, request_id, now };
        let reply = order.carry_out(books)?;
        if let Some(id) = request_id {
            books.remember(id, &reply);
        }
        Ok(reply)
    });
    let lost = reply.0 == StatusCode::OK
        && created
        && world.change(|state| take_one(&mut state.grants_mut(Provider::Quickbooks).switches.lost_create_replies));
    answer(reply, lost)
}

/// One write.
struct Order<'a> {
    kind: Kind,
    sent: Value,
    parameters: &'a HashMap<String, String>,
    request_id: Option<&'a str>,
    now: DateTime<Utc>,
}

impl Order<'_> {
    fn says(&self, key: &str, value: &str) -> bool {
        self.parameters.get(key).is_some_and(|said| said == value)
    }

    fn carry_out(self, books: &mut Books) -> Result<Value, Fault> {
        let kept = match self.sent["Id"].as_str() {
            None => None,
            Some(id) => Some(books.find(self.kind, id).ok_or_else(Fault::not_found)?.clone()),
        };
        if let Some(kept) = &kept
            && kept["SyncToken"] != self.sent["SyncToken"]
        {
            let detail = "Stale Object Error : You and another user were working on this at the same time.";
            return Err(Fault::new("5010", "Stale Object Error", detail));
        }
        let allow_twice = self.says("include", "allowduplicatedocnum");
        let Some(kept) = kept else {
            let entity = checked(books, self.kind, self.sent, allow_twice, self.now)?;
            let entity = books.add(self.kind, entity, self.request_id, self.now);
            return Ok(enveloped(self.kind, &entity, self.now));
        };
        if self.says("operation", "delete") {
            let id = kept["Id"].as_str().unwrap_or_default();
            books.remove(self.kind, id);
            let gone = json!({"status": "Deleted", "domain": "QBO", "Id": id});
            return Ok(enveloped(self.kind, &gone, self.now));
        }
        let mut next = if self.sent["sparse"] == true { kept } else { json!({}) };
        if let (Some(next), Value::Object(sent)) = (next.as_object_mut(), self.sent.clone()) {
            next.extend(sent);
        }
        let next = if self.kind == Kind::SalesReceipt && self.says("include", "void") {
            intuit_receipts::voided(next)
        } else {
            checked(books, self.kind, next, allow_twice, self.now)?
        };
        let next = books.replace(self.kind, next, self.now).ok_or_else(Fault::not_found)?;
        Ok(enveloped(self.kind, &next, self.now))
    }
}

fn checked(
    books: &mut Books,
    kind: Kind,
    entity: Value,
    allow_twice: bool,
    now: DateTime<Utc>,
) -> Result<Value, Fault> {
    match kind {
        Kind::SalesReceipt => intuit_receipts::check(books, entity, allow_twice, now),
        Kind::Customer => intuit_lists::customer(books, entity),
        Kind::Item => intuit_lists::item(books, entity),
        Kind::Account => Err(Fault::unsupported("create")),
    }
}

fn enveloped(kind: Kind, entity: &Value, now: DateTime<Utc>) -> Value {
    json!({kind.name(): entity, "time": written(now)})
}

/// Lets a caller with a live token for this company do its work in one step.
fn within(
    world: &World,
    realm: &str,
    headers: &HeaderMap,
    work: impl FnOnce(&mut Books, DateTime<Utc>) -> Result<Value, Fault>,
) -> Reply {
    let now = world.clock.now();
    let bearer = headers.get(AUTHORIZATION).and_then(|sent| sent.to_str().ok());
    let bearer = bearer.and_then(|sent| sent.strip_prefix("Bearer ")).unwrap_or_default();
    world.change(|state| {
        let company = match state.grants(Provider::Quickbooks).open(bearer, now) {
            Ok(sight) => sight.company.to_owned(),
            Err(why) => return not_authenticated(why, now),
        };
        let Some(books) = state.books.get_mut(realm).filter(|_| company == realm) else {
            return not_authorized(now);
        };
        let done = if books.permission_lost {
            Err(Fault::no_permission())
        } else if books.subscription_lapsed {
            Err(Fault::lapsed())
        } else {
            work(books, now)
        };
        done.map_or_else(|fault| fault.into_reply(now), |body| (StatusCode::OK, body))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::grants::Closed, *};

    #[test]
    fn both_envelopes_are_spoken() {
        let now = DateTime::UNIX_EPOCH;
        let (status, body) = not_authenticated(Closed::Expired(now), now);
        assert_eq!((status.as_u16(), &body["fault"]["error"][0]["code"]), (401, &json!("3200")));
        let (status, body) = Fault::no_permission().into_reply(now);
        assert_eq!((status.as_u16(), &body["Fault"]["Error"][0]["code"]), (403, &json!("120")));
    }
}
