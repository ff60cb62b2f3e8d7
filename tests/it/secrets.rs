//! What is given to people and programs, and must be readable nowhere else: API keys, passwords, sessions, proofs of forms,
//! owners' links, and what signs webhooks. Codes and tokens of the providers are looked for in `connect::secrets`.

use std::sync::Arc;

use lamplighter::{
    api_keys::Scope,
    provider::Provider::{Hubspot, Quickbooks},
    store::{api_keys, operators::Role, webhooks::Event},
};
use reqwest::{Method, StatusCode, header};
use secrecy::ExposeSecret as _;
use sqlx::AssertSqlSafe;
use tracing_subscriber::fmt;
use url::Url;

use crate::{
    connect::secrets::assert_absent,
    dashboard::{PASSWORD, cookie_of, post},
    harness::{HUB, REALM, TestApp, minutes, order},
    pages::ask,
    webhooks::{Receiver, delivered},
};

const WRONG: &str = "guessed by somebody";
/// Part of what is told, and nobody else's business.
const PRIVATE: &str = "A present for Rae, do not tell";

/// What was around: secrets by name, and everything that was shown or said.
struct Day {
    /// Nowhere but in the hands that they were given to.
    secrets: Vec<(String, String)>,
    /// Shown to their holders on pages and in mails of their own.
    shown: Vec<(String, String)>,
    /// In the table of endpoints alone.
    addresses: Vec<(String, String)>,
    said: Vec<(String, String)>,
}

impl Day {
    fn everything(&self) -> Vec<(String, String)> {
        [self.secrets.as_slice(), &self.shown, &self.addresses].concat()
    }
}

fn last(link: &Url) -> String {
    link.path().rsplit('/').next().unwrap().to_owned()
}

/// Uses of each kind of secret, good ones and bad ones.
async fn an_eventful_day(app: &TestApp) -> Day {
    let mut day = Day { secrets: Vec::new(), shown: Vec::new(), addresses: Vec::new(), said: Vec::new() };
    let account = app.account("Harbor Books").await;
    for (provider, company) in [(Quickbooks, REALM), (Hubspot, HUB)] {
        app.connect(&account, provider, company).await;
    }
    programs(app, &mut day).await;
    operators(app, &mut day).await;
    endpoints(app, &mut day).await;
    owners(app, &account, &mut day).await;
    for path in ["/", "/metrics", "/readyz", "/healthz", "/nowhere"] {
        day.said.push((path.to_owned(), ask(Method::GET, &app.url(path), &[]).await.body));
    }
    assert!(day.everything().iter().all(|(_, secret)| secret.len() >= 15), "short ones would be found by chance");
    day
}

async fn programs(app: &TestApp, day: &mut Day) {
    let (good, revoked) = (app.program_key(&Scope::ALL, None).await, app.program_key(&Scope::ALL, None).await);
    let prefix = revoked.split_once('-').unwrap().0;
    api_keys::revoke(&mut *app.conn().await, prefix, app.clock.now()).await.unwrap().unwrap();
    let mistyped = format!("{}{}", &good[..good.len() - 6], "AAAAAA");
    for (name, key) in [("API key", &good), ("revoked API key", &revoked), ("mistyped API key", &mistyped)] {
        for path in ["/status", "/accounts", "/orders", "/alerts", "/audit-log", "/connections", "/nowhere"] {
            let bearer = format!("Bearer {key}");
            let url = app.url(&format!("/api/v1{path}"));
            day.said.push((path.to_owned(), ask(Method::GET, &url, &[("authorization", &bearer)]).await.body));
        }
        // Its first characters are no secret.
        day.secrets.push((name.to_owned(), key.split_once('-').unwrap().1.to_owned()));
    }
}

async fn operators(app: &TestApp, day: &mut Day) {
    app.operator("ada", Role::Operator).await;
    for (name, password) in [("ada", WRONG), ("nobody", PASSWORD)] {
        let refused = app.sign_in(name, password, &[]).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        day.said.push(("a refusal".to_owned(), refused.body));
    }
    let cookie = cookie_of(&app.sign_in("ada", PASSWORD, &[]).await);
    let mut token = String::new();
    for path in ["/accounts", "/connections", "/orders", "/alerts", "/outages", "/ledger", "/audit", "/settings"] {
        let page = ask(Method::GET, &app.url(path), &[("cookie", &cookie)]).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        if let Some((_, rest)) = page.body.split_once("name=\"form_token\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut token);
        }
        day.said.push((path.to_owned(), page.body));
    }
    let forged = format!("{}AAAAAAAA", &token[..token.len() - 8]);
    let fields = [("name", "Tidewater"), ("owner_name", "Ada"), ("owner_email", "ada@tidewater.example")];
    for token in [&token, &forged] {
        let fields: Vec<_> = fields.into_iter().chain([("form_token", token.as_str())]).collect();
        day.said.push(("a form".to_owned(), post(app, "/accounts", &fields, &[("cookie", &cookie)]).await.body));
    }
    let session = cookie.split_once('=').unwrap().1.to_owned();
    let wrong_session = format!("lamplighter_session={}AAAAAAAA", &session[..session.len() - 8]);
    day.said.push(("/".to_owned(), ask(Method::GET, &app.url("/"), &[("cookie", &wrong_session)]).await.body));
    day.secrets.push(("session".to_owned(), session));
    day.secrets.push(("password".to_owned(), PASSWORD.to_owned()));
    day.secrets.push(("wrong password".to_owned(), WRONG.to_owned()));
    day.shown.push(("form's proof".to_owned(), token));
    day.secrets.push(("forged proof".to_owned(), forged));
}

