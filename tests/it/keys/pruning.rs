//! Keys that may go, and why others stay.

use std::fs;

use chrono::TimeDelta;
use lamplighter::{
    keeper::spool::Spool,
    keys::{
        Error,
        holdings::{self, State},
        pruning::{Kept, Pruning},
    },
    links::Refused,
    provider::Provider,
    vault::{Key, key_file},
};

use super::{add_idle, sealed_by};
use crate::harness::{TestApp, minutes};

struct Yard {
    app: TestApp,
    spool: Spool,
    old: String,
    new: String,
}

impl Yard {
    /// One rotation has just ended.
    async fn after_a_rotation() -> (Self, url::Url) {
        let (app, account) = TestApp::connected().await;
        let link = app.link(&account, Provider::Quickbooks);
        let old = app.vault().active_key_id();
        let new = app.rotate().await.active_key;
        let spool = Spool::open(&app.directory.path().join("spool")).unwrap();
        (Self { app, spool, old, new }, link)
    }

    fn pruning(&self) -> Pruning<'_> {
        Pruning {
            pool: &self.app.app.pool,
            keys_file: &self.app.config.vault.keys_file,
            spool: &self.spool,
            link_lifetime: self.app.config.web.link_lifetime,
            clock: &self.app.clock,
        }
    }

    /// Why the old key stays; nothing if it may go.
    async fn why(&self) -> Option<Kept> {
        let plan = self.pruning().plan().await.unwrap();
        assert!(plan.kept.contains(&(self.new.clone(), Kept::Active)), "{plan:?}");
        let why = plan.kept.iter().find(|(id, _)| *id == self.old).map(|(_, why)| why.clone());
        assert_eq!(why.is_none(), plan.gone == [self.old.as_str()], "{plan:?}");
        assert_eq!(why.is_some(), plan.refuses(), "{plan:?}");
        why
    }

    fn past_all_links(&self) {
        self.app.clock.advance(TimeDelta::from_std(self.app.config.web.link_lifetime).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stays_while_its_links_work_and_goes_afterwards() {
    let (yard, link) = Yard::after_a_rotation().await;
    let app = &yard.app;
    let token = link.path().strip_prefix("/connect/").unwrap();
    let until = app.key(&yard.old).await.retired_at.unwrap() + app.config.web.link_lifetime;
    assert_eq!(yard.why().await, Some(Kept::Links { until }));
    assert!(yard.pruning().run().await.unwrap().gone.is_empty());
    assert!(app.app.links.read(token, app.clock.now()).is_ok(), "the link still works");
    yard.past_all_links();
    assert!(matches!(app.app.links.read(token, app.clock.now()), Err(Refused::Expired(_))));
    let before = fs::read(&app.config.vault.keys_file).unwrap();
    assert_eq!(yard.why().await, None);
    assert_eq!(fs::read(&app.config.vault.keys_file).unwrap(), before, "a plan changes nothing");
    assert!(app.key(&yard.old).await.pruned_at.is_none());

    assert_eq!(yard.pruning().run().await.unwrap().gone, [yard.old.as_str()]);
    assert_eq!(app.vault().key_ids(), [yard.new.as_str()]);
    assert_eq!(app.key(&yard.old).await.pruned_at, Some(app.clock.now()));
    app.app.keys.tend().await.unwrap();
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    app.second_daemon().await;
    let again = yard.pruning().run().await.unwrap();
    assert!(again.gone.is_empty() && !again.refuses(), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_row_a_reply_or_a_daemon_needs_stays() {
    let (yard, _) = Yard::after_a_rotation().await;
    let app = &yard.app;
    yard.past_all_links();
    assert_eq!(yard.why().await, None);
    // A row.
    let vault = app.vault();
    let old = app.directory.path().join("old.keys");
    fs::copy(&app.config.vault.keys_file, &old).unwrap();
    key_file::put_first(&old, &yard.old).unwrap();
    let old_vault = lamplighter::vault::Vault::load(&old).unwrap();
    add_idle(&app.app.pool, 2, sealed_by(&old_vault)).await;
    add_idle(&app.app.pool, 1, |id| (sealed_by(&vault)(id).0, sealed_by(&old_vault)(id).1)).await;
    assert_eq!(yard.why().await, Some(Kept::Rows { rows: 3 }));
    assert!(yard.pruning().run().await.unwrap().gone.is_empty());
    assert!(!app.rotate().await.made, "a rotation finishes them");
    assert_eq!(yard.why().await, None);
    // A reply on disk, in whatever state its file is.
    for name in ["reply.json", "reply.unreadable", ".tmpXyz"] {
        let file = app.directory.path().join("spool").join(name);
        fs::write(&file, format!("{{\"refresh_sealed\":\"1.{}.AAAA\"}}", yard.old)).unwrap();
        assert_eq!(yard.why().await, Some(Kept::Spool { files: 1 }), "{name}");
        fs::remove_file(file).unwrap();
    }
    // A daemon whose file still begins with it.
    let elsewhere = app.daemon_elsewhere(&app.directory.path().join("elsewhere.keys")).await;
    key_file::put_first(&app.directory.path().join("elsewhere.keys"), &yard.old).unwrap();
    elsewhere.presence.beat(true).await.unwrap();
    assert_eq!(
        yard.why().await,
        Some(Kept::Used { daemons: vec![format!("{} on {}", elsewhere.presence.name(), host())] })
    );
    elsewhere.keys.tend().await.unwrap();
    assert!(app.key(&yard.old).await.retired_at.is_none(), "it is used again");
    // It ends; then the links that it made count anew.
    elsewhere.presence.leave().await;
    let until = app.clock.now() + app.config.web.link_lifetime;
    assert_eq!(yard.why().await, Some(Kept::Links { until }));
    assert!(yard.pruning().run().await.unwrap().gone.is_empty());
    assert_eq!(app.key(&yard.old).await.retired_at, Some(app.clock.now()), "retired by the prune itself");
    yard.past_all_links();
    assert_eq!(yard.pruning().run().await.unwrap().gone, [yard.old.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_prune_is_finished_and_foreign_keys_are_left_alone() {
    let (yard, _) = Yard::after_a_rotation().await;
    let app = &yard.app;
    let foreign = Key::random();
    key_file::add(&app.config.vault.keys_file, &foreign).unwrap();
    yard.past_all_links();
    let copy = app.directory.path().join("copy.keys");
    fs::copy(&app.config.vault.keys_file, &copy).unwrap();
    yard.pruning().run().await.unwrap();
    // As if it had been killed before the file was written; or another host's file.
    fs::copy(&copy, &app.config.vault.keys_file).unwrap();
    let shown = holdings::list(&app.app.pool, &app.vault()).await.unwrap();
    let state = |id: &str| shown.iter().find(|key| key.id == id).map(|key| key.state);
    assert_eq!(state(&yard.old), Some(State::Pruned));
    assert_eq!(state(foreign.id()), Some(State::Foreign));
    let plan = yard.pruning().run().await.unwrap();
    assert_eq!(plan.gone, [yard.old.as_str()]);
    assert!(plan.kept.contains(&(foreign.id().to_owned(), Kept::Foreign)));
    assert_eq!(app.vault().key_ids(), [yard.new.as_str(), foreign.id()]);
    // A rotation does not take a key for its own that it did not make.
    let report = app.rotate().await;
    assert!(report.made && report.active_key != foreign.id());
    // A file that lacks a key in use prunes nothing.
    key_file::remove(&app.config.vault.keys_file, &[report.active_key.clone(), yard.new.clone()]).unwrap();
    let refused = yard.pruning().run().await;
    assert!(matches!(refused, Err(Error::Lacking(_))), "{refused:?}");
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}
