//! Replies that come late, from a holder that stood still or from its disk: while nothing newer is stored they are kept,
//! and before anybody spends the value that they replaced.

use std::{fs, path::PathBuf, time::Duration};

use lamplighter::{
    provider::{Cause, Failure, Provider::Quickbooks, Verdict},
    sandbox::Rotation,
    store::connections::Status,
};
use serde_json::Value;
use sqlx::Connection as _;

use super::{cut_off_while_spending, keeper_spends};
use crate::harness::{REALM, TestApp, minutes};

/// QuickBooks' token alone is due, and its value changes with every spend.
async fn due() -> TestApp {
    let (app, _) =
        TestApp::connected_with(&[("database.restore_fence", "false"), ("keeper.commit_budget", "2s")]).await;
    app.sandbox.switch(Quickbooks, |switches| {
        switches.rotation = Rotation::EveryCall;
        switches.latency = Duration::from_millis(1_500);
    });
    app.advance(minutes(40));
    app.execute("update tokens set renew_at = renew_at + interval '1 day' where provider = 'hubspot'").await;
    app
}

async fn until_spending(app: &TestApp) {
    keeper_spends(app).await;
    app.sandbox.switch(Quickbooks, |switches| switches.latency = Duration::ZERO);
}

/// Somebody claims after the holder, and is never heard of again.
async fn pass_the_fence(app: &TestApp) {
    assert_eq!(app.execute("update tokens set fence = fence + 1 where lease_until is not null").await, 1);
}

/// Whoever held a lease is given up, and its token free to be taken over.
async fn leases_run_out(app: &TestApp) {
    app.execute(
        "update tokens set lease_until = clock_timestamp() - interval '1 second', leased_by = 'takeover'
         where lease_until is not null",
    )
    .await;
}

