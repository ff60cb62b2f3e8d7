//! HubSpot's CRM and account API, over orders, line items and contacts.

use std::sync::Arc;

use axum::{
    extract::{self, Extension, Path, Query},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::Response,
};
use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    grants::Closed,
    hubspot_search,
    portal::{Portal, Shelf, iso},
    state::World,
    weather::{Correlation, Reply, answer},
};
use crate::provider::Provider;

/// Most inputs of a batch of records, and of a batch of associations.
const BATCH: (usize, usize) = (100, 1_000);

/// Who calls, and under which id.
struct Caller<'a> {
    world: &'a World,
    headers: &'a HeaderMap,
    id: &'a str,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    properties: Vec<String>,
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    id: String,
}

/// What a read of one order asks for.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    properties: String,
    #[serde(default)]
    associations: String,
}

/// `GET /account-info/{version}/details`
pub(super) async fn details(
    extract::State(world): extract::State<Arc<World>>,
    Path(_version): Path<String>,
    Extension(Correlation(id)): Extension<Correlation>,
    headers: HeaderMap,
) -> Response {
    let caller = Caller { world: &world, headers: &headers, id: &id };
    let reply = caller.within("", |hub, _, _| {
        Ok((
            StatusCode::OK,
            json!({
                "portalId": hub.parse::<u64>().unwrap_or_default(), "accountType": "STANDARD", "timeZone": "US/Eastern",
                "companyCurrency": "USD", "additionalCurrencies": [], "utcOffset": "-05:00",
                "utcOffsetMilliseconds": -18_000_000, "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1",
            }),
        ))
    });
    answer(reply, false)
}

/// `POST /crm/objects/{version}/{type}/search`
pub(super) async fn search(
    extract::State(world): extract::State<Arc<World>>,
    Path((_version, kind)): Path<(String, String)>,
    Extension(Correlation(id)): Extension<Correlation>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let caller = Caller { world: &world, headers: &headers, id: &id };
    let delay = world.see(|state| state.grants(Provider::Hubspot).switches.indexing_delay);
    let delay = TimeDelta::from_std(delay).unwrap_or_default();
    let reply = caller.within(&kind, |_, portal, now| {
        let found = hubspot_search::run(portal, shelf(&kind)?, &body, now - delay)?;
        Ok((StatusCode::OK, found))
    });
    answer(reply, false)
}

/// `GET /crm/objects/{version}/{type}/{id}`
pub(super) async fn read(
    extract::State(world): extract::State<Arc<World>>,
    Path((_version, kind, record)): Path<(String, String, String)>,
    Extension(Correlation(id)): Extension<Correlation>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let caller = Caller { world: &world, headers: &headers, id: &id };
    let reply = caller.within(&kind, |_, portal, _| {
        let shelf = shelf(&kind)?;
        let Some(found) = portal.find(shelf, &record) else {
            let text = format!("No {} record with id {record} was found.", shelf.name());
            return Ok((StatusCode::NOT_FOUND, error(&text, "OBJECT_NOT_FOUND", &id)));
        };
        let properties: Vec<_> = listed(&asked.properties).map(str::to_owned).collect();
        let mut shown = found.shown(shelf, &properties);
        for to in listed(&asked.associations).filter_map(Shelf::named) {
            let kind = format!("{}_to_{}", shelf.name(), to.name());
            let links = portal.linked(found.id, to).iter().map(|id| json!({"id": id.to_string(), "type": kind}));
            // HubSpot's key for line items has a space in it.
            shown["associations"][to.name().replace('_', " ")] = json!({"results": links.collect::<Vec<_>>()});
        }
        Ok((StatusCode::OK, shown))
    });
    answer(reply, false)
}

/// `POST /crm/objects/{version}/{type}/batch/read`
pub(super) async fn batch_read(
    extract::State(world): extract::State<Arc<World>>,
    Path((_version, kind)): Path<(String, String)>,
    Extension(Correlation(id)): Extension<Correlation>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let caller = Caller { world: &world, headers: &headers, id: &id };
    let reply = caller.within(&kind, |_, portal, now| {
        let (shelf, batch) = (shelf(&kind)?, batch(&body, BATCH.0)?);
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for Input { id } in &batch.inputs {
            match portal.find(shelf, id) {
                Some(record) => found.push(record.shown(shelf, &batch.properties)),
                None => missing.push(id),
            }
        }
        let errors = (!missing.is_empty()).then(|| {
            let name = shelf.name();
            json!({
                "status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": missing}, "errors": [], "links": {},
                "message": format!("Could not get some {name} objects, they may be deleted or not exist. Check that ids are valid."),
            })
        });
        Ok(batch_reply(found, errors.into_iter().collect(), now))
    });
    answer(reply, false)
}

