//! One turn of a lane: when it ends before its batch does, and what is kept apart in it.

use std::time::Duration;

use lamplighter::{
    orders::dispatch::Report,
    store::orders::Status::{Posted, Superseded},
};

use super::{Company, Dispatch, Does, dies_with, dispatch, named, outcomes, place};
use crate::harness::{TestApp, minutes, order};

/// A dispatch that has learned that this poster is fast, and sends many orders together.
async fn fast() -> (TestApp, Dispatch<Company>, Company) {
    let (app, _) = TestApp::connected().await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 40).await;
    dispatch.round().await.unwrap();
    assert_eq!(company.names(), named(1, 40));
    (app, dispatch, company)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_stop_begins_nothing_more_and_gives_the_lane_back() {
    let (app, _) = TestApp::connected().await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 3).await;
    company.does("A-1", Does::Stop);
    assert_eq!(dispatch.round().await.unwrap().posted, 1);
    assert_eq!(company.names(), named(1, 1));
    assert_eq!(app.count("select count(*) from lanes where resume_at is not null and lease_until is null").await, 1);
    assert_eq!(app.app.dispatch.round().await.unwrap().posted, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_stop_sends_nothing_more_of_what_was_begun() {
    let (app, dispatch, company) = fast().await;
    place(&app, 41, 60).await;
    company.does("A-45", Does::Stop);
    assert_eq!(dispatch.round().await.unwrap().posted, 5);
    assert_eq!(company.names(), named(41, 45));
    assert_eq!(app.count("select count(*) from orders where status = 'queued' and attempts > 0").await, 0);
    assert_eq!(app.app.dispatch.round().await.unwrap().posted, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_posted_is_written_down_when_the_company_becomes_slow() {
    let (app, dispatch, company) = fast().await;
    place(&app, 41, 60).await;
    company.does("A-45", Does::Take(Duration::from_millis(400)));
    company.fails_on("A-46", 503);
    dispatch.round().await.unwrap();
    assert_eq!(company.seen().last(), Some(&("A-46".to_owned(), false, 1)), "one at a time from then on");
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_begin_short_again_when_an_order_went_through() {
    let (app, _) = TestApp::connected().await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 2).await;
    app.execute("update lanes set failures = 9").await;
    company.fails_on("A-2", 503);
    assert_eq!(dispatch.round().await.unwrap(), Report { posted: 1, parked: 0, held: 1 });
    assert_eq!(app.count("select failures::bigint from lanes").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failures_of_one_order_are_not_counted_against_the_next() {
    let (app, _) = TestApp::connected().await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 2).await;
    company.fails_on("A-1", 500);
    company.fails_on("A-2", 500);
    for tries in 1..=2 {
        dispatch.round().await.unwrap();
        assert_eq!(app.count("select stuck_tries::bigint from lanes").await, tries);
        app.advance(minutes(16));
    }
    app.execute("update orders set status = 'superseded' where name = 'A-1'").await;
    dispatch.round().await.unwrap();
    assert_eq!(app.count("select stuck_tries::bigint from lanes").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_waits_until_it_is_written_what_became_of_the_one_before() {
    let (app, dispatch, company) = fast().await;
    let id = app.place(order("A-41", 4_100));
    app.advance(minutes(16));
    app.app.intake.round().await.unwrap();
    dies_with(&app, 1).await;
    app.edit(&id, &[("hs_shipping_cost", "5.00"), ("hs_total_price", "46.00")]);
    place(&app, 42, 43).await;
    assert_eq!(dispatch.round().await.unwrap(), Report { posted: 4, parked: 0, held: 0 });
    assert_eq!(app.statuses(&id).await, [Superseded, Posted]);
    assert_eq!(company.seen().iter().filter(|(name, ..)| name == "A-41").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_takes_longer_than_half_the_lease() {
    let (app, _) = TestApp::connected_with(&[("orders.lease", "2s"), ("providers.timeout", "1s")]).await;
    let (dispatch, company) = dispatch(&app);
    place(&app, 1, 1).await;
    company.does("A-1", Does::Take(Duration::from_secs(600)));
    let round = tokio::time::timeout(Duration::from_secs(20), dispatch.round()).await;
    assert_eq!(round.expect("it ends").unwrap(), Report { posted: 0, parked: 0, held: 1 });
    let outcomes: Vec<_> = outcomes(&app).await.into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, ["unknown"]);
    assert!(app.order("A-1").await.last_message.unwrap().contains("half of orders.lease"));
}
