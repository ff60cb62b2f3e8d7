//! The keeper against the sandbox: what it renews, what it keeps, what it judges.

use chrono::TimeDelta;
use lamplighter::{keeper::Report, provider::Provider};

use crate::harness::{TestApp, minutes};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_before_they_end_by_what_the_provider_reports() {
    let (app, _) = TestApp::connected().await;
    let before = app.connection(Provider::Quickbooks).await;
    let life = before.access_expires_at - before.renewed_at;
    assert_eq!(life, TimeDelta::hours(1));
    assert!(before.refresh_hard_expires_at.is_some(), "the hard cap is asked for and stored");
    assert_eq!(app.app.keeper.round().await.unwrap(), Report::default(), "nothing is due yet");
    app.advance(minutes(40));
    let report = app.app.keeper.round().await.unwrap();
    assert_eq!((report.renewed, report.spent()), (2, 2));
    let after = app.connection(Provider::Quickbooks).await;
    assert_eq!(after.generation, 2);
    assert_eq!(after.renewed_at, app.clock.now());
    assert!(after.renew_at.unwrap() < after.access_expires_at);
    let hubspot = app.connection(Provider::Hubspot).await;
    assert_eq!(hubspot.access_expires_at - hubspot.renewed_at, minutes(30));
    assert_eq!(hubspot.refresh_expires_at, None);
}
