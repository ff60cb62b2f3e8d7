//! Tokens whose key is missing: one alert, nobody delayed, and healed as soon as the key is back. And a keys file that
//! breaks while it is in use.

use std::fs;

use chrono::TimeDelta;
use lamplighter::{
    health::{Depth, State},
    provider::Provider,
    store::{connections::Status, vault_keys},
    vault::{Key, key_file},
};

use super::{add_idle, sealed_by};
use crate::harness::{HUB, OPERATOR, REALM, TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_that_returns_heals_at_once() {
    let (app, _) = TestApp::connected().await;
    let key = Key::random();
    app.seal_under(&key, Provider::Quickbooks).await;
    app.advance(minutes(40));
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.set_aside, report.renewed), (1, 1));
    let mails = app.mails(1).await;
    assert!(mails[0].to.iter().all(|to| to.contains(OPERATOR)), "{:?}", mails[0].to);
    for word in [key.id(), "1 connection", "vault.keys_file", "key list", "Harbor Books"] {
        assert!(mails[0].text.contains(word), "{word} is missing in {}", mails[0].text);
    }
    assert_eq!(app.app.keys.tend().await.unwrap(), lamplighter::keys::Tended::default(), "nothing has changed yet");
    assert_eq!(app.app.keeper.round().await.unwrap().spent(), 0, "it rests");
    let id = app.connection(Provider::Quickbooks).await.id;
    assert!(app.app.keeper.access_token(id).await.is_err());

    key_file::add(&app.config.vault.keys_file, &key).unwrap();
    assert_eq!(app.app.keys.tend().await.unwrap().returned, 1);
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.renewed, report.set_aside), (1, 0), "at once, by the same clock");
    assert_eq!(app.app.keys.tend().await.unwrap().resolved, 1);
    let mails = app.mails(2).await;
    assert!(mails[1].subject.contains("no longer missing"), "{}", mails[1].subject);
    assert_eq!(app.count("select count(*) from set_asides").await, 0);
    assert_eq!(app.count("select count(*) from alerts where resolved_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_that_miss_one_key_are_one_mail_and_delay_nobody() {
    let (app, _) = TestApp::connected().await;
    let lost = app.directory.path().join("lost.keys");
    lamplighter::vault::Vault::generate(&lost).unwrap();
    let vault = lamplighter::vault::Vault::load(&lost).unwrap();
    add_idle(&app.app.pool, 300, sealed_by(&vault)).await;
    add_idle(&app.app.pool, 20, |_| ("1.nothing".to_owned(), "not sealed at all".to_owned())).await;
    // Long overdue, and so the first to be claimed.
    app.execute(
        "update tokens set renew_at = now() - interval '1 day', issued_to = (select issued_to from tokens t
                join connections c on c.id = t.connection_id where c.provider = 'quickbooks' and c.status = 'connected')
         where renew_at is null",
    )
    .await;
    app.advance(minutes(40));
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.set_aside, report.renewed), (320, 2));
    app.advance(minutes(61));
    assert_eq!(app.app.keeper.round().await.unwrap().set_aside, 320, "tried again, in vain");
    let mails = app.mails(2).await;
    let texts: Vec<_> = mails.iter().map(|mail| &mail.text).collect();
    assert!(texts.iter().any(|text| text.contains("300 connections") && text.contains("295 more")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("20 connections") && text.contains("damaged")), "{texts:?}");
    let vault_check = app.app.health.checks(Depth::Quick).await.into_iter().find(|check| check.id == "vault").unwrap();
    assert_eq!(vault_check.state, State::Warn);
    assert!(vault_check.message.contains("320 connections"), "{}", vault_check.message);

    // The key comes back: 300 are due at once, the damaged ones are not.
    fs::write(
        &app.config.vault.keys_file,
        fs::read_to_string(&app.config.vault.keys_file).unwrap() + &fs::read_to_string(&lost).unwrap(),
    )
    .unwrap();
    assert_eq!(app.app.keys.tend().await.unwrap().returned, 300);
    assert_eq!(app.app.keys.tend().await.unwrap().returned, 0, "each once: what fails then keeps its own pause");
    // Disconnected after all: whoever is not renewed any more keeps no incident open.
    app.execute("update tokens set renew_at = null where issued_to is not null and refresh_fingerprint = 'f'").await;
    assert_eq!(app.app.keys.tend().await.unwrap().resolved, 2);
    app.mails(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_heals_what_is_damaged() {
    let (app, account) = TestApp::connected().await;
    app.execute("update tokens set refresh_sealed = access_sealed").await;
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().set_aside, 2);
    app.mails(1).await;
    for (provider, company) in [(Provider::Quickbooks, REALM), (Provider::Hubspot, HUB)] {
        assert_eq!(app.connection(provider).await.status, Status::Connected, "the owner is not bothered");
        app.connect(&account, provider, company).await;
    }
    assert_eq!(app.app.keys.tend().await.unwrap().resolved, 1);
    let mails = app.mails(2).await;
    assert!(mails[1].subject.contains("No stored token is damaged"), "{}", mails[1].subject);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_still_lacks_the_key_keeps_the_incident_open() {
    let (app, _) = TestApp::connected().await;
    let theirs = app.directory.path().join("elsewhere.keys");
    let elsewhere = app.daemon_elsewhere(&theirs).await;
    let key = Key::random();
    key_file::add(&app.config.vault.keys_file, &key).unwrap();
    key_file::put_first(&app.config.vault.keys_file, key.id()).unwrap();
    app.app.keys.tend().await.unwrap();
    for daemon in [&app.app, &elsewhere] {
        daemon.presence.beat(true).await.unwrap();
    }
    app.seal_under(&key, Provider::Quickbooks).await;
    for _ in 0..3 {
        app.advance(minutes(40));
        // The one that lacks the key is quicker every time; the other one sets it right.
        assert_eq!(elsewhere.keeper.round().await.unwrap().set_aside, 1);
        assert_eq!(app.app.keys.tend().await.unwrap().returned, 1);
        assert_eq!(app.app.keeper.round().await.unwrap().renewed, 1);
        assert_eq!(app.app.keys.tend().await.unwrap().resolved, 0);
    }
    app.mails(1).await;
    fs::copy(&app.config.vault.keys_file, &theirs).unwrap();
    elsewhere.keys.tend().await.unwrap();
    assert_eq!(app.count("select count(*) from alerts where resolved_at is null").await, 0);
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_file_that_breaks_stops_nothing_and_is_shown() {
    let (app, _) = TestApp::connected().await;
    let path = app.config.vault.keys_file.clone();
    let (good, ids) = (fs::read(&path).unwrap(), app.vault().key_ids());
    let check = async || {
        let checks = app.app.health.checks(Depth::Quick).await;
        checks.into_iter().find(|check| check.id == "vault").unwrap()
    };
    assert_eq!(check().await.state, State::Ok);
    for broken in [&b"0badc0de c2VjcmV0\n"[..], b""] {
        fs::write(&path, broken).unwrap();
        app.app.keys.tend().await.unwrap();
        app.app.presence.beat(true).await.unwrap();
        app.advance(minutes(40));
        assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
        assert_eq!(app.app.presence.live().await.unwrap()[0].vault_key_ids, ids);
        let vault = check().await;
        assert_eq!(vault.state, State::Warn);
        assert!(vault.message.contains(path.to_str().unwrap()) && !vault.message.contains("c2VjcmV0"), "{vault:?}");
        assert!(vault.remedy.unwrap().contains("does not start again"));
    }
    fs::write(&path, &good).unwrap();
    app.app.keys.tend().await.unwrap();
    assert_eq!(check().await.state, State::Ok);

    // A file that lost the line of a key in use: what it sealed still opens here, and everybody is told.
    let only_other = app.directory.path().join("other.keys");
    lamplighter::vault::Vault::generate(&only_other).unwrap();
    fs::copy(&only_other, &path).unwrap();
    app.app.keys.tend().await.unwrap();
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    let vault = check().await;
    assert_eq!(vault.state, State::Fail);
    assert!(vault.message.contains(&ids[0]), "{}", vault.message);
    let keys = vault_keys::list(&mut *app.conn().await).await.unwrap();
    assert_eq!(keys.len(), 2, "the new active key is noted: {keys:?}");
    app.advance(TimeDelta::zero());
}
