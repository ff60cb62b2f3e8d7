//! Restored and copied databases: real ones, made by Postgres from the test's own.

use std::{path::Path, time::Duration};

use lamplighter::{
    app::App,
    fence::{INCIDENT, check::Standing, judge::Finding},
    keeper::{Report, access::Unavailable},
    lifecycle::Round as _,
    orders::intake::sync::Range,
    provider::Provider,
    store::{self, alerts, identity, tokens},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::harness::{HUB, OPERATOR, OWNER, REALM, TestApp, cluster, minutes, order};

const AT_ONCE: Duration = Duration::ZERO;

pub(crate) async fn in_cluster(sql: String) {
    let mut conn = PgConnection::connect_with(&cluster()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

async fn number(database: &PgConnectOptions, sql: &'static str) -> i64 {
    let mut conn = PgConnection::connect_with(database).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap()
}

fn name(database: &PgConnectOptions) -> String {
    database.get_database().unwrap().to_owned()
}

/// A copy of a database as it is now.
pub(crate) async fn copy(database: &PgConnectOptions, suffix: &str) -> PgConnectOptions {
    let (from, to) = (name(database), format!("{}_{suffix}", name(database)));
    // A daemon that works on it would be back at once.
    in_cluster(format!("alter database {from} allow_connections false")).await;
    in_cluster(format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{from}'")).await;
    in_cluster(format!("create database {to} template {from}")).await;
    in_cluster(format!("alter database {from} allow_connections true")).await;
    database.clone().database(&to)
}

/// Puts a copy in the place of a database under whoever uses it: as recovery to a point in time does, in the same place,
/// or as another database of the same name.
pub(crate) async fn restore(database: &PgConnectOptions, saved: &PgConnectOptions, same_place: bool) {
    let (name, saved) = (name(database), name(saved));
    let oid = number(database, "select oid::int8 from pg_database where datname = current_database()").await;
    in_cluster(format!("drop database {name} with (force)")).await;
    let place = if same_place { format!("oid = {oid}") } else { String::new() };
    in_cluster(format!("create database {name} template {saved} {place}")).await;
}

async fn daemon(app: &TestApp, database: &PgConnectOptions, data_dir: &Path) -> App {
    let mut config = app.config.clone();
    config.data_dir = data_dir.to_owned();
    let pool = store::open(database.clone(), 8, Duration::from_secs(10)).await.unwrap();
    App::build(&config, pool, app.clock.clone(), &[]).await.unwrap()
}

/// Everything that a provider or a mailbox has seen of us.
fn gone_out(app: &TestApp) -> Vec<u64> {
    let calls = Provider::ALL.into_iter().flat_map(|provider| {
        let documents = app.sandbox.documents(REALM).len() as u64;
        [app.sandbox.oauth_calls(provider), app.sandbox.api_calls(provider), documents]
    });
    calls.collect()
}

/// Drives everything that runs by itself, twice, past the gate of the loops.
async fn work(app: &App) {
    for _ in 0..2 {
        app.keeper.round().await.unwrap();
        app.intake.round().await.unwrap();
        app.dispatch.round().await.unwrap();
        app.outbox.round().await.unwrap();
    }
}

/// An owner's mail that waits in the outbox.
async fn queue_mail(app: &TestApp) {
    let detail = json!({});
    let alert = alerts::NewAlert {
        incident: "test",
        kind: alerts::Kind::TokenSetAside,
        connection_id: None,
        provider: None,
        detail: &detail,
        recipient: Some(OWNER),
    };
    assert!(alerts::open(&mut *app.conn().await, &alert, app.clock.now()).await.unwrap());
}

async fn standing(app: &App) -> Standing {
    app.fence.standing(&mut app.pool.acquire().await.unwrap()).await.unwrap()
}

/// A living database with a copy of an hour ago, in which a mail and an order wait that went out since.
async fn an_hour_after_a_backup() -> (TestApp, PgConnectOptions) {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    queue_mail(&app).await;
    app.advance(minutes(10));
    app.sandbox.place_order(HUB, order("BACKUP-1", 1_000));
    app.app.intake.round().await.unwrap();
    let saved = copy(&app.database, "saved").await;
    app.app.dispatch.round().await.unwrap();
    app.advance(minutes(50));
    app.rounds().await;
    app.mails(1).await;
    assert!(app.app.fence.look().await.unwrap());
    (app, saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_set_back_under_a_running_daemon_is_left_alone_until_somebody_accepts_it() {
    let (app, saved) = an_hour_after_a_backup().await;
    app.advance(minutes(60));
    restore(&app.database, &saved, true).await;
    let before = gone_out(&app);
    assert_eq!(app.app.keeper.round().await.unwrap(), Report::default(), "without any look in between");
    work(&app.app).await;
    let Standing::Held(Finding::GoneBack { seen_spend_id, spend_id, .. }) = standing(&app.app).await else {
        panic!("{:?}", standing(&app.app).await)
    };
    assert!(seen_spend_id > spend_id, "{seen_spend_id} {spend_id}");
    let connection = app.connection(Provider::Quickbooks).await;
    let refused = app.app.keeper.renew_generation(connection.id, connection.generation).await;
    assert!(matches!(refused, Err(Unavailable::Fenced)), "{refused:?}");
    assert_eq!(gone_out(&app), before, "something went out");
    let mails = app.mails(2).await;
    assert!(mails[1].to.iter().all(|to| to.contains(OPERATOR)), "{:?}", mails[1].to);
    assert!(mails[1].text.contains("set back") && mails[1].text.contains("lamplighter resume"), "{}", mails[1].text);
    let again = app.second_daemon().await;
    assert!(!again.fence.look().await.unwrap(), "a restart forgets nothing");
    work(&again).await;
    app.mails(2).await;
    assert_eq!(gone_out(&app), before);

    // Another process is told; the daemon goes on with its next look.
    let mut conn = app.conn().await;
    let told = app.second_daemon().await;
    assert!(told.fence.report(&mut conn).await.unwrap().finding.is_some());
    assert_eq!(told.fence.accept(&mut conn).await.unwrap(), Some(2));
    assert_eq!(told.fence.accept(&mut conn).await.unwrap(), None, "there is nothing left to accept");
    drop(conn);
    assert!(app.app.fence.look().await.unwrap() && again.fence.look().await.unwrap());
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    // The all-clear, and the copied mail that the operator has accepted.
    app.mails(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_known_by_its_place_and_gets_a_name_of_its_own_when_it_is_accepted() {
    let (app, saved) = an_hour_after_a_backup().await;
    let copied = daemon(&app, &saved, app.directory.path()).await;
    let before = gone_out(&app);
    app.advance(minutes(60));
    work(&copied).await;
    assert!(matches!(standing(&copied).await, Standing::Held(Finding::Moved { .. })));
    assert_eq!(gone_out(&app), before);
    assert_eq!(app.sandbox.mails().len(), 2, "the operator is told once");
    assert_eq!(number(&saved, "select count(*) from spends where finished_at is null").await, 0);

    let mut conn = copied.pool.acquire().await.unwrap();
    assert_eq!(copied.fence.accept(&mut conn).await.unwrap(), Some(2));
    assert!(copied.fence.look().await.unwrap());
    // The same data directory goes on working on the original: nothing is held against it.
    let original = app.second_daemon().await;
    assert!(app.app.fence.look().await.unwrap() && original.fence.look().await.unwrap());
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_tokens_are_alive_sends_and_reads_nothing_either() {
    let (app, account) = TestApp::connected().await;
    app.rounds().await;
    app.sandbox.place_order(HUB, order("COPIED-1", 1_000));
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap();
    let saved = copy(&app.database, "saved").await;
    let copied = daemon(&app, &saved, app.directory.path()).await;
    let before = gone_out(&app);
    app.advance(minutes(6));
    work(&copied).await;
    let (to, connection_id) = (app.clock.now(), app.connection(Provider::Hubspot).await.id);
    let range = Range { account_id: account.id, connection_id, from: to - minutes(9), to };
    assert!(copied.intake.sync(range, |_, _| {}).await.1.is_err());
    assert!(matches!(standing(&copied).await, Standing::Held(Finding::Moved { .. })));
    assert_eq!(gone_out(&app), before);
    app.rounds().await;
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_of_the_same_name_is_noticed_with_the_next_claim() {
    let (app, saved) = an_hour_after_a_backup().await;
    restore(&app.database, &saved, false).await;
    app.advance(minutes(60));
    let before = gone_out(&app);
    work(&app.app).await;
    assert!(matches!(standing(&app.app).await, Standing::Held(Finding::Moved { .. })));
    assert_eq!(gone_out(&app), before);
    app.mails(2).await;
    app.execute("delete from tokens").await;
    assert!(app.app.fence.look().await.unwrap(), "an emptied copy is simply ours");
    let newest = app.mails(4).await;
    assert!(newest.iter().any(|mail| mail.subject.contains("goes on")), "the all-clear");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_daemon_finds_holds_for_those_that_have_seen_less() {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    let elsewhere = TempDir::new().unwrap();
    let other = daemon(&app, &app.database, elsewhere.path()).await;
    assert!(!other.fence.look_for(AT_ONCE).await.unwrap());
    app.app.presence.beat(true).await.unwrap();
    assert!(other.fence.look_for(AT_ONCE).await.unwrap());
    let saved = copy(&app.database, "saved").await;
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    restore(&app.database, &saved, true).await;
    assert!(other.fence.look().await.unwrap(), "it never saw what is missing");
    assert!(!app.app.fence.look().await.unwrap());
    assert!(!other.fence.look().await.unwrap());
    app.mails(1).await;
    app.app.fence.accept(&mut *app.conn().await).await.unwrap();
    assert!(other.fence.look().await.unwrap() && app.app.fence.look().await.unwrap());
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_waits_for_a_sign_of_life_and_a_copied_row_is_none() {
    let (app, _) = TestApp::connected().await;
    app.rounds().await;
    // As in a copy whose original lives on another clock: the row lies in the future and never moves.
    app.app.presence.beat(true).await.unwrap();
    app.execute("update daemons set seen_at = seen_at + interval '1 hour'").await;
    app.advance(minutes(60));
    let elsewhere = TempDir::new().unwrap();
    let stranger = daemon(&app, &app.database, elsewhere.path()).await;
    let before = gone_out(&app);
    assert!(!stranger.fence.look().await.unwrap());
    assert_eq!(standing(&stranger).await, Standing::Watches);
    assert!(!stranger.fence.look().await.unwrap(), "the time is not over");
    work(&stranger).await;
    app.mails(0).await;
    assert!(!stranger.fence.look_for(AT_ONCE).await.unwrap());
    assert_eq!(standing(&stranger).await, Standing::Held(Finding::Stranger));
    // Another one that holds back proves nothing either.
    let third = TempDir::new().unwrap();
    daemon(&app, &app.database, third.path()).await.presence.beat(false).await.unwrap();
    assert!(!stranger.fence.look_for(AT_ONCE).await.unwrap());
    work(&stranger).await;
    assert_eq!(gone_out(&app), before);
    app.mails(1).await;
    // A daemon that works does: it joins by itself, however late.
    app.app.presence.beat(true).await.unwrap();
    assert!(stranger.fence.look_for(AT_ONCE).await.unwrap());
    assert_eq!(stranger.keeper.round().await.unwrap().renewed, 2);
    let restarted = daemon(&app, &app.database, elsewhere.path()).await;
    assert!(restarted.fence.look_for(AT_ONCE).await.unwrap(), "from now on it is known here");
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_starts_and_upgrades_ask_nobody() {
    let app = TestApp::start().await;
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for home in [&one, &two, &one] {
        assert!(daemon(&app, &app.database, home.path()).await.fence.look().await.unwrap(), "nothing to protect yet");
    }
    assert_eq!(app.count("select count(*) from database_identity").await, 1);
    let account = app.account("Harbor Books").await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    assert!(daemon(&app, &app.database, two.path()).await.fence.look().await.unwrap());

    // As a migration leaves it: tokens, but no identity yet.
    app.execute("delete from database_identity").await;
    let upgraded = TempDir::new().unwrap();
    assert!(daemon(&app, &app.database, upgraded.path()).await.fence.look().await.unwrap());
    // The same from a backup of before the upgrade, under a daemon that knows the database of after it.
    app.execute("delete from database_identity").await;
    let restored = daemon(&app, &app.database, upgraded.path()).await;
    assert!(!restored.fence.look_for(AT_ONCE).await.unwrap() && !restored.fence.look_for(AT_ONCE).await.unwrap());
    assert_eq!(restored.fence.accept(&mut *app.conn().await).await.unwrap(), Some(1));
    assert!(restored.fence.look_for(AT_ONCE).await.unwrap());
    app.mails(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_with_a_number_that_was_seen_before_is_given_back_unspent() {
    let (app, _) = TestApp::connected().await;
    app.advance(minutes(40));
    app.rounds().await;
    app.advance(minutes(40));
    let mut conn = app.conn().await;
    let pass = app.app.fence.pass(&mut conn).await.unwrap().expect("all is well");
    // Behind a proxy the next statement may meet another server.
    app.execute("delete from spends").await;
    app.execute("alter sequence spends_id_seq restart").await;
    let lease = Duration::from_secs(60);
    let due = tokens::Due { provider: Provider::Quickbooks, by: app.clock.now(), limit: 8 };
    let claims = tokens::claim_due(&mut conn, due, app.clock.now(), "test/1", lease).await.unwrap();
    assert_eq!(claims.len(), 1);
    assert!(app.app.fence.admit(&mut conn, &pass, claims).await.unwrap().is_empty());
    assert!(matches!(standing(&app.app).await, Standing::Held(Finding::GoneBack { .. })));
    drop(conn);
    let before = gone_out(&app);
    work(&app.app).await;
    assert_eq!(gone_out(&app), before);
    app.mails(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_leave_to_ask_for_the_cluster_it_works_and_says_what_it_cannot_see() {
    let app = TestApp::start().await;
    let role = format!("reader_of_{}", name(&app.database));
    in_cluster(format!("create role {role}")).await;
    let mut conn = PgConnection::connect_with(&app.database).await.unwrap();
    assert!(identity::system_identifier(&mut conn).await.unwrap().is_some());
    let sql = format!(
        "revoke execute on function pg_control_system() from public; grant select on all tables in schema public to \
         {role}; set role {role}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    let check = app.app.fence.check(&mut conn).await.unwrap();
    assert_eq!(check.state, lamplighter::health::State::Warn, "{check:?}");
    assert!(check.remedy.unwrap().contains("grant execute on function pg_control_system()"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_turned_off() {
    let (app, _) = TestApp::connected_with(&[("database.restore_fence", "false")]).await;
    app.rounds().await;
    app.execute("update database_identity set database_oid = 5").await;
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    assert_eq!(standing(&app.app).await, Standing::Off);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gated_loop_does_not_begin_before_the_first_look_and_goes_on_when_it_opens() {
    let app = TestApp::start().await;
    let gated = lamplighter::fence::gate::Gated(app.app.fence.clone(), Count::default());
    gated.run().await.unwrap();
    assert_eq!(gated.1.ran(), 0, "nobody has looked yet");
    let resting = gated.rest(Duration::from_secs(3600));
    let (look, ()) = tokio::join!(app.app.fence.look(), resting);
    assert!(look.unwrap());
    gated.run().await.unwrap();
    assert_eq!(gated.1.ran(), 1);
    assert_eq!(INCIDENT, "restore_fence");
}

#[derive(Default)]
struct Count(std::sync::atomic::AtomicU32);

impl Count {
    fn ran(&self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl lamplighter::lifecycle::Round for Count {
    const NAME: &'static str = "count";

    async fn run(&self) -> Result<Duration, store::Error> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Duration::ZERO)
    }

    async fn rest(&self, _: Duration) {}
}
