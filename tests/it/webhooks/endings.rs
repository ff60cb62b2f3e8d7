//! Endpoints that refuse, are gone, hang or come back; and daemons that die in between.

use chrono::TimeDelta;
use lamplighter::{
    provider::Provider,
    store::{alerts, webhook_deliveries as deliveries, webhooks::Event},
    vault::key_id_of,
    webhooks::Report,
};
use secrecy::ExposeSecret as _;

use super::{Receiver, delivered, post_an_order};
use crate::harness::{TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_tried_again_later_under_the_same_id() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    receiver.register(&app, &Event::ALL).await;
    // A redirect is not followed: where it leads nobody registered.
    receiver.answer(&[503, 404]);
    receiver.answer_with((302, vec![("location", receiver.url.clone())]));
    post_an_order(&app, "#1001").await;
    for tries in 1..=3 {
        assert_eq!(delivered(&app).await, Report { failed: 1, ..Report::default() });
        assert_eq!(delivered(&app).await, Report::default(), "not before its time");
        assert_eq!(receiver.received().len(), tries);
        app.advance(minutes(1));
    }
    let waiting = deliveries::recent(&mut *app.conn().await, None, true, 10).await.unwrap();
    assert_eq!((waiting[0].attempts, waiting[0].last_status), (3, Some(302)));
    assert_eq!(delivered(&app).await.delivered, 1);
    let received = receiver.received();
    assert!(received.iter().all(|one| one.id == received[0].id && one.body == received[0].body), "{received:?}");
    assert_ne!(received[0].timestamp, received[3].timestamp, "each try is signed anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_may_ask_for_more_time() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    receiver.register(&app, &Event::ALL).await;
    receiver.answer_with((429, vec![("retry-after", "7200".to_owned())]));
    post_an_order(&app, "#1001").await;
    assert_eq!(delivered(&app).await.failed, 1);
    app.advance(minutes(119));
    assert_eq!(delivered(&app).await, Report::default());
    app.advance(minutes(2));
    assert_eq!(delivered(&app).await.delivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_days_it_is_given_up_and_the_operator_is_told_once_and_of_the_end() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    let (id, secret) = receiver.register(&app, &[Event::OrderPosted]).await;
    receiver.answer(&[500; 2]);
    post_an_order(&app, "#1001").await;
    post_an_order(&app, "#1002").await;
    assert_eq!(delivered(&app).await.failed, 2);
    receiver.answer(&[500; 2]);
    app.advance(TimeDelta::days(5) - minutes(20));
    assert_eq!(delivered(&app).await.failed, 2, "not yet");
    receiver.answer(&[500; 2]);
    app.advance(TimeDelta::days(1));
    assert_eq!(delivered(&app).await.given_up, 2);
    let mails = app.mails(1).await;
    assert!(mails[0].subject.contains("127.0.0.1 does not take its webhooks"), "{}", mails[0].subject);
    let said = format!("{}{}", mails[0].text, mails[0].html);
    assert!(!said.contains("endpoint-secret") && !said.contains(secret.expose_secret()), "{said}");
    app.advance(TimeDelta::days(30));
    assert_eq!(delivered(&app).await, Report::default(), "nobody tries it again");
    assert_eq!(receiver.received().len(), 6);
    app.execute("update orders set status = 'queued', document_id = null, posted_at = null where name = '#1001'").await;
    let mut conn = app.conn().await;
    let connection = app.connection(Provider::Quickbooks).await.id;
    app.execute("update webhooks set events = array['connection.lapsed']").await;
    let event = Event::ConnectionLapsed;
    assert_eq!(lamplighter::store::webhooks::announce(&mut conn, event, connection, app.clock.now()).await.unwrap(), 1);
    app.execute("update orders set status = 'posted', document_id = '1', posted_at = now() where status = 'queued'")
        .await;
    assert_eq!(delivered(&app).await.delivered, 1);
    let mails = app.mails(2).await;
    assert!(mails[1].subject.contains("takes its webhooks again"), "{}", mails[1].subject);
    let open = alerts::recent(&mut conn, 10).await.unwrap().into_iter().filter(|alert| alert.resolved_at.is_none());
    assert_eq!(open.count(), 0, "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_says_it_is_gone_is_switched_off_and_nothing_is_written_for_it_any_more() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    let (id, _) = receiver.register(&app, &Event::ALL).await;
    receiver.answer(&[503, 410]);
    post_an_order(&app, "#1001").await;
    assert_eq!(delivered(&app).await.failed, 1);
    post_an_order(&app, "#1002").await;
    assert!(delivered(&app).await.given_up > 0);
    post_an_order(&app, "#1003").await;
    assert_eq!(delivered(&app).await, Report::default());
    assert_eq!(
        app.count("select count(*) from webhook_deliveries where given_up_at is null and delivered_at is null").await,
        0
    );
    assert_eq!(app.count("select count(*) from webhook_deliveries").await, 2);
    let mails = app.mails(1).await;
    assert_eq!(mails[0].subject, "Lamplighter: 127.0.0.1 is gone and was switched off");
    let said = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(&format!("webhook enable {id}")), "{said}");
    let mut conn = app.conn().await;
    assert!(lamplighter::store::webhooks::switch_on(&mut conn, id).await.unwrap());
    let before = receiver.received().len();
    post_an_order(&app, "#1004").await;
    assert_eq!(delivered(&app).await.delivered, 1);
    assert_eq!(receiver.received().len(), before + 1, "what was given up is not sent again");
    let mails = app.mails(2).await;
    assert!(mails[1].subject.contains("takes its webhooks again"), "{}", mails[1].subject);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_somebody_removes_takes_nothing_again_and_nobody_is_told_so() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    let (id, _) = receiver.register(&app, &Event::ALL).await;
    receiver.answer(&[410]);
    post_an_order(&app, "#1001").await;
    delivered(&app).await;
    app.mails(1).await;
    assert!(lamplighter::store::webhooks::remove(&mut *app.conn().await, id, app.clock.now()).await.unwrap());
    app.mails(1).await;
    assert_eq!(app.count("select count(*) from alerts where resolved_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_delays_no_other() {
    let (app, _) = TestApp::connected().await;
    let (away, there) = (Receiver::start().await, Receiver::start().await);
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = Receiver { url: format!("http://{nowhere}/hooks"), ..away };
    away.register(&app, &Event::ALL).await;
    there.register(&app, &Event::ALL).await;
    for name in ["#1001", "#1002", "#1003", "#1004", "#1005", "#1006"] {
        post_an_order(&app, name).await;
    }
    let report = delivered(&app).await;
    assert_eq!((report.delivered, report.failed), (6, 6));
    assert_eq!(there.received().len(), 6);
    let waiting = deliveries::recent(&mut *app.conn().await, None, true, 10).await.unwrap();
    assert!(
        waiting.iter().all(|one| one.last_error.as_deref().unwrap().contains("could not be reached")),
        "{waiting:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_died_after_sending_is_followed_by_one_that_sends_the_same_id() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    receiver.register(&app, &Event::ALL).await;
    post_an_order(&app, "#1001").await;
    // What a crash between the send and the note leaves behind: the endpoint has it, the row says that somebody is at it.
    let claims = {
        let mut conn = app.conn().await;
        let lease = std::time::Duration::from_secs(60);
        deliveries::claim_due(&mut conn, app.clock.now(), "dead", lease, 10, 4).await.unwrap()
    };
    assert_eq!(claims.len(), 1);
    assert_eq!(delivered(&app).await, Report::default(), "while the lease runs it is the other one's");
    app.execute("update webhook_deliveries set lease_until = clock_timestamp() - interval '1 second'").await;
    let second = app.second_daemon().await;
    assert_eq!(second.webhooks.round().await.unwrap().delivered, 1);
    assert_eq!(receiver.received()[0].id, claims[0].id.to_string());
    // The dead one wakes up after all: its word is void.
    let mut conn = app.conn().await;
    let now = app.clock.now();
    assert!(!deliveries::failed(&mut conn, &claims[0], None, "late", Some(now), now).await.unwrap());
    assert_eq!(app.count("select count(*) from webhook_deliveries where delivered_at is null").await, 0);
    assert_eq!(delivered(&app).await, Report::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_and_done_is_forgotten_and_what_waits_is_not() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    receiver.register(&app, &Event::ALL).await;
    post_an_order(&app, "#1001").await;
    delivered(&app).await;
    app.advance(TimeDelta::days(29));
    delivered(&app).await;
    assert_eq!(app.count("select count(*) from webhook_deliveries").await, 1);
    app.advance(TimeDelta::days(2));
    app.execute(
        "insert into webhook_deliveries (id, webhook_id, event, payload, created_at, send_at)
         select gen_random_uuid(), id, 'order.posted', '{}', now() - interval '1 year', now() + interval '1 year' from webhooks",
    )
    .await;
    delivered(&app).await;
    assert_eq!(app.count("select count(*) from webhook_deliveries where delivered_at is null").await, 1);
    assert_eq!(app.count("select count(*) from webhook_deliveries").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_follows_a_rotation_of_the_vault_key_and_goes_on_to_sign() {
    let (app, _) = TestApp::connected().await;
    let receiver = Receiver::start().await;
    let (id, secret) = receiver.register(&app, &Event::ALL).await;
    let before = app.vault().active_key_id();
    app.app.presence.beat(true).await.unwrap();
    let report = app.rotate_until(|_| false).await.unwrap();
    assert_eq!(report.progress.unreadable, 0, "{report:?}");
    let sealed = lamplighter::store::webhooks::secret(&mut *app.conn().await, id).await.unwrap().unwrap().1;
    assert_eq!(key_id_of(&sealed), Some(app.vault().active_key_id().as_str()));
    assert_ne!(key_id_of(&sealed), Some(before.as_str()));
    assert!(!format!("{report:?}{:?}", app.vault()).contains(secret.expose_secret()));
    post_an_order(&app, "#1001").await;
    assert_eq!(delivered(&app).await.delivered, 1);
    assert!(receiver.received()[0].signed_with(&secret));
}
