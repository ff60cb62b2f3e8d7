//! A whole life, from the first key to the last signal, on a Postgres of our own; and what can be read afterwards.

use std::{collections::BTreeSet, fs};

use lamplighter::{
    keeper::renewal::{access_place, refresh_place},
    provider::Provider,
    sandbox::{Sandbox, Visitor},
    vault::Vault,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use url::Url;
use uuid::Uuid;

use super::{ACCOUNT, Installation, Said, collector::Collector, everything, is_gone, town, until};
use crate::harness::{HUB, OWNER, REALM, order};

/// Everything that must not be readable anywhere, and everything that was printed.
#[derive(Default)]
struct Audit {
    secrets: BTreeSet<(&'static str, String)>,
    printed: String,
}

impl Audit {
    fn secret(&mut self, what: &'static str, value: impl Into<String>) {
        let value = value.into();
        assert!(value.len() >= 8, "{what} {value:?} proves nothing");
        self.secrets.insert((what, value));
    }

    fn heard(&mut self, said: Said) -> Said {
        self.printed += &format!("{}{}", said.stdout, said.stderr);
        said
    }

    fn keys(&mut self, installation: &Installation) {
        let text = fs::read_to_string(installation.data().join("vault.keys")).unwrap();
        self.secret("the vault key", text.lines().last().unwrap().split_once(' ').unwrap().1);
    }

    /// Opens a link step by step, as a browser does, and notes what the addresses carry.
    async fn browse(&mut self, link: &Url) {
        let browser = Visitor::new().unwrap();
        self.secret("a link's token", link.path_segments().unwrap().next_back().unwrap());
        let mut visit = browser.step(link).await.unwrap();
        while let Some(next) = visit.location.take() {
            for (name, value) in next.query_pairs() {
                match name.as_ref() {
                    "code" => self.secret("an authorization code", value),
                    "state" => self.secret("a state", value),
                    _ => {}
                }
            }
            visit = browser.step(&next).await.unwrap();
        }
        assert!(visit.status.is_success(), "{}: {}", visit.status, visit.body);
    }

    /// The tokens that are stored now; answers the generations.
    async fn tokens(&mut self, installation: &Installation) -> Vec<i64> {
        let vault = Vault::load(&installation.data().join("vault.keys")).unwrap();
        let mut conn = PgConnection::connect_with(&installation.embedded()).await.unwrap();
        let rows: Vec<(Uuid, i64, String, String)> =
            sqlx::query_as("select connection_id, generation, access_sealed, refresh_sealed from tokens")
                .fetch_all(&mut conn)
                .await
                .unwrap();
        conn.close().await.unwrap();
        for (id, _, access, refresh) in &rows {
            let opened = vault.open(access_place(*id), access).unwrap();
            self.secret("an access token", opened.expose_secret());
            let opened = vault.open(refresh_place(*id), refresh).unwrap();
            self.secret("a refresh token", opened.expose_secret());
        }
        rows.iter().map(|(_, generation, ..)| *generation).collect()
    }

    fn assert_unreadable(&self, place: &str, text: &str) {
        for (what, value) in &self.secrets {
            assert!(!text.contains(value), "{what} {value:?} can be read in {place}");
        }
    }
}

async fn add_accounts(installation: &Installation, audit: &mut Audit) {
    let add = |name, address, json: bool| {
        let mut arguments = vec!["account", "add", name, "--owner-name", "Ada Harbor", "--owner-email", address];
        arguments.extend(json.then_some("--json"));
        arguments
    };
    let added = audit.heard(installation.run(&add(ACCOUNT, OWNER, false)).await).ok();
    assert!(added.stdout.contains("lamplighter connection link"), "{}", added.stdout);
    assert!(!installation.postmaster_file().exists(), "the command left Postgres running");
    let added = audit.heard(installation.run(&add("Quay Books", "quay@books.example", true)).await).ok().json();
    assert_eq!((&added["name"], &added["owner_email"]), (&"Quay Books".into(), &"quay@books.example".into()));
    let twice = audit.heard(installation.run(&add(ACCOUNT, OWNER, false)).await);
    assert_eq!(twice.code, 1);
    assert!(twice.stderr.contains("exists already: choose another name"), "{}", twice.stderr);
    let nowhere = audit.heard(installation.run(&add("Pier Books", "not an address", false)).await);
    assert_eq!(nowhere.code, 2, "{}", nowhere.stderr);
    let accounts = audit.heard(installation.run(&["account", "list", "--json"]).await).ok().json();
    assert_eq!(accounts.as_array().unwrap().len(), 2, "{accounts}");
}

async fn connect(installation: &Installation, sandbox: &Sandbox, audit: &mut Audit) {
    for (provider, company) in [(Provider::Quickbooks, REALM), (Provider::Hubspot, HUB)] {
        sandbox.choose(provider, company);
        let link = ["connection", "link", "--account", ACCOUNT, "--provider", provider.as_str()];
        let said = installation.run(&link).await.ok();
        // Its words go through the audit, the link itself is what they are about.
        audit.printed += &said.stderr;
        assert!(said.stderr.contains(ACCOUNT) && said.stderr.contains("works until"), "{}", said.stderr);
        assert_eq!(said.stdout.lines().count(), 1, "{}", said.stdout);
        let url: Url = said.stdout.trim_end().parse().unwrap();
        assert!(url.as_str().starts_with(installation.url().join("connect/").unwrap().as_str()), "{url}");
        audit.browse(&url).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_and_nothing_secret_is_readable_afterwards() {
    let (sandbox, mut audit) = (town().await, Audit::default());
    let collector = Collector::start().await;
    let installation = Installation::beside(&sandbox)
        .set("log.filter", "debug")
        .set("telemetry.otlp_endpoint", &collector.url)
        .set("telemetry.otlp_headers", "api-key: key-of-the-collector");
    audit.secret("the collector's key", "key-of-the-collector");
    audit.heard(installation.run(&["key", "generate"]).await).ok();
    audit.keys(&installation);
    add_accounts(&installation, &mut audit).await;

    let daemon = installation.up().await;
    connect(&installation, &sandbox, &mut audit).await;
    let before = audit.tokens(&installation).await;
    sandbox.place_order(HUB, order("LIFE-1", 1_995));
    let posted = until("the order's document", async || {
        let rows = installation.run(&["order", "list", "--json"]).await.ok().json();
        rows.as_array().unwrap().iter().find(|row| row["status"] == "posted").cloned()
    })
    .await;
    let documents = sandbox.documents(REALM);
    assert_eq!(documents.len(), 1);
    assert_eq!(posted["document_id"], Value::from(documents[0].id.clone()));
    let after = until("renewals", async || {
        let after = audit.tokens(&installation).await;
        after.iter().zip(&before).all(|(after, before)| after > &(before + 1)).then_some(after)
    })
    .await;
    assert_eq!(after.len(), 2);

    let connections = audit.heard(installation.run(&["connection", "list", "--json"]).await).ok().json();
    let status: Vec<_> = connections.as_array().unwrap().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(status, ["connected", "connected"]);
    audit.heard(installation.run(&["order", "list", "--json"]).await).ok();
    for list in ["account", "connection", "order"] {
        let said = audit.heard(installation.run(&[list, "list"]).await).ok();
        assert!(said.stdout.contains(ACCOUNT), "{}", said.stdout);
    }
    audit.heard(installation.run(&["config", "show"]).await).ok();
    let doctor = audit.heard(installation.run(&["doctor"]).await).ok();
    assert!(doctor.stdout.contains("Postgres answers") && !doctor.stdout.contains("FAIL"), "{}", doctor.stdout);
    let checks = audit.heard(installation.run(&["doctor", "--json"]).await).ok().json();
    assert_eq!(checks["status"], "ok", "{checks}");
    for path in ["", "metrics", "readyz"] {
        audit.printed += &daemon.get(path).await.unwrap().body;
    }

    for provider in Provider::ALL {
        audit.secret("a client secret", sandbox.endpoints(provider).client_secret.expose_secret());
    }
    audit.tokens(&installation).await;
    let rows = everything(&installation.embedded()).await;
    let postgres = installation.postmaster().unwrap();
    let (log, output) =
        (fs::read_to_string(installation.data().join("postgres/postgres.log")).unwrap(), daemon.output());
    daemon.terminate().await;
    assert!(is_gone(postgres) && !installation.postmaster_file().exists(), "Postgres outlived its daemon");

    for line in output.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(parsed["level"].is_string() && parsed["timestamp"].is_string(), "{line}");
    }
    let kinds: BTreeSet<_> = audit.secrets.iter().map(|(what, _)| *what).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    // What is looked through is the right thing: names that are no secret are there.
    let id = connections[0]["id"].as_str().unwrap();
    let spans = format!("{:?}", collector.spans());
    assert!(output.contains(id) && rows.contains(id) && audit.printed.contains(id) && spans.contains(id));
    assert!(!spans.contains(OWNER) && spans.contains("/connect/{token}"), "{spans}");
    assert!(output.contains("DEBUG"), "the log was meant to be as talkative as it gets");
    for (place, text) in [
        ("the daemon's log", &output),
        ("the exported spans", &spans),
        ("the database", &rows),
        ("the Postgres log", &log),
        ("what was printed", &audit.printed),
    ] {
        audit.assert_unreadable(place, text);
    }
}
