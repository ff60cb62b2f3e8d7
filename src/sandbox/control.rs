//! The levers over HTTP, for people and scripts: one JSON object in, the present state out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json, extract,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{portal::NewOrder, portal::Shelf, state::World, switches::span};
use crate::provider::Provider;

/// One thing to do; its name is the only key of the body.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    AddCompany { realm: String, name: String },
    AddPortal { hub_id: String, domain: String },
    Choose { provider: Provider, company_id: String },
    DenyNext { provider: Provider },
    PlaceOrder { hub_id: String, order: NewOrder },
    EditOrder { hub_id: String, order_id: String, properties: BTreeMap<String, String> },
    Revoke { provider: Provider, company_id: String },
    Replace { provider: Provider, company_id: String },
    LapseSubscription { realm: String, lapsed: bool },
    LosePermission { realm: String, lost: bool },
    CloseBooks { realm: String, through: Option<NaiveDate> },
    SetCurrency { realm: String, home: String, several: bool },
    SetPlace { realm: String, country: String, time_zone: Option<String> },
    EditDocument { realm: String, id: String, fields: Value },
    DeleteDocument { realm: String, id: String },
    DepositDocument { realm: String, id: String },
    DeletePortal { hub_id: String },
    RefuseMail(Option<u16>),
    DelayMail(#[serde(with = "span")] Duration),
    ForgetMails {},
}

/// `GET /control`
pub(super) async fn show(extract::State(world): extract::State<Arc<World>>) -> Json<Value> {
    Json(present(&world))
}

/// `POST /control`
pub(super) async fn act(extract::State(world): extract::State<Arc<World>>, body: String) -> Response {
    match obey(&world, &body) {
        Ok(done) => Json(json!({"done": done, "now": present(&world)})).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response(),
    }
}

fn obey(world: &World, body: &str) -> Result<Value, String> {
    let mut asked: Map<String, Value> = serde_json::from_str(body)
        .map_err(|e| format!("The body is no JSON object ({e}). Send one such as {{\"forget_mails\":{{}}}}."))?;
    let Some(provider) = asked.remove("provider") else {
        let command = serde_json::from_value(Value::Object(asked)).map_err(|e| e.to_string())?;
        return carry_out(world, command);
    };
    let provider: Provider = serde_json::from_value(provider).map_err(|e| e.to_string())?;
    let switches = world.switches(provider).with(&asked).map_err(|e| e.to_string())?;
    world.switch(provider, |present| *present = switches);
    Ok(json!(true))
}

fn carry_out(world: &World, command: Command) -> Result<Value, String> {
    let found = match command {
        Command::AddCompany { realm, name } => {
            world.add_company(&realm, &name);
            true
        }
        Command::AddPortal { hub_id, domain } => {
            world.add_portal(&hub_id, &domain);
            true
        }
        Command::Choose { provider, company_id } => {
            world.choose(provider, &company_id);
            true
        }
        Command::DenyNext { provider } => {
            world.deny_next(provider);
            true
        }
        Command::PlaceOrder { hub_id, order } => {
            return Ok(json!({"order_id": world.place_order(&hub_id, order)}));
        }
        Command::EditOrder { hub_id, order_id, properties } => world.edit_order(&hub_id, &order_id, &properties),
        Command::Revoke { provider, company_id } => world.revoke(provider, &company_id),
        Command::Replace { provider, company_id } => world.replace(provider, &company_id),
        Command::LapseSubscription { realm, lapsed } => world.lapse_subscription(&realm, lapsed),
        Command::LosePermission { realm, lost } => world.lose_permission(&realm, lost),
        Command::CloseBooks { realm, through } => world.close_books(&realm, through),
        Command::SetCurrency { realm, home, several } => world.set_currency(&realm, &home, several),
        Command::SetPlace { realm, country, time_zone } => world.set_place(&realm, &country, time_zone.as_deref()),
        Command::EditDocument { realm, id, fields } => world.edit_document(&realm, &id, &fields),
        Command::DeleteDocument { realm, id } => world.delete_document(&realm, &id),
        Command::DepositDocument { realm, id } => world.deposit_document(&realm, &id),
        Command::DeletePortal { hub_id } => world.delete_portal(&hub_id),
        Command::RefuseMail(code) => {
            world.refuse_mail(code);
            true
        }
        Command::DelayMail(delay) => {
            world.delay_mail(delay);
            true
        }
        Command::ForgetMails {} => {
            world.forget_mails();
            true
        }
    };
    if found {
        Ok(json!(true))
    } else {
        Err("There is no such company, portal, order, document or grant here. GET /control lists what there is."
            .to_owned())
    }
}

/// All of it, for `GET /control` and the index page.
pub(super) fn present(world: &World) -> Value {
    world.see(|state| {
        let providers = Provider::ALL.map(|provider| {
            let grants = state.grants(provider);
            let about = json!({
                "switches": grants.switches, "chosen": grants.chosen, "connected": grants.connected(),
                "api_calls": grants.api_calls, "oauth_calls": grants.oauth_calls,
                "token_calls": grants.calls.len(), "concurrent_spends": grants.concurrent_spends,
            });
            (provider.as_str().to_owned(), about)
        });
        let companies = state.books.iter().map(|(realm, books)| {
            let about = json!({
                "name": books.name, "documents": books.documents().len(),
                "subscription_lapsed": books.subscription_lapsed, "permission_lost": books.permission_lost,
                "closed_through": books.closed_through,
            });
            (realm.clone(), about)
        });
        let portals = state.portals.iter().map(|(hub, portal)| {
            let orders = portal.records(Shelf::Orders).count();
            (hub.clone(), json!({"domain": portal.domain, "deleted": portal.deleted, "orders": orders}))
        });
        json!({
            "time": world.clock.now(),
            "providers": Map::from_iter(providers),
            "companies": Map::from_iter(companies),
            "portals": Map::from_iter(portals),
            "mails": state.mailbox.mails.len(),
            "refuse_mail": state.mailbox.refusal,
            "delay_mail": humantime::format_duration(state.mailbox.delay).to_string(),
        })
    })
}
