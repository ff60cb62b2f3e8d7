//! Arguments, configuration and keys: what a person meets before anything runs.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use super::{Installation, everything, program, run, town};
use crate::harness::new_database;

#[tokio::test(flavor = "multi_thread")]
async fn the_program_explains_itself() {
    let help = run(program(&["--help"])).await.ok();
    for word in ["serve", "account", "connection", "order", "key", "config", "doctor", "demo", "Exit codes"] {
        assert!(help.stdout.contains(word), "{word} is missing in\n{}", help.stdout);
    }
    let version = run(program(&["--version"])).await.ok();
    assert_eq!(version.stdout, concat!("lamplighter ", env!("CARGO_PKG_VERSION"), "\n"));
    let nothing = run(program(&[])).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("Usage: lamplighter"), "{}", nothing.stderr);
    let unknown = run(program(&["relight"])).await;
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_in_a_file_are_said_at_once_and_nothing_is_created() {
    let installation = Installation::bare();
    let file = installation.home.path().join("lamplighter.toml");
    fs::write(&file, "[keeper]\nchek_interval = \"5m\"\n[smtp]\nport = \"many\"\nsecurity = \"tsl\"\n").unwrap();
    let path = file.to_str().unwrap();
    for command in [&["serve"][..], &["config", "check"], &["key", "generate"], &["doctor"]] {
        let said = installation.run(&[&["--config", path][..], command].concat()).await;
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{command:?}: {}", said.stderr);
        for problem in ["2:1: keeper.chek_interval", "4:8: smtp.port", "5:12: smtp.security"] {
            assert!(said.stderr.contains(&format!("{path}:{problem}")), "{problem} is missing in\n{}", said.stderr);
        }
        assert!(said.stderr.contains("check_interval"), "the right name is not suggested:\n{}", said.stderr);
        assert!(!installation.data().exists(), "{command:?} created something");
    }
    let missing = installation.run(&["--config", "/nowhere/lamplighter.toml", "config", "check"]).await;
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("/nowhere/lamplighter.toml"), "{}", missing.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_shown_without_its_secrets() {
    let installation = Installation::bare();
    let (file, secret) = (installation.home.path().join("lamplighter.toml"), installation.home.path().join("secret"));
    fs::write(&secret, "hunter2-intuit\n").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    fs::write(
        &file,
        "[providers.quickbooks]\nclient_id = \"app\"\nclient_secret_file = \"secret\"\n[smtp]\nusername = \"lamp\"\n\
         password = \"hunter2-smtp\"\n[database]\nurl = \"postgres://lamp:hunter2-db@db.example/lamplighter\"\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let check = installation.run(&["--config", path, "config", "check"]).await.ok();
    assert!(check.stdout.contains("is sound"), "{}", check.stdout);
    let shown = installation.run(&["--config", path, "config", "show"]).await.ok();
    let json = installation.run(&["--config", path, "config", "show", "--json"]).await.ok();
    for said in [&check, &shown, &json] {
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(!all.contains("hunter2"), "{all}");
    }
    assert!(shown.stdout.contains("client_id") && shown.stdout.contains(&format!("{path}:2")), "{}", shown.stdout);
    assert!(json.stdout.contains("\"app\"") && json.json().is_object(), "{}", json.stdout);
    assert!(!installation.data().exists());
    let nothing = Installation::bare().run(&["config", "check"]).await;
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("no provider is configured"), "{}", nothing.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_once_and_kept_private() {
    let installation = Installation::beside(&town().await);
    let without = installation.run(&["serve"]).await;
    assert_eq!(without.code, 2);
    assert!(without.stderr.contains("lamplighter key generate"), "{}", without.stderr);
    assert!(!installation.data().join("postgres").exists(), "Postgres was made without a key");

    let made = installation.run(&["key", "generate"]).await.ok();
    let file = installation.data().join("vault.keys");
    let text = fs::read_to_string(&file).unwrap();
    let key = text.lines().last().unwrap().split_once(' ').unwrap();
    assert!(made.stdout.contains(key.0) && !made.stdout.contains(key.1), "{}", made.stdout);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let again = installation.run(&["key", "generate"]).await;
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "the key was overwritten");

    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let open = installation.run(&["serve"]).await;
    assert_eq!(open.code, 2);
    assert!(open.stderr.contains(&format!("chmod 600 {}", file.display())), "{}", open.stderr);
    assert!(!installation.data().join("postgres").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_key_is_left_alone() {
    let (sandbox, database) = (town().await, new_database().await);
    let first = Installation::on(&sandbox, &database).await;
    first.run(&["doctor"]).await.ok();
    let used = fs::read_to_string(first.data().join("vault.keys")).unwrap();
    let (id, _) = used.lines().last().unwrap().split_once(' ').unwrap();

    let before = everything(&database).await;
    assert!(before.contains(id), "{before}");
    let second = Installation::on(&sandbox, &database).await;
    for command in ["serve", "doctor"] {
        let said = second.run(&[command]).await;
        assert_eq!(said.code, 1, "{}", said.stderr);
        assert!(said.stderr.contains(&format!("vault key {id}")), "{}", said.stderr);
        assert!(said.stderr.contains("vault.keys_file"), "{}", said.stderr);
    }
    assert_eq!(everything(&database).await, before);
}
