//! Who is refused, asked of every route that the dashboard's source names: a new one is in here by itself.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use lamplighter::{
    provider::Provider::Quickbooks,
    store::{
        accounts::Account,
        alerts::{self, Kind, NewAlert},
        operators::{self, Role},
    },
};
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use super::{Browser, PASSWORD, cookie_of, post};
use crate::{
    harness::{HUB, TestApp, minutes, order},
    pages::{Answer, ask},
};

/// What a browser without a session may ask for.
const PUBLIC: [&str; 1] = ["/sign-in"];
/// What a viewer may do: go.
const FOR_ALL: [&str; 1] = ["/sign-out"];
/// Fields that some form has; each takes its own and leaves the rest.
const FIELDS: [(&str, &str); 14] = [
    ("name", "Tidewater"),
    ("owner_name", "Ada"),
    ("owner_email", "ada@tidewater.example"),
    ("provider", "quickbooks"),
    ("how", "link"),
    ("from", "2026-01-01"),
    ("to", "2026-01-02"),
    ("account", ""),
    ("status", "parked"),
    ("search", ""),
    ("code", ""),
    ("before", ""),
    ("reason", "a test"),
    ("wish", "acknowledge"),
];

/// A route as its source names it, and as a request that would be carried out.
#[derive(Debug)]
struct Route {
    method: Method,
    named: String,
    path: String,
}

/// Every `.route("PATH", METHODS)` of a source file.
fn routes_in(source: &str) -> Vec<(Method, String)> {
    let mut routes = Vec::new();
    for piece in source.split(".route(").skip(1) {
        let (_, rest) = piece.split_once('"').expect("a path stands in quotation marks");
        let (path, methods) = rest.split_once('"').unwrap();
        let methods = methods.split("\n}").next().unwrap();
        let words: BTreeSet<_> = methods.split(|c: char| !c.is_ascii_alphanumeric() && !"_:(".contains(c)).collect();
        let before = routes.len();
        for (word, method) in [("get(", Method::GET), ("post(", Method::POST), ("any(", Method::OPTIONS)] {
            if words.iter().any(|one| one.starts_with(word)) {
                routes.push((method, path.to_owned()));
            }
        }
        assert!(routes.len() > before, "{path}: say here what its methods look like");
    }
    assert_eq!(routes.len(), routes.iter().map(|one| format!("{one:?}")).collect::<BTreeSet<_>>().len());
    routes
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if std::fs::read_to_string(&entry).is_ok_and(|text| text.contains("Router::new()")) {
            found.push(entry);
        }
    }
}

#[test]
fn every_route_stands_where_these_tests_look() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![root.join("web.rs")];
    sources(&root.join("web"), &mut found);
    let found: BTreeSet<_> = found.iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap()).collect();
    assert_eq!(found, BTreeSet::from(["web.rs", "web/dashboard.rs"]), "a router that no test of refusals reads");
    for (file, merged) in [("web.rs", 2), ("web/dashboard.rs", 0)] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert_eq!(text.matches(".merge(").count(), merged, "{file}");
        for hidden in [".nest(", ".route_service(", ".nest_service("] {
            assert!(!text.contains(hidden), "{file} has routes that these tests do not find");
        }
    }
    // What is outside of the dashboard and of the API: each has links, signatures or nothing secret, and tests of its own.
    let outside: Vec<_> = routes_in(include_str!("../../../src/web.rs")).into_iter().map(|(_, path)| path).collect();
    assert_eq!(
        outside,
        [
            "/connect/{token}",
            "/connect/{token}/fresh-link",
            "/owner/{token}",
            "/owner/{token}/fresh-link",
            "/owner/{token}/disconnect",
            "/owner/{token}/send-again",
            "/oauth/{provider}/callback",
            "/assets/style.css",
            "/assets/live.js",
            "/healthz",
            "/readyz",
            "/metrics",
            "/webhooks/hubspot"
        ]
    );
}