/// `POST /crm/associations/{version}/{from}/{to}/batch/read`
pub(super) async fn associations(
    extract::State(world): extract::State<Arc<World>>,
    Path((_version, from, to)): Path<(String, String, String)>,
    Extension(Correlation(id)): Extension<Correlation>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let caller = Caller { world: &world, headers: &headers, id: &id };
    let reply = caller.within(&to, |_, portal, now| {
        let (from, to, batch) = (shelf(&from)?, shelf(&to)?, batch(&body, BATCH.1)?);
        let kind = if to == Shelf::Contacts { 507 } else { 513 };
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for Input { id } in &batch.inputs {
            let links = id.parse().map_or(&[][..], |order| portal.linked(order, to));
            if links.is_empty() {
                errors.push(json!({
                    "status": "error", "category": "OBJECT_NOT_FOUND",
                    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": format!("No {} is associated with {} {id}.", to.name(), from.name()),
                    "context": {"fromObjectId": [id], "fromObjectType": [from.name()], "toObjectType": [to.name()]},
                    "errors": [], "links": {},
                }));
                continue;
            }
            let types = json!([{"category": "HUBSPOT_DEFINED", "typeId": kind}]);
            // HubSpot promises no order: it is another one every minute.
            let (later, sooner) = links.split_at(now.minute() as usize % links.len());
            let links = sooner.iter().chain(later);
            let links: Vec<_> =
                links.map(|to| json!({"toObjectId": to.to_string(), "associationTypes": types})).collect();
            found.push(json!({"from": {"id": id}, "to": links}));
        }
        Ok(batch_reply(found, errors, now))
    });
    answer(reply, false)
}

impl Caller<'_> {
    /// Lets a caller with a live token and the right scope look at the portal of that token.
    fn within(&self, kind: &str, work: impl FnOnce(&str, &Portal, DateTime<Utc>) -> Result<Reply, String>) -> Reply {
        let now = self.world.clock.now();
        let bearer = self.headers.get(AUTHORIZATION).and_then(|sent| sent.to_str().ok());
        let bearer = bearer.and_then(|sent| sent.strip_prefix("Bearer ")).unwrap_or_default();
        self.world.see(|state| {
            let sight = match state.grants(Provider::Hubspot).open(bearer, now) {
                Ok(sight) => sight,
                Err(why) => return self.not_authenticated(why, now),
            };
            let needed = Shelf::named(kind).map(|shelf| format!("crm.objects.{}.read", shelf.name()));
            if let Some(scope) = needed.filter(|needed| !sight.scopes.is_empty() && !sight.scopes.contains(needed)) {
                return self.missing_scope(&scope);
            }
            let Some(portal) = state.portals.get(sight.company).filter(|portal| !portal.deleted) else {
                return self.not_authenticated(Closed::Revoked, now);
            };
            work(sight.company, portal, now)
                .unwrap_or_else(|text| (StatusCode::BAD_REQUEST, error(&text, "VALIDATION_ERROR", self.id)))
        })
    }

    fn not_authenticated(&self, why: Closed, now: DateTime<Utc>) -> Reply {
        let body = match why {
            Closed::Expired(at) => {
                let ago = (now - at).num_seconds();
                let text = format!("The OAuth token used to make this call expired {ago} second(s) ago.");
                let mut body = error(&text, "EXPIRED_AUTHENTICATION", self.id);
                body["context"] = json!({"expire time": [iso(at)]});
                body
            }
            Closed::Unknown | Closed::Revoked => {
                let text = "Authentication credentials not found. This API supports OAuth 2.0 authentication and you \
                            can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview";
                error(text, "INVALID_AUTHENTICATION", self.id)
            }
        };
        (StatusCode::UNAUTHORIZED, body)
    }

    fn missing_scope(&self, scope: &str) -> Reply {
        let text = "This app hasn't been granted all required scopes to make this call. Read more about required \
                    scopes here: https://developers.hubspot.com/scopes.";
        let mut body = error(text, "MISSING_SCOPES", self.id);
        body["errors"] = json!([{
            "message": "One or more of the following scopes are required.",
            "context": {"requiredGranularScopes": [scope]},
        }]);
        (StatusCode::FORBIDDEN, body)
    }
}

fn shelf(name: &str) -> Result<Shelf, String> {
    Shelf::named(name).ok_or_else(|| format!("Unable to infer object type from: {name}"))
}

fn batch(body: &str, most: usize) -> Result<Batch, String> {
    let batch: Batch = serde_json::from_str(body).map_err(|e| format!("Invalid input JSON: {e}"))?;
    let count = batch.inputs.len();
    if count > most { Err(format!("A batch takes at most {most} inputs, not {count}.")) } else { Ok(batch) }
}

fn batch_reply(results: Vec<Value>, errors: Vec<Value>, now: DateTime<Utc>) -> Reply {
    let mut body = json!({"status": "COMPLETE", "results": results, "startedAt": iso(now), "completedAt": iso(now)});
    if errors.is_empty() {
        return (StatusCode::OK, body);
    }
    body["numErrors"] = json!(errors.len());
    body["errors"] = json!(errors);
    (StatusCode::MULTI_STATUS, body)
}

fn error(message: &str, category: &str, id: &str) -> Value {
    json!({"status": "error", "message": message, "correlationId": id, "category": category})
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty())
}
