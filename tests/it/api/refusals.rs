//! What is refused, asked of every route that the document names: a new one is in here by itself.

use chrono::TimeDelta;
use lamplighter::{
    api_keys::Scope,
    provider::Provider::{Hubspot, Quickbooks},
    store::{
        accounts::Account,
        alerts::{self, Kind, NewAlert},
        api_keys,
    },
};
use reqwest::Method;
use serde_json::{Value, json};

use super::Reply;
use crate::harness::{OWNER, TestApp};

/// An operation as a request that would be carried out.
struct Route {
    id: String,
    method: Method,
    path: String,
    scope: Scope,
    body: Option<String>,
    has_query: bool,
}

/// The one mail.
const MAIL: &str = "019aa7b2-5c1e-7cc0-8a51-0d5f6f6f1a77";

/// A body that each operation with one accepts.
fn body(id: &str, account: &Account) -> Value {
    match id {
        "add_account" => json!({"name": "New", "owner_name": "Ada", "owner_email": "ada@harborbooks.example"}),
        "change_account" => json!({"owner_name": "Grace"}),
        "put_settings" => json!({"invoice_days": "14"}),
        "make_connect_link" => json!({"provider": "quickbooks"}),
        "renew_connection" => json!({}),
        "send_orders" => json!({
            "external_id": "1", "placed_at": "2026-01-09T10:00:00Z", "currency": "USD", "total": "1.00",
            "lines": [{"name": "Field guide", "price": "1.00"}],
        }),
        "retry_orders" => json!({"account": account.id}),
        "skip_order" => json!({"reason": "a test"}),
        "note_bounce" => json!({"message_id": format!("<{MAIL}@lamps.example>"), "reason": "550 no such mailbox"}),
        "release_mails" => json!({"drop": false}),
        "snooze_alert" => json!({"until": "2099-01-01T00:00:00Z"}),
        "sync_orders" => json!({"from": "2026-01-01T00:00:00Z"}),
        _ => panic!("{id} takes a body: say here which"),
    }
}

impl TestApp {
    async fn routes(&self, account: &Account) -> Vec<Route> {
        let order = self.count_id("select id from orders").await;
        let alert = self.count_id("select id from alerts").await;
        let connection = self.id_of(Quickbooks).await;
        let portal = self.id_of(Hubspot).await;
        let document = self.document().await;
        let mut routes = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                // One that is renewed is not the one that is ended.
                let connection = if id == "disconnect_connection" { portal } else { connection };
                let filled = path
                    .strip_prefix("/api/v1")
                    .unwrap()
                    .replace("{account_id}", &account.id.to_string())
                    .replace("{connection_id}", &connection.to_string())
                    .replace("{order_id}", &order)
                    .replace("{alert_id}", &alert);
                assert!(!filled.contains('{'), "{path}: say here what stands for it");
                let body = operation.get("requestBody").map(|_| body(&id, account).to_string());
                let parameters = operation["parameters"].as_array();
                routes.push(Route {
                    method: method.to_ascii_uppercase().parse().unwrap(),
                    path: if id == "send_orders" { format!("{filled}?account={}", account.id) } else { filled },
                    scope: operation["security"][0]["key"][0].as_str().unwrap().parse().unwrap(),
                    body,
                    has_query: parameters.is_some_and(|all| all.iter().any(|one| one["in"] == "query")),
                    id,
                });
            }
        }
        routes
    }

    async fn count_id(&self, sql: &'static str) -> String {
        let id: uuid::Uuid = sqlx::query_scalar(sql).fetch_one(&self.app.pool).await.unwrap();
        id.to_string()
    }

    async fn try_route(&self, key: &str, route: &Route) -> Reply {
        self.ask(key, route.method.clone(), &route.path, route.body.as_deref()).await
    }
}

