//! One key gives way to the next: beside renewals, after any crash, with daemons that lag behind.

use std::{
    fs,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use lamplighter::{
    health::{Depth, State},
    keeper::renewal::{access_place, refresh_place},
    keys::{
        Error,
        fleet::Must,
        holdings,
        rotation::{Report, Step},
    },
    provider::Provider,
    sandbox::{Rotation as TokenRotation, TokenOutcome},
    store::{
        connections::Status,
        sealed::{self, Sealed},
        tokens, vault_keys,
    },
    vault::{Key, Vault, key_file, key_id_of},
};
use uuid::Uuid;

use super::{add_idle, assert_all_under, only, rows, sealed_by};
use crate::harness::{TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn rotations_beside_renewals_lose_no_token_and_no_generation() {
    let app = TestApp::start_with(&[("keeper.concurrency", "4")]).await;
    for number in 0..6 {
        let account = app.account(&format!("Street {number}")).await;
        let (realm, hub) = (format!("900{number}"), format!("700{number}"));
        app.sandbox.add_company(&realm, &format!("Street {number} Inc"));
        app.sandbox.add_portal(&hub, &format!("street{number}.example"));
        app.connect(&account, Provider::Quickbooks, &realm).await;
        app.connect(&account, Provider::Hubspot, &hub).await;
    }
    for provider in Provider::ALL {
        app.sandbox.switch(provider, |switches| {
            switches.rotation = TokenRotation::EveryCall;
            switches.latency = Duration::from_millis(3);
        });
    }
    add_idle(&app.app.pool, 1_600, sealed_by(&app.vault())).await;
    app.app.presence.beat(true).await.unwrap();
    let rotating = Arc::new(AtomicBool::new(true));
    let (keeper, clock, goes_on) = (app.app.keeper.clone(), app.clock.clone(), Arc::clone(&rotating));
    #[expect(clippy::disallowed_methods, reason = "it is waited for")]
    let renewals = tokio::spawn(async move {
        let mut renewed = 0;
        while goes_on.load(Ordering::SeqCst) {
            clock.advance(minutes(40));
            let report = keeper.round().await.unwrap();
            assert_eq!(report.spent(), report.renewed, "{report:?}");
            renewed += i64::from(report.renewed);
        }
        renewed
    });
    let mut reports: Vec<Report> = Vec::new();
    for _ in 0..5 {
        reports.push(app.rotate_until(|_| false).await.unwrap());
    }
    rotating.store(false, Ordering::SeqCst);
    let renewed = renewals.await.unwrap();
    assert!(renewed > 100, "only {renewed} renewals took part");
    for report in &reports {
        // A renewal that was sealed a moment before the change is found by a later run, which then makes no new key.
        assert!(report.progress.resealed > 0 && report.progress.unreadable == 0, "{report:?}");
    }
    // What was sealed before the last change and stored after it is found too.
    let last = app.rotate().await;
    let (vault, all) = (app.vault(), rows(&app.app.pool).await);
    assert_all_under(&app.app.pool, &vault, &last.active_key).await;
    assert_eq!(last.rows_by_key, only(&last.active_key, 1_612));
    assert_eq!(all.iter().map(|row| row.generation - 1).sum::<i64>(), renewed, "a generation was lost");
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 12, "every grant still works");
    for provider in Provider::ALL {
        let refused = |outcome: &TokenOutcome| matches!(outcome, TokenOutcome::Refused(_));
        assert!(!app.sandbox.token_calls(provider).iter().any(|call| refused(&call.outcome)));
    }
    assert_eq!(app.count("select count(*) from connections where status = 'connected'").await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_under_way_notices_nothing() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.switch(Provider::Quickbooks, |switches| {
        switches.rotation = TokenRotation::EveryCall;
        switches.latency = Duration::from_millis(1_500);
    });
    app.app.presence.beat(true).await.unwrap();
    app.advance(minutes(40));
    let rotating = async {
        let spending = |world: &lamplighter::sandbox::World| world.is_spending(Provider::Quickbooks).then_some(());
        app.sandbox.wait_until(Duration::from_secs(5), spending).await.expect("the keeper spends");
        let report = app.rotate_until(|_| false).await.unwrap();
        let leased = app.count("select count(*) from tokens where lease_until is not null").await;
        (report, leased)
    };
    let (round, (report, leased)) = tokio::join!(app.app.keeper.round(), rotating);
    assert_eq!((leased, report.progress.expected, report.progress.resealed), (1, 2, 2), "it was still under way");
    let round = round.unwrap();
    assert_eq!((round.renewed, round.spent()), (2, 2), "{round:?}");
    assert_eq!(app.connection(Provider::Quickbooks).await.generation, 2);
    assert_all_under(&app.app.pool, &app.vault(), &report.active_key).await;

    // And a claim of somebody else, to the letter.
    app.advance(minutes(40));
    let claims = {
        let (mut conn, lease) = (app.conn().await, Duration::from_secs(60));
        let mut claims = Vec::new();
        for provider in Provider::ALL {
            let due = tokens::Due { provider, by: app.clock.now(), limit: 10 };
            claims.extend(tokens::claim_due(&mut conn, due, app.clock.now(), "another/1", lease).await.unwrap());
        }
        claims
    };
    let before = "select count(*) from tokens where leased_by = 'another/1' and lease_until > clock_timestamp()";
    assert_eq!(app.count(before).await, 2);
    app.rotate().await;
    assert_eq!(app.count(before).await, 2, "the lease stands");
    for claim in claims {
        assert!(
            tokens::release(&mut *app.conn().await, &claim, app.clock.now(), false).await.unwrap(),
            "so does the fence"
        );
    }
    app.execute("update spends set finished_at = started_at, outcome = 'transient' where finished_at is null").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_renewed_meanwhile_is_not_overwritten() {
    let (app, _) = TestApp::connected().await;
    for provider in Provider::ALL {
        app.sandbox.switch(provider, |switches| switches.rotation = TokenRotation::EveryCall);
    }
    let (vault, key) = (app.vault(), Key::random());
    // A batch is read, a renewal comes in between, and the batch is written.
    let mut conn = app.conn().await;
    let old = sealed::under_other_keys(&mut conn, key.id(), Uuid::nil(), 10).await.unwrap();
    let anew = |row: &Sealed| {
        let (access, refresh) = (access_place(row.connection_id), refresh_place(row.connection_id));
        Sealed {
            connection_id: row.connection_id,
            access_sealed: key.seal(access, &vault.open(access, &row.access_sealed).unwrap()),
            refresh_sealed: key.seal(refresh, &vault.open(refresh, &row.refresh_sealed).unwrap()),
        }
    };
    let new: Vec<_> = old.iter().map(anew).collect();
    assert_eq!(new.len(), 2);
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    assert_eq!(sealed::replace(&mut conn, &old, &new).await.unwrap(), 0, "what was read is no longer there");
    app.advance(minutes(40));
    let round = app.app.keeper.round().await.unwrap();
    assert_eq!((round.renewed, round.spent()), (2, 2), "the renewed tokens were kept: {round:?}");
    // One of the two texts is enough to tell.
    let now = sealed::under_other_keys(&mut conn, key.id(), Uuid::nil(), 10).await.unwrap();
    let mut half = now.clone();
    half[0].access_sealed.clone_from(&old[0].access_sealed);
    half[1].refresh_sealed.clone_from(&old[1].refresh_sealed);
    assert_eq!(sealed::replace(&mut conn, &half, &new).await.unwrap(), 0);
    assert_eq!(sealed::replace(&mut conn, &now, &now).await.unwrap(), 2);
}

/// Whether the run ends right after this step.
type Kills = fn(&Step) -> bool;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_after_any_step_is_finished_by_the_next_run() {
    let (app, account) = TestApp::connected().await;
    add_idle(&app.app.pool, 700, sealed_by(&app.vault())).await;
    app.app.presence.beat(true).await.unwrap();
    let old_link = app.link(&account, Provider::Quickbooks);
    let kinds: [(&str, Kills); 9] = [
        ("announced", |step| matches!(step, Step::Announced(_))),
        ("added", |step| matches!(step, Step::Added(_))),
        ("waiting for all to know", |step| matches!(step, Step::Waiting(waiting) if waiting.must == Must::Know)),
        ("registered", |step| matches!(step, Step::Registered(_))),
        ("activated", |step| matches!(step, Step::Activated(_))),
        ("waiting for all to use", |step| matches!(step, Step::Waiting(waiting) if waiting.must == Must::Use)),
        ("retired", |step| matches!(step, Step::Retired(_))),
        ("first batch", |step| matches!(step, Step::Resealing(_))),
        ("second batch", |step| matches!(step, Step::Resealing(progress) if progress.resealed > 500)),
    ];
    for (number, (name, kills)) in kinds.into_iter().enumerate() {
        let killed = app.rotate_until(kills).await;
        assert!(matches!(killed, Err(Error::Stopped)), "{name}: {killed:?}");
        // Whatever was killed: daemons go on, and one that starts now does too.
        app.advance(minutes(40));
        assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2, "{name}");
        app.second_daemon().await;
        let finished = app.rotate_until(|_| false).await.unwrap();
        // After the last batch nothing was left to do, so that the next run began anew.
        let (begun_anew, keys) = match name {
            "announced" => (true, number + 2),
            "second batch" => (true, number + 3),
            _ => (false, number + 2),
        };
        assert_eq!(finished.made, begun_anew, "{name}");
        assert_eq!(app.vault().key_ids().len(), keys, "{name}: one new key for each rotation");
        assert_eq!(finished.active_key, app.vault().active_key_id(), "{name}");
        assert_eq!(finished.rows_by_key, only(&finished.active_key, 702), "{name}");
        assert_all_under(&app.app.pool, &app.vault(), &finished.active_key).await;
        let in_use = "select count(*) from vault_keys where retired_at is null";
        assert_eq!(app.count(in_use).await, 1, "{name}: the others are retired, none is left announced");
    }
    let token = old_link.path().strip_prefix("/connect/").unwrap();
    assert!(app.app.links.read(token, app.clock.now()).is_ok(), "a link from before nine rotations still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_on_before_every_daemon_has_followed() {
    let (app, _) = TestApp::connected().await;
    let (ours, theirs) = (app.config.vault.keys_file.clone(), app.directory.path().join("elsewhere.keys"));
    let elsewhere = app.daemon_elsewhere(&theirs).await;
    for daemon in [&app.app, &elsewhere] {
        daemon.presence.beat(true).await.unwrap();
    }
    let old = app.vault().active_key_id();
    let run = async || app.rotation(Duration::ZERO).run(&mut |_| ControlFlow::Continue(())).await;
    let late = async || match run().await {
        Err(Error::TimedOut { waiting }) => waiting,
        other => panic!("{other:?}"),
    };
    assert_eq!(late().await.daemons.len(), 2);
    app.app.keys.tend().await.unwrap();
    for _ in 0..3 {
        let waiting = late().await;
        assert_eq!((waiting.must, waiting.daemons.len()), (Must::Know, 1));
        let words = waiting.to_string();
        for word in [elsewhere.presence.name(), "copy", ours.to_str().unwrap(), &waiting.key_id] {
            assert!(words.contains(word), "{word} is missing in {words}");
        }
    }
    let new = late().await.key_id;
    assert_eq!(app.vault().key_ids(), [old.as_str(), &new], "known, not active");
    assert!(app.key(&new).await.first_used_at.is_none() && app.key(&old).await.retired_at.is_none());
    assert!(rows(&app.app.pool).await.iter().all(|row| key_id_of(&row.refresh_sealed) == Some(old.as_str())));
    // A look at the other machine says what to do.
    let vault = elsewhere.health.checks(Depth::Quick).await.into_iter().find(|check| check.id == "vault").unwrap();
    assert_eq!(vault.state, State::Warn);
    assert!(vault.message.contains(&new) && vault.remedy.unwrap().contains("copy vault.keys_file here"));

    fs::copy(&ours, &theirs).unwrap();
    elsewhere.keys.tend().await.unwrap();
    assert_eq!(late().await.must, Must::Use);
    app.app.keys.tend().await.unwrap();
    // No row is left under the old key by now, and yet somebody seals with it.
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    let waiting = late().await;
    assert_eq!((waiting.must, waiting.daemons.len(), &waiting.key_id), (Must::Use, 1, &new));
    assert!(app.key(&old).await.retired_at.is_none(), "somebody still seals with it");
    let shown = holdings::list(&app.app.pool, &app.vault()).await.unwrap();
    assert_eq!((shown[0].id.as_str(), shown[0].used_by.len(), shown[0].unknown_to.len()), (new.as_str(), 1, 0));
    fs::copy(&ours, &theirs).unwrap();
    elsewhere.keys.tend().await.unwrap();
    let report = run().await.unwrap();
    assert_eq!((report.active_key.as_str(), report.made, report.progress.resealed), (new.as_str(), false, 0));
    assert!(app.key(&old).await.retired_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_another_keys_file_nothing_is_begun() {
    let (app, _) = TestApp::connected().await;
    app.app.presence.beat(true).await.unwrap();
    let behind = app.directory.path().join("behind.keys");
    fs::copy(&app.config.vault.keys_file, &behind).unwrap();
    app.rotate_until(|step| matches!(step, Step::Registered(_))).await.unwrap_err();
    let strange = app.directory.path().join("strange.keys");
    Vault::generate(&strange).unwrap();
    for path in [&behind, &strange] {
        let before = fs::read(path).unwrap();
        let mut rotation = app.rotation(Duration::ZERO);
        rotation.keys_file = path;
        let refused = rotation.run(&mut |_| ControlFlow::Continue(())).await.unwrap_err();
        assert!(refused.to_string().contains("put that key back"), "{refused}");
        assert_eq!(fs::read(path).unwrap(), before);
    }
    app.rotate().await;
    // Announced, known to a daemon, and not in this file.
    app.rotate_until(|step| matches!(step, Step::Waiting(_))).await.unwrap_err();
    app.app.keys.tend().await.unwrap();
    fs::copy(&app.config.vault.keys_file, &behind).unwrap();
    let begun = app.vault().key_ids().pop().unwrap();
    key_file::remove(&behind, std::slice::from_ref(&begun)).unwrap();
    let mut rotation = app.rotation(Duration::ZERO);
    rotation.keys_file = &behind;
    let refused = rotation.run(&mut |_| ControlFlow::Continue(())).await.unwrap_err().to_string();
    assert!(refused.contains(&begun) && refused.contains(app.app.presence.name()), "{refused}");
    // And while somebody is at it, nobody else is.
    let lock = vault_keys::lock(&app.app.pool).await.unwrap().unwrap();
    let busy = app.rotation(Duration::ZERO).run(&mut |_| ControlFlow::Continue(())).await;
    assert!(matches!(busy, Err(Error::Busy)), "{busy:?}");
    lock.release().await.unwrap();
    assert_eq!(app.rotate().await.active_key, begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_do_not_open_are_counted_and_hold_up_nothing() {
    let (app, _) = TestApp::connected().await;
    let lost = Key::random();
    let lost_vault = {
        let path = app.directory.path().join("lost.keys");
        Vault::generate(&path).unwrap();
        key_file::add(&path, &lost).unwrap();
        key_file::put_first(&path, lost.id()).unwrap();
        Vault::load(&path).unwrap()
    };
    add_idle(&app.app.pool, 510, sealed_by(&lost_vault)).await;
    let old = app.vault();
    // Damaged under a key that is there: sealed for other rows.
    add_idle(&app.app.pool, 3, |_| sealed_by(&old)(Uuid::nil())).await;
    for round in 0..2 {
        let report = app.rotate().await;
        assert!(report.made, "round {round}: what does not open keeps nobody from a new key");
        let progress = &report.progress;
        assert_eq!((progress.resealed, progress.unreadable, progress.unreadable_rows.len()), (2, 513, 100));
        assert!(progress.unreadable_rows.iter().any(|row| row.why.contains(lost.id())));
        assert_eq!(report.rows_by_key[lost.id()], 510);
        app.advance(TimeDelta::minutes(40));
        assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    }
    assert_eq!(app.connection(Provider::Quickbooks).await.status, Status::Connected);
}
