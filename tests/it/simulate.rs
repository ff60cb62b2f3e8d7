//! Months and years of token life on a virtual clock, through the library; and that the audit notices what it should.

use lamplighter::{
    cli::simulate::{Keep, Plan, Report, Simulation},
    provider::{Cause, Provider},
};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::harness::new_database;

/// A town where nothing happens unless a test says so.
fn quiet(days: u32, connections: u32) -> Plan {
    Plan {
        days,
        connections,
        revoked: 0.0,
        deleted: 0.0,
        capped: 0.0,
        outages: 0,
        wrong_secrets: 0,
        off: 0,
        ..Plan::default()
    }
}

async fn begin(plan: Plan) -> (Simulation, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Simulation::begin(plan, new_database().await, directory.path(), Vec::new()).await.unwrap(), directory)
}

async fn live(plan: Plan) -> Report {
    let (mut simulation, _directory) = begin(plan).await;
    simulation.live(|_| ()).await.unwrap();
    let report = simulation.audit().await.unwrap();
    simulation.end().await;
    report
}

fn passed(report: &Report) {
    assert!(report.passed(), "{:#?}", report.disagreements);
    assert_eq!(report.concurrent_spends, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_fifty_days_of_everything_lapse_exactly_those_that_should() {
    let plan = Plan { connections: 40, revoked: 20.0, deleted: 15.0, capped: 15.0, returning: 70.0, ..Plan::default() };
    let report = live(plan).await;
    passed(&report);
    for cause in [Cause::Revoked, Cause::PortalDeleted, Cause::HardCapReached] {
        assert!(report.lapses_of(cause).is_some_and(|of| of.seen > 0), "{cause:?}: {:?}", report.lapses);
    }
    assert!(report.reconnects > 0 && report.spent("renewed") > 40, "{report:?}");
    assert_eq!(report.mailed("connection_lapsed resolved"), report.reconnects);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_years_end_every_quickbooks_grant_at_its_cap_and_no_other() {
    let report = live(Plan { returning: 0.0, ..quiet(1_900, 10) }).await;
    passed(&report);
    let of = report.lapses_of(Cause::HardCapReached).unwrap();
    assert_eq!((of.expected, of.seen, report.lapses.len()), (5, 5, 1), "{:?}", report.lapses);
    assert!(of.longest_delay_seconds.unwrap() <= 2 * 30 * 60, "{of:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_off_beyond_the_window_loses_quickbooks_and_nothing_else() {
    let report = live(Plan { off: 130, returning: 100.0, ..quiet(200, 12) }).await;
    passed(&report);
    let of = report.lapses_of(Cause::InactivityExpired).unwrap();
    assert_eq!((of.expected, of.seen, report.lapses.len()), (6, 6, 1), "{:?}", report.lapses);
    assert_eq!((report.reconnects, report.mailed("connection_lapsed opened")), (6, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_kept_hot_are_never_overdue() {
    let report = live(Plan { keep: Keep::Access, outages: 1, wrong_secrets: 1, ..quiet(3, 4) }).await;
    passed(&report);
    assert!(report.spent("renewed") > 4 * 3 * 24, "{:?}", report.spends);
    assert!(report.longest_overdue_seconds <= 60, "{} s", report.longest_overdue_seconds);
    assert!(report.spent("transient") > 0 && report.spent("operator_fault") > 0, "{:?}", report.spends);
    assert_eq!((report.mailed("operator_fault opened"), report.lapses.len()), (2, 0), "{:?}", report.mails);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_behind_the_towns_back_fails_the_audit() {
    let (mut simulation, _directory) = begin(quiet(120, 6)).await;
    simulation.live_until(10, |_| ()).await.unwrap();
    let company = simulation.sandbox.connected(Provider::Quickbooks)[0].clone();
    assert!(simulation.sandbox.revoke(Provider::Quickbooks, &company));
    simulation.live(|_| ()).await.unwrap();
    let report = simulation.audit().await.unwrap();
    let [wrong] = &report.disagreements[..] else { panic!("{:#?}", report.disagreements) };
    assert!(wrong.contains(&company) && wrong.contains("its grant still worked"), "{wrong}");
    simulation.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_nobody_renews_any_more_fails_the_audit() {
    let (directory, database) = (tempfile::tempdir().unwrap(), new_database().await);
    let plan = Plan { revoked: 50.0, returning: 0.0, ..quiet(150, 12) };
    let mut simulation = Simulation::begin(plan, database.clone(), directory.path(), Vec::new()).await.unwrap();
    simulation.live_until(1, |_| ()).await.unwrap();
    let mut conn = PgConnection::connect_with(&database).await.unwrap();
    sqlx::query("update tokens set renew_at = null").execute(&mut conn).await.unwrap();
    simulation.live(|_| ()).await.unwrap();
    let report = simulation.audit().await.unwrap();
    for wrong in
        ["should have lapsed (\"revoked at the provider\"", "holds a refresh token that its provider does not honour"]
    {
        assert!(report.disagreements.iter().any(|sentence| sentence.contains(wrong)), "{report:#?}");
    }
    simulation.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_cannot_be_delivered_fails_the_audit() {
    let plan = Plan { keep: Keep::Access, revoked: 100.0, returning: 0.0, ..quiet(2, 2) };
    let (mut simulation, _directory) = begin(plan).await;
    simulation.sandbox.refuse_mail(Some(451));
    simulation.live(|_| ()).await.unwrap();
    let report = simulation.audit().await.unwrap();
    assert!(report.disagreements.iter().any(|wrong| wrong.contains("still wait in the outbox")), "{report:#?}");
    simulation.end().await;
}
