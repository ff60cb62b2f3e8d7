//! Starts that cannot work: each says what is wrong and what to do, soon, and leaves nothing running.

use std::{fs, net::TcpListener, time::Instant};

use serde_json::Value;

use super::{Installation, Said, free_address, town};

/// A failed start speaks plainly, without a panic and without a secret.
fn assert_refused(said: &Said, words: &[&str]) {
    assert_eq!(said.code, 1, "{}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{word:?} is missing in\n{}", said.stderr);
    }
    for unwanted in ["panicked", "hunter2", "RUST_BACKTRACE"] {
        assert!(!said.stderr.contains(unwanted), "{}", said.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_and_no_postgres_is_left() {
    let installation = Installation::beside(&town().await);
    installation.run(&["key", "generate"]).await.ok();
    let _taken = TcpListener::bind(installation.listen).unwrap();
    let said = installation.run(&["serve", "--set", "providers.hubspot.client_secret=hunter2hunter2"]).await;
    assert_refused(&said, &[&installation.listen.to_string(), "web.listen"]);
    let warning: Value = serde_json::from_str(said.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(warning["level"], "WARN");
    assert!(warning["message"].as_str().unwrap().contains("client_secret_file"), "{warning}");
    assert!(!installation.postmaster_file().exists(), "Postgres was left running");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_postgres_is_told_soon_and_without_its_password() {
    let nobody = free_address();
    let installation = Installation::beside(&town().await)
        .set("database.url", &format!("postgres://lamp:hunter2@{nobody}/lamplighter"))
        .set("database.connect_timeout", "60s");
    installation.run(&["key", "generate"]).await.ok();
    for command in [&["serve"][..], &["account", "list"], &["doctor"]] {
        let begun = Instant::now();
        let said = installation.run(command).await;
        assert!(begun.elapsed().as_secs() < 30, "it took {:?}", begun.elapsed());
        assert_refused(&said, &[&nobody.to_string(), "database.url", "check that it runs", "refused"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_none_is_refused_without_being_quoted() {
    for url in ["postgres//lamp:hunter2@db/lamplighter", "mysql://lamp:hunter2@db/lamplighter", "hunter2"] {
        let installation = Installation::beside(&town().await).set("database.url", url);
        let said = installation.run(&["serve"]).await;
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains("database.url"), "{}", said.stderr);
        assert!(said.stderr.contains("postgres://user:password@host"), "{}", said.stderr);
        assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
    }
    // A URL by its scheme, which only the driver finds fault with.
    let installation =
        Installation::beside(&town().await).set("database.url", "postgres://lamp:hunter2@db/x?sslmode=hunter2");
    installation.run(&["key", "generate"]).await.ok();
    assert_refused(&installation.run(&["serve"]).await, &["database.url", "postgres://user:password@host"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_postgres_is_told_how_to_get_it() {
    let installation = Installation::beside(&town().await);
    let empty = installation.home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let installation = installation.set("database.postgres_bin_dir", empty.to_str().unwrap());
    installation.run(&["key", "generate"]).await.ok();
    let said = installation.run(&["serve", "--set", "log.filter=off"]).await;
    assert_refused(&said, &["database.postgres_bin_dir", empty.to_str().unwrap()]);
    let first = said.stderr.lines().next().unwrap();
    for remedy in ["apt-get install postgresql", "dnf install postgresql-server", "brew install postgresql"] {
        assert!(first.contains(remedy), "{remedy:?} is missing in\n{first}");
    }
}
