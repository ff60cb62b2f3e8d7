//! Daemons that know of each other, by the database's clock.

use std::time::Duration;

use lamplighter::{presence::LIVE_WITHIN, store::daemons};

use crate::harness::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_is_there_while_it_beats_and_gone_when_it_leaves() {
    let app = TestApp::start().await;
    let second = app.second_daemon().await;
    assert_eq!(app.app.presence.live().await.unwrap(), [], "nobody has beaten yet");
    app.app.presence.beat(true).await.unwrap();
    second.presence.beat(false).await.unwrap();
    app.app.presence.beat(true).await.unwrap();
    let live = second.presence.live().await.unwrap();
    let seen: Vec<_> = live.iter().map(|one| (one.name.as_str(), one.beats, one.works)).collect();
    assert_eq!(seen, [(app.app.presence.name(), 2, true), (second.presence.name(), 1, false)]);
    assert_eq!(live[0].installation_id, live[1].installation_id, "one data directory is one installation");
    assert!(live[0].started_at < live[0].seen_at);
    assert_eq!(live[0].vault_key_ids, [live[0].active_vault_key.clone()]);
    assert_eq!(live[0].version, env!("CARGO_PKG_VERSION"));

    // By the database's clock: the app's own may be years off.
    app.advance(chrono::TimeDelta::days(400));
    assert_eq!(app.app.presence.live().await.unwrap().len(), 2);
    app.app.presence.leave().await;
    assert_eq!(second.presence.live().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_killed_grows_old_and_is_forgotten() {
    let app = TestApp::start().await;
    let second = app.second_daemon().await;
    second.presence.beat(true).await.unwrap();
    app.execute("update daemons set seen_at = seen_at - interval '70 seconds'").await;
    assert_eq!(app.app.presence.live().await.unwrap(), []);
    let long_ago = daemons::live(&mut *app.conn().await, LIVE_WITHIN + Duration::from_secs(60)).await.unwrap();
    assert_eq!(long_ago.len(), 1, "who asks further back still finds it");
    app.app.presence.beat(true).await.unwrap();
    assert_eq!(app.count("select count(*) from daemons").await, 2);
    app.execute("update daemons set seen_at = seen_at - interval '31 days'").await;
    app.app.presence.beat(true).await.unwrap();
    assert_eq!(app.count("select count(*) from daemons").await, 1);
}