async fn routes(app: &TestApp, account: &Account) -> Vec<Route> {
    let order = app.id("select id from orders").await;
    let alert = app.id("select id from alerts").await;
    let connection = app.id("select id from connections where provider = 'quickbooks'").await;
    let all = routes_in(include_str!("../../../src/web/dashboard.rs"));
    assert!(all.len() >= 24, "{}", all.len());
    let filled = all.into_iter().map(|(method, named)| {
        let id = match named.split('/').nth(1).unwrap() {
            "accounts" => account.id,
            "connections" => connection,
            "orders" => order,
            "alerts" => alert,
            _ if !named.contains('{') => uuid::Uuid::nil(),
            _ => panic!("{named}: say here what stands for its id"),
        };
        Route { path: named.replace("{id}", &id.to_string()), method, named }
    });
    filled.inspect(|route| assert!(!route.path.contains('{'), "{route:?}")).collect()
}

/// Everything that there is to see and to press.
async fn furnished(settings: &[(&str, &str)]) -> (TestApp, Account) {
    let (app, account) = TestApp::connected_with(settings).await;
    let mut wrong = order("1001", 100);
    wrong.total = Some("99.99".parse().unwrap());
    app.sandbox.place_order(HUB, wrong);
    app.rounds().await;
    let alert = NewAlert {
        incident: "a test",
        kind: Kind::ConnectionLapsed,
        connection_id: Some(app.connection(Quickbooks).await.id),
        provider: None,
        detail: &json!({}),
        recipient: None,
    };
    alerts::open(&mut *app.conn().await, &alert, app.clock.now()).await.unwrap();
    (app, account)
}

async fn send(app: &TestApp, route: &Route, cookie: &str, token: Option<&str>) -> Answer {
    if route.method == Method::GET {
        return ask(Method::GET, &app.url(&route.path), &[("cookie", cookie)]).await;
    }
    let token = token.map(|token| ("form_token", token));
    let fields: Vec<_> = FIELDS.into_iter().chain(token).collect();
    post(app, &route.path, &fields, &[("cookie", cookie)]).await
}

