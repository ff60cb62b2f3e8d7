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
    intuit_query,
    intuit_write::{How, Order},
    state::World,
    weather::{Reply, answer},
};
use crate::provider::Provider;

/// The longest request id that Intuit takes.
const REQUEST_ID_LENGTH: usize = 50;

pub(super) type Parameters = Query<HashMap<String, String>>;

/// `GET /v3/company/{realm}/companyinfo/{realm}`
pub(super) async fn company_info(
    extract::State(world): extract::State<Arc<World>>,
    Path((realm, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let reply = within(&world, &realm, &headers, |books, now| {
        let mut info = json!({
            "CompanyInfo": {
                "CompanyName": books.name, "LegalName": books.name, "Country": books.country, "Id": "1", "SyncToken": "0",
                "FiscalYearStartMonth": "January", "domain": "QBO", "sparse": false,
            },
            "time": written(now),
        });
        if let Some(zone) = &books.time_zone {
            info["CompanyInfo"]["DefaultTimeZone"] = json!(zone);
        }
        Ok(info)
    });
    answer(reply, false)
}

/// `GET /v3/company/{realm}/preferences`
pub(super) async fn preferences(
    extract::State(world): extract::State<Arc<World>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
) -> Response {
    let reply = within(&world, &realm, &headers, |books, now| {
        let currencies = json!({
            "MultiCurrencyEnabled": books.several_currencies, "HomeCurrency": { "value": books.home_currency },
        });
        Ok(json!({
            "Preferences": {
                "CurrencyPrefs": currencies,
                "SalesFormsPrefs": { "CustomTxnNumbers": true },
                "TaxPrefs": { "UsingSalesTax": false, "PartnerTaxEnabled": false },
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

pub(super) fn run(books: &Books, statement: &str, now: DateTime<Utc>) -> Result<Value, Fault> {
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
    somebody_saves(&world, &realm, &body);
    let fails = world.change(|state| take_one(&mut state.grants_mut(Provider::Quickbooks).switches.failed_writes));
    let reply = within(&world, &realm, &headers, |books, now| {
        if fails {
            return Err(Fault::system());
        }
        let kind = Kind::named(&entity).filter(|kind| *kind != Kind::Account);
        let kind = kind.ok_or_else(|| Fault::unsupported(&entity))?;
        let request_id = parameters.get("requestid").map(String::as_str);
        once(books, request_id, REQUEST_ID_LENGTH, |books| {
            let sent: Value = serde_json::from_slice(&body).map_err(|_| Fault::unreadable("Unreadable JSON"))?;
            created = sent.get("Id").is_none();
            let how = How::of(parameters.get("operation"), parameters.get("include"))?;
            let kept = Order { kind, sent, how, request_id, now }.carry_out(books)?;
            Ok(enveloped(kind, &kept, now))
        })
    });
    let lost = reply.0 == StatusCode::OK && lose(&world, created);
    answer(reply, lost)
}

/// Answers a request id that was carried out before with the same reply again. A refusal is not remembered.
pub(super) fn once(
    books: &mut Books,
    request_id: Option<&str>,
    longest: usize,
    work: impl FnOnce(&mut Books) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    let length = request_id.map_or(0, |id| id.chars().count());
    if length > longest {
        return Err(Fault::too_long("requestid", longest, length));
    }
    if let Some(reply) = request_id.and_then(|id| books.replay(id)) {
        return Ok(reply.clone());
    }
    let reply = work(books)?;
    if let Some(id) = request_id {
        books.remember(id, &reply);
    }
    Ok(reply)
}

/// Lets somebody save a document just before a write to it.
fn somebody_saves(world: &World, realm: &str, body: &[u8]) {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(id) = sent["Id"].as_str() else { return };
    if world.change(|state| take_one(&mut state.grants_mut(Provider::Quickbooks).switches.saved_meanwhile)) {
        world.edit_document(realm, id, &json!({}));
    }
}

/// Whether the reply to a write that was carried out is lost.
pub(super) fn lose(world: &World, created: bool) -> bool {
    world.change(|state| {
        let switches = &mut state.grants_mut(Provider::Quickbooks).switches;
        take_one(if created { &mut switches.lost_create_replies } else { &mut switches.lost_update_replies })
    })
}

pub(super) fn enveloped(kind: Kind, entity: &Value, now: DateTime<Utc>) -> Value {
    json!({kind.name(): entity, "time": written(now)})
}

/// Lets a caller with a live token for this company do its work in one step.
pub(super) fn within(
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
        let limited = state.grants(Provider::Quickbooks).switches.company_limits;
        let Some(books) = state.books.get_mut(realm).filter(|_| company == realm) else {
            return not_authorized(now);
        };
        let done = if limited && !books.calls.admit(now) {
            Err(Fault::throttled())
        } else if books.permission_lost {
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
