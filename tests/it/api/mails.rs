//! A mail service that says what came back.

use lamplighter::{api_keys::Scope, provider::Provider::Quickbooks};
use serde_json::json;

use crate::harness::{OPERATOR, REALM, TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_came_back_is_reported_once_and_told_to_the_operator() {
    let (app, account) = TestApp::connected().await;
    let key = app.program_key(&[Scope::Manage], Some(&account)).await;
    app.sandbox.revoke(Quickbooks, REALM);
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    let id: uuid::Uuid = sqlx::query_scalar("select id from mails").fetch_one(&app.app.pool).await.unwrap();
    let report = json!({ "message_id": format!("<{id}@lamps.example>"), "reason": "550 5.1.1 no such mailbox" });
    app.post(&key, "/mails/bounced", &report).await.problem(409);
    app.mails(1).await;

    let said = app.post(&key, "/mails/bounced", &report).await;
    assert_eq!(said.is(200), &json!({ "mail_id": id, "account": "Harbor Books", "noted": true }));
    assert_eq!(app.post(&key, "/mails/bounced", &report).await.is(200)["noted"], false, "again it is no news");
    for (id, reason, status) in [("<1@shop.example>", "x", 404), (&*account.id.to_string(), "x", 404), ("x", " ", 422)]
    {
        app.post(&key, "/mails/bounced", &json!({ "message_id": id, "reason": reason })).await.problem(status);
    }
    let mails = app.mails(2).await;
    assert_eq!(mails[1].to, [OPERATOR]);
    assert!(mails[1].text.contains("550 5.1.1 no such mailbox"), "{}", mails[1].text);
    let deeds: Vec<_> = app.audited().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(deeds, ["mail.bounced"]);

    // What went to the operator is nobody's account.
    let own: uuid::Uuid = sqlx::query_scalar("select id from mails where recipient = $1")
        .bind(OPERATOR)
        .fetch_one(&app.app.pool)
        .await
        .unwrap();
    let stranger = app.program_key(&[Scope::Manage], Some(&app.account("Lake Books").await)).await;
    for id in [id, own] {
        let report = json!({ "message_id": id.to_string(), "reason": "gone" });
        app.post(&stranger, "/mails/bounced", &report).await.problem(404);
    }
}
