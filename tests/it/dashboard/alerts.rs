//! An alert's page: what it says, and what can be done there.

use chrono::TimeDelta;
use lamplighter::{
    provider::Provider::{Hubspot, Quickbooks},
    store::operators::Role,
};
use reqwest::StatusCode;

use crate::harness::{HUB, REALM, TestApp, minutes, order};

/// One of every kind with as little as may be stored, and two that are called after what they are.
const ONE_OF_EACH: &str = "
    insert into alerts (id, incident, kind, provider, detail, opened_at, seen_at, ends_at)
    select gen_random_uuid(), kind || coalesce(detail ->> 'rule', ''), kind, provider, coalesce(detail, '{}'), now(), now(),
           case when kind in ('hard_cap_near', 'refresh_window_near') then now() + interval '20 days' end
    from (values ('connection_lapsed', 'hubspot', null::jsonb), ('operator_fault', 'hubspot', null),
                 ('operator_fault', null, '{\"webhook_host\": \"till.example\", \"rule\": \"webhook_given_up\", \"event\": \"order.posted\"}'),
                 ('operator_fault', null, '{\"spool_host\": \"box <1>\", \"rule\": \"spool_stuck\", \"spool_directory\": \"/var/x\"}'),
                 ('outage', 'hubspot', null), ('token_set_aside', null, '{\"key_id\": \"k7\"}'), ('restore_fence', null, null),
                 ('hard_cap_near', 'quickbooks', null), ('refresh_window_near', 'quickbooks', null),
                 ('orders_parked', 'quickbooks', null), ('orders_for_owner', 'quickbooks', null),
                 ('lapse_storm', 'quickbooks', '{\"since\": \"2026-01-01T00:00:00Z\"}'), ('recipient_refused', null, null),
                 ('smtp_away', null, '{\"about\": \"the SMTP server\"}')) as one (kind, provider, detail)";

fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = page.split_once(from).unwrap_or_else(|| panic!("{from}: {page}"));
    rest.split(to).next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_alert_has_a_page_that_says_what_to_do() {
    let app = TestApp::start().await;
    app.execute(ONE_OF_EACH).await;
    let browser = app.browser("ada", Role::Operator).await;
    let list = browser.get("/alerts").await.body;
    for named in ["Webhook not taken", "till.example", "Spool in trouble", "box &#60;1&#62;", "Vault key k7"] {
        assert!(list.contains(named), "{named}: {list}");
    }
    let links: Vec<_> = list.split("href=\"/alerts/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), 14, "each has a link: {list}");
    for id in links {
        let page = browser.get(&format!("/alerts/{id}")).await;
        assert_eq!(page.status, StatusCode::OK);
        let happened = between(&page.body, "What happened</h2>", "<h2>");
        let todo = between(&page.body, "What to do</h2>", "</ul>");
        assert!(happened.contains("<p>") && todo.contains("<li>"), "{}", page.body);
        assert!(!page.body.contains("<b>") && !page.body.contains("box <1>"), "{}", page.body);
    }
    for nobody in ["/alerts/nonsense", "/alerts/019aa8f0-0000-7000-8000-000000000b01"] {
        assert_eq!(browser.get(nobody).await.status, StatusCode::NOT_FOUND, "{nobody}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapse_is_told_with_its_evidence_its_mails_and_what_was_done() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.revoke(Quickbooks, REALM);
    app.advance(minutes(45));
    app.app.keeper.round().await.unwrap();
    let (browser, at) =
        (app.browser("ada", Role::Operator).await, format!("/alerts/{}", app.id("select id from alerts").await));
    // Nothing says that the owner was mailed before they were.
    let overview = browser.get("/").await.body;
    assert!(overview.contains("revoked at the provider: the owner’s mail is on its way"), "{overview}");
    assert!(browser.get(&at).await.body.contains("The owner’s mail is on its way."));
    app.mails(1).await;
    assert!(browser.get("/").await.body.contains("revoked at the provider: the owner was mailed a reconnect link"));
    let connection = app.id("select id from connections where provider = 'quickbooks'").await;
    let page = browser.get(&at).await.body;
    for said in [
        "QuickBooks no longer lets us in: revoked at the provider",
        "The owner was mailed a reconnect link.",
        "invalid_grant",
        "<th role=\"rowheader\" scope=\"row\" data-label=\"Mail\">First mail</th>",
        "sent ",
        &format!("href=\"/connections/{connection}\""),
        "Nothing so far.",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let snoozed = browser.submit(&at, &at, &[("wish", "snooze"), ("days", "7")]).await.body;
    let until = lamplighter::words::instant(app.clock.now() + TimeDelta::days(7));
    assert!(snoozed.contains(&format!("Snoozed: no reminders before {until}.")), "{snoozed}");
    assert!(snoozed.contains("alert.snooze") && snoozed.contains("operator ada"), "{snoozed}");
    let over = browser.submit(&at, &at, &[("wish", "resolve")]).await.body;
    assert!(over.contains("by operator ada.") && over.contains("There is nothing to do."), "{over}");
    assert!(!over.contains("name=\"wish\""), "there is nothing left to press: {over}");
    let overview = browser.get("/").await.body;
    assert!(overview.contains("revoked at the provider: its alert was closed by hand"), "{overview}");
    let again = browser.submit(&at, &at, &[("wish", "acknowledge")]).await.body;
    assert!(again.contains("Nothing was changed: this alert is over since"), "{again}");
}

/// Four connections lapse at once where three are too many.
/// Four owners would be mailed, and nobody is.
pub(crate) async fn storm() -> TestApp {
    let app = TestApp::start_with(&[("alerts.storm_after", "3")]).await;
    for n in 0..4 {
        let realm = format!("46208163652124{n:05}");
        app.sandbox.add_company(&realm, &format!("Company {n}"));
        let account = app.account(&format!("Account {n}")).await;
        app.connect(&account, Quickbooks, &realm).await;
        assert!(app.sandbox.revoke(Quickbooks, &realm));
    }
    app.advance(minutes(40));
    assert_eq!(app.app.keeper.round().await.unwrap().lapsed, 4);
    app.mails(1).await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_a_storm_holds_are_released_from_its_page() {
    let app = storm().await;
    let (ada, eve) = (app.browser("ada", Role::Operator).await, app.browser("eve", Role::Viewer).await);
    let at = format!("/alerts/{}", app.id("select id from alerts where kind = 'lapse_storm'").await);
    let overview = ada.get("/").await.body;
    assert!(overview.contains("<h1>4 mails to owners are held until you decide</h1>"), "{overview}");
    assert!(overview.contains("the owner’s mail is held until somebody decides"), "{overview}");
    assert!(!overview.contains("the owner was mailed"), "{overview}");
    let page = ada.get(&at).await.body;
    assert!(page.contains("4 mails to owners held until somebody decides"), "{page}");
    assert!(page.contains("alert release quickbooks") && !page.contains("Resolve…"), "{page}");
    assert!(!eve.get(&at).await.body.contains("Release the mails"), "a viewer only looks");
    let lapse = format!("/alerts/{}", app.id("select id from alerts where kind = 'connection_lapsed' limit 1").await);
    assert!(ada.get(&lapse).await.body.contains("held, until somebody decides about the storm"));
    let wrong = ada.submit(&lapse, &lapse, &[("wish", "release")]).await.body;
    assert!(wrong.contains("Nothing was changed: this alert is not about mails that are held"), "{wrong}");
    app.mails(1).await;
    let released = ada.submit(&at, &at, &[("wish", "release")]).await.body;
    assert!(released.contains("4 mails to owners at QuickBooks go out now."), "{released}");
    assert!(released.contains("alert.release") && released.contains("operator ada"), "{released}");
    app.mails(5).await;
    let twice = ada.submit(&at, &at, &[("wish", "drop")]).await.body;
    assert!(twice.contains("Nothing was changed: this alert is over"), "{twice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_a_storm_holds_are_dropped_from_its_page() {
    let app = storm().await;
    let browser = app.browser("ada", Role::Operator).await;
    let at = format!("/alerts/{}", app.id("select id from alerts where kind = 'lapse_storm'").await);
    let dropped = browser.submit(&at, &at, &[("wish", "drop")]).await.body;
    assert!(dropped.contains("4 mails to owners at QuickBooks thrown away"), "{dropped}");
    app.mails(1).await;
    assert!(browser.get("/").await.body.contains("the owner was not mailed"));
    assert_eq!(
        app.count("select count(*) from audit_log where action = 'alert.drop' and actor = 'operator ada'").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_again_at_once_cannot_be_resolved() {
    let app = TestApp::start().await;
    app.execute(ONE_OF_EACH).await;
    let browser = app.browser("ada", Role::Operator).await;
    let spool = app.id("select id from alerts where detail ->> 'spool_host' is not null").await;
    let at = format!("/alerts/{spool}");
    assert!(!browser.get(&at).await.body.contains("Resolve…"));
    let refused = browser.submit(&at, &at, &[("wish", "resolve")]).await.body;
    assert!(refused.contains("Nothing was changed: this alert cannot be resolved by hand"), "{refused}");
    let webhook = app.id("select id from alerts where detail ->> 'webhook_host' is not null").await;
    let at = format!("/alerts/{webhook}");
    assert!(browser.submit(&at, &at, &[("wish", "resolve")]).await.body.contains("Resolved:"));
    assert_eq!(app.count("select count(*) from alerts where resolved_at is not null").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_is_not_green_while_something_needs_a_hand() {
    let (app, _) = TestApp::connected().await;
    let browser = app.browser("ada", Role::Operator).await;
    assert!(browser.get("/").await.body.contains("<h1>All 2 lamps are lit</h1>"));
    app.execute(
        "insert into alerts (id, incident, kind, provider, detail, opened_at, seen_at)
         values (gen_random_uuid(), 'ours', 'operator_fault', 'hubspot', '{\"rule\": \"client_refused\"}', now(), now())",
    )
    .await;
    let page = browser.get("/").await.body;
    assert!(page.contains("<h1>Our own fault: HubSpot</h1>"), "{page}");
    let (open, connections) = (page.find("id=\"open-alerts\""), page.find("id=\"connections\""));
    assert!(open.is_some() && open < connections, "what is open stands above: {page}");
    let at = format!("/alerts/{}", app.id("select id from alerts").await);
    assert!(page.contains(&format!("href=\"{at}\"")), "{page}");
    assert!(browser.get(&at).await.body.contains("does not accept our client id and secret"));
    browser.submit(&at, &at, &[("wish", "acknowledge")]).await;
    let page = browser.get("/").await.body;
    assert!(page.contains("<h1>1 alert is open, and somebody knows</h1>"), "{page}");
    let wrong = lamplighter::sandbox::NewOrder { total: Some("99.99".parse().unwrap()), ..order("1001", 100) };
    app.sandbox.place_order(HUB, wrong);
    app.rounds().await;
    let page = browser.get("/").await.body;
    assert!(page.contains("<h1>1 order waits for a person</h1>"), "{page}");
    assert!(page.find("id=\"parked\"") < page.find("id=\"connections\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_deed_asks_once_more() {
    let (app, account) = TestApp::connected().await;
    let wrong = lamplighter::sandbox::NewOrder { total: Some("99.99".parse().unwrap()), ..order("1001", 100) };
    app.sandbox.place_order(HUB, wrong);
    app.rounds().await;
    app.execute(ONE_OF_EACH).await;
    let browser = app.browser("ada", Role::Operator).await;
    let mut paths = vec![
        "/".to_owned(),
        "/accounts".to_owned(),
        format!("/accounts/{}", account.id),
        "/connections".to_owned(),
        format!("/connections/{}", app.connection(Hubspot).await.id),
        "/orders?status=parked".to_owned(),
        format!("/orders/{}", app.id("select id from orders").await),
        "/alerts".to_owned(),
    ];
    let alerts: Vec<uuid::Uuid> = sqlx::query_scalar("select id from alerts").fetch_all(&app.app.pool).await.unwrap();
    paths.extend(alerts.iter().map(|id| format!("/alerts/{id}")));
    let mut forms = 0;
    for path in paths {
        let page = browser.get(&path).await.body;
        let (_, main) = page.split_once("<main").unwrap();
        let mut depth = 0;
        for tag in main.split('<').skip(1) {
            match () {
                () if tag.starts_with("details") => depth += 1,
                () if tag.starts_with("/details") => depth -= 1,
                () if tag.starts_with("form") && tag.contains("method=\"post\"") => {
                    assert!(depth > 0, "{path} acts at one press: <{tag}");
                    forms += 1;
                }
                () => {}
            }
        }
    }
    assert!(forms > 40, "{forms}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_long_ago_is_reached_a_page_at_a_time() {
    let (app, _) = TestApp::connected().await;
    app.execute(
        "insert into alerts (id, incident, kind, detail, opened_at, seen_at, resolved_at)
         select gen_random_uuid(), 'old ' || n, 'outage', '{}', now(), now(), case when n > 101 then now() end
         from generate_series(1, 350) n",
    )
    .await;
    app.execute(
        "insert into outages (id, provider, endpoint, opened_at, evidence, canary_at, closed_at)
         select gen_random_uuid(), 'quickbooks', 'api', now(), '503', now(), case when n > 1 then now() end
         from generate_series(1, 202) n",
    )
    .await;
    app.execute(
        "insert into spends (connection_id, generation, fence, fingerprint, daemon, started_at, finished_at, outcome, status)
         select id, n, n, 'f', 'test/1', now(), now(), 'renewed', 200
         from generate_series(1, 250) n, (select id from connections limit 1) c",
    )
    .await;
    let browser = app.browser("eve", Role::Viewer).await;
    for (path, sizes) in [
        ("/alerts?state=open", vec![100, 1]),
        ("/alerts?state=over", vec![100, 100, 49]),
        ("/outages", vec![101, 100, 1]),
        ("/ledger", vec![100, 100, 50]),
    ] {
        let (mut next, mut found) = (Some(path.to_owned()), Vec::new());
        while let Some(path) = next {
            let page = browser.get(&path).await.body;
            found.push(page.split("<tbody").nth(1).unwrap().matches("<tr ").count());
            let link = page.split("rel=\"next\" href=\"").nth(1);
            next = link.map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"));
        }
        assert_eq!(found, sizes, "{path}");
    }
    let both = browser.get("/alerts").await.body;
    assert_eq!((both.matches("<tr ").count(), both.matches("rel=\"next\"").count()), (202, 2), "200 and two heads");
}
