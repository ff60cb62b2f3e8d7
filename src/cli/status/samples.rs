//! The screen in its states, as the tests know it.

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    provider::{Cause, Endpoint, Provider},
    store::{
        connections::Status,
        levels::{Mails, Nearest, Orders, Tokens, Webhooks},
        orders,
        outages::Outage,
    },
};

fn now() -> DateTime<Utc> {
    "2026-11-21T22:30:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn tokens(provider: Provider, due: i64, renew_at: DateTime<Utc>) -> Tokens {
    Tokens { provider, due, renew_at: Some(renew_at), access_expires_at: Some(renew_at + TimeDelta::minutes(20)) }
}

fn levels() -> Levels {
    let nearest = |provider, days: i64| {
        Some(Nearest { provider, account: "Harbor Books".to_owned(), ends_at: ago(-86_400 * days) })
    };
    let orders = |status, count, oldest_at| Orders { status, count, oldest_at };
    Levels {
        connections: vec![
            (Provider::Quickbooks, Status::Connected, 5_012),
            (Provider::Hubspot, Status::Connected, 4_988),
        ],
        tokens: vec![tokens(Provider::Quickbooks, 0, ago(-250)), tokens(Provider::Hubspot, 2, ago(4))],
        window: nearest(Provider::Quickbooks, 71),
        hard_cap: nearest(Provider::Quickbooks, 1_411),
        orders: vec![orders(orders::Status::Queued, 12, Some(ago(40))), orders(orders::Status::Parked, 0, None)],
        alerts: Vec::new(),
        mails: Mails { waiting: 0, failing: 0, last_error: None },
        outages: Vec::new(),
        set_aside: 0,
        webhooks: Webhooks { waiting: 0, failing: 0, switched_off: 0 },
    }
}

fn daemon(works: bool) -> Daemon {
    Daemon {
        name: "books1/4711-ab12".to_owned(),
        installation_id: Uuid::nil(),
        host: "books1".to_owned(),
        started_at: ago(86_400 * 3),
        seen_at: ago(12),
        beats: 12_960,
        works,
        vault_key_ids: vec!["1f0e2d3c".to_owned()],
        active_vault_key: "1f0e2d3c".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

fn well() -> Facts {
    Facts {
        now: now(),
        live: vec![daemon(true)],
        latest: Some(daemon(true)),
        levels: levels(),
        lapsed: Vec::new(),
        failing: Vec::new(),
        faults: Vec::new(),
        held: Vec::new(),
        refused: Vec::new(),
        day: lists::Day { received: 1_480, queued: 12, parked: 0, settled: 3 },
        ending: lists::Ending { caps_90_days: 2, ..lists::Ending::default() },
        farewells: 0,
        next_poll: Some(ago(-20)),
        lateness_allowed: TimeDelta::minutes(7),
    }
}

fn broken(account: &str, provider: Provider, cause: Option<Cause>, seconds: i64) -> lists::Broken {
    let status = if cause.is_some() { Status::Lapsed } else { Status::Failing };
    lists::Broken { account: account.to_owned(), provider, status, cause, since: ago(seconds) }
}

/// Everything at once.
fn night() -> Facts {
    let mut facts = well();
    facts
        .levels
        .connections
        .extend([(Provider::Quickbooks, Status::Lapsed, 5), (Provider::Hubspot, Status::Failing, 1)]);
    facts.levels.tokens = vec![tokens(Provider::Quickbooks, 340, ago(3_000)), tokens(Provider::Hubspot, 0, ago(-60))];
    facts.lapsed = vec![
        broken("Harbor Books", Provider::Quickbooks, Some(Cause::Revoked), 7_000),
        broken(
            "Bücher & Söhne GmbH, with a name that goes on and on",
            Provider::Quickbooks,
            Some(Cause::ReplyLost),
            86_400,
        ),
        broken("Lighthouse Toys", Provider::Quickbooks, Some(Cause::SubscriptionLapsed), 86_400 * 9),
    ];
    facts.failing = vec![broken("Pier 9", Provider::Hubspot, None, 300)];
    facts.faults = vec![lists::Fault {
        kind: "operator_fault".to_owned(),
        provider: Some(Provider::Hubspot),
        detail: json!({ "rule": "invalid_client", "message": "HubSpot does not accept our client id or secret." }),
        opened_at: ago(900),
    }];
    facts.held = vec![(Provider::Quickbooks, 1_204), (Provider::Hubspot, 21)];
    let refused = |account: Option<&str>, seconds| lists::Refused {
        account: account.map(str::to_owned),
        detail: json!({ "message": "550 5.1.1 no such user here" }),
        since: ago(seconds),
    };
    facts.refused = vec![refused(Some("Lighthouse Toys"), 86_400 * 2), refused(None, 600)];
    facts.levels.alerts = vec![
        ("connection_lapsed".to_owned(), 5),
        ("operator_fault".to_owned(), 1),
        ("lapse_storm".to_owned(), 2),
        ("recipient_refused".to_owned(), 2),
    ];
    facts.levels.orders = vec![
        Orders { status: orders::Status::Queued, count: 1_204, oldest_at: Some(ago(9_000)) },
        Orders { status: orders::Status::Parked, count: 3, oldest_at: Some(ago(86_400 * 2)) },
    ];
    facts.levels.mails =
        Mails { waiting: 6, failing: 6, last_error: Some("the SMTP server did not take it: 451 later".to_owned()) };
    facts.levels.outages = vec![Outage {
        id: Uuid::nil(),
        provider: Provider::Quickbooks,
        endpoint: Endpoint::Api,
        opened_at: ago(8_000),
        evidence: "6 of 6 calls failed".to_owned(),
        canary_at: ago(-100),
        canaries: 9,
        closed_at: None,
    }];
    facts.levels.set_aside = 1;
    facts.levels.webhooks = Webhooks { waiting: 40, failing: 2, switched_off: 0 };
    facts.day = lists::Day { received: 2_900, queued: 1_204, parked: 3, settled: 0 };
    facts.ending = lists::Ending { windows_7_days: 1, windows_30_days: 4, caps_30_days: 2, caps_90_days: 5 };
    facts.farewells = 1;
    facts
}

fn shown(facts: &Facts) -> String {
    screen::screen(facts, &attention::items(facts), output::Paint::plain())
}

#[test]
fn it_reads_as_agreed_and_fits_the_terminal() {
    let down = Facts { live: Vec::new(), ..well() };
    let fenced = Facts { live: vec![daemon(false)], ..well() };
    let mut new = Facts { live: vec![daemon(true)], next_poll: None, day: lists::Day::default(), ..well() };
    new.levels = Levels { connections: Vec::new(), tokens: Vec::new(), window: None, hard_cap: None, ..levels() };
    new.levels.orders.iter_mut().for_each(|orders| (orders.count, orders.oldest_at) = (0, None));
    for (name, facts) in [("well", well()), ("night", night()), ("down", down), ("fenced", fenced), ("new", new)] {
        let text = shown(&facts);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80, "{name}: {widest}\n{text}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, text);
        });
    }
}

