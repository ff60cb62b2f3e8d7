//! Decisions by hand, and the worker that is there at the same moment.

use std::time::Duration;

use lamplighter::{
    sandbox::Outage,
    store::{
        attempts::{self, Begun, Ended, Outcome},
        audit_log::Actor,
        lanes::{self, Leave},
        order_log::by_hand::{self, PutBack, Skip},
        orders::{
            self,
            Status::{Posted, Queued, Skipped, Superseded},
        },
    },
};
use uuid::Uuid;

use super::super::{DEARER, number, totals};
use crate::harness::{REALM, TestApp, order};

impl TestApp {
    async fn put_back(&self, ids: &[Uuid]) -> Vec<PutBack> {
        let fresh: Vec<_> = ids.iter().map(|_| Uuid::new_v4()).collect();
        by_hand::put_back(&mut *self.conn().await, ids, &fresh, &Actor::Owner, self.clock.now()).await.unwrap()
    }

    async fn skip(&self, name: &str, risk_document: bool) -> Skip {
        let id = self.order(name).await.id;
        by_hand::skip(&mut *self.conn().await, id, "not for the books", risk_document, &Actor::Owner, self.clock.now())
            .await
            .unwrap()
    }

    async fn request_id(&self, name: &str) -> Uuid {
        let sql = "select request_id from orders where name = $1";
        sqlx::query_scalar(sql).bind(name).fetch_one(&self.app.pool).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_sent_anew_once_its_cause_is_gone() {
    let (app, _) = TestApp::connected().await;
    app.parked("A-1").await;
    let (id, before) = (app.order("A-1").await.id, app.request_id("A-1").await);
    let position = app.order("A-1").await.position;
    app.sandbox.close_books(REALM, chrono::NaiveDate::from_ymd_opt(2010, 12, 31).unwrap().into());
    let back = app.put_back(&[id]).await;
    assert_eq!((back.len(), back[0].id, back[0].looked_up_first), (1, id, false));
    let row = app.order("A-1").await;
    assert_eq!((row.status, row.position, row.remedy, row.last_message), (Queued, position, None, None));
    assert_ne!(app.request_id("A-1").await, before, "Intuit would repeat its refusal");
    assert!(app.put_back(&[id]).await.is_empty(), "it is in the queue already");
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.order("A-1").await.status, Posted);
    assert!(app.put_back(&[id]).await.is_empty(), "what has its document stays");
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_its_document_keeps_its_request_id_and_is_not_made_twice() {
    let (app, _) = TestApp::connected().await;
    app.unanswered().await;
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["5.00", "10.00"], "it was made, and nobody knows");
    let before = app.request_id("A-1").await;
    app.execute("update orders set status = 'parked' where name = 'A-1'").await;
    let back = app.put_back(&[app.order("A-1").await.id]).await;
    assert!(back[0].looked_up_first);
    assert_eq!(app.request_id("A-1").await, before);
    app.later().await;
    assert_eq!(app.order("A-1").await.status, Posted);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["5.00", "10.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_go_back_at_their_places_and_replaced_ones_do_not() {
    let (app, _) = TestApp::connected().await;
    let edited = app.parked("A-1").await;
    app.parked("A-2").await;
    app.parked("A-3").await;
    let ids: Vec<_> = app.revisions(&edited).await.iter().map(|row| row.id).collect();
    app.quickbooks(|switches| switches.outage = Outage::Status503);
    app.edit(&edited, &DEARER);
    app.later().await;
    // As if the later revision had come in at the same moment as the decision.
    app.execute("update orders set status = 'parked' where status = 'superseded'").await;
    let all = [ids[0], app.order("A-3").await.id, app.order("A-2").await.id];
    let back = app.put_back(&all).await;
    let mut names: Vec<_> = back.iter().map(|order| order.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["A-2", "A-3"]);
    app.quickbooks(|switches| switches.outage = Outage::None);
    app.sandbox.close_books(REALM, chrono::NaiveDate::from_ymd_opt(2010, 12, 31).unwrap().into());
    for _ in 0..3 {
        app.later().await;
    }
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["10.00", "10.00", "15.00"], "in the order of arrival");
    let numbers = app.numbers(REALM);
    assert_eq!(numbers[2], number(&edited));
    app.execute("update orders set status = 'superseded' where status = 'parked'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_order_is_not_posted_and_can_be_put_back() {
    let (app, _) = TestApp::connected().await;
    app.quickbooks(|switches| switches.outage = Outage::Status503);
    let id = app.place(order("A-1", 1_000));
    app.place(order("A-2", 2_000));
    app.app.intake.round().await.unwrap();
    assert_eq!(app.skip("A-1", false).await, Skip::Skipped);
    assert_eq!(app.skip("A-1", false).await, Skip::Settled(Skipped));
    // A worker that has read it before has no use for it.
    let skipped = app.order("A-1").await.id;
    orders::settle(&mut *app.conn().await, skipped, Superseded, "a test", None).await.unwrap();
    assert_eq!(app.order("A-1").await.status, Skipped);
    app.quickbooks(|switches| switches.outage = Outage::None);
    for _ in 0..3 {
        app.later().await;
    }
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["20.00"]);
    let row = app.order("A-1").await;
    assert_eq!((row.status, row.last_message.as_deref()), (Skipped, Some("skipped by owner: not for the books")));
    // An edit of no matter changes nothing, one that matters comes in.
    app.edit(&id, &[("hs_order_note", "call first")]);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Skipped]);
    app.put_back(&[row.id]).await;
    app.later().await;
    assert_eq!((app.statuses(&id).await, totals(&app.sandbox.documents(REALM)).len()), (vec![Posted], 2));
    assert_eq!(app.skip("A-1", true).await, Skip::Settled(Posted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_revision_of_a_skipped_order_comes_in() {
    let (app, _) = TestApp::connected().await;
    let id = app.parked("A-1").await;
    assert_eq!(app.skip("A-1", false).await, Skip::Skipped);
    app.sandbox.close_books(REALM, chrono::NaiveDate::from_ymd_opt(2010, 12, 31).unwrap().into());
    app.edit(&id, &DEARER);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Skipped, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["15.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_revision_replaces_cannot_be_skipped() {
    let (app, _) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    let first = app.order("A-1").await.id;
    app.edit(&id, &DEARER);
    app.advance(crate::harness::minutes(6));
    app.app.intake.round().await.unwrap();
    let outcome =
        by_hand::skip(&mut *app.conn().await, first, "not for the books", false, &Actor::Owner, app.clock.now()).await;
    assert_eq!(outcome.unwrap(), Skip::Replaced);
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_its_document_is_skipped_only_at_ones_own_risk() {
    let (app, _) = TestApp::connected().await;
    app.unanswered().await;
    assert_eq!(app.skip("A-1", false).await, Skip::MayBeMade);
    assert_eq!(app.order("A-1").await.status, Queued);
    assert_eq!(app.skip("A-1", true).await, Skip::Skipped);
    // A worker that died in the middle of an attempt leaves it open, and its lane's lease runs out.
    app.execute("update orders set status = 'queued', skipped_at = null where name = 'A-1'").await;
    app.execute("delete from order_attempts where outcome = 'unknown'").await;
    app.execute(
        "update lanes set under_way = (select array_agg(id) from orders where name = 'A-1'), under_way_since = now(),
                          lease_until = clock_timestamp() - interval '1 minute', leased_by = 'lamp-1'",
    )
    .await;
    assert_eq!(app.skip("A-1", false).await, Skip::MayBeMade, "whoever worked on it is gone");
    app.execute("update lanes set lease_until = clock_timestamp() + interval '1 minute'").await;
    assert!(matches!(app.skip("A-1", true).await, Skip::UnderWay { daemon, .. } if daemon == "lamp-1"));
    app.execute("update lanes set lease_until = null, leased_by = null, under_way = null, under_way_since = null")
        .await;
    assert_eq!(app.skip("A-1", true).await, Skip::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_of_a_skipped_order_is_changed_when_the_order_is() {
    let (app, _) = TestApp::connected().await;
    let id = app.unanswered().await;
    assert_eq!(app.skip("A-1", true).await, Skip::Skipped);
    app.edit(&id, &DEARER);
    app.later().await;
    assert_eq!(app.statuses(&id).await, [Skipped, Posted]);
    assert_eq!(totals(&app.sandbox.documents(REALM)), ["5.00", "15.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_skipped_in_a_workers_hands_is_passed_by_and_the_lane_goes_on() {
    let (app, _) = TestApp::connected().await;
    let ids: Vec<_> = (1..=3).map(|n| app.place(order(&format!("A-{n}"), n * 1_000))).collect();
    app.app.intake.round().await.unwrap();
    // A worker has read all three, and begins them after a person has decided.
    let (now, lease) = (app.clock.now(), Duration::from_secs(300));
    {
        let mut conn = app.conn().await;
        let claim = lanes::claim_due(&mut conn, now, "test/2", lease, 1).await.unwrap().pop().unwrap();
        let read = orders::next(&mut conn, claim.account_id, 3).await.unwrap();
        assert_eq!(app.skip("A-2", false).await, Skip::Skipped);
        let read: Vec<_> = read.iter().map(|order| order.id).collect();
        assert_eq!(attempts::begin(&mut conn, &claim, &read, lease, now).await.unwrap(), Begun::Decided);
        lanes::release(&mut conn, &claim, Leave::More, now).await.unwrap();
    }
    assert_eq!(app.app.dispatch.round().await.unwrap().posted, 2);
    assert_eq!(app.numbers(REALM), [number(&ids[0]), number(&ids[2])]);
    assert_eq!(app.order("A-2").await.status, Skipped);
    let leased = app.count("select count(*) from lanes where lease_until is not null").await;
    assert_eq!(leased, 0, "the lane is free at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_made_is_the_truth_whatever_was_decided_meanwhile() {
    let (app, _) = TestApp::connected().await;
    app.place(order("A-1", 1_000));
    app.place(order("A-2", 2_000));
    app.app.intake.round().await.unwrap();
    let (now, lease) = (app.clock.now(), Duration::from_secs(300));
    let mut conn = app.conn().await;
    let claim = lanes::claim_due(&mut conn, now, "test/2", lease, 1).await.unwrap().pop().unwrap();
    let ids: Vec<_> =
        orders::next(&mut conn, claim.account_id, 2).await.unwrap().iter().map(|order| order.id).collect();
    assert_eq!(attempts::begin(&mut conn, &claim, &ids, lease, now).await.unwrap(), Begun::Ours);
    // It takes so long that it seems to be dead, and a person decides.
    app.execute("update lanes set lease_until = clock_timestamp() - interval '1 second'").await;
    for name in ["A-1", "A-2"] {
        assert_eq!(app.skip(name, true).await, Skip::Skipped);
    }
    let ended = |order_id, order_status, outcome, document_id: Option<&str>| Ended {
        order_id,
        order_status,
        started_at: now,
        finished_at: now,
        outcome,
        status: None,
        code: None,
        message: None,
        remedy: None,
        correlation_id: None,
        document_id: document_id.map(str::to_owned),
    };
    let ended = [ended(ids[0], Posted, Outcome::Posted, Some("77")), ended(ids[1], Queued, Outcome::Transient, None)];
    let leave = Some((Leave::Empty, now));
    assert!(attempts::finish(&mut conn, &claim, "test/2", &ended, lease, leave).await.unwrap());
    let row = app.order("A-1").await;
    assert_eq!((row.status, row.document_id.as_deref()), (Posted, Some("77")));
    assert_eq!(app.order("A-2").await.status, Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_first_an_order_is_skipped_or_posted_and_never_both() {
    let (app, _) = TestApp::connected().await;
    for n in 0..60 {
        app.place(order(&format!("A-{n}"), 100 + n));
    }
    app.app.intake.round().await.unwrap();
    // From the far end of the queue, once the first one is posted, so that the two meet.
    let by_hand = async {
        while app.sandbox.documents(REALM).is_empty() {
            tokio::task::yield_now().await;
        }
        let mut outcomes = Vec::new();
        for n in (0..60).rev() {
            outcomes.push(app.skip(&format!("A-{n}"), false).await);
        }
        outcomes
    };
    let (report, outcomes) = tokio::join!(app.app.dispatch.round(), by_hand);
    let posted = report.unwrap().posted;
    let skipped = outcomes.iter().filter(|outcome| **outcome == Skip::Skipped).count();
    assert!(posted > 0 && skipped > 0, "they did not meet: {posted} posted, {skipped} skipped");
    assert_eq!(posted as usize + skipped, 60, "{outcomes:?}");
    assert_eq!(app.sandbox.documents(REALM).len(), posted as usize);
    let wrong = "select count(*) from orders o where (status = 'skipped') <> not exists (
                     select from order_attempts t where t.order_id = o.id)";
    assert_eq!(app.count(wrong).await, 0);
    assert_eq!(app.count("select count(*) from orders where status not in ('posted', 'skipped')").await, 0);
}
