//! `lamplighter operator`: who may come in, as whoever runs the installation says it; and what is written down of that.

use std::{fs, io::Write as _, process::Stdio};

use lamplighter::store::operators::{self, Role};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Installation;
use crate::{dashboard::PASSWORD, harness::TestApp};

const OTHER: &str = "four other words there";

impl TestApp {
    /// Everything that was written down, without what the dashboard did.
    async fn written_down(&self) -> Vec<(String, String, String, Value)> {
        let sql = "select action, subject, actor, detail from audit_log where actor like 'command line %' order by id";
        sqlx::query_as(sql).fetch_all(&self.app.pool).await.unwrap()
    }

    /// What becomes of a try to sign in.
    async fn lets_in(&self, name: &str, password: &str) -> bool {
        self.sign_in(name, password, &[]).await.status == StatusCode::SEE_OTHER
    }
}

/// A password in a file of its own.
fn file(installation: &Installation, password: &str) -> String {
    let path = installation.home.path().join("password");
    fs::write(&path, format!("{password}\n")).unwrap();
    path.display().to_string()
}

async fn rows(installation: &Installation) -> Value {
    installation.run(&["operator", "list", "--json"]).await.ok().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_let_in_given_more_to_do_signed_out_and_let_in_no_more() {
    let app = TestApp::start_with(&[("web.status_page", "off")]).await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    let nobody = installation.run(&["operator", "list"]).await.ok();
    assert!(nobody.stdout.contains("lamplighter operator add NAME"), "{}", nobody.stdout);

    let path = file(&installation, PASSWORD);
    let add = ["operator", "add", "ada", "--role", "viewer", "--password-file", &path];
    let added = installation.run(&add).await.ok();
    assert!(
        added.stdout.contains("ada may come in, as viewer") && added.stdout.contains("/sign-in"),
        "{}",
        added.stdout
    );
    let twice = installation.run(&add).await;
    assert!(twice.code == 1 && twice.stderr.contains("choose another name"), "{}", twice.stderr);
    let list = installation.run(&["operator", "list"]).await.ok().stdout;
    assert!(list.contains("ada") && list.contains("viewer") && list.contains("password"), "{list}");
    assert!(app.lets_in("ada", PASSWORD).await);
    assert_eq!(
        (&rows(&installation).await[0]["sessions"], &rows(&installation).await[0]["role"]),
        (&json!(1), &json!("viewer"))
    );

    let more = installation.run(&["operator", "role", "Ada", "operator"]).await.ok();
    assert_eq!(more.stdout, "ada is operator now.\n");
    assert_eq!(rows(&installation).await[0]["role"], "operator");
    let same = installation.run(&["operator", "role", "ada", "operator", "--json"]).await.ok().json();
    assert!(same["said"].as_str().unwrap().contains("nothing was changed"), "{same}");

    let path = file(&installation, OTHER);
    let changed = installation.run(&["operator", "password", "ada", "--password-file", &path]).await.ok();
    assert!(changed.stdout.contains("another password; all sessions are ended"), "{}", changed.stdout);
    assert_eq!(rows(&installation).await[0]["sessions"], 0);
    assert!(!app.lets_in("ada", PASSWORD).await && app.lets_in("ada", OTHER).await && app.lets_in("ada", OTHER).await);

    let out = installation.run(&["operator", "sign-out", "ada"]).await.ok();
    assert!(out.stdout.contains("signed out: 2 sessions ended"), "{}", out.stdout);
    assert_eq!(rows(&installation).await[0]["sessions"], 0);
    let removed = installation.run(&["operator", "remove", "ada", "--json"]).await.ok().json();
    assert_eq!((&removed["operator"], &removed["action"]), (&json!("ada"), &json!("operator.remove")), "{removed}");
    assert_eq!(rows(&installation).await, json!([]));
    assert!(!app.lets_in("ada", OTHER).await);
    for gone in [
        &["sign-out", "ada"][..],
        &["role", "ada", "viewer"],
        &["remove", "ada"],
        &["password", "ada", "--password-file", &path],
    ] {
        let said = installation.run(&[&["operator"][..], gone].concat()).await;
        assert!(said.code == 1 && said.stderr.contains("lamplighter operator list"), "{gone:?}: {}", said.stderr);
    }

    let deeds = app.written_down().await;
    let expected = [
        ("operator.add", json!({ "role": "viewer" })),
        ("operator.role", json!({ "role": ["viewer", "operator"] })),
        ("operator.password", json!({})),
        ("operator.sign_out", json!({ "sessions": 2 })),
        ("operator.remove", json!({ "role": "operator" })),
    ];
    assert_eq!(
        deeds.iter().map(|(action, .., detail)| (action.as_str(), detail.clone())).collect::<Vec<_>>(),
        expected
    );
    assert!(deeds.iter().all(|(_, subject, actor, _)| subject == "ada" && actor.contains('@')), "{deeds:?}");
    let everything = super::everything(&app.database).await;
    assert!(!everything.contains(PASSWORD) && !everything.contains(OTHER), "a password lies open");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_not_done() {
    let app = TestApp::start_with(&[("web.status_page", "off")]).await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    let browser = app.browser("ada", Role::Viewer).await;
    app.execute("alter table audit_log add constraint full_up check (action not like 'operator.%') not valid").await;
    let path = file(&installation, OTHER);
    let deeds: [&[&str]; 5] = [
        &["add", "bob", "--no-password"],
        &["role", "ada", "operator"],
        &["password", "ada", "--password-file", &path],
        &["sign-out", "ada"],
        &["remove", "ada"],
    ];
    for deed in deeds {
        let said = installation.run(&[&["operator"][..], deed].concat()).await;
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{deed:?}");
    }
    let all = operators::overview(&mut *app.conn().await, app.clock.now()).await.unwrap();
    assert_eq!((all.len(), all[0].role, all[0].sessions), (1, Role::Viewer, 1));
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    app.execute("alter table audit_log drop constraint full_up").await;
    assert!(app.lets_in("ada", PASSWORD).await, "she has another password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_a_file_or_a_pipe_and_is_long_enough() {
    let app = TestApp::start().await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    let path = file(&installation, "short");
    let short = installation.run(&["operator", "add", "ada", "--password-file", &path]).await;
    assert!(short.code == 1 && short.stderr.contains("at least 12 characters"), "{}", short.stderr);
    let empty = file(&installation, "");
    let empty = installation.run(&["operator", "add", "ada", "--password-file", &empty]).await;
    assert!(empty.code == 1 && empty.stderr.contains("first line"), "{}", empty.stderr);
    assert_eq!(rows(&installation).await, json!([]));
    assert!(app.written_down().await.is_empty());

    let mut command = installation.command(&["operator", "add", "ada", "--password-stdin", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert!(ended.status.success());
    assert!(app.lets_in("ada", PASSWORD).await);

    let proxied = installation.run(&["operator", "add", "bob", "--no-password"]).await.ok();
    assert!(proxied.stderr.contains("web.identity_header"), "{}", proxied.stderr);
    assert!(!app.lets_in("bob", "").await);
    assert_eq!(rows(&installation).await[1]["has_password"], false);
}
