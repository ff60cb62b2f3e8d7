//! The screen in every state, as the tests know it.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser as _;
use serde_json::json;
use uuid::Uuid;

use super::screen;
use crate::{
    cli::Arguments,
    explain::order::{self as explain, Facts},
    provider::Cause,
    store::{
        attempts::Outcome,
        connections,
        order_log::dossier::{Attempt, Company, Dossier, Order, Outage, Revision},
        orders::Status,
    },
};

const ID: u128 = 0x019a_a8f0_0000_7000_8000_0000_0000_0b01;

fn now() -> DateTime<Utc> {
    "2026-11-21T22:30:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn order(status: Status) -> Order {
    Order {
        id: Uuid::from_u128(ID),
        account_id: Uuid::from_u128(0x019a_a8f0_0000_7000_8000_0000_0000_0001),
        account: "Harbor Books".to_owned(),
        owner_name: "Ada Harbor".to_owned(),
        owner_email: "ada@harborbooks.example".to_owned(),
        external_id: "480117203344".to_owned(),
        name: "Shop order #1001".to_owned(),
        total: Some("54.95".parse().unwrap()),
        currency: text("USD"),
        status,
        attempts: 0,
        last_message: None,
        remedy: None,
        document_number: "HS-480117203344".to_owned(),
        document_id: None,
        request_id: Uuid::from_u128(0x6f1d_4a52_8c1e_4a7b_9d3f_5b2e_77aa_0001),
        revision: "5f0c9a".to_owned(),
        content: json!({
            "name": "Shop order #1001", "external_number": "1001", "placed_on": "2026-11-21", "currency": "USD",
            "total": "54.95", "tax": "4.95", "shipping": "5.00",
            "customer": { "email": "rae@post.example", "given_name": "Rae", "family_name": "Reader", "company": null },
            "lines": [
                { "name": "Field guide", "sku": "GUIDE-1", "quantity": "2", "price": "20.00", "amount": "40.00" },
                { "name": "Gift wrap", "sku": null, "quantity": "1", "price": "5.00", "amount": "5.00" },
            ],
        }),
        modified_at: ago(700),
        received_at: ago(600),
        posted_at: None,
        skipped_at: None,
        pruned_at: None,
        ahead: 0,
    }
}

fn company() -> Company {
    Company {
        connection_id: Uuid::from_u128(0x019a_a8f0_0000_7000_8000_0000_0000_00aa),
        environment: "production".to_owned(),
        company_id: "4620816365212402417".to_owned(),
        company_name: "Harbor Books LLC".to_owned(),
        status: connections::Status::Connected,
        cause: None,
        status_changed_at: ago(86_400 * 3),
        renew_at: Some(ago(-1500)),
        resume_at: Some(ago(2)),
        failures: 0,
        worked_by: None,
        owner_told_at: None,
    }
}

fn revision(order: &Order) -> Revision {
    Revision {
        id: order.id,
        status: order.status,
        received_at: order.received_at,
        total: order.total,
        document_number: order.document_number.clone(),
        document_id: order.document_id.clone(),
        last_message: order.last_message.clone(),
    }
}

fn attempt(id: i64, started: i64, outcome: Outcome, said: (i32, &str, &str)) -> Attempt {
    let (status, code, message) = said;
    Attempt {
        id,
        daemon: "lamp-1/4711-a3f0".to_owned(),
        started_at: ago(started),
        finished_at: Some(ago(started) + TimeDelta::milliseconds(812)),
        outcome: Some(outcome),
        status: Some(status).filter(|status| *status > 0),
        code: text(code),
        message: text(message),
        remedy: None,
        correlation_id: (status > 0).then(|| format!("1-6560f{id:03x}-2b3c4d5e6f708192a3b4c5d6")),
    }
}

fn facts(order: Order) -> Facts {
    let revisions = vec![revision(&order)];
    Facts {
        dossier: Dossier { order, company: Some(company()), revisions, attempts: Vec::new(), outage: None },
        now: now(),
    }
}

fn queued() -> Facts {
    facts(order(Status::Queued))
}

