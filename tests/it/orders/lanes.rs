//! The machinery of lanes, with a poster that does as it is told: handfuls, crashes, orders that are stuck, canaries.

mod turns;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lamplighter::{
    keeper::access::Unavailable,
    orders::{
        Parts,
        dispatch::{Dispatch, Posted, Poster, Report, Trouble},
    },
    outage::OutageWatch,
    provider::{
        Failure,
        Provider::{self, Quickbooks},
        Verdict,
    },
    store::{
        self,
        attempts::{self, Begun, Ended, Outcome},
        lanes::{self, Claim, Leave},
        orders::{self, Status, Waiting},
    },
    telemetry::Metrics,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{DEARER, totals};
use crate::harness::{REALM, TestApp, minutes, order};

const LEASE: Duration = Duration::from_secs(300);
const UNDER_WAY: &str = "select coalesce(sum(cardinality(under_way)), 0)::bigint from lanes";

/// What the company does, and what it saw.
#[derive(Clone)]
struct Company(Arc<State>);

struct State {
    pool: PgPool,
    /// Fails on these, with this status.
    fails: Mutex<HashMap<String, u16>>,
    /// What a look for a document comes to: nothing, this one, or no answer.
    finds: Mutex<Result<Option<&'static str>, u16>>,
    looks: Mutex<u32>,
    /// What else happens when these are sent.
    does: Mutex<HashMap<String, Does>>,
    stopping: CancellationToken,
    /// Each order that was sent, whether an earlier try was in doubt, and how many were under way in the lane's row.
    seen: Mutex<Vec<(String, bool, i64)>>,
}

#[derive(Clone, Copy)]
enum Does {
    /// The daemon is asked to stop.
    Stop,
    /// The answer takes so long.
    Take(Duration),
}

impl Company {
    fn does(&self, name: &str, what: Does) {
        self.0.does.lock().unwrap().insert(name.to_owned(), what);
    }

    fn fails_on(&self, name: &str, status: u16) {
        self.0.fails.lock().unwrap().insert(name.to_owned(), status);
    }

    fn finds(&self, what: Result<Option<&'static str>, u16>) {
        *self.0.finds.lock().unwrap() = what;
    }

    fn looks(&self) -> u32 {
        *self.0.looks.lock().unwrap()
    }

    fn seen(&self) -> Vec<(String, bool, i64)> {
        std::mem::take(&mut self.0.seen.lock().unwrap())
    }

    fn names(&self) -> Vec<String> {
        self.seen().into_iter().map(|(name, ..)| name).collect()
    }
}

fn failure(status: u16) -> Trouble {
    Trouble::Provider(Failure {
        provider: Quickbooks,
        operation: "create document",
        verdict: if status == 500 { Verdict::OutcomeUnknown } else { Verdict::Transient },
        rule: "test",
        status: Some(status),
        code: None,
        message: format!("an error {status} has occurred"),
        correlation_id: Some("tid-1".to_owned()),
        retry_after: (status == 429).then_some(Duration::from_secs(3_600)),
    })
}

impl Poster for Company {
    type Session = ();

    async fn open(&self, _: &Claim) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn post(&self, lane: &Claim, (): &mut (), order: &Waiting) -> Result<Posted, Trouble> {
        let fails = self.0.fails.lock().unwrap().get(&order.name).copied();
        // A look at the database would make a fast poster slow: only where it ends the turn anyhow.
        let under_way = match fails {
            Some(_) => sqlx::query_scalar("select cardinality(under_way)::bigint from lanes where connection_id = $1")
                .bind(lane.connection_id)
                .fetch_one(&self.0.pool)
                .await
                .unwrap(),
            None => 0,
        };
        self.0.seen.lock().unwrap().push((order.name.clone(), order.unsettled, under_way));
        let does = self.0.does.lock().unwrap().get(&order.name).copied();
        match does {
            Some(Does::Stop) => self.0.stopping.cancel(),
            Some(Does::Take(time)) => tokio::time::sleep(time).await,
            None => {}
        }
        match fails {
            Some(status) => Err(failure(status)),
            None => Ok(Posted { document_id: order.external_id.clone(), outcome: Outcome::Posted }),
        }
    }

    async fn look_up(&self, _: &Claim, (): &(), _: &Waiting) -> Result<Option<Posted>, Trouble> {
        *self.0.looks.lock().unwrap() += 1;
        let found = (*self.0.finds.lock().unwrap()).map_err(failure)?;
        Ok(found.map(|id| Posted { document_id: id.to_owned(), outcome: Outcome::Adopted }))
    }

