//! The screen in every state, as the tests know it.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser as _;
use serde_json::json;
use uuid::Uuid;

use super::screen;
use crate::{
    cli::Arguments,
    explain::connection::{self as explain, Facts},
    provider::{Cause, Endpoint, Provider},
    store::{
        alerts::Kind,
        connections::Status,
        dossiers::{Dossier, OpenOutage, Spend, Told},
        farewells::Farewell,
        mails::Step,
        spends::Outcome,
        tokens::TAKEOVER,
    },
};

const CAUSES: [(Cause, &str, &str, &str); 8] = [
    (Cause::Revoked, "refresh", "grant_dead", "invalid_grant"),
    (Cause::InactivityExpired, "refresh", "grant_dead", "invalid_grant"),
    (Cause::HardCapReached, "refresh", "grant_dead", "invalid_grant"),
    (Cause::ReplyLost, "refresh", "grant_dead", "invalid_grant"),
    (Cause::Replaced, "refresh", "grant_dead", "invalid_grant"),
    (Cause::PermissionLost, "create sales receipt", "rights_lost", "120"),
    (Cause::SubscriptionLapsed, "create sales receipt", "subscription_lapsed", "6190"),
    (Cause::PortalDeleted, "refresh", "portal_deleted", "BAD_HUB"),
];

fn now() -> DateTime<Utc> {
    "2026-11-21T22:30:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn dossier(provider: Provider) -> Dossier {
    let quickbooks = provider == Provider::Quickbooks;
    let only = |at: DateTime<Utc>| quickbooks.then_some(at);
    Dossier {
        id: Uuid::from_u128(0x019a_a8f0_0000_7000_8000_0000_0000_00aa),
        account_id: Uuid::from_u128(0x019a_a8f0_0000_7000_8000_0000_0000_0001),
        account: "Harbor Books".to_owned(),
        owner_name: "Ada Harbor".to_owned(),
        owner_email: "ada@harborbooks.example".to_owned(),
        provider,
        environment: "production".to_owned(),
        company_id: if quickbooks { "4620816365212402417" } else { "62515" }.to_owned(),
        company_name: if quickbooks { "Harbor Books LLC" } else { "harborbooks.example" }.to_owned(),
        status: Status::Connected,
        cause: None,
        evidence: None,
        status_changed_at: ago(86_400 * 3),
        connected_at: ago(86_400 * 3),
        generation: 12,
        renewed_at: ago(720),
        renew_at: Some(ago(-1500)),
        failures: 0,
        access_expires_at: ago(720 - 3600),
        refresh_expires_at: only(ago(720 - 86_400 * 100)),
        refresh_hard_expires_at: only(ago(-86_400 * 1500)),
        issued_to: "production/ABx7client".to_owned(),
        leased_by: None,
        lease_ends_in: None,
        waiting_orders: 0,
        lane_resume_at: None,
        verified_at: Some(ago(1800)),
        probe_at: Some(ago(-7200)),
        poll_at: (!quickbooks).then(|| ago(-120)),
    }
}

fn spend(id: i64, generation: i64, started: i64, outcome: Outcome, said: (&str, i32, &str)) -> Spend {
    let (rule, status, code) = said;
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Spend {
        id,
        generation,
        started_at: ago(started),
        finished_at: Some(ago(started) + TimeDelta::milliseconds(340)),
        outcome: Some(outcome),
        rule: text(rule),
        status: Some(status).filter(|status| *status > 0),
        code: text(code),
        correlation_id: (status > 0).then(|| format!("1-6560f{id:03x}-2b3c4d5e6f708192a3b4c5d6")),
        daemon: "lamp-1/4711-a3f0".to_owned(),
    }
}

fn facts(provider: Provider) -> Facts {
    Facts {
        connection: dossier(provider),
        spends: vec![
            spend(42, 11, 720, Outcome::Renewed, ("", 200, "")),
            spend(41, 10, 2900, Outcome::Renewed, ("spooled", 200, "")),
        ],
        told: Vec::new(),
        outages: Vec::new(),
        farewell: None,
        probes: true,
        now: now(),
    }
}

fn failing(outcome: Outcome, said: (&str, i32, &str)) -> Facts {
    let mut facts = facts(Provider::Quickbooks);
    facts.spends.insert(0, spend(43, 12, 30, outcome, said));
    facts.connection.renew_at = Some(ago(-90));
    facts
}

fn told(kind: Kind, step: Step) -> Told {
    Told {
        kind,
        opened_at: ago(30),
        resolved_at: None,
        message: None,
        step: Some(step),
        send_at: Some(ago(30)),
        sent_at: None,
        last_error: None,
    }
}

fn show(name: &str, facts: &Facts) {
    let text = screen::lines(facts, Some(150)).join("\n");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
    for command in explain::commands(facts) {
        // Every other piece stands between quotes.
        let pieces = command.split('"').enumerate().flat_map(|(n, piece)| match n % 2 {
            0 => piece.split_whitespace().map(str::to_owned).collect(),
            _ => vec![piece.to_owned()],
        });
        let parsed = Arguments::try_parse_from(pieces.collect::<Vec<_>>());
        assert!(parsed.is_ok(), "{command} is no command: {parsed:?}");
    }
}

