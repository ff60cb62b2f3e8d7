//! What a connect must not leave readable anywhere: codes, tokens, states, cookies and the client secret.

use lamplighter::provider::Provider;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use sqlx::AssertSqlSafe;

use super::{Begun, begin};
use crate::{
    harness::{HUB, REALM, TestApp, minutes},
    pages::ask,
};

/// Every way a connect can end and a renewal after it; the answer is everything secret that was around, by name, and
/// every page that was shown.
async fn an_eventful_day(app: &TestApp) -> (Vec<(String, String)>, Vec<String>) {
    let (mut secrets, mut pages) = (Vec::new(), Vec::new());
    let account = app.account("Harbor Books").await;
    let mut note = |begun: &Begun, body: String| {
        secrets.push(("state".to_owned(), begun.state()));
        secrets.push(("cookie".to_owned(), begun.carried().split_once('=').unwrap().1.to_owned()));
        pages.push(body);
    };
    for (provider, company) in [(Provider::Quickbooks, REALM), (Provider::Hubspot, HUB)] {
        let connected = begin(app, &account, provider, company).await;
        note(&connected, connected.deliver().await.body);
        note(&connected, connected.deliver().await.body);
        let refused = begin(app, &account, provider, company).await;
        note(&refused, refused.deliver_to(&refused.callback_with("code", Some("made-up"))).await.body);
        let forged = begin(app, &account, provider, company).await;
        note(&forged, forged.deliver_to(&forged.callback_with("state", Some("made-up"))).await.body);
        let mut mixed = forged.callback.clone();
        mixed.set_path("/oauth/quickbooks/callback");
        note(&forged, forged.deliver_to(&mixed).await.body);
        app.sandbox.switch(provider, |switches| switches.lost_token_replies = 1);
        let lost = begin(app, &account, provider, company).await;
        note(&lost, lost.deliver().await.body);
        let wrong = begin(app, &account, provider, if provider == Provider::Quickbooks { "1" } else { "2" }).await;
        note(&wrong, wrong.deliver().await.body);
        let late = begin(app, &account, provider, company).await;
        app.advance(minutes(16));
        note(&late, late.deliver().await.body);
    }
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    // What a renewal stored stays for HubSpot, what a connect stored for QuickBooks.
    let again = begin(app, &account, Provider::Quickbooks, REALM).await;
    note(&again, again.deliver().await.body);
    for path in ["/", "/readyz", "/metrics", "/connect/nonsense", "/nowhere"] {
        pages.push(ask(Method::GET, &app.url(path), &[]).await.body);
    }
    for provider in Provider::ALL {
        let secret = app.sandbox.endpoints(provider).client_secret;
        secrets.push((format!("{provider} client secret"), secret.expose_secret().to_owned()));
        let values = app.sandbox.handed_out(provider);
        assert!(values.len() >= 6, "{provider} handed out codes and tokens");
        secrets.extend(values.into_iter().map(|value| (format!("{provider} code or token"), value)));
    }
    let keys = std::fs::read_to_string(&app.config.vault.keys_file).unwrap();
    let key = keys.split_whitespace().next_back().unwrap();
    assert_eq!(key.len(), 44, "the last word of the file is the key itself");
    secrets.push(("vault key".to_owned(), key.to_owned()));
    assert!(secrets.iter().all(|(_, secret)| secret.len() >= 16), "short ones would be found by chance");
    (secrets, pages)
}

pub(crate) fn assert_absent(secrets: &[(String, String)], place: &str, text: &str) {
    for (name, secret) in secrets {
        assert!(!text.contains(secret.as_str()), "a {name} is readable in {place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_column_of_any_table_holds_a_secret_in_clear() {
    let app = TestApp::start().await;
    let (mut secrets, _) = an_eventful_day(&app).await;
    // What is kept as bytes is shown as hexadecimal digits.
    let digits = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let as_bytes: Vec<_> = secrets.iter().map(|(name, secret)| (format!("{name} (bytes)"), digits(secret))).collect();
    secrets.extend(as_bytes);
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns where table_schema = 'public'",
    )
    .fetch_all(&app.app.pool)
    .await
    .unwrap();
    assert!(columns.iter().any(|(table, column)| (table.as_str(), column.as_str()) == ("tokens", "refresh_sealed")));
    let mut dump = String::new();
    for (table, column) in columns {
        let sql = format!(r#"select "{column}"::text from "{table}" where "{column}" is not null"#);
        let values: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&app.app.pool).await.unwrap();
        for value in values {
            assert_absent(&secrets, &format!("{table}.{column}"), &value);
            dump.push_str(&value);
        }
    }
    for there in ["Harbor Books", REALM, HUB] {
        assert!(dump.contains(there), "{there} is found, so the search works");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_and_no_debug_shows_a_secret() {
    let app = TestApp::start().await;
    let (secrets, pages) = an_eventful_day(&app).await;
    for (number, page) in pages.iter().enumerate() {
        assert_absent(&secrets, &format!("page {number}"), page);
    }
    let debug = format!("{:?} {:?} {:?}", app.config, app.app.web.providers, app.app.web.config);
    assert!(debug.contains("sandbox-quickbooks-app"), "the client id is shown, so the settings are there");
    assert_absent(&secrets, "Debug", &debug);
    let begun = begin(&app, &app.account("Rival Ledger").await, Provider::Quickbooks, "1").await;
    assert_eq!(begun.deliver().await.status, StatusCode::OK);
}

// One thread, so that everything the app does is logged to this test's own subscriber.
#[tokio::test]
async fn no_log_line_shows_a_secret_however_much_is_logged() {
    let everything = crate::secrets::EverythingLogged::from_now_on();
    let app = TestApp::start().await;
    let (mut secrets, _) = an_eventful_day(&app).await;
    let log = everything.read();
    for there in
        ["connected", "http{method=GET route=\"/oauth/{provider}/callback\"}", "a connection could not be made"]
    {
        assert!(log.contains(there), "{there} is logged");
    }
    secrets.push(("mail address".to_owned(), crate::harness::OWNER.to_owned()));
    for line in log.lines() {
        assert_absent(&secrets, line, line);
    }
}
