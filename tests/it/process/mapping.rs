//! `account settings` and `order preview`, as their user meets them.

use serde_json::json;

use super::{ACCOUNT, Installation, number, town, until};
use crate::harness::{HUB, OWNER, new_database, order};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_settings_of_its_own() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    installation.run(&["account", "add", ACCOUNT, "--owner-name", "Ada", "--owner-email", OWNER]).await.ok();
    let settings = ["account", "settings", ACCOUNT];
    let with = |more: &[&'static str]| [&settings[..], more].concat();

    let set = ["--set", "time_zone=Europe/Berlin", "--set", "document=invoice", "--set", "orders.batch=7"];
    let said = installation.run(&with(&set)).await.ok();
    for words in ["Changed.", "Europe/Berlin", r#"account (default: "UTC")"#, "shipping_item"] {
        assert!(said.stdout.contains(words), "{words:?} is missing in\n{}", said.stdout);
    }
    let shown = installation.run(&with(&["--json"])).await.ok().json();
    assert_eq!(shown["document"], json!({"value": "invoice", "from": "account", "default": "sales_receipt"}));
    assert_eq!(shown["tax"], json!({"value": "line", "from": "default"}));

    for (wrong, words) in [
        (
            ["--set", "document=bill"],
            r#"document cannot be "bill": write one of "sales_receipt", "invoice", "by_payment""#,
        ),
        (["--set", "docment=invoice"], r#""docment" is no setting: did you mean "document"?"#),
        (["--unset", "colour"], r#""colour" is no setting"#),
        (["--set", "orders.mapping.tax=line"], r#""orders.mapping.tax" is no setting"#),
    ] {
        // The first of two changes is not kept when the second is wrong.
        let said = installation.run(&with(&["--set", "tax=quickbooks", wrong[0], wrong[1]])).await;
        assert_eq!(said.code, 1, "{}", said.stdout);
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
    let shown = installation.run(&with(&["--unset", "document", "--json"])).await.ok().json();
    assert_eq!((&shown["document"]["from"], &shown["tax"]["from"]), (&json!("default"), &json!("default")));
    let deeds = installation.run(&["audit", "--limit", "1", "--json"]).await.ok().json();
    assert_eq!((&deeds[0]["action"], &deeds[0]["subject"]), (&"account.settings".into(), &ACCOUNT.into()), "{deeds}");
    let nobody = installation.run(&["account", "settings", "Nobody"]).await;
    assert!(nobody.code == 1 && nobody.stderr.contains("account list"), "{}", nobody.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_shown_before_it_is_sent() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    let id = sandbox.place_order(HUB, order("#1001", 1_250));
    until("the order to be posted", async || {
        (number(&database, "select count(*) from orders where status = 'posted'").await == 1).then_some(())
    })
    .await;
    daemon.terminate().await;

    let said = installation.run(&["order", "preview", "#1001"]).await.ok();
    for words in
        ["Order #1001 of Harbor Books", "sales receipt", "12.50", "Rae Reader", "Field guide", "remembered as id"]
    {
        assert!(said.stdout.contains(words), "{words:?} is missing in\n{}", said.stdout);
    }
    let body = installation.run(&["order", "preview", &id, "--json"]).await.ok().json();
    assert_eq!((&body["DocNumber"], &body["Line"][0]["Amount"]), (&json!(format!("HS-{id}")), &json!(12.5)));
    let unknown = installation.run(&["order", "preview", "#404"]).await;
    assert_eq!(unknown.code, 1, "{}", unknown.stdout);
    assert!(unknown.stderr.contains("order list"), "{}", unknown.stderr);

    installation.run(&["account", "settings", ACCOUNT, "--set", "document=by_payment"]).await.ok();
    let parked = installation.run(&["order", "preview", &id]).await;
    assert_eq!(parked.code, 3, "{}", parked.stderr);
    assert!(parked.stdout.contains("It would be parked:") && parked.stdout.contains("To do:"), "{}", parked.stdout);
}