#[test]
fn one_that_works() {
    let mut quickbooks = facts(Provider::Quickbooks);
    quickbooks.connection.waiting_orders = 12;
    quickbooks.connection.lane_resume_at = Some(ago(-5));
    show("connected_quickbooks", &quickbooks);
    quickbooks.connection.refresh_hard_expires_at = Some(ago(-86_400 * 20));
    quickbooks.told.push(Told { sent_at: Some(ago(86_400 * 10)), ..told(Kind::HardCapNear, Step::Opened) });
    show("connected_near_its_hard_cap", &quickbooks);
    show("connected_hubspot", &facts(Provider::Hubspot));
    let mut new = facts(Provider::Quickbooks);
    new.spends.clear();
    new.connection.renewed_at = new.connection.connected_at;
    new.connection.verified_at = None;
    new.probes = false;
    show("connected_new", &new);
}

#[test]
fn one_that_is_being_renewed() {
    let mut leased = facts(Provider::Quickbooks);
    leased.connection.leased_by = Some("lamp-2/99-00ff".to_owned());
    leased.connection.lease_ends_in = Some(41.2);
    leased.connection.renew_at = Some(ago(3));
    let open = Spend { finished_at: None, outcome: None, ..spend(43, 12, 2, Outcome::Renewed, ("", 0, "")) };
    leased.spends.insert(0, open);
    show("leased", &leased);
    leased.connection.lease_ends_in = Some(-3.0);
    show("abandoned", &leased);
    leased.connection.leased_by = Some(TAKEOVER.to_owned());
    leased.connection.lease_ends_in = Some(6.0);
    show("taken_over", &leased);
}

#[test]
fn one_that_fails() {
    let mut facts = failing(Outcome::Transient, ("server_error", 503, ""));
    facts.connection.status = Status::Failing;
    facts.connection.failures = 3;
    facts.connection.waiting_orders = 1;
    show("failing", &facts);
    facts.outages.push(OpenOutage {
        endpoint: Endpoint::Tokens,
        opened_at: ago(600),
        evidence: "5 failures in a row; the last: QuickBooks answered 503 to refresh".to_owned(),
        canary_at: ago(-20),
    });
    show("failing_in_an_outage", &facts);
    let mut unanswered = failing(Outcome::Unknown, ("reply_lost", 0, ""));
    unanswered.connection.status = Status::Failing;
    unanswered.connection.failures = 1;
    show("failing_unanswered", &unanswered);
}

#[test]
fn one_that_only_its_owner_can_repair() {
    for (cause, operation, rule, code) in CAUSES {
        let provider = if cause == Cause::PortalDeleted { Provider::Hubspot } else { Provider::Quickbooks };
        let mut facts = facts(provider);
        facts.spends.insert(0, spend(43, 12, 30, Outcome::DeadGrant, (rule, 400, code)));
        facts.connection.status = Status::Lapsed;
        facts.connection.cause = Some(cause);
        facts.connection.status_changed_at = ago(30);
        facts.connection.renew_at = None;
        facts.connection.waiting_orders = 12;
        facts.connection.evidence = Some(json!({
            "operation": operation, "rule": rule, "status": 400, "code": code,
            "correlation_id": "1-6560f02b-2b3c4d5e6f708192a3b4c5d6", "generation": 12, "judged_at": ago(30),
        }));
        let mail = told(Kind::ConnectionLapsed, Step::Opened);
        facts.told.push(match cause {
            Cause::Revoked => Told { sent_at: Some(ago(28)), ..mail },
            Cause::ReplyLost => Told {
                send_at: Some(ago(-45)),
                last_error: Some("the SMTP server did not take it: Connection refused (os error 111)".to_owned()),
                ..mail
            },
            _ => mail,
        });
        show(&format!("lapsed_{}", format!("{cause:?}").to_lowercase()), &facts);
    }
}

#[test]
fn one_that_somebody_ended() {
    let mut facts = facts(Provider::Quickbooks);
    facts.connection.status = Status::Disconnected;
    facts.connection.status_changed_at = ago(3600);
    facts.connection.renew_at = None;
    facts.connection.generation = 13;
    facts.connection.waiting_orders = 4;
    let farewell = Farewell {
        begun_at: ago(3600),
        attempts: 2,
        tried_at: Some(ago(60)),
        given_back_at: None,
        status: Some(503),
        rule: Some("server_error".to_owned()),
        code: None,
        correlation_id: Some("1-6560f02b-2b3c4d5e6f708192a3b4c5d6".to_owned()),
    };
    facts.farewell = Some(farewell.clone());
    show("disconnected_but_alive", &facts);
    facts.farewell = Some(Farewell { status: None, rule: None, correlation_id: None, ..farewell.clone() });
    show("disconnected_and_crashed", &facts);
    facts.farewell = Some(Farewell { given_back_at: Some(ago(60)), status: Some(200), rule: None, ..farewell });
    show("disconnected", &facts);
}

#[test]
fn one_that_we_ourselves_hold_up() {
    let mut ours = failing(Outcome::OperatorFault, ("client_refused", 401, "invalid_client"));
    ours.told.push(Told { sent_at: Some(ago(29)), ..told(Kind::OperatorFault, Step::Opened) });
    show("operator_fault", &ours);
    let mut aside = failing(Outcome::SetAside, ("vault", 0, ""));
    let words = "sealed with the vault key deadbeef, which the keys file does not hold: add that key to the file again";
    aside.told.push(Told {
        step: None,
        send_at: None,
        message: Some(words.to_owned()),
        ..told(Kind::TokenSetAside, Step::Opened)
    });
    aside.connection.renew_at = Some(ago(500));
    show("set_aside", &aside);
}