#[test]
fn colours_change_no_word() {
    let facts = night();
    let painted = screen::screen(&facts, &attention::items(&facts), output::Paint::full());
    let mut bare = String::new();
    let mut rest = painted.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        bare.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    bare.push_str(rest);
    assert_ne!(painted, bare);
    assert_eq!(bare, shown(&facts));
}

#[test]
fn what_sees_to_itself_wakes_nobody() {
    let state = |facts: &Facts| state(&attention::items(facts));
    assert_eq!(state(&well()), "well");
    let mut facts = well();
    facts.levels.outages = night().levels.outages;
    facts.levels.connections.push((Provider::Hubspot, Status::Failing, 3));
    assert_eq!(state(&facts), "watch");
    // Renewals that wait for the end of an outage of the token endpoint are not late.
    facts.levels.tokens = night().levels.tokens;
    assert_eq!(state(&facts), "act");
    facts.levels.outages[0].endpoint = Endpoint::Tokens;
    assert_eq!(state(&facts), "watch");
    let mut one_at_a_time: Vec<(&str, Facts)> = Vec::new();
    let night = night();
    let mut with = |id, change: fn(&mut Facts, &Facts)| {
        let mut facts = well();
        change(&mut facts, &night);
        one_at_a_time.push((id, facts));
    };
    with("daemon", |facts, _| facts.live.clear());
    with("fence", |facts, _| facts.live[0].works = false);
    with("keeper", |facts, night| facts.levels.tokens = night.levels.tokens.clone());
    with("fault", |facts, night| facts.faults = night.faults.clone());
    with("vault", |facts, _| facts.levels.set_aside = 1);
    with("held", |facts, night| facts.held = night.held.clone());
    with("refused", |facts, night| facts.refused = night.refused.clone());
    with("lapsed", |facts, night| facts.levels.connections = night.levels.connections.clone());
    with("parked", |facts, night| facts.levels.orders = night.levels.orders.clone());
    with("mail", |facts, night| facts.levels.mails = night.levels.mails.clone());
    with("webhooks", |facts, _| facts.levels.webhooks.switched_off = 1);
    with("farewells", |facts, _| facts.farewells = 1);
    with("windows", |facts, _| facts.ending.windows_7_days = 1);
    for (id, facts) in one_at_a_time {
        let items = attention::items(&facts);
        assert_eq!((items[0].id, super::state(&items)), (id, "act"));
        assert!(!items[0].remedy.is_empty());
    }
}
