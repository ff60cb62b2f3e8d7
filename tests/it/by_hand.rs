//! What a person does to one connection: naming it, renewing it now, ending it.

mod disconnect;
mod interrupted;
mod renew;

use std::time::Duration;

use chrono::TimeDelta;
use lamplighter::{
    app::App,
    keeper::{
        by_hand::{Haste, Renewal},
        farewell::Goodbye,
    },
    provider::Provider::{self, Hubspot, Quickbooks},
    store::{
        self,
        connections::{self, Found, Overview},
        farewells::{self, Lease},
        spends::Outcome,
    },
};

use crate::{
    fence::copy,
    harness::{HUB, REALM, TestApp, minutes},
};

impl TestApp {
    async fn find(&self, named: &str) -> Vec<Found> {
        connections::find(&mut *self.conn().await, named).await.unwrap()
    }

    async fn found(&self, provider: Provider) -> Found {
        let id = self.connection(provider).await.id;
        self.find(&id.to_string()).await.remove(0)
    }

    async fn disconnect(&self, provider: Provider) -> Goodbye {
        let found = self.found(provider).await;
        self.app.keeper.disconnect(found.id, found.connected_at, |_| {}).await.unwrap()
    }

    /// Grants that are ended here and may still live there.
    async fn left_behind(&self) -> i64 {
        farewells::open(&mut *self.conn().await).await.unwrap().count
    }
}

fn nobody(lease: &Lease) {
    panic!("nobody else should be at it: {lease:?}");
}

fn ids(found: &[Found]) -> Vec<uuid::Uuid> {
    found.iter().map(|found| found.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_named_by_id_company_or_account() {
    let (app, account) = TestApp::connected().await;
    let quay = app.account("Quay/Side").await;
    app.sandbox.add_company("77", "Quay Books");
    app.advance(TimeDelta::hours(10));
    app.connect(&quay, Quickbooks, "77").await;
    let of = async |provider, company: &str| -> Overview {
        let rows = connections::overview(&mut *app.conn().await, 10).await.unwrap();
        rows.into_iter().find(|row| row.provider == provider && row.company_id == company).unwrap()
    };
    let (books, portal, side) =
        (of(Quickbooks, REALM).await.id, of(Hubspot, HUB).await.id, of(Quickbooks, "77").await.id);
    assert_eq!(ids(&app.find(&books.to_string()).await), [books]);
    assert_eq!(ids(&app.find(&books.simple().to_string()).await), [books]);
    assert_eq!(ids(&app.find(REALM).await), [books]);
    assert_eq!(ids(&app.find(HUB).await), [portal]);
    assert_eq!(ids(&app.find("77").await), [side]);
    assert_eq!(ids(&app.find("Harbor Books/hubspot").await), [portal]);
    assert_eq!(ids(&app.find(&format!("{}/quickbooks", account.id)).await), [books]);
    assert_eq!(ids(&app.find("Quay/Side/quickbooks").await), [side], "a name may hold a slash");
    for nobody in ["", "7", "Harbor Books", "Harbor Books/xero", "quickbooks", "%", "ffffff", &books.to_string()[..5]] {
        assert!(app.find(nobody).await.is_empty(), "{nobody:?}");
    }
    // Ids begin with the time: what was connected in one moment shares its first characters.
    let shared = books.to_string().bytes().zip(side.to_string().bytes()).take_while(|(a, b)| a == b).count();
    let prefix = &books.to_string()[..shared.max(6)];
    assert!(ids(&app.find(prefix).await).contains(&books), "{prefix}");
    let unique = (6..36).find(|n| !portal.to_string().starts_with(&books.to_string()[..*n])).unwrap();
    assert_eq!(ids(&app.find(&books.to_string()[..unique.max(shared + 1)]).await), [books]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_connection_is_found_and_gives_way_to_a_live_one() {
    let (app, account) = TestApp::connected().await;
    let ended = app.connection(Quickbooks).await.id;
    app.disconnect(Quickbooks).await;
    assert_eq!(ids(&app.find("Harbor Books/quickbooks").await), [ended]);
    app.sandbox.add_company("77", "Harbor Books Two");
    app.connect(&account, Quickbooks, "77").await;
    let live = app.find("Harbor Books/quickbooks").await;
    assert_eq!(live.len(), 1);
    assert_ne!(live[0].id, ended, "the live one is meant");
    assert_eq!(ids(&app.find(REALM).await), [ended]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_renews_or_ends_a_grant_from_a_copied_database() {
    let (app, _) = TestApp::connected().await;
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().renewed, 2);
    let found = app.found(Quickbooks).await;
    let database = copy(&app.database, "copied").await;
    let pool = store::open(database, 4, Duration::from_secs(10)).await.unwrap();
    let copied = App::build(&app.config, pool.clone(), app.clock.clone(), &[]).await.unwrap();
    let calls = app.sandbox.oauth_calls(Quickbooks);
    let renewal = copied.keeper.renew_by_hand(found.id, Haste::OverUnanswered, nobody).await.unwrap();
    assert!(matches!(renewal, Renewal::Fenced), "{renewal:?}");
    let goodbye = copied.keeper.disconnect(found.id, found.connected_at, nobody).await.unwrap();
    assert!(matches!(goodbye, Goodbye::Fenced), "{goodbye:?}");
    assert_eq!(app.sandbox.oauth_calls(Quickbooks), calls, "the grant is in use elsewhere");
    let left: i64 = sqlx::query_scalar("select count(*) from connections where status = 'connected'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, 2, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_token_endpoint_is_left_to_the_canary_unless_a_person_insists() {
    let (app, _) = TestApp::connected().await;
    let id = app.connection(Quickbooks).await.id;
    let open = "insert into outages (id, provider, endpoint, opened_at, evidence, canary_at)
                values (gen_random_uuid(), 'quickbooks', 'tokens', now(), 'test', now() + interval '1 hour')";
    app.execute(open).await;
    let calls = app.sandbox.oauth_calls(Quickbooks);
    let renewal = app.app.keeper.renew_by_hand(id, Haste::Patient, nobody).await.unwrap();
    assert!(matches!(renewal, Renewal::Out), "{renewal:?}");
    assert_eq!(app.sandbox.oauth_calls(Quickbooks), calls);
    let renewal = app.app.keeper.renew_by_hand(id, Haste::OverPause, nobody).await.unwrap();
    assert!(matches!(renewal, Renewal::Spent { outcome: Some(Outcome::Renewed), .. }), "{renewal:?}");
    assert_eq!(app.count("select count(*) from outages where closed_at is null").await, 0, "what it showed counts");
}
