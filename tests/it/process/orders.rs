//! `order list`, `show`, `retry` and `skip` as a person and as a script meet them: words, exit codes, JSON.

use chrono::NaiveDate;
use lamplighter::{provider::Provider::Quickbooks, sandbox::Outage, store::orders::Status};
use serde_json::json;

use super::{Installation, Said};
use crate::harness::{HUB, REALM, TestApp, minutes, order};

fn holds(said: &Said, words: &[&str]) {
    for word in words {
        assert!(said.stdout.contains(word) || said.stderr.contains(word), "{word:?}\n{}\n{}", said.stdout, said.stderr);
    }
}

impl Installation {
    async fn order(&self, arguments: &[&str]) -> Said {
        self.run(&[&["order"], arguments].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_order_is_found_understood_and_put_back() {
    let (app, _) = TestApp::connected().await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    holds(&installation.order(&["list"]).await.ok(), &["No such order"]);
    app.sandbox.close_books(REALM, NaiveDate::from_ymd_opt(2030, 12, 31));
    let first = app.sandbox.place_order(HUB, order("A-1", 1_000));
    for name in ["A-2", "A-3"] {
        app.sandbox.place_order(HUB, order(name, 2_000));
    }
    app.rounds().await;

    let listed = installation.order(&["list", "--status", "parked", "--code", "6210", "--since", "1d"]).await.ok();
    holds(&listed, &["A-1", "A-3", "parked", "code 6210", "To do:", "reopen it"]);
    let page = installation.order(&["list", "--limit", "2"]).await.ok();
    assert!(page.stdout.contains("A-3") && !page.stdout.contains("A-1"), "{}", page.stdout);
    let hint = page.stderr.split("--before ").nth(1).expect("there are more").trim();
    let rest = installation.order(&["list", "--limit", "2", "--before", hint, "--json"]).await.ok();
    let row = &rest.json()[0];
    assert_eq!(
        (&row["name"], &row["code"], &rest.json()[1]),
        (&"A-1".into(), &"6210".into(), &serde_json::Value::Null)
    );
    assert!(row["cursor"].is_string() && row["remedy"].is_string() && !rest.stderr.contains("--before"));
    for wrong in [&["--since", "yesterday"], &["--before", "x"], &["--limit", "0"]] {
        assert_eq!(installation.order(&[&["list"][..], wrong].concat()).await.code, 2);
    }
    assert_eq!(installation.order(&["list", "--account", "Nobody"]).await.code, 1);

    let shown = installation.order(&["show", "a-1"]).await.ok();
    let id = app.order("A-1").await.id.to_string();
    holds(&shown, &["PARKED", "The account period has closed", "HTTP 400", "code 6210", "correlation id", "GUIDE-1"]);
    holds(&shown, &["to do: ", &format!("lamplighter order retry {id}"), "Rae Reader"]);
    let json = installation.order(&["show", &first, "--json"]).await.ok().json();
    assert_eq!(
        (&json["facts"]["order"]["id"], &json["facts"]["attempts"][0]["code"]),
        (&id.as_str().into(), &"6210".into())
    );
    assert!(json["why"][0].is_string() && json["next"][0]["what"].is_string() && json["try"][0].is_string());
    let nothing = installation.order(&["show", "A-9"]).await;
    assert_eq!(nothing.code, 1);
    holds(&nothing, &["\"A-9\" names no order", "order list --search"]);

    assert_eq!(installation.order(&["retry"]).await.code, 2, "nobody retries everything by mistake");
    assert_eq!(installation.order(&["retry", "A-1", "--all-parked"]).await.code, 2);
    let vague = installation.order(&["retry", "--parked"]).await;
    assert_eq!(vague.code, 1);
    holds(&vague, &["--all-parked"]);
    let look = installation.order(&["retry", "--parked", "--code", "6210"]).await;
    assert_eq!(look.code, 2);
    holds(&look, &["A-1", "A-2", "A-3", "Nothing was done", "--yes"]);
    assert_eq!(app.order("A-2").await.status, Status::Parked);
    app.sandbox.close_books(REALM, None);
    let one = installation.order(&["retry", &id]).await.ok();
    holds(&one, &["1 order back in the queue", "1 order of Harbor Books", "UTC", "looks within"]);
    let again = installation.order(&["retry", "A-1"]).await;
    assert_eq!(again.code, 1);
    holds(&again, &["in the queue already"]);
    let all = installation.order(&["retry", "--all-parked", "--yes", "--json"]).await.ok().json();
    assert_eq!(all["put_back"].as_array().map(Vec::len), Some(2), "{all}");
    app.advance(minutes(6));
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.sandbox.documents(REALM).len(), 3);
    holds(&installation.order(&["retry", "A-1"]).await, &["it is posted"]);
    holds(&installation.order(&["retry", "--all-parked"]).await.ok(), &["Nothing was put back"]);
    holds(
        &installation.order(&["show", "A-1"]).await.ok(),
        &["POSTED since", "QuickBooks made its document", "nothing: it is in"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_skipped_with_a_reason_and_stays_visible() {
    let (app, _) = TestApp::connected().await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::Status503);
    for name in ["A-1", "A-1", "A-2"] {
        app.sandbox.place_order(HUB, order(name, 1_000));
    }
    app.app.intake.round().await.unwrap();
    let ambiguous = installation.order(&["skip", "A-1", "--reason", "a test"]).await;
    assert_eq!(ambiguous.code, 1);
    holds(&ambiguous, &["could be any of these", "(id ", "repeat it with the id"]);
    assert_eq!(installation.order(&["skip", "A-2"]).await.code, 2, "a reason is needed");
    assert_eq!(installation.order(&["skip", "A-2", "--reason", " "]).await.code, 1);
    let skipped = installation.order(&["skip", "A-2", "--reason", "entered by hand\nalready"]).await.ok();
    holds(&skipped, &["A-2 is skipped", "lamplighter order retry"]);
    assert_eq!(installation.order(&["skip", "A-2", "--reason", "again"]).await.code, 1);
    let shown = installation.order(&["show", "A-2"]).await.ok();
    holds(&shown, &["SKIPPED since", ": entered by hand already", "somebody puts it back", "order retry"]);
    holds(&installation.order(&["list", "--status", "skipped"]).await.ok(), &["A-2", "entered by hand"]);
    let help = installation.order(&["skip", "--help"]).await.ok();
    let help = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("it comes in again, as queued"), "{help}");
    holds(&installation.order(&["retry", "A-2"]).await.ok(), &["1 order back in the queue"]);
    let deeds = installation.run(&["audit", "--json"]).await.ok().json();
    let deeds: Vec<_> = deeds.as_array().unwrap().iter().map(|deed| (&deed["action"], &deed["subject"])).collect();
    assert_eq!(deeds, [(&json!("order.retry"), &json!("A-2")), (&json!("order.skip"), &json!("A-2"))]);
    holds(&installation.run(&["audit"]).await.ok(), &["command line", "order.skip", "order.retry"]);
    app.sandbox.switch(Quickbooks, |switches| switches.outage = Outage::None);
    app.advance(minutes(6));
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.sandbox.documents(REALM).len(), 3);
}