/// Everything there is to see and to change, in one account.
async fn furnished() -> (TestApp, Account) {
    let (app, account) = TestApp::connected().await;
    app.parked("A-1").await;
    let alert = NewAlert {
        incident: "a test",
        kind: Kind::ConnectionLapsed,
        connection_id: Some(app.id_of(Quickbooks).await),
        provider: None,
        detail: &json!({}),
        recipient: Some(OWNER),
    };
    alerts::open(&mut *app.conn().await, &alert, app.clock.now()).await.unwrap();
    // As if it had been handed over.
    let sql = "update mails set id = $1, sent_at = send_at, attempts = 1";
    sqlx::query(sql).bind(MAIL.parse::<uuid::Uuid>().unwrap()).execute(&app.app.pool).await.unwrap();
    (app, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_work_opens_no_route() {
    let (app, account) = furnished().await;
    let now = app.clock.now();
    let good = app.program_key(&Scope::ALL, None).await;
    let (revoked, prefix) = app.key_until(&Scope::ALL, None, None).await;
    api_keys::revoke(&mut *app.conn().await, &prefix, now).await.unwrap().unwrap();
    let expired = app.key_until(&Scope::ALL, None, Some(now + TimeDelta::minutes(1))).await.0;
    app.advance(TimeDelta::minutes(1));
    let wrong = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
    let bad = ["", "lamp_00000000", wrong.as_str(), revoked.as_str(), expired.as_str(), "\u{7f}"];
    for route in app.routes(&account).await {
        for key in bad {
            let said = match key {
                "\u{7f}" => app.ask("x y z", route.method.clone(), &route.path, Some("no JSON")).await,
                key => app.try_route(key, &route).await,
            };
            said.problem(401);
            assert_eq!(said.headers["www-authenticate"], "Bearer", "{}", route.id);
        }
        for (key, word) in [(&revoked, "revoked"), (&expired, "ran out")] {
            let said = app.try_route(key, &route).await;
            assert!(said.body["detail"].as_str().unwrap().contains(word), "{}", said.body);
        }
    }
    assert!(app.audited().await.is_empty(), "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_scope_opens_no_route() {
    let (app, account) = furnished().await;
    for route in app.routes(&account).await {
        let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != route.scope).collect();
        let key = app.program_key(&others, None).await;
        let said = app.try_route(&key, &route).await;
        let detail = said.problem(403)["detail"].as_str().unwrap();
        assert!(detail.contains(route.scope.as_str()), "{}: {detail}", route.id);
    }
    assert!(app.audited().await.is_empty(), "nothing was done");
    assert_eq!(app.count("select count(*) from orders").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_another_account_sees_and_changes_nothing_of_this_one() {
    let (app, account) = furnished().await;
    let key = app.program_key(&Scope::ALL, Some(&app.account("Lake Books").await)).await;
    let about_all = ["get_status", "add_account", "get_configuration", "release_mails"];
    // Of no account at all.
    let shared = ["list_outages"];
    for route in app.routes(&account).await {
        let said = app.try_route(&key, &route).await;
        let names_one = route.path.contains(&account.id.to_string())
            || route.body.as_ref().is_some_and(|body| body.contains(&account.id.to_string()));
        match () {
            () if about_all.contains(&route.id.as_str()) => _ = said.problem(403),
            () if names_one || route.path.matches('/').count() > 1 => _ = said.problem(404),
            () if shared.contains(&route.id.as_str()) => _ = said.items(),
            () => {
                let text = said.is(200).to_string();
                assert!(
                    !text.contains("Harbor Books") && !text.contains(&account.id.to_string()),
                    "{}: {text}",
                    route.id
                );
            }
        }
        if route.has_query && !names_one {
            let asked = format!("{}?account={}", route.path, account.id);
            let said = app.ask(&key, route.method, &asked, route.body.as_deref()).await;
            assert!(matches!(said.status, 404 | 400), "{}: {}", route.id, said.body);
        }
    }
    assert!(app.audited().await.is_empty(), "nothing was done");
    let own = app.program_key(&Scope::ALL, Some(&account)).await;
    for route in app.routes(&account).await.iter().filter(|route| !about_all.contains(&route.id.as_str())) {
        let status = app.try_route(&own, route).await.status;
        // Skipped, it can be put back only once; ended, it is not asked any more.
        assert!(matches!(status, 200 | 201 | 409), "{}: {status}", route.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_a_problem() {
    let (app, account) = furnished().await;
    let key = app.program_key(&Scope::ALL, None).await;
    for path in ["/", "/nothing", "/accounts/", "/connections/1/nothing", "/orders/1/2/3/4"] {
        app.get(&key, path).await.problem(404);
    }
    for route in app.routes(&account).await {
        let said = app.ask(&key, Method::DELETE, &route.path, None).await;
        said.problem(405);
        assert!(said.headers["allow"].to_str().unwrap().contains(route.method.as_str()), "{}", route.id);
        let with = |query: &str| format!("{}?{query}", route.path.split('?').next().unwrap());
        if route.has_query {
            for query in
                ["nobody=knows", "limit=0", "limit=201", "limit=x", "cursor=!", "cursor=AA", "account=1", "status=x"]
            {
                let said = app.ask(&key, route.method.clone(), &with(query), route.body.as_deref()).await;
                said.problem(400);
            }
        }
        if route.path.matches('/').count() > 1 && route.path.contains('-') {
            let place = route.path.split('/').nth(2).unwrap().to_owned();
            for id in ["x", "019aa7b2-5c1e-7cc0-8a51-0d5f6f6f1a11"] {
                let path = route.path.replace(&place, id);
                app.ask(&key, route.method.clone(), &path, route.body.as_deref()).await.problem(404);
            }
        }
        let Some(body) = &route.body else { continue };
        let long = format!("{body}{}", " ".repeat(9 * 1024 * 1024));
        app.ask(&key, route.method.clone(), &route.path, Some(&long)).await.problem(413);
        let unknown = body.replacen('{', "{\"nobody\": \"knows\", ", 1).replace(", }", "}");
        for bad in ["{", "[7", "{\"a\\u0000\": 1}", "\"x\"", "7", unknown.as_str()] {
            let said = app.ask(&key, route.method.clone(), &route.path, Some(bad)).await;
            said.is(422);
        }
    }
    assert!(app.audited().await.is_empty(), "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_loop_is_slowed_down_and_no_other() {
    let app = TestApp::start_with(&[("web.api_requests_per_minute", "3")]).await;
    let (hasty, calm) = (app.program_key(&[Scope::Read], None).await, app.program_key(&[Scope::Read], None).await);
    for _ in 0..3 {
        app.get(&hasty, "/accounts").await.is(200);
    }
    let said = app.get(&hasty, "/accounts").await;
    said.problem(429);
    let wait: u64 = said.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=21).contains(&wait), "{wait}");
    app.get(&calm, "/accounts").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_a_problem_that_passes() {
    let app = TestApp::start().await;
    let key = app.program_key(&[Scope::Read], None).await;
    app.document().await;
    app.app.pool.close().await;
    let said = app.get(&key, "/accounts").await;
    said.problem(503);
    assert!(said.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_before_there_were_scopes_sends_orders_and_nothing_else() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let before = "alter table api_keys drop column name, drop column scopes, drop column expires_at,
                  alter column account_id set not null";
    sqlx::raw_sql(before).execute(&app.app.pool).await.unwrap();
    let key = format!("lamp_0badcafe-{}", "A".repeat(43));
    sqlx::query(
        "insert into api_keys (id, account_id, prefix, key_hash, created_at)
         values (gen_random_uuid(), $1, 'lamp_0badcafe', sha256($2), now())",
    )
    .bind(account.id)
    .bind(key.as_bytes())
    .execute(&app.app.pool)
    .await
    .unwrap();
    let migration = include_str!("../../../migrations/0024_api_keys.sql");
    sqlx::raw_sql(migration).execute(&app.app.pool).await.unwrap();
    let order = body("send_orders", &account);
    assert_eq!(app.post(&key, "/orders", &order).await.is(200)["taken"], 1);
    assert_eq!(app.order("1").await.account, "Harbor Books");
    app.get(&key, "/accounts").await.problem(403);
}