/// A reply that waits on disk, and nobody's lease.
async fn spooled() -> (TestApp, PathBuf) {
    let app = due().await;
    cut_off_while_spending(&app).await;
    app.sandbox.switch(Quickbooks, |switches| switches.latency = Duration::ZERO);
    leases_run_out(&app).await;
    let mut files = fs::read_dir(app.directory.path().join("spool")).unwrap().map(|file| file.unwrap().path());
    let file = files.next().expect("the rotated token is on disk");
    (app, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_a_holder_that_was_passed_is_kept_while_nothing_newer_is_stored() {
    let app = due().await;
    let passing = async {
        until_spending(&app).await;
        pass_the_fence(&app).await;
    };
    let (report, ()) = tokio::join!(app.app.keeper.round(), passing);
    let report = report.unwrap();
    assert_eq!((report.renewed, report.discarded), (1, 0), "{report:?}");
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.generation), (Status::Connected, 2));
    app.advance(minutes(40));
    assert!(app.app.keeper.round().await.unwrap().renewed > 0);
    assert_eq!(app.connection(Quickbooks).await.generation, 3, "the value that came late works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_holder_that_was_passed_is_left_to_whoever_claimed_since() {
    let app = due().await;
    assert!(app.sandbox.revoke(Quickbooks, REALM));
    let passing = async {
        until_spending(&app).await;
        pass_the_fence(&app).await;
    };
    let (report, ()) = tokio::join!(app.app.keeper.round(), passing);
    let report = report.unwrap();
    assert_eq!((report.lapsed, report.adopted), (0, 1), "{report:?}");
    assert_eq!(app.connection(Quickbooks).await.status, Status::Connected);
    leases_run_out(&app).await;
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 1);
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reply_takes_a_lapse_back_only_when_it_was_renewed_once() {
    let app = due().await;
    let refusing = async {
        until_spending(&app).await;
        pass_the_fence(&app).await;
        let row = app.connection(Quickbooks).await;
        let verdict = Verdict::Lapsed(Cause::ReplyLost);
        let refusal = Failure::without_reply(Quickbooks, "refresh", verdict, "test", "refused");
        app.app.keeper.lapse(row.id, row.generation, Cause::ReplyLost, &refusal).await.unwrap();
    };
    let (report, ()) = tokio::join!(app.app.keeper.round(), refusing);
    assert_eq!(report.unwrap().renewed, 2, "the late value, and the spend that proves it");
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.generation), (Status::Connected, 3));
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_on_disk_is_stored_before_the_value_that_it_replaced_is_taken_over() {
    let (app, file) = spooled().await;
    let calls = app.sandbox.token_calls(Quickbooks).len();
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.replayed, report.spent()), (1, 0), "{report:?}");
    assert_eq!(app.sandbox.token_calls(Quickbooks).len(), calls, "the replaced value was not spent");
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.generation), (Status::Connected, 2));
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_cut_off_counts_as_renewed_when_its_reply_is_replayed() {
    let (app, file) = spooled().await;
    let reply = fs::read(&file).unwrap();
    assert_eq!(app.app.keeper.round().await.unwrap().replayed, 1);
    // The tokens were stored, but the daemon never heard of it: its ledger's row is open and its reply on disk.
    let open = "update spends set finished_at = null, outcome = null, rule = null where rule = 'spooled'";
    assert_eq!(app.execute(open).await, 1);
    fs::write(&file, reply).unwrap();
    assert_eq!(app.app.keeper.round().await.unwrap().replayed, 1);
    assert_eq!(app.count("select count(*) from spends where rule = 'spooled' and outcome = 'renewed'").await, 1);
    assert_eq!(app.connection(Quickbooks).await.generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_the_database_does_not_take_delays_no_other() {
    let (app, file) = spooled().await;
    let mut odd: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    odd["tokens"]["access_sealed"] = Value::from("\0");
    let beside = file.with_file_name("odd.json");
    fs::write(&beside, odd.to_string()).unwrap();
    assert_eq!(app.app.keeper.round().await.unwrap().replayed, 1);
    assert_eq!(app.connection(Quickbooks).await.generation, 2);
    assert!(beside.exists() && !file.exists(), "it stays, to be looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_does_not_keep_a_reply_in_memory_for_longer_than_the_commit_budget() {
    let app = due().await;
    let spool = app.directory.path().join("spool");
    let locking = async {
        until_spending(&app).await;
        let mut conn = app.conn().await;
        let mut tx = conn.begin().await.unwrap();
        sqlx::query("select from tokens for update").execute(&mut *tx).await.unwrap();
        let on_disk = async {
            while fs::read_dir(&spool).unwrap().next().is_none() {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), on_disk).await;
        tx.rollback().await.unwrap();
        waited.expect("the reply is on disk while the commit hangs");
    };
    let (report, ()) = tokio::join!(app.app.keeper.round(), locking);
    assert_eq!(report.unwrap().replayed, 1);
    assert_eq!(app.connection(Quickbooks).await.generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_on_disk_is_stored_although_the_process_is_to_stop() {
    let (app, file) = spooled().await;
    app.app.stopping.cancel();
    assert_eq!(app.app.keeper.round().await.unwrap().replayed, 1);
    assert_eq!(app.connection(Quickbooks).await.generation, 2);
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_grew_old_before_its_spend_is_not_spent() {
    let set = [("keeper.deadline", "20s"), ("keeper.commit_budget", "10s"), ("keeper.lease", "30001ms")];
    let (app, _) = TestApp::connected_with(&set).await;
    app.advance(minutes(40));
    app.execute("update tokens set renew_at = renew_at + interval '1 day' where provider = 'hubspot'").await;
    let calls = app.sandbox.token_calls(Quickbooks).len();
    // The answer to the claim is held up: it comes more than a millisecond after it was asked for.
    let holding_up = async {
        let mut conn = app.conn().await;
        let mut tx = conn.begin().await.unwrap();
        sqlx::query("lock table spends in exclusive mode").execute(&mut *tx).await.unwrap();
        let claiming = async {
            while app.count("select count(*) from pg_locks where relation = 'spends'::regclass and not granted").await
                == 0
            {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), claiming).await;
        tx.rollback().await.unwrap();
        waited.expect("the keeper claims");
    };
    let (report, ()) = tokio::join!(app.app.keeper.round(), holding_up);
    assert_eq!(app.sandbox.token_calls(Quickbooks).len(), calls, "nothing was sent");
    let report = report.unwrap();
    assert_eq!((report.transient, report.renewed), (1, 0), "{report:?}");
    assert_eq!(
        app.count("select count(*) from spends where rule = 'claim_grew_old' and outcome = 'transient'").await,
        1
    );
    let row = app.connection(Quickbooks).await;
    assert_eq!((row.status, row.generation), (Status::Failing, 1));
}
