//! What probes and scrapers read.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use lamplighter::provider::Provider;
use reqwest::{Method, StatusCode, header};
use serde_json::Value;

use super::{Answer, ask};
use crate::harness::{HUB, REALM, TestApp, minutes, order};

pub(super) async fn get(app: &TestApp, path: &str) -> Answer {
    ask(Method::GET, &app.url(path), &[]).await
}

/// The status code, the overall state, and each check's state by its id.
async fn readiness(app: &TestApp) -> (StatusCode, String, BTreeMap<String, String>) {
    let answer = get(app, "/readyz").await;
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let checks = body["checks"].as_array().unwrap().iter().map(|check| {
        assert!(!text(&check["message"]).is_empty());
        let remedy = check["remedy"].as_str();
        assert_eq!(remedy.is_none(), check["state"] == "ok", "what is not well has a remedy: {check}");
        (text(&check["id"]), text(&check["state"]))
    });
    (answer.status, text(&body["status"]), checks.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_says_what_was_checked_and_fails_when_tokens_are_overdue() {
    let (app, _) = TestApp::connected().await;
    let (code, state, checks) = readiness(&app).await;
    assert_eq!((code, state.as_str()), (StatusCode::OK, "ok"), "{checks:?}");
    for id in ["database", "vault", "keeper", "connections", "orders", "outages", "providers", "mail", "spool"] {
        assert_eq!(checks.get(id).map(String::as_str), Some("ok"), "{id}");
    }
    app.advance(TimeDelta::hours(3));
    let (code, state, checks) = readiness(&app).await;
    assert_eq!((code, state.as_str(), checks["keeper"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, "fail", "fail"));
    assert_eq!(get(&app, "/healthz").await.status, StatusCode::OK, "it is alive all the same");
    let page = get(&app, "/").await;
    assert!(
        page.body.contains("1 check fails") && page.body.contains("is <code>lamplighter serve</code> running?"),
        "{}",
        page.body
    );
    app.app.keeper.round().await.unwrap();
    let (code, state, _) = readiness(&app).await;
    assert_eq!((code, state.as_str()), (StatusCode::OK, "ok"), "the renewal heals it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_connection_is_a_warning_and_no_reason_to_take_traffic_away() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.revoke(Provider::Quickbooks, REALM);
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    let (code, state, checks) = readiness(&app).await;
    assert_eq!((code, state.as_str(), checks["connections"].as_str()), (StatusCode::OK, "warn", "warn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_it_is_alive_not_ready_and_says_so_to_people() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let link = app.link(&account, Provider::Quickbooks);
    app.app.pool.close().await;
    assert_eq!(get(&app, "/healthz").await.body, "ok\n");
    let (code, state, checks) = readiness(&app).await;
    assert_eq!((code, state.as_str(), checks["database"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, "fail", "fail"));
    for path in ["/", link.path(), "/metrics"] {
        let away = get(&app, path).await;
        assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(away.body.contains("We are not ready just now"), "{path}: {}", away.body);
    }
}

/// A family of metrics: its type, its help, and its samples by their labels.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) help: String,
    pub(super) samples: BTreeMap<String, f64>,
}

/// Reads `OpenMetrics` text and refuses what breaks its rules.
pub(super) fn families(text: &str) -> BTreeMap<String, Family> {
    let text = text.strip_suffix("# EOF\n").expect("it ends with its end mark");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# ") {
            let mut words = about.splitn(3, ' ');
            let (word, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(name == current || !families.contains_key(name), "{name} stands in one piece");
            current = name.to_owned();
            let family = families.entry(current.clone()).or_default();
            match word {
                "HELP" => family.help = rest.to_owned(),
                "TYPE" => family.kind = rest.to_owned(),
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("{line}"),
            }
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample has a value");
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            let labels = labels.strip_suffix('}').expect("labels are closed");
            let family = families.get_mut(&current).unwrap();
            let suffixes: &[&str] = match family.kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_sum", "_count", "_bucket"],
                _ => &[""],
            };
            let suffix = name.strip_prefix(current.as_str()).expect("a sample belongs to its family");
            assert!(suffixes.contains(&suffix), "{line}");
            let part = if family.kind == "histogram" { format!("{suffix} {labels}") } else { labels.to_owned() };
            let new = family.samples.insert(part, value.parse().unwrap());
            assert_eq!(new, None, "{line} stands once");
        }
    }
    families
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_metrics_text_with_the_levels_of_now() {
    let (app, _) = TestApp::connected().await;
    app.advance(minutes(10));
    app.sandbox.place_order(HUB, order("#1001", 1_250));
    app.rounds().await;
    app.advance(minutes(30));
    app.sandbox.revoke(Provider::Hubspot, HUB);
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    let answer = get(&app, "/metrics").await;
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let families = families(&answer.body);
    for (name, family) in &families {
        assert!(name.starts_with("lamplighter_") && !family.help.is_empty(), "{name}: {family:?}");
        assert!(["counter", "gauge", "histogram"].contains(&family.kind.as_str()), "{name}: {family:?}");
    }
    let value = |name: &str, labels: &str| families[name].samples.get(labels).copied();
    let connections = |provider: &str, status: &str| {
        value("lamplighter_connections", &format!("provider=\"{provider}\",status=\"{status}\""))
    };
    assert_eq!(connections("quickbooks", "connected"), Some(1.0));
    assert_eq!(connections("hubspot", "lapsed"), Some(1.0));
    assert_eq!(connections("hubspot", "connected"), None, "a level that is gone is not shown");
    assert_eq!(value("lamplighter_orders", "status=\"queued\""), Some(0.0));
    assert_eq!(value("lamplighter_order_attempts", "outcome=\"posted\""), Some(1.0));
    assert_eq!(value("lamplighter_spends", "provider=\"quickbooks\",outcome=\"renewed\""), Some(1.0));
    assert_eq!(value("lamplighter_spends", "provider=\"hubspot\",outcome=\"dead_grant\""), Some(1.0));
    assert_eq!(value("lamplighter_mails", "outcome=\"sent\""), Some(1.0));
    assert_eq!(value("lamplighter_outage_open", "provider=\"quickbooks\",endpoint=\"tokens\""), Some(0.0));
    assert_eq!(value("lamplighter_keeper_lateness_seconds", ""), Some(0.0));
    // What was spent was also a call, counted with its time.
    let refreshed = "_count provider=\"quickbooks\",operation=\"refresh\",verdict=\"ok\"";
    assert_eq!(value("lamplighter_provider_call_duration_seconds", refreshed), Some(1.0));
    let dead = "_count provider=\"hubspot\",operation=\"refresh\",verdict=\"lapsed\"";
    assert_eq!(value("lamplighter_provider_call_duration_seconds", dead), Some(1.0));
    assert_eq!(value("lamplighter_alerts_open", "kind=\"connection_lapsed\""), Some(1.0));
    assert_eq!(value("lamplighter_mails_waiting", "status=\"failing\""), Some(0.0));
    let renewal = value("lamplighter_next_renewal_seconds", "provider=\"quickbooks\"").unwrap();
    let due = app.connection(Provider::Quickbooks).await.renew_at.unwrap() - app.clock.now();
    assert!((renewal - due.as_seconds_f64()).abs() < 0.001, "{renewal} {due}");
    let window = value("lamplighter_refresh_window_left_seconds", "provider=\"quickbooks\"").unwrap();
    assert!((100.0..=101.0).contains(&(window / 86_400.0)), "{window}");
    assert_eq!(value("lamplighter_next_renewal_seconds", "provider=\"hubspot\""), None, "nothing is planned");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_waiting_order_and_what_is_due_are_told() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.revoke(Provider::Quickbooks, REALM);
    app.advance(minutes(10));
    app.sandbox.place_order(HUB, order("#1001", 1_250));
    app.app.intake.round().await.unwrap();
    app.advance(minutes(30));
    let text = get(&app, "/metrics").await.body;
    let families = families(&text);
    let value = |name: &str, labels: &str| families[name].samples.get(labels).copied();
    assert_eq!(value("lamplighter_orders", "status=\"queued\""), Some(1.0));
    assert_eq!(value("lamplighter_oldest_order_age_seconds", "status=\"queued\""), Some(1_800.0));
    assert_eq!(value("lamplighter_oldest_order_age_seconds", "status=\"parked\""), Some(0.0));
    assert_eq!(value("lamplighter_tokens_due", "provider=\"quickbooks\""), Some(1.0));
    assert!(value("lamplighter_next_renewal_seconds", "provider=\"quickbooks\"").unwrap() < 0.0);
}
