//! Parked orders: the operator hears of all of them at intervals, the owner of those that only they can put right.

use chrono::{NaiveDate, TimeDelta};
use lamplighter::{
    alerts::by_hand::{self, Decision},
    sandbox::{Mail, NewOrder},
    store::{audit_log::Actor, orders::Status},
};
use reqwest::Method;
use url::Url;

use crate::{
    dashboard::post,
    harness::{OPERATOR, OWNER, REALM, TestApp, minutes, order},
    pages::ask,
};

/// An order that cannot become a document.
fn empty(name: &str) -> NewOrder {
    NewOrder { lines: Vec::new(), total: None, ..order(name, 0) }
}

/// An order of a period that is closed.
fn old(name: &str) -> NewOrder {
    let dated = [("hs_external_created_date".to_owned(), "2020-05-01T00:00:00Z".to_owned())].into();
    NewOrder { properties: dated, ..order(name, 1_000) }
}

async fn turn(app: &TestApp) {
    app.app.watch.round().await.unwrap();
    app.app.outbox.round().await.unwrap();
}

/// Places an order and lets it be parked.
async fn park(app: &TestApp, new: NewOrder) {
    app.place(new);
    app.advance(minutes(6));
    app.rounds().await;
}

async fn wait(app: &TestApp, by: TimeDelta) {
    app.advance(by);
    turn(app).await;
}