    async fn tell(&self, _: &Claim, (): &(), _: &Failure) -> Result<(), store::Error> {
        Ok(())
    }
}

fn dispatch(app: &TestApp) -> (Dispatch<Company>, Company) {
    let pool = app.app.pool.clone();
    let state = State {
        pool,
        fails: Mutex::default(),
        finds: Mutex::new(Ok(None)),
        looks: Mutex::default(),
        does: Mutex::default(),
        stopping: CancellationToken::new(),
        seen: Mutex::default(),
    };
    let company = Company(Arc::new(state));
    let parts = Parts {
        pool: app.app.pool.clone(),
        keeper: app.app.keeper.clone(),
        providers: app.app.web.providers.clone(),
        outages: OutageWatch::new(app.app.pool.clone(), app.clock.clone(), app.config.outage.clone(), None),
        config: app.config.orders.clone(),
        daemon: Arc::from("test/1"),
        metrics: Metrics::default(),
        stopping: company.0.stopping.clone(),
    };
    (Dispatch::with(parts, company.clone()), company)
}

/// Places orders `from..=to` and takes them in.
async fn place(app: &TestApp, from: i64, to: i64) {
    for n in from..=to {
        app.place(order(&format!("A-{n}"), n * 100));
    }
    app.advance(minutes(16));
    app.app.intake.round().await.unwrap();
}

fn named(from: i64, to: i64) -> Vec<String> {
    (from..=to).map(|n| format!("A-{n}")).collect()
}

async fn outcomes(app: &TestApp) -> Vec<(String, String, String)> {
    sqlx::query_as(
        "select o.name, t.outcome, t.daemon from order_attempts t join orders o on o.id = t.order_id order by t.id",
    )
    .fetch_all(&app.app.pool)
    .await
    .unwrap()
}

/// A worker claims the lane, begins its first `count` orders, and is never heard of again.
async fn dies_with(app: &TestApp, count: usize) -> (Claim, Vec<Uuid>) {
    let mut conn = app.conn().await;
    let now = app.clock.now();
    let claim = lanes::claim_due(&mut conn, now, "dying/1", LEASE, 1).await.unwrap().pop().unwrap();
    let waiting = orders::next(&mut conn, claim.account_id, 100).await.unwrap();
    let ids: Vec<_> = waiting.iter().take(count).map(|order| order.id).collect();
    assert_eq!(attempts::begin(&mut conn, &claim, &ids, LEASE, now).await.unwrap(), Begun::Ours);
    app.execute("update lanes set lease_until = clock_timestamp() - interval '1 second'").await;
    (claim, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_behind_a_failure_leaves_no_trace() {
    let (app, _) = TestApp::connected().await;
    let (dispatch, company) = dispatch(&app);
    // So it learns that this poster is fast.
    place(&app, 1, 40).await;
    dispatch.round().await.unwrap();
    assert_eq!(company.names(), named(1, 40));
    place(&app, 41, 60).await;
    company.fails_on("A-45", 503);
    assert_eq!(dispatch.round().await.unwrap(), Report { posted: 4, parked: 0, held: 1 });
    let seen = company.seen();
    let (last, _, under_way) = seen.last().unwrap();
    assert_eq!(last, "A-45");
    assert!(*under_way > 5, "more of them stood in the lane's row, committed, when it was sent: {under_way}");
    assert_eq!(app.count("select count(*) from order_attempts").await, 45);
    assert_eq!(
        app.count("select count(*) from orders where name > 'A-45' and attempts > 0 and status = 'queued'").await,
        0
    );
    let mut conn = app.conn().await;
    let account_id = sqlx::query_scalar("select account_id from orders limit 1").fetch_one(&mut *conn).await.unwrap();
    let waiting = orders::next(&mut conn, account_id, 100).await.unwrap();
    assert!(waiting.iter().all(|order| !order.unsettled), "nothing of them is in doubt");
    company.0.fails.lock().unwrap().clear();
    app.advance(minutes(1));
    dispatch.round().await.unwrap();
    assert_eq!(company.names(), named(45, 60), "in their order");
    assert_eq!(app.count("select sum(attempts)::bigint from orders").await, 61, "only what was sent counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_had_under_way_is_in_doubt_and_nothing_else() {
    let (app, _) = TestApp::connected().await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 5).await;
    dies_with(&app, 3).await;
    assert_eq!(app.count(UNDER_WAY).await, 3);
    dispatch.round().await.unwrap();
    let doubted: Vec<_> = company.seen().into_iter().map(|(name, unsettled, _)| (name, unsettled)).collect();
    assert_eq!(
        doubted,
        [("A-1", true), ("A-2", true), ("A-3", true), ("A-4", false), ("A-5", false)]
            .map(|(name, doubt)| (name.to_owned(), doubt))
    );
    let outcomes = outcomes(&app).await;
    assert!(
        outcomes[..3].iter().all(|(_, outcome, daemon)| outcome == "unknown" && daemon == "dying/1"),
        "{outcomes:?}"
    );
    assert!(outcomes[3..].iter().all(|(_, outcome, daemon)| outcome == "posted" && daemon == "test/1"), "{outcomes:?}");
    assert_eq!(app.count(UNDER_WAY).await, 0);
    assert_eq!(app.count("select attempts::bigint from orders where name = 'A-1'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lane_writes_nothing_any_more() {
    let (app, _) = TestApp::connected().await;
    let (dispatch, _) = dispatch(&app);
    place(&app, 1, 2).await;
    let (late, ids) = dies_with(&app, 1).await;
    dispatch.round().await.unwrap();
    let before = outcomes(&app).await;
    let now = app.clock.now();
    let ended = Ended {
        order_id: ids[0],
        order_status: Status::Parked,
        started_at: now,
        finished_at: now,
        outcome: Outcome::Parked,
        status: None,
        code: None,
        message: None,
        remedy: None,
        correlation_id: None,
        document_id: None,
    };
    let mut conn = app.conn().await;
    assert!(!attempts::finish(&mut conn, &late, "dying/1", &[ended], LEASE, None).await.unwrap());
    assert_eq!(attempts::begin(&mut conn, &late, &ids, LEASE, now).await.unwrap(), Begun::Lost);
    assert!(!attempts::abandon(&mut conn, &Claim { under_way: Some(ids), ..late }, now).await.unwrap());
    assert_eq!(outcomes(&app).await, before);
    assert_eq!(app.count("select count(*) from orders where status = 'posted'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_alone_fails_is_parked_after_a_while_and_the_others_flow() {
    let (app, _) = TestApp::connected().await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 3).await;
    company.fails_on("A-1", 500);
    for tries in 1..9 {
        assert_eq!(dispatch.round().await.unwrap(), Report { posted: 0, parked: 0, held: 1 }, "{tries}");
        app.advance(minutes(16));
    }
    assert_eq!(company.looks(), 6, "from the third on it is asked whether the company answers");
    assert_eq!(dispatch.round().await.unwrap(), Report { posted: 2, parked: 1, held: 0 });
    let row = app.order("A-1").await;
    let words = row.last_message.unwrap();
    assert_eq!((row.status, row.attempts), (Status::Parked, 9));
    assert!(words.contains("failed 9 times on this order") && words.contains("an error 500 has occurred"), "{words}");
    assert!(row.remedy.unwrap().contains("enter it in QuickBooks by hand"));
    let told =
        "select count(*) from order_attempts where outcome = 'parked' and status = 500 and correlation_id = 'tid-1'";
    assert_eq!(app.count(told).await, 1);
    assert_eq!(app.count("select count(*) from outages").await, 0, "one order is no outage, of one company neither");
    assert_eq!(app.count("select count(*) from lanes where stuck_on is not null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_given_up_while_its_company_answers_nothing() {
    let (app, _) = TestApp::connected_with(&[("orders.give_up_after", "3"), ("outage.open_after", "1000")]).await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 2).await;
    company.fails_on("A-1", 500);
    company.finds(Err(503));
    for _ in 0..30 {
        assert_eq!(dispatch.round().await.unwrap().parked, 0);
        app.advance(minutes(16));
    }
    company.finds(Ok(Some("77")));
    assert_eq!(dispatch.round().await.unwrap(), Report { posted: 2, parked: 0, held: 0 });
    let row = app.order("A-1").await;
    assert_eq!((row.status, row.document_id.as_deref()), (Status::Posted, Some("77")), "a try of the past had made it");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_outages_are_nothing_of_an_order() {
    let (app, _) = TestApp::connected_with(&[("orders.give_up_after", "1"), ("orders.give_up_earliest", "0s")]).await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 1).await;
    company.fails_on("A-1", 429);
    for _ in 0..3 {
        assert_eq!(dispatch.round().await.unwrap().parked, 0);
        app.advance(minutes(61));
    }
    app.execute(
        "insert into outages (id, provider, endpoint, opened_at, evidence, canary_at, canaries)
         values (gen_random_uuid(), 'quickbooks', 'api', now(), 'test', '2020-01-01', 0)",
    )
    .await;
    company.fails_on("A-1", 500);
    for _ in 0..3 {
        assert_eq!(dispatch.round().await.unwrap(), Report { posted: 0, parked: 0, held: 1 });
        app.advance(minutes(61));
    }
    app.execute("update outages set closed_at = now()").await;
    assert_eq!(dispatch.round().await.unwrap(), Report { posted: 0, parked: 1, held: 0 });
    assert_eq!((company.seen().len(), company.looks()), (7, 1), "it is looked for once more before it is given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_the_provider_asked_for_outlives_an_outage() {
    let app = TestApp::start().await;
    let customers = app.customers(2).await;
    for customer in &customers {
        app.sandbox.place_order(&customer.hub, order("A-1", 100));
    }
    app.app.intake.round().await.unwrap();
    let mut conn = app.conn().await;
    let now = app.clock.now();
    let until = now + minutes(30);
    let claims = lanes::claim_due(&mut conn, now, "test/1", LEASE, 9).await.unwrap();
    for (claim, asked) in claims.iter().zip([true, false]) {
        lanes::release(&mut conn, claim, Leave::Pause { until, failures: 1, asked }, now).await.unwrap();
    }
    let (asked, ours) = (claims[0].connection_id, claims[1].connection_id);
    lanes::resume_all(&mut conn, now).await.unwrap();
    lanes::open(&mut conn, asked, now).await.unwrap();
    let canary = lanes::claim_pausing(&mut conn, now, "test/1", LEASE, 9).await.unwrap();
    assert_eq!(canary.iter().map(|claim| claim.connection_id).collect::<Vec<_>>(), [ours], "no canary either");
    let later = lanes::claim_due(&mut conn, until - minutes(1), "test/1", LEASE, 9).await.unwrap();
    assert!(later.is_empty(), "nobody knocks before that");
    let later = lanes::claim_due(&mut conn, until, "test/1", LEASE, 9).await.unwrap();
    assert_eq!(later.iter().map(|claim| claim.connection_id).collect::<Vec<_>>(), [asked]);
    app.leaves_something_open();
}

/// Opens an outage whose canary may fly.
async fn outage(app: &TestApp) {
    sqlx::query(
        "insert into outages (id, provider, endpoint, opened_at, evidence, canary_at, canaries)
         values (gen_random_uuid(), 'quickbooks', 'api', $1, 'test', $1, 0)",
    )
    .bind(app.clock.now())
    .execute(&app.app.pool)
    .await
    .unwrap();
}

const CLOSED: &str = "select count(*) from outages where closed_at is not null";

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_without_orders_does_not_use_up_the_canary() {
    let (app, _) = TestApp::connected().await;
    assert_eq!(
        app.count("select count(*) from lanes where resume_at is not null").await,
        1,
        "a connect wakes its lane"
    );
    outage(&app).await;
    let before = app.sandbox.api_calls(Quickbooks);
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.sandbox.api_calls(Quickbooks), before + 1, "a question flew in its place");
    assert_eq!(app.count(CLOSED).await, 1);
    app.advance(minutes(30));
    assert_eq!(app.count("select count(*) from lanes where resume_at is not null").await, 0);
    outage(&app).await;
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.count(CLOSED).await, 2, "and when no lane is due either");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_an_outage_ends_every_pause_ends() {
    let app = TestApp::start().await;
    for customer in app.customers(2).await {
        app.sandbox.place_order(&customer.hub, order("A-1", 100));
        app.sandbox.place_order(&customer.hub, order("A-2", 200));
    }
    let (dispatch, _) = dispatch(&app);
    app.app.intake.round().await.unwrap();
    let until = app.clock.now() + minutes(15);
    sqlx::query("update lanes set resume_at = $1, failures = 9").bind(until).execute(&app.app.pool).await.unwrap();
    outage(&app).await;
    assert_eq!(dispatch.round().await.unwrap(), Report { posted: 4, parked: 0, held: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_settled_without_a_try_does_not_use_up_the_canary() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    app.edit(&id, &DEARER);
    app.advance(minutes(6));
    app.app.intake.round().await.unwrap();
    assert_eq!(app.statuses(&id).await.len(), 2);
    outage(&app).await;
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.count(CLOSED).await, 1);
    assert_eq!(app.statuses(&id).await[0], Status::Superseded);
    app.later().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_is_asked_no_faster_than_it_allows() {
    let (app, _) = TestApp::connected_with(&[("providers.quickbooks.requests_per_second", "10")]).await;
    app.place(order("A-1", 1_000));
    app.place(order("A-2", 2_000));
    app.app.intake.round().await.unwrap();
    let (before, begun) = (app.sandbox.api_calls(Provider::Quickbooks), Instant::now());
    app.app.dispatch.round().await.unwrap();
    let calls = app.sandbox.api_calls(Provider::Quickbooks) - before;
    assert!(calls >= 4, "{calls}");
    let least = Duration::from_millis((calls - 1) * 100 - 10);
    assert!(begun.elapsed() >= least, "{calls} calls in {:?}", begun.elapsed());
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "20.00"]);
}
