//! What a collector of spans is told, and that a daemon does not care whether it listens.

use std::time::{Duration, Instant};

use lamplighter::{provider::Provider, sandbox::Sandbox};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;

use super::{
    Daemon, Installation,
    collector::{Collector, HOOK, Span},
    free_address, number, town, until,
};
use crate::harness::{HUB, REALM, new_database, order};

/// An order crosses, and a token is renewed.
async fn a_day(installation: &Installation, sandbox: &Sandbox, database: &PgConnectOptions) {
    installation.connect(sandbox).await;
    sandbox.place_order(HUB, order("SPAN-1", 1_995));
    let posted = "select count(*) from orders where status = 'posted'";
    let renewed = "select count(*) from spends where outcome = 'renewed'";
    until("an order and a renewal", async || {
        (number(database, posted).await == 1 && number(database, renewed).await > 0).then_some(())
    })
    .await;
}

fn find<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| {
        let names: std::collections::BTreeSet<_> = spans.iter().map(|span| &span.name).collect();
        panic!("no span {name}: {names:?}")
    })
}

/// The request that went out while a span was open.
fn below<'a>(spans: &'a [Span], parent: &Span, name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name && span.parent == parent.id);
    found.unwrap_or_else(|| panic!("no {name} below {parent:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_sees_a_renewal_and_an_order_and_the_requests_that_they_took() {
    let (sandbox, database, collector) = (town().await, new_database().await, Collector::start().await);
    let installation = Installation::on(&sandbox, &database)
        .await
        // How little is logged decides nothing about spans.
        .set("log.filter", "error")
        .set("telemetry.otlp_endpoint", &collector.url)
        .set("telemetry.otlp_headers", "api-key: key-of-the-collector")
        .set("telemetry.service_name", "lamplighter-of-ada");
    let daemon = installation.up().await;
    installation.run(&["webhook", "add", &format!("{}{HOOK}", collector.url)]).await.ok();
    a_day(&installation, &sandbox, &database).await;
    let doctor = installation.run(&["doctor"]).await.ok();
    assert!(doctor.stdout.contains("the collector at 127.0.0.1 takes spans"), "{}", doctor.stdout);
    assert!(sandbox.revoke(Provider::Quickbooks, REALM));
    let mailed = "select count(*) from mails where sent_at is not null";
    let delivered = "select count(*) from webhook_deliveries where delivered_at is not null";
    until("the mail and the webhooks", async || {
        (number(&database, mailed).await > 0 && number(&database, delivered).await > 1).then_some(())
    })
    .await;
    // What is left goes out with the stop.
    daemon.terminate().await;

    let keys = collector.keys();
    assert!(!keys.is_empty() && keys.iter().all(|key| key == "key-of-the-collector"), "{keys:?}");
    let spans = collector.spans();
    assert_eq!(spans[0].service["service.name"], "lamplighter-of-ada");
    assert_eq!(spans[0].service["service.version"], env!("CARGO_PKG_VERSION"));

    let renewal = spans.iter().find(|span| {
        span.name == "connection.renew"
            && span.get("lamplighter.outcome") == "renewed"
            && span.get("lamplighter.provider") == "quickbooks"
    });
    let renewal = renewal.expect("a renewal that went well");
    assert!(!renewal.failed && renewal.kind == 1 && !renewal.get("lamplighter.connection_id").is_empty());
    let spent = below(&spans, renewal, "POST refresh");
    assert_eq!((spent.kind, spent.failed), (3, false));
    let token_url = sandbox.endpoints(Provider::Quickbooks).token_url;
    let expected = [
        ("http.request.method", "POST".to_owned()),
        ("http.response.status_code", "200".to_owned()),
        ("server.address", token_url.host_str().unwrap().to_owned()),
        ("server.port", token_url.port().unwrap().to_string()),
        ("lamplighter.provider", "quickbooks".to_owned()),
        ("lamplighter.operation", "refresh".to_owned()),
        ("lamplighter.verdict", "ok".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(spent.get(name), value, "{spent:?}");
    }

    let posted = find(&spans, "order.post");
    assert_eq!((posted.get("lamplighter.outcome"), posted.get("lamplighter.attempt")), ("posted", "1"));
    assert_eq!(posted.get("lamplighter.document_id"), sandbox.documents(REALM)[0].id);
    let lane = spans.iter().find(|span| span.id == posted.parent).expect("it is part of a turn");
    assert_eq!((lane.name.as_str(), lane.get("lamplighter.posted")), ("lane.deliver", "1"));
    assert!(spans.iter().any(|span| span.parent == posted.id && span.kind == 3), "it took a request");
    assert!(spans.iter().any(|span| span.name == "intake.read" && span.get("lamplighter.received") == "1"));

    let dead = spans.iter().find(|span| span.get("lamplighter.outcome") == "dead_grant").expect("the grant died");
    assert_eq!((dead.failed, dead.get("error.type")), (true, "dead_grant"));
    let refused = below(&spans, dead, "POST refresh");
    assert_eq!(
        (refused.failed, refused.get("error.type"), refused.get("lamplighter.verdict")),
        (true, "400", "lapsed")
    );
    let mail = find(&spans, "mail.send");
    assert_eq!((mail.get("lamplighter.outcome"), mail.kind), ("sent", 3));
    let hook = find(&spans, "webhook.deliver");
    assert_eq!((hook.get("http.response.status_code"), hook.get("server.address"), hook.kind), ("200", "127.0.0.1", 3));
    assert!(!hook.get("lamplighter.delivery_id").is_empty(), "{hook:?}");
    assert!(!format!("{spans:?}").contains("sesame"), "a path may hold a secret");
    let served = find(&spans, "GET /oauth/{provider}/callback");
    assert_eq!((served.kind, served.get("http.route")), (2, "/oauth/{provider}/callback"));
    assert!(spans.iter().all(|span| !span.name.contains("/healthz")), "a probe is no news");
    let unknown: Vec<_> = spans
        .iter()
        .flat_map(|span| span.attributes.keys())
        .filter(|name| !["http.", "server.", "error.", "lamplighter."].iter().any(|known| name.starts_with(known)))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn complaints(daemon: &Daemon) -> Vec<Value> {
    let lines = daemon.output().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    lines.into_iter().filter(|line| line["message"].as_str().is_some_and(|text| text.contains("spans"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_refuses_costs_nothing_but_spans() {
    let (sandbox, database, collector) = (town().await, new_database().await, Collector::start().await);
    collector.answer(401);
    let installation = Installation::on(&sandbox, &database).await.set("telemetry.otlp_endpoint", &collector.url);
    let daemon = installation.up().await;
    a_day(&installation, &sandbox, &database).await;
    until("the complaint", async || (!complaints(&daemon).is_empty()).then_some(())).await;
    let asked = collector.keys().len();
    until("another batch", async || (collector.keys().len() > asked).then_some(())).await;
    let doctor = installation.run(&["doctor"]).await.ok();
    let said = "warn  telemetry    the collector of spans: 127.0.0.1 answers 401 Unauthorized";
    assert!(doctor.stdout.contains(said), "{}", doctor.stdout);
    let all = complaints(&daemon);
    assert_eq!(all.len(), 1, "said once: {all:?}");
    assert_eq!(all[0]["level"], "WARN");
    collector.answer(200);
    until("the good news", async || (complaints(&daemon).len() == 2).then_some(())).await;
    assert_eq!(complaints(&daemon)[1]["message"], "the collector takes spans again");
    daemon.terminate().await;

    let nobody = installation.set("telemetry.otlp_endpoint", &format!("http://{}", free_address()));
    let daemon = nobody.up().await;
    let doctor = nobody.run(&["doctor"]).await.ok();
    assert!(doctor.stdout.contains("the collector of spans: 127.0.0.1 does not answer"), "{}", doctor.stdout);
    assert!(doctor.stdout.contains("correct telemetry.otlp_endpoint"), "{}", doctor.stdout);
    let quick = nobody.run(&["doctor", "--quick"]).await.ok();
    assert!(!quick.stdout.contains("telemetry"), "{}", quick.stdout);
    daemon.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_says_nothing_does_not_hold_up_a_stop() {
    let (sandbox, database) = (town().await, new_database().await);
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let installation = Installation::on(&sandbox, &database).await.set("telemetry.otlp_endpoint", &endpoint);
    let daemon = installation.up().await;
    a_day(&installation, &sandbox, &database).await;
    let began = Instant::now();
    daemon.terminate().await;
    assert!(began.elapsed() < Duration::from_secs(9), "it took {:?}", began.elapsed());
}
