//! A range of dates, by hand, beside the polling.

use chrono::{DateTime, TimeDelta, Utc};
use lamplighter::{
    orders::intake::sync::{Range, Summary},
    provider::Provider::Hubspot,
    sandbox::{NewOrder, Outage, Scope},
    store::{accounts::Account, intakes},
};

use super::number;
use crate::harness::{HUB, REALM, TestApp, minutes, order};

impl TestApp {
    async fn range(&self, account: &Account, from: DateTime<Utc>, to: DateTime<Utc>) -> Range {
        Range { account_id: account.id, connection_id: self.connection(Hubspot).await.id, from, to }
    }

    async fn sync(&self, account: &Account, from: DateTime<Utc>, to: DateTime<Utc>) -> Summary {
        let range = self.range(account, from, to).await;
        let (summary, result) = self.app.intake.sync(range, |_, _| {}).await;
        result.unwrap();
        summary
    }

    async fn cursor(&self) -> DateTime<Utc> {
        sqlx::query_scalar("select modified_to from intakes").fetch_one(&self.app.pool).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_created_or_changed_in_the_range_comes_in_and_nothing_else() {
    let app = TestApp::start().await;
    let start = app.clock.now();
    let at = |hours: i64| start + TimeDelta::hours(hours);
    let mut placed = Vec::new();
    for hours in 0..6 {
        placed.push(app.sandbox.place_order(HUB, order(&format!("#{hours}"), 1_000)));
        app.advance(TimeDelta::hours(1));
    }
    // Created before the range, changed in it; created in it, changed after it.
    app.advance(TimeDelta::hours(4));
    let edit = |id: &str| {
        assert!(app.sandbox.edit_order(HUB, id, &[("hs_total_price".to_owned(), "10.00".to_owned())].into()));
    };
    edit(&placed[0]);
    app.advance(TimeDelta::hours(10));
    edit(&placed[3]);
    edit(&placed[5]);
    let account = app.account("Harbor Books").await;
    app.connect(&account, lamplighter::provider::Provider::Quickbooks, REALM).await;
    app.connect(&account, Hubspot, HUB).await;
    app.rounds().await;
    assert!(app.numbers(REALM).is_empty(), "they are from before the first connect");

    let cursor = app.cursor().await;
    let summary = app.sync(&account, at(2), at(4)).await;
    assert_eq!(summary, Summary { seen: 3, new: 3, ..Summary::default() });
    assert_eq!(app.cursor().await, cursor, "the polling's cursor is its own");
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.numbers(REALM), [&placed[2], &placed[4], &placed[3]].map(|id| number(id)));

    let wider = app.sync(&account, at(2), at(10)).await;
    assert_eq!(wider, Summary { seen: 5, new: 2, already_there: 3, ..Summary::default() });
    app.app.dispatch.round().await.unwrap();
    assert_eq!(app.numbers(REALM).len(), 5);
    assert_eq!(app.sync(&account, at(-9), at(-1)).await, Summary::default());
    // The daemon meets the same orders, and books nothing twice.
    app.later().await;
    assert_eq!(app.numbers(REALM).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_page_and_a_bulk_import_in_one_millisecond() {
    let app = TestApp::start().await;
    let start = app.clock.now();
    let bare = |n: i32| app.sandbox.place_order(HUB, NewOrder { name: format!("#{n}"), ..NewOrder::default() });
    (0..450).for_each(|n| drop(bare(n)));
    app.advance(TimeDelta::milliseconds(1));
    (0..230).for_each(|n| {
        bare(n);
        app.advance(TimeDelta::milliseconds(1));
    });
    let end = app.clock.now();
    app.advance(minutes(1));
    drop(bare(1_000));
    let account = app.account("Harbor Books").await;
    app.advance(minutes(60));
    app.connect(&account, Hubspot, HUB).await;
    let mut reached = Vec::new();
    let (summary, result) = app.app.intake.sync(app.range(&account, start, end).await, |_, at| reached.push(at)).await;
    result.unwrap();
    assert_eq!(summary, Summary { seen: 680, new: 680, ..Summary::default() });
    assert!(reached.len() >= 3 && reached.is_sorted(), "{reached:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reading_of_an_order_never_takes_the_place_of_a_newer_one() {
    let (app, account) = TestApp::connected().await;
    let id = app.place(order("#1", 1_000));
    app.rounds().await;
    app.edit(&id, &[("hs_total_price", "12.00")]);
    app.later().await;
    let before = app.revisions(&id).await;
    // As if the content had been read before the edit and arrived only now.
    let mut stale: Vec<lamplighter::store::orders::NewOrder> = sqlx::query_scalar(
        "select jsonb_build_object('id', gen_random_uuid(), 'external_id', external_id, 'revision', 'stale', 'name', name,
             'content', content, 'modified_at', modified_at - interval '1 second', 'request_id', gen_random_uuid(),
             'document_number', document_number) from orders order by position limit 1",
    )
    .fetch_all(&app.app.pool)
    .await
    .unwrap()
    .into_iter()
    .map(|row| serde_json::from_value(row).unwrap())
    .collect();
    let source = app.connection(Hubspot).await.id;
    let mut conn = app.conn().await;
    let receive = lamplighter::store::orders::receive;
    assert!(receive(&mut conn, account.id, source, &stale, app.clock.now()).await.unwrap().is_empty());
    assert_eq!(app.revisions(&id).await.len(), before.len());
    stale[0].modified_at = app.clock.now();
    assert_eq!(receive(&mut conn, account.id, source, &stale, app.clock.now()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_stores_nothing_while_the_polling_does() {
    let (app, account) = TestApp::connected().await;
    app.place(order("#1", 1_000));
    let now = app.clock.now();
    let mut polling = app.app.pool.begin().await.unwrap();
    intakes::hold(&mut polling, app.connection(Hubspot).await.id).await.unwrap();
    let mut sync = std::pin::pin!(app.sync(&account, now - minutes(1), now));
    tokio::select! {
        _ = &mut sync => panic!("it did not wait"),
        () = app.somebody_waits() => {}
    }
    assert_eq!(app.count("select count(*) from orders").await, 0);
    polling.commit().await.unwrap();
    assert_eq!(sync.await.new, 1);
    app.rounds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_waits_out_what_passes() {
    let (app, account) = TestApp::connected_with(&[("orders.retry_min", "100ms")]).await;
    app.place(order("#1", 1_000));
    app.sandbox.switch(Hubspot, |switches| (switches.outage, switches.outage_scope) = (Outage::Status503, Scope::Api));
    let (now, before) = (app.clock.now(), app.sandbox.api_calls(Hubspot));
    let passes = async {
        while app.sandbox.api_calls(Hubspot) == before {
            tokio::task::yield_now().await;
        }
        app.sandbox.switch(Hubspot, |switches| switches.outage = Outage::None);
    };
    let (summary, ()) = tokio::join!(app.sync(&account, now - minutes(1), now), passes);
    assert_eq!(summary.new, 1);
    app.rounds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_holds_for_a_sync_and_trouble_is_told_with_what_was_done() {
    let (app, account) =
        TestApp::connected_with(&[("orders.intake.payment_statuses", "paid"), ("orders.retry_min", "100ms")]).await;
    app.place(order("#1", 1_000));
    let mut paid = order("#2", 1_000);
    paid.properties = [("hs_payment_status".to_owned(), "Paid".to_owned())].into();
    app.place(paid);
    let now = app.clock.now();
    let summary = app.sync(&account, now - minutes(1), now).await;
    assert_eq!(summary, Summary { seen: 2, new: 1, filtered: 1, ..Summary::default() });
    app.sandbox.switch(Hubspot, |switches| (switches.outage, switches.outage_scope) = (Outage::Status503, Scope::Api));
    let range = app.range(&account, now - minutes(1), now).await;
    let (summary, result) = app.app.intake.sync(range, |_, _| {}).await;
    assert_eq!(summary, Summary::default());
    assert!(result.unwrap_err().to_string().contains("HubSpot cannot be read"));
    app.app.dispatch.round().await.unwrap();
}
