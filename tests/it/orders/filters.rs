//! Which of HubSpot's orders are taken in.

use super::number;
use crate::harness::{HUB, REALM, TestApp, minutes, order};

const PAID: &[(&str, &str)] =
    &[("orders.intake.payment_statuses", "Paid"), ("orders.intake.stages", "shipped,delivered")];

#[tokio::test(flavor = "multi_thread")]
async fn an_order_comes_in_when_it_matches_and_then_stays_in() {
    let (app, _) = TestApp::connected_with(PAID).await;
    let id = app.place(order("#1", 1_000));
    let other = app.place(order("#2", 1_000));
    app.rounds().await;
    assert_eq!(app.numbers(REALM), [] as [String; 0]);
    app.edit(&id, &[("hs_payment_status", "paid")]);
    app.later().await;
    assert_eq!(app.numbers(REALM), [] as [String; 0], "every list must hold it");
    app.edit(&id, &[("hs_pipeline_stage", "Delivered")]);
    app.later().await;
    assert_eq!(app.numbers(REALM), [number(&id)]);

    // What becomes of an order that is in must not get lost because of a filter.
    app.edit(&id, &[("hs_payment_status", "refunded"), ("hs_total_price", "11.00")]);
    app.later().await;
    assert_eq!(app.revisions(&id).await.len(), 2);
    assert_eq!(app.revisions(&other).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_and_a_pipeline_are_filters_too() {
    let (app, _) =
        TestApp::connected_with(&[("orders.intake.source_stores", "harbor"), ("orders.intake.pipelines", "retail")])
            .await;
    let with = |store: &str, pipeline: &str| {
        let mut new = order(store, 1_000);
        new.properties = [("hs_source_store", store), ("hs_pipeline", pipeline)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        app.sandbox.place_order(HUB, new)
    };
    let (good, _, _) = (with("Harbor", "retail"), with("Harbor", "wholesale"), with("lake", "retail"));
    app.rounds().await;
    assert_eq!(app.numbers(REALM), [number(&good)]);
    app.advance(minutes(6));
    assert_eq!(app.app.intake.round().await.unwrap().received, 0);
}
