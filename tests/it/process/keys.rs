//! Vault keys changed under running daemons, as an operator does it: with the command line, with `cp`, and with `kill -9`.

use std::{collections::BTreeSet, fs, time::Duration};

use lamplighter::{
    provider::Provider,
    sandbox::{Rotation, Sandbox, World},
    store::embedded,
    vault::{Key, Vault, key_file},
};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};

use super::{Installation, everything, is_gone, number, town, until};
use crate::{
    harness::{left_behind, new_database},
    keys::{add_idle, assert_all_under, rows, sealed_by},
};

const SETTLED: &str = "select count(*) from vault_keys where retired_at is null";

impl Installation {
    fn keys_file(&self) -> std::path::PathBuf {
        self.data().join("vault.keys")
    }

    fn vault(&self) -> Vault {
        Vault::load(&self.keys_file()).unwrap()
    }

    /// The key material, line by line.
    fn secrets(&self) -> BTreeSet<String> {
        let text = fs::read_to_string(self.keys_file()).unwrap();
        let keys = text.lines().filter(|line| !line.starts_with('#'));
        keys.map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }
}

async fn pool(database: &PgConnectOptions) -> PgPool {
    PgPool::connect_with(database.clone()).await.unwrap()
}

async fn until_renewed(sandbox: &Sandbox, times: usize) {
    for provider in Provider::ALL {
        let goal = sandbox.token_calls(provider).len() + times;
        let enough = |world: &World| (world.token_calls(provider).len() >= goal).then_some(());
        sandbox.wait_until(Duration::from_secs(60), enough).await.expect("renewals go on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_under_a_running_daemon_and_the_old_one_goes() {
    let sandbox = town().await;
    let installation = Installation::beside(&sandbox).set("log.filter", "debug").set("web.link_lifetime", "5m");
    installation.run(&["key", "generate"]).await.ok();
    let (old, mut secrets) = (installation.vault().active_key_id(), installation.secrets());
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    until("the first beat", async || {
        (number(&installation.embedded(), "select count(*) from daemons").await == 1).then_some(())
    })
    .await;
    let mut printed = String::new();
    let mut say = |said: super::Said| {
        printed += &format!("{}{}", said.stdout, said.stderr);
        said
    };
    let rotated = say(installation.run(&["key", "rotate", "--timeout", "60s"]).await).ok();
    let new = installation.vault().active_key_id();
    assert_ne!(new, old);
    secrets.extend(installation.secrets());
    for word in [new.as_str(), "Waiting", "Every running daemon seals with it", "is active", "Keep a copy"] {
        assert!(rotated.stdout.contains(word) || rotated.stderr.contains(word), "{word} is missing in {printed}");
    }
    until_renewed(&sandbox, 2).await;
    let database = installation.embedded();
    assert_all_under(&pool(&database).await, &installation.vault(), &new).await;

    let shown = say(installation.run(&["key", "list"]).await).ok().stdout;
    for word in ["active", "retired", "all 1 have it"] {
        assert!(shown.contains(word), "{word} is missing in\n{shown}");
    }
    let keys = say(installation.run(&["key", "list", "--json"]).await).ok().json();
    let key = |id: &str| keys["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap().clone();
    assert_eq!((&key(&new)["rows"], &key(&new)["state"]), (&Value::from(2), &"active".into()));
    assert_eq!((&key(&old)["rows"], &key(&old)["in_file"]), (&Value::from(0), &true.into()));
    assert_eq!(key(&new)["used_by"].as_array().unwrap().len(), 1);

    let refused = say(installation.run(&["key", "prune", "--yes"]).await);
    assert_eq!(refused.code, 1);
    assert!(refused.stdout.contains("reconnect links signed with it work until"), "{}", refused.stdout);
    let mut conn = PgConnection::connect_with(&database).await.unwrap();
    let retire = "update vault_keys set retired_at = retired_at - interval '5 minutes' where id = $1";
    assert_eq!(sqlx::query(retire).bind(&old).execute(&mut conn).await.unwrap().rows_affected(), 1);
    conn.close().await.unwrap();
    let plan = say(installation.run(&["key", "prune"]).await).ok();
    assert!(plan.stdout.contains("first keep a copy") && plan.stdout.contains("--yes"), "{}", plan.stdout);
    assert_eq!(installation.vault().key_ids().len(), 2, "nothing was done yet");
    let pruned = say(installation.run(&["key", "prune", "--yes", "--json"]).await).ok().json();
    assert_eq!(pruned["gone"], Value::from(vec![old.clone()]));
    assert_eq!(installation.vault().key_ids(), [new]);
    until_renewed(&sandbox, 2).await;
    say(installation.run(&["doctor"]).await).ok();

    let rows = everything(&database).await;
    let postgres = fs::read_to_string(installation.data().join("postgres/postgres.log")).unwrap();
    let log = daemon.output();
    daemon.terminate().await;
    assert_eq!(secrets.len(), 2);
    assert!(log.contains("vault keys file has changed") && rows.contains(&old) && printed.contains(&old));
    for (place, text) in [("log", &log), ("database", &rows), ("Postgres log", &postgres), ("output", &printed)] {
        for secret in &secrets {
            // Without its padding it would be told in parts.
            assert!(!text.contains(secret.trim_end_matches('=')), "a vault key can be read in the {place}");
        }
    }
    assert!(embedded::running(&installation.data().join("postgres")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_again_and_again_ends_well() {
    let (sandbox, database) = (town().await, new_database().await);
    sandbox.switch(Provider::Quickbooks, |switches| switches.rotation = Rotation::EveryCall);
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    let pool = pool(&database).await;
    add_idle(&pool, 2_000, sealed_by(&installation.vault())).await;
    let mut killed = 0;
    for life in 0..8_u64 {
        let mut child = installation.command(&["key", "rotate", "--json"]);
        let mut child = child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        // At another moment every time: what it has done by then is different, and any of it must be good enough.
        let moment = Duration::from_millis(60 + life * 170);
        if tokio::time::timeout(moment, async { until("its end", async || is_gone(pid).then_some(())).await })
            .await
            .is_err()
        {
            kill(pid, Signal::SIGKILL).unwrap();
            killed += 1;
        }
        child.wait().unwrap();
        installation.run(&["doctor", "--quick"]).await;
        let keys = installation.vault().key_ids();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "a key stands there twice");
        for row in rows(&pool).await {
            let place = lamplighter::keeper::renewal::refresh_place(row.connection_id);
            installation.vault().open(place, &row.refresh_sealed).unwrap();
        }
    }
    assert!(killed >= 3, "only {killed} were killed");
    let report = until("a run that finds nothing left of the others", async || {
        let said = installation.run(&["key", "rotate", "--json"]).await.ok().json();
        (said["made"] == true).then_some(said)
    })
    .await;
    until_renewed(&sandbox, 2).await;
    let new = installation.vault().active_key_id();
    assert_eq!(report["active_key"], Value::from(new.clone()));
    assert_eq!(number(&database, SETTLED).await, 1, "no key is left half way");
    until("the leases to end", async || (left_behind(database.clone()).await == 0).then_some(())).await;
    daemon.terminate().await;
    installation.run(&["key", "rotate"]).await.ok();
    assert_all_under(&pool, &installation.vault(), &installation.vault().active_key_id()).await;
    assert_eq!(rows(&pool).await.len(), 2_002);
    assert_eq!(number(&database, "select count(*) from connections where status = 'connected'").await, 2);
    assert_eq!(number(&database, "select count(*) from spends where outcome <> 'renewed'").await, 0);
    assert_eq!((sandbox.concurrent_spends(), sandbox.mails().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_on_another_machine_is_waited_for_until_the_file_is_copied() {
    let (sandbox, database) = (town().await, new_database().await);
    let here = Installation::on(&sandbox, &database).await;
    let there = Installation::beside(&sandbox).set("database.url", &super::database_url(&database));
    fs::create_dir_all(there.data()).unwrap();
    fs::copy(here.keys_file(), there.keys_file()).unwrap();
    let (one, two) = (here.up().await, there.up().await);
    here.connect(&sandbox).await;
    until("both to beat", async || (number(&database, "select count(*) from daemons").await == 2).then_some(())).await;
    let late = here.run(&["key", "rotate", "--timeout", "3s"]).await;
    assert_eq!(late.code, 1, "{}", late.stderr);
    for word in ["is not known yet to", "copy", "run `lamplighter key rotate` again"] {
        assert!(late.stderr.contains(word), "{word} is missing in\n{}", late.stderr);
    }
    let pid = format!("/{}-", two.pid());
    assert!(late.stderr.lines().last().unwrap().contains(&pid), "{}", late.stderr);
    assert_eq!(here.vault().active_key_id(), there.vault().active_key_id(), "nothing moved on");
    let begun_there = until("the other daemon to be asked there", async || {
        fs::copy(here.keys_file(), there.keys_file()).unwrap();
        let said = here.run(&["key", "rotate", "--timeout", "4s", "--json"]).await;
        (said.code == 0).then_some(said)
    });
    let said = begun_there.await.json();
    assert_eq!(said["made"], false);
    let new = here.vault().active_key_id();
    assert_eq!(there.vault().active_key_id(), new);
    until_renewed(&sandbox, 2).await;
    assert_all_under(&pool(&database).await, &there.vault(), &new).await;
    for daemon in [one, two] {
        daemon.terminate().await;
    }
    assert_eq!(sandbox.mails().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_keys_file_and_a_missing_key_are_told_and_heal_without_a_restart() {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    let good = fs::read_to_string(installation.keys_file()).unwrap();
    fs::write(installation.keys_file(), format!("{good}0badc0de c2VjcmV0\n")).unwrap();
    let ready = until("the daemon to notice", async || {
        let ready = daemon.get("readyz").await?;
        ready.body.contains("vault.keys:4").then_some(ready)
    })
    .await;
    assert_eq!(ready.status.as_u16(), 200, "it works on: {}", ready.body);
    assert!(ready.body.contains("correct vault.keys_file"), "{}", ready.body);
    until_renewed(&sandbox, 2).await;
    for command in [&["doctor"][..], &["key", "rotate"], &["key", "list"], &["key", "prune", "--yes"], &["serve"]] {
        let said = installation.run(command).await;
        assert_eq!(said.code, 2, "{command:?}: {}", said.stderr);
        assert!(said.stderr.contains("vault.keys:4: not a vault key"), "{command:?}: {}", said.stderr);
        assert!(!said.stderr.contains("c2VjcmV0"), "{}", said.stderr);
    }
    fs::write(installation.keys_file(), &good).unwrap();

    // Rows under a key that this daemon was never given.
    let key = Key::random();
    let pool = pool(&database).await;
    let vault = installation.vault();
    let mut lost = 0;
    while lost < 2 {
        for row in rows(&pool).await {
            let place = lamplighter::keeper::renewal::refresh_place(row.connection_id);
            let Ok(opened) = vault.open(place, &row.refresh_sealed) else { continue };
            let done =
                sqlx::query("update tokens set refresh_sealed = $3 where connection_id = $1 and refresh_sealed = $2")
                    .bind(row.connection_id)
                    .bind(&row.refresh_sealed)
                    .bind(key.seal(place, &opened))
                    .execute(&pool)
                    .await
                    .unwrap();
            lost += done.rows_affected();
        }
    }
    until("both to be set aside", async || {
        (number(&database, "select count(*) from set_asides where returned_at is null").await == 2).then_some(())
    })
    .await;
    let mail = until("the operator's mail", async || sandbox.mails().into_iter().next()).await;
    assert!(mail.text.contains(key.id()), "{}", mail.text);
    let missing = installation.run(&["key", "list"]).await.ok();
    assert!(missing.stdout.contains(key.id()), "{}", missing.stdout);
    let generations = number(&database, "select sum(generation)::bigint from tokens").await;
    key_file::add(&installation.keys_file(), &key).unwrap();
    until("both to be renewed", async || {
        (number(&database, "select sum(generation)::bigint from tokens").await >= generations + 2).then_some(())
    })
    .await;
    until("the all-clear", async || (sandbox.mails().len() == 2).then_some(())).await;
    daemon.terminate().await;
    assert_eq!(number(&database, "select count(*) from set_asides").await, 0);
}