fn to<'a>(mails: &'a [Mail], address: &str) -> Vec<&'a Mail> {
    mails.iter().filter(|mail| mail.to == [address]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_mailed_of_parked_orders_at_intervals_and_when_none_is_left() {
    let (app, _) = TestApp::connected().await;
    turn(&app).await;
    park(&app, empty("A-1")).await;
    turn(&app).await;
    app.mails(0).await;
    park(&app, empty("A-2")).await;
    turn(&app).await;
    let mails = app.mails(1).await;
    assert_eq!(
        (mails[0].subject.as_str(), &mails[0].to[0][..]),
        ("Lamplighter: 2 orders parked for a person", OPERATOR)
    );
    let text = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in
        ["A-1 of Harbor Books: “the order has no line items”", "A-2 of Harbor Books", "lamplighter order retry"]
    {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    for _ in 0..30 {
        wait(&app, TimeDelta::hours(1)).await;
    }
    app.mails(1).await;

    park(&app, empty("A-3")).await;
    turn(&app).await;
    assert_eq!(app.mails(2).await[1].subject, "Lamplighter: 3 orders are parked now, new ones among them");
    park(&app, empty("A-4")).await;
    turn(&app).await;
    app.mails(2).await;
    wait(&app, minutes(50)).await;
    wait(&app, minutes(50)).await;
    assert_eq!(app.mails(3).await[2].subject, "Lamplighter: 4 orders are parked now, new ones among them");

    app.execute("update orders set status = 'skipped', skipped_at = now() where status = 'parked'").await;
    turn(&app).await;
    assert_eq!(app.mails(4).await[3].subject, "Lamplighter: no order is parked any more");
    wait(&app, TimeDelta::days(3)).await;
    app.mails(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_before_the_first_mail_is_not_told() {
    let (app, _) = TestApp::connected().await;
    park(&app, empty("A-1")).await;
    turn(&app).await;
    app.execute("update orders set status = 'skipped', skipped_at = now() where status = 'parked'").await;
    wait(&app, minutes(10)).await;
    app.mails(0).await;
    assert_eq!(app.count("select count(*) from alerts where resolved_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_mailed_once_a_day_of_what_only_they_can_put_right() {
    let (app, _) = TestApp::connected_with(&[("alerts.parked_digest", "off")]).await;
    app.sandbox.close_books(REALM, NaiveDate::from_ymd_opt(2020, 12, 31));
    park(&app, empty("B-1")).await;
    park(&app, old("A-1")).await;
    turn(&app).await;
    wait(&app, minutes(5)).await;
    let mails = app.mails(1).await;
    assert_eq!(to(&mails, OWNER).len(), 1);
    assert_eq!(mails[0].subject, "Action needed: 1 order of Harbor Books waits for a change in QuickBooks");
    assert!(mails[0].text.contains("code 6210") && !mails[0].text.contains("B-1"), "{}", mails[0].text);

    park(&app, old("A-2")).await;
    turn(&app).await;
    wait(&app, TimeDelta::hours(20)).await;
    app.mails(1).await;
    wait(&app, TimeDelta::hours(4)).await;
    let mails = app.mails(2).await;
    assert_eq!(
        mails[1].subject,
        "Action needed: 2 orders of Harbor Books wait for a change in QuickBooks, 1 of them new"
    );
    let said = mails[1].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("Since our last mail QuickBooks refused 1 order. It stands first below"), "{said}");
    assert!(said.find("A-2").unwrap() < said.find("A-1").unwrap(), "{said}");
    assert!(said.contains("open that period again in QuickBooks") && !said.contains("at its source"), "{said}");
    wait(&app, TimeDelta::days(3)).await;
    app.mails(2).await;

    // Others that are parked and not theirs do not hide theirs.
    for name in ["C-1", "C-2", "C-3", "C-4", "C-5"] {
        park(&app, empty(name)).await;
    }
    // The mail opens their page, and the page sends again what waited for them, and nothing else.
    app.sandbox.close_books(REALM, None);
    let text = &mails[1].text;
    let page = text.split_whitespace().find(|word| word.contains("/owner/")).expect("the mail has a link");
    let page = Url::parse(page).unwrap();
    let shown = ask(Method::GET, &page, &[]).await;
    assert!(shown.body.contains("8 orders in all") && shown.body.contains("Send again"), "{}", shown.body);
    post(&app, &format!("{}/send-again", page.path()), &[], &[]).await;
    let deeds = "select count(*) from audit_log where actor = 'owner' and action = 'order.retry'";
    assert_eq!(app.count(deeds).await, 2);
    app.rounds().await;
    turn(&app).await;
    let mails = app.mails(3).await;
    assert!(mails[2].subject.starts_with("All clear: no order of Harbor Books"), "{}", mails[2].subject);
    assert_eq!(app.order("B-1").await.status, Status::Parked);
    let shown = ask(Method::GET, &page, &[]).await;
    assert!(shown.body.contains("6 orders in all") && !shown.body.contains("Send again"), "{}", shown.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_acknowledged_hears_no_more_but_the_all_clear() {
    let (app, _) = TestApp::connected_with(&[("alerts.owner_orders", "false")]).await;
    park(&app, empty("A-1")).await;
    turn(&app).await;
    wait(&app, minutes(6)).await;
    app.mails(1).await;
    let id = sqlx::query_scalar("select id from alerts where kind = 'orders_parked'")
        .fetch_one(&app.app.pool)
        .await
        .unwrap();
    let (actor, now) = (Actor::ApiKey("lamp_1234".to_owned()), app.clock.now());
    by_hand::decide(&mut *app.conn().await, id, Decision::Acknowledge, &actor, now).await.unwrap();
    park(&app, empty("A-2")).await;
    wait(&app, TimeDelta::hours(3)).await;
    app.mails(1).await;
    app.execute("update orders set status = 'skipped', skipped_at = now() where status = 'parked'").await;
    turn(&app).await;
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_daemons_send_one_digest() {
    let (app, _) = TestApp::connected().await;
    let second = app.second_daemon().await;
    for n in 0..6 {
        park(&app, empty(&format!("A-{n}"))).await;
        let (a, b, c) = tokio::join!(app.app.watch.round(), second.watch.round(), app.app.watch.round());
        assert!(a.unwrap().digests + b.unwrap().digests + c.unwrap().digests <= 1);
        app.advance(minutes(54));
        tokio::try_join!(app.app.outbox.round(), second.outbox.round()).unwrap();
    }
    app.mails(6).await;
}