/// Everything that a deed would have changed; sign-ins are none.
async fn untouched(app: &TestApp) -> Vec<i64> {
    vec![
        app.count("select count(*) from audit_log where action <> 'operator.sign_in'").await,
        app.count("select count(*) from accounts").await,
        app.count("select count(*) from orders where status = 'parked'").await,
        app.count("select count(*) from alerts where acknowledged_at is null").await,
        app.count("select count(*) from spends").await,
        app.count("select count(*) from connections where status = 'connected'").await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_that_holds_no_route_opens() {
    let settings = [("web.status_page", "off"), ("web.session_lifetime", "1h")];
    let (app, account) = furnished(&settings).await;
    let expired = app.browser("bob", Role::Operator).await;
    app.advance(minutes(61));
    let (gone, other) = (app.browser("ida", Role::Operator).await, TestApp::start().await);
    let ida = operators::find(&mut *app.conn().await, "ida").await.unwrap().unwrap().0;
    let signed_out = app.browser("max", Role::Operator).await;
    let max = operators::find(&mut *app.conn().await, "max").await.unwrap().unwrap().0;
    let renamed = app.browser("eva", Role::Operator).await;
    let eva = operators::find(&mut *app.conn().await, "eva").await.unwrap().unwrap().0;
    let elsewhere = other.browser("ada", Role::Operator).await;
    let good = app.browser("ada", Role::Operator).await;
    let mut conn = app.conn().await;
    operators::remove(&mut conn, ida.id, app.clock.now()).await.unwrap();
    assert_eq!(operators::end_sessions(&mut conn, max.id).await.unwrap(), 1);
    let hash = lamplighter::operators::hash_password(&"another four random words".into()).unwrap();
    operators::set_password(&mut conn, eva.id, &hash).await.unwrap();
    drop(conn);
    let cut = &good.cookie[..good.cookie.len() - 1];
    let before = untouched(&app).await;
    let hers = good.token("/accounts").await;
    let cookies = [
        ("none", "a=b"),
        ("an empty one", "lamplighter_session="),
        ("a made-up one", "lamplighter_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("one that is cut", cut),
        ("one that ran out", &expired.cookie),
        ("a removed operator's", &gone.cookie),
        ("one that was ended", &signed_out.cookie),
        ("one from before the password was changed", &renamed.cookie),
        ("another installation's", &elsewhere.cookie),
    ];
    let mut asked = 0;
    for route in routes(&app, &account).await {
        for (which, cookie) in cookies {
            let answer = send(&app, &route, cookie, Some(&hers)).await;
            match () {
                () if PUBLIC.contains(&route.named.as_str()) => {
                    assert!(answer.headers.get(header::SET_COOKIE).is_none(), "{which}: {route:?}");
                }
                () if route.method == Method::GET => {
                    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{which}: {route:?}");
                    assert!(answer.header(header::LOCATION).starts_with("/sign-in?next="), "{which}: {route:?}");
                }
                () => assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{which}: {route:?}"),
            }
            asked += 1;
        }
        if !PUBLIC.contains(&route.named.as_str()) && route.method == Method::GET {
            assert_eq!(send(&app, &route, &good.cookie, None).await.status, StatusCode::OK, "{route:?}");
        }
    }
    assert!(asked >= 200, "{asked}");
    assert_eq!(untouched(&app).await, before, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_every_page_and_presses_nothing() {
    let (app, account) = furnished(&[]).await;
    let eve = app.browser("eve", Role::Viewer).await;
    let (hers, before) = (eve.token("/accounts").await, untouched(&app).await);
    let on_site = "a=b";
    for route in routes(&app, &account).await {
        let named = route.named.as_str();
        if PUBLIC.contains(&named) || FOR_ALL.contains(&named) {
            continue;
        }
        // Whoever sits at the machine itself may look as well, and has no name to act under.
        let (viewer, looker) = match route.method {
            Method::GET => (StatusCode::OK, StatusCode::OK),
            _ => (StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED),
        };
        assert_eq!(send(&app, &route, &eve.cookie, Some(&hers)).await.status, viewer, "{route:?}");
        assert_eq!(send(&app, &route, on_site, Some(&hers)).await.status, looker, "{route:?}");
    }
    assert_eq!(untouched(&app).await, before, "nothing was done");
    // A role is looked up with every request.
    operators::set_role(&mut *app.conn().await, app.id("select id from operators").await, Role::Operator)
        .await
        .unwrap();
    let added = eve.submit("/accounts", "/accounts", &FIELDS).await;
    assert!(added.body.contains("Added."), "{}", added.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_is_believed_that_is_not_ours_fresh_and_its_senders_own() {
    let (app, account) = furnished(&[]).await;
    let (ada, bob) = (app.browser("ada", Role::Operator).await, app.browser("bob", Role::Operator).await);
    let old = ada.token("/accounts").await;
    app.advance(minutes(12 * 60));
    let signed_out = app.sign_in("ada", PASSWORD, &[]).await;
    let ended = Browser { app: &app, cookie: cookie_of(&signed_out) };
    let revoked = ended.token("/accounts").await;
    ended.submit("/accounts", "/sign-out", &[]).await;
    let other = TestApp::start().await;
    let elsewhere = other.browser("ada", Role::Operator).await.token("/accounts").await;
    let (hers, his) = (ada.token("/accounts").await, bob.token("/accounts").await);
    let cut = &hers[..hers.len() - 4];
    let tokens = [
        ("none", None),
        ("an empty one", Some("")),
        ("a made-up one", Some("AAAA")),
        ("one that is cut", Some(cut)),
        ("one that ran out", Some(old.as_str())),
        ("one of her session that she ended", Some(revoked.as_str())),
        ("a colleague's", Some(his.as_str())),
        ("another installation's", Some(elsewhere.as_str())),
    ];
    let before = untouched(&app).await;
    let posts = || async {
        let all = routes(&app, &account).await;
        all.into_iter().filter(|route| route.method == Method::POST && !PUBLIC.contains(&route.named.as_str()))
    };
    for route in posts().await {
        for (which, token) in tokens {
            let answer = send(&app, &route, &ada.cookie, token).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{which}: {route:?}: {}", answer.body);
        }
    }
    assert_eq!(untouched(&app).await, before, "nothing was done");
    assert_eq!(ada.get("/accounts").await.status, StatusCode::OK, "she is still in");
    // With her own each is carried out, or is refused for what it asks: so it was the token.
    let (go, act): (Vec<_>, Vec<_>) = posts().await.partition(|route| FOR_ALL.contains(&route.named.as_str()));
    for route in act.into_iter().chain(go) {
        let answer = send(&app, &route, &ada.cookie, Some(&hers)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{route:?}: {}", answer.body);
    }
    assert_ne!(untouched(&app).await, before);
    assert_eq!(ada.get("/accounts").await.body.matches("form_token").count(), 0, "she went");
    app.app.web.under_way.close();
    app.app.web.under_way.wait().await;
}
