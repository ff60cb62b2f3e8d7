//! Lists on the command line: what they can be asked for, and that whatever is cut is said.

use lamplighter::provider::Provider::{Hubspot, Quickbooks};
use serde_json::Value;

use super::{ACCOUNT, Installation, Said};
use crate::harness::{HUB, TestApp, minutes};

const REALM_TWO: &str = "4620816365212400002";

/// Two accounts with three connections, of which one has lapsed.
async fn harbour() -> (TestApp, Installation) {
    let (app, _) = TestApp::connected().await;
    app.sandbox.add_company(REALM_TWO, "Tide Company");
    let other = app.account("Tide & Co").await;
    app.connect(&other, Quickbooks, REALM_TWO).await;
    assert!(app.sandbox.revoke(Hubspot, HUB));
    app.advance(minutes(45));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    (app, installation)
}

/// What a script reads, and what else is said.
async fn rows(installation: &Installation, command: &[&str]) -> (Vec<Value>, String) {
    let said = installation.run(&[command, &["--json"]].concat()).await.ok();
    (said.json().as_array().unwrap().clone(), said.stderr)
}

/// One field of each row.
async fn column(installation: &Installation, command: &[&str], name: &str) -> Vec<String> {
    let (rows, rest) = rows(installation, command).await;
    assert_eq!(rest, "", "nothing was cut");
    rows.iter().map(|row| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_accounts_are_found_by_what_is_known_of_them() {
    let (_app, installation) = harbour().await;
    let all = column(&installation, &["connection", "list"], "status").await;
    assert_eq!(all, ["lapsed", "connected", "connected"], "those that need attention first");
    let companies =
        async |more: &[&str]| column(&installation, &[&["connection", "list"], more].concat(), "company_id").await;
    assert_eq!(companies(&["--status", "lapsed"]).await, [HUB]);
    assert_eq!(companies(&["--account", "Tide & Co"]).await, [REALM_TWO]);
    assert_eq!(companies(&["--provider", "hubspot"]).await, [HUB]);
    assert_eq!(companies(&["--search", "tide COMP"]).await, [REALM_TWO]);
    assert_eq!(companies(&["--account", ACCOUNT, "--status", "connected"]).await.len(), 1);
    let none = installation.run(&["connection", "list", "--account", "Tide & Co", "--status", "lapsed"]).await.ok();
    assert!(none.stdout.contains("No such connection. All of them: lamplighter connection list"), "{}", none.stdout);

    assert_eq!(column(&installation, &["account", "list"], "name").await, [ACCOUNT, "Tide & Co"]);
    assert_eq!(column(&installation, &["account", "list", "--search", "tide"], "name").await, ["Tide & Co"]);
    let none = installation.run(&["account", "list", "--search", "ebb"]).await.ok();
    assert!(none.stdout.contains("No such account. All of them: lamplighter account list"), "{}", none.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_cut_is_said_to_scripts_too() {
    let (app, installation) = harbour().await;
    app.execute(
        "insert into outages (id, provider, endpoint, opened_at, evidence, canary_at, canaries, closed_at)
         select gen_random_uuid(), 'quickbooks', 'api', now() - n * interval '1 day', 'six calls failed', now(), 3, now()
         from generate_series(1, 2) n",
    )
    .await;
    app.execute(
        "insert into alerts (id, incident, kind, detail, opened_at, seen_at)
         values (gen_random_uuid(), 'operator_fault/x', 'operator_fault', '{}', now(), now())",
    )
    .await;
    for name in ["ann", "bea"] {
        installation.run(&["operator", "add", name, "--no-password"]).await.ok();
    }
    let lists: [(&[&str], &str); 6] = [
        (&["connection", "list"], "--search, or raise --limit"),
        (&["account", "list"], "--search, or raise --limit"),
        (&["alert", "list"], "raise --limit"),
        (&["outage", "list"], "--before "),
        (&["spend", "list"], "--before "),
        (&["audit"], "--before "),
    ];
    for (command, how) in lists {
        let (whole, rest) = rows(&installation, command).await;
        assert!(whole.len() >= 2 && rest.is_empty(), "{command:?}: {whole:?} {rest}");
        let (first, rest) = rows(&installation, &[command, &["--limit", "1"]].concat()).await;
        assert_eq!(first, whole[..1], "{command:?}");
        assert!(rest.starts_with("There are more than 1: ") && rest.contains(how), "{command:?}: {rest}");
        // As many as there are is not more.
        let all = whole.len().to_string();
        assert_eq!(rows(&installation, &[command, &["--limit", &all]].concat()).await, (whole.clone(), String::new()));
        let shown = installation.run(&[command, &["--limit", "1"]].concat()).await.ok();
        assert!(shown.stderr.starts_with("There are more than 1: "), "{}", shown.stderr);
        // What the hint says leads on.
        if let Some((_, before)) = rest.trim().split_once("--before ") {
            let (next, _) = rows(&installation, &[command, &["--limit", "1", "--before", before]].concat()).await;
            assert_eq!(next, whole[1..2], "{command:?}");
        }
        assert_eq!(installation.run(&[command, &["--limit", "0"]].concat()).await.code, 2);
    }
}

#[track_caller]
fn holds(said: &Said, words: &[&str]) {
    for word in words {
        assert!(said.stdout.contains(word), "{word:?} is missing in\n{}", said.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outages_are_listed_with_what_was_seen() {
    let app = TestApp::start().await;
    let installation = Installation::on(&app.sandbox, &app.database).await;
    holds(&installation.run(&["outage", "list"]).await.ok(), &["No outage so far."]);
    app.execute(
        "insert into outages (id, provider, endpoint, opened_at, evidence, canary_at, canaries, closed_at) values
         ('01900000-0000-7000-8000-000000000001', 'hubspot', 'tokens', now() - interval '3 days', 'nothing answered',
          now(), 7, now() - interval '69 hours'),
         ('01900000-0000-7000-8000-000000000002', 'quickbooks', 'api', now() - interval '2 hours', '6 of 6 calls failed',
          now() + interval '5 minutes 30 seconds', 4, null)",
    )
    .await;
    let all = installation.run(&["outage", "list"]).await.ok();
    holds(
        &all,
        &["the token endpoint of HubSpot", "3 h", "nothing answered", "QuickBooks", "6 of 6 calls failed", "2 h"],
    );
    holds(&all, &["open, next probe in 5 min", "Nothing to do: what depends on it waits"]);
    let open = installation.run(&["outage", "list", "--open"]).await.ok();
    assert!(open.stdout.contains("QuickBooks") && !open.stdout.contains("HubSpot"), "{}", open.stdout);
    assert_eq!(column(&installation, &["outage", "list", "--provider", "hubspot"], "endpoint").await, ["tokens"]);
    let none = installation.run(&["outage", "list", "--provider", "hubspot", "--open"]).await.ok();
    holds(&none, &["No outage is open. Those that are over: leave out --open."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_use_of_a_refresh_token_is_listed_with_what_came_of_it() {
    let (_app, installation) = harbour().await;
    let all = column(&installation, &["spend", "list"], "outcome").await;
    assert_eq!(all.len(), 3, "{all:?}");
    let shown = installation.run(&["spend", "list"]).await.ok();
    holds(
        &shown,
        &[
            "renewed",
            "dead_grant",
            "Tide & Co",
            "grant_dead",
            "HTTP 400",
            "More of one: lamplighter connection explain",
        ],
    );
    assert_eq!(column(&installation, &["spend", "list", "--account", "Tide & Co"], "provider").await, ["quickbooks"]);
    let portal = column(&installation, &["spend", "list", "--connection", HUB], "outcome").await;
    assert_eq!(portal, ["dead_grant"]);
    let numbers = column(&installation, &["spend", "list"], "id").await;
    let none = installation.run(&["spend", "list", "--before", &numbers[2]]).await.ok();
    holds(&none, &["No such use of a refresh token. All of them: lamplighter spend list"]);
    let nobody = installation.run(&["spend", "list", "--connection", "Nobody/quickbooks"]).await;
    assert!(nobody.code == 1 && nobody.stderr.contains("connection list --search"), "{}", nobody.stderr);
}