async fn endpoints(app: &TestApp, day: &mut Day) {
    let (receiver, gone) = (Receiver::start().await, Receiver::start().await);
    for (receiver, answers) in [(&receiver, &[204, 302, 500][..]), (&gone, &[410, 410][..])] {
        let (id, secret) = receiver.register(app, &Event::ALL).await;
        receiver.answer(answers);
        let secret = secret.expose_secret().to_owned();
        day.secrets.push(("webhook's secret without its mark".to_owned(), secret[6..].to_owned()));
        let tried = format!("{:?}", app.app.webhooks.test(id).await.unwrap());
        day.said.push(("a test of a webhook".to_owned(), tried));
    }
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut away = Receiver::start().await;
    away.url = format!("http://{nowhere}/hooks?token=endpoint-secret");
    away.register(app, &Event::ALL).await;
    app.advance(minutes(10));
    app.sandbox.place_order(HUB, order(PRIVATE, 1_250));
    app.rounds().await;
    for days in [0, 1, 6] {
        app.advance(minutes(days * 24 * 60));
        delivered(app).await;
    }
    assert!(receiver.received().iter().any(|message| message.body.contains(PRIVATE)), "it was told");
    assert!(app.count("select count(*) from webhook_deliveries where given_up_at is not null").await > 0);
    app.app.outbox.round().await.unwrap();
    day.addresses.push(("secret in an address".to_owned(), "endpoint-secret".to_owned()));
}

async fn owners(app: &TestApp, account: &lamplighter::store::accounts::Account, day: &mut Day) {
    let now = app.clock.now();
    let (page, reconnect) = (app.app.links.make_owners(account.id, now).0, app.link(account, Quickbooks));
    assert_eq!(ask(Method::GET, &page, &[]).await.status, StatusCode::OK);
    let sent = ask(Method::GET, &reconnect, &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let hubspot = app.connection(Hubspot).await.id.to_string();
    let ended = post(app, &format!("{}/disconnect", page.path()), &[("connection", &hubspot)], &[]).await;
    assert!(ended.header(header::LOCATION).starts_with("/owner/"));
    app.advance(minutes(1));
    lamplighter::store::accounts::revoke_links(&mut *app.conn().await, account.id, app.clock.now()).await.unwrap();
    for link in [&page, &reconnect] {
        day.said.push(("a link that was revoked".to_owned(), ask(Method::GET, link, &[]).await.body));
        day.shown.push(("owner's link".to_owned(), last(link)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_table_page_mail_or_debug_shows_what_was_given_to_one_alone() {
    let app = TestApp::start().await;
    let day = an_eventful_day(&app).await;
    let (everything, stored) = (day.everything(), [day.secrets.as_slice(), &day.shown].concat());
    let off_pages = [day.secrets.as_slice(), &day.addresses].concat();
    for (place, text) in &day.said {
        assert_absent(&off_pages, place, text);
    }
    let mails = app.sandbox.mails();
    assert!(mails.iter().any(|mail| mail.subject.contains("does not take its webhooks")), "{}", mails.len());
    for mail in &mails {
        assert_absent(&off_pages, &mail.subject, &format!("{}{}{}", mail.subject, mail.text, mail.html));
    }
    let web = &app.app.web;
    let debug = format!("{:?} {:?} {:?} {:?}", app.config, web.config, web.settings, app.vault());
    assert!(debug.contains("sandbox-quickbooks-app"), "the settings are there");
    assert_absent(&everything, "Debug", &debug);
    let digits = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let bytes: Vec<_> = stored.iter().map(|(name, secret)| (format!("{name} (bytes)"), digits(secret))).collect();
    let stored = [stored, bytes].concat();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns where table_schema = 'public'",
    )
    .fetch_all(&app.app.pool)
    .await
    .unwrap();
    let mut seen = String::new();
    for (table, column) in columns {
        let sql = format!(r#"select "{column}"::text from "{table}" where "{column}" is not null"#);
        for value in sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch_all(&app.app.pool).await.unwrap() {
            assert_absent(&stored, &format!("{table}.{column}"), &value);
            seen.push_str(&value);
        }
    }
    for there in ["lamp_", "$argon2id$", "endpoint-secret", PRIVATE] {
        assert!(seen.contains(there), "{there} is found, so the search works");
    }
    app.mails(mails.len()).await;
}

/// What this thread logs, however little it matters.
pub(crate) struct EverythingLogged {
    file: tempfile::NamedTempFile,
    _listening: tracing::subscriber::DefaultGuard,
    /// With only one subscriber around, `tracing` would let another test's thread decide that nobody listens.
    _second: tracing::Dispatch,
}

impl EverythingLogged {
    pub(crate) fn from_now_on() -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(file.reopen().unwrap());
        let subscriber = fmt().with_ansi(false).with_max_level(tracing::Level::TRACE).with_writer(writer);
        let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        Self { file, _listening: tracing::subscriber::set_default(subscriber.finish()), _second: second }
    }

    pub(crate) fn read(self) -> String {
        std::fs::read_to_string(self.file.path()).unwrap()
    }
}

// One thread, so that everything the app does is logged to this test's own subscriber.
#[tokio::test]
async fn no_log_line_shows_it_however_much_is_logged() {
    let everything = EverythingLogged::from_now_on();
    let app = TestApp::start().await;
    let mut secrets = an_eventful_day(&app).await.everything();
    let log = everything.read();
    for there in [
        "signed in",
        "a sign-in was refused",
        "webhook delivered",
        "webhook not delivered",
        "webhook_given_up",
        "webhook_gone",
    ] {
        assert!(log.contains(there), "{there} is logged");
    }
    secrets.push(("message's content".to_owned(), PRIVATE.to_owned()));
    for line in log.lines() {
        assert_absent(&secrets, line, line);
    }
    app.mails(app.sandbox.mails().len()).await;
}