fn show(name: &str, facts: &Facts) {
    let text = screen::lines(facts, Some(150)).join("\n");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
    for command in explain::commands(&facts.dossier) {
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
fn one_that_waits_for_its_turn() {
    let mut facts = queued();
    facts.dossier.order.ahead = 23;
    show("queued", &facts);
    facts.dossier.company.as_mut().unwrap().worked_by = text("lamp-2/99-00ff");
    show("queued_beside_a_worker", &facts);
    let mut late = queued();
    late.dossier.company.as_mut().unwrap().resume_at = Some(ago(400));
    show("queued_and_nobody_comes", &late);
}

#[test]
fn one_that_waits_for_quickbooks() {
    let mut facts = queued();
    facts.dossier.order.attempts = 2;
    facts.dossier.attempts = vec![
        attempt(70, 300, Outcome::Transient, (503, "", "Service Unavailable")),
        attempt(71, 200, Outcome::Unknown, (0, "no_reply", "QuickBooks took longer than half of orders.lease")),
    ];
    let company = facts.dossier.company.as_mut().unwrap();
    (company.resume_at, company.failures) = (Some(ago(-40)), 2);
    show("queued_in_a_pause", &facts);
    facts.dossier.outage =
        Some(Outage { opened_at: ago(600), evidence: "5 failures in a row".to_owned(), canary_at: ago(-20) });
    show("queued_in_an_outage", &facts);
    facts.dossier.attempts.push(Attempt {
        finished_at: None,
        outcome: None,
        ..attempt(72, 3, Outcome::Posted, (0, "", ""))
    });
    facts.dossier.outage = None;
    facts.dossier.company.as_mut().unwrap().worked_by = text("lamp-1/4711-a3f0");
    show("queued_and_under_way", &facts);
}

#[test]
fn one_that_waits_for_the_owner() {
    let mut facts = queued();
    let company = facts.dossier.company.as_mut().unwrap();
    (company.status, company.cause) = (connections::Status::Lapsed, Some(Cause::Revoked));
    (company.status_changed_at, company.resume_at) = (ago(7_200), None);
    show("queued_before_a_mail", &facts);
    facts.dossier.company.as_mut().unwrap().owner_told_at = Some(ago(7_100));
    show("queued_for_the_owner", &facts);
    let company = facts.dossier.company.as_mut().unwrap();
    (company.status, company.cause) = (connections::Status::Failing, None);
    show("queued_for_a_renewal", &facts);
    facts.dossier.company.as_mut().unwrap().status = connections::Status::Disconnected;
    show("queued_and_disconnected", &facts);
    facts.dossier.company = None;
    show("queued_without_a_company", &facts);
}

#[test]
fn one_that_a_person_must_look_at() {
    let words = "QuickBooks rejected create sales receipt: The account period has closed. (6210)";
    let remedy =
        "the period is closed in QuickBooks: reopen it or move the order's date, then change the order at its source";
    let mut parked = order(Status::Parked);
    (parked.attempts, parked.last_message, parked.remedy) = (1, text(words), text(remedy));
    let mut facts = facts(parked);
    let last = Attempt { remedy: text(remedy), ..attempt(70, 300, Outcome::Parked, (400, "6210", words)) };
    facts.dossier.attempts = vec![last];
    show("parked", &facts);
    facts.dossier.order.status = Status::Skipped;
    facts.dossier.order.skipped_at = Some(ago(60));
    facts.dossier.order.last_message = text("skipped by hand: the bookkeeper entered it herself");
    facts.dossier.order.remedy = None;
    show("skipped", &facts);
}

#[test]
fn one_that_is_settled() {
    let mut posted = order(Status::Posted);
    (posted.attempts, posted.document_id, posted.posted_at) = (2, text("145"), Some(ago(100)));
    let mut facts = facts(posted.clone());
    facts.dossier.attempts = vec![
        attempt(70, 300, Outcome::Unknown, (0, "reply_lost", "its reply never arrived whole")),
        attempt(71, 101, Outcome::Adopted, (0, "", "")),
    ];
    show("posted", &facts);
    let mut first = order(Status::Superseded);
    first.id = Uuid::from_u128(ID - 1);
    first.last_message = text("a later revision of this order took its place");
    let mut replaced = self::facts(first.clone());
    replaced.dossier.revisions = vec![revision(&first), revision(&posted)];
    show("superseded", &replaced);
    facts.dossier.attempts.clear();
    facts.dossier.order.pruned_at = Some(ago(50));
    facts.dossier.order.content = json!({});
    show("pruned", &facts);
}

#[test]
fn one_that_gives_way_to_a_later_revision() {
    let mut facts = queued();
    let mut later = order(Status::Queued);
    later.id = Uuid::from_u128(ID + 1);
    facts.dossier.revisions.push(revision(&later));
    facts.dossier.order.name = "Shop\u{1b}[31m order\n#1001".to_owned();
    facts.dossier.order.content = json!({ "lines": [{ "name": "\u{1b}[31mred" }] });
    show("queued_and_replaced", &facts);
}
