//! A deployment on a bad evening and one on its first day, as the tests of the pages know them.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    health::{Check, State},
    provider::Provider,
    store::connections::Status,
    web::pages::*,
};

pub(super) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_300_200, 0).unwrap_or_default()
}

fn ago(minutes: i64) -> DateTime<Utc> {
    now() - TimeDelta::minutes(minutes)
}

fn clock(gone: i64, left: i64) -> TokenClock {
    TokenClock::Runs { from: ago(gone), until: ago(-left) }
}

const DAY: i64 = 24 * 60;

fn connection(account: &str, provider: Provider, company: &str) -> ConnectionRow {
    let rolling = provider == Provider::Quickbooks;
    ConnectionRow {
        id: Uuid::nil(),
        account: account.to_owned(),
        provider,
        company: company.to_owned(),
        status: Status::Connected,
        reason: None,
        access: clock(18, 42),
        refresh: if rolling { clock(DAY, 99 * DAY) } else { TokenClock::Endless },
        hard_cap: if rolling { clock(400 * DAY, 1425 * DAY) } else { TokenClock::Endless },
        generation: 412,
        renew_at: Some(ago(-24)),
        verified_at: Some(ago(200)),
    }
}

fn connections() -> Vec<ConnectionRow> {
    vec![
        ConnectionRow {
            status: Status::Lapsed,
            reason: Some(
                "QuickBooks withdrew the permission (invalid_grant). The owner was mailed a reconnect link 2 h ago; 12 \
                 orders wait."
                    .to_owned(),
            ),
            access: TokenClock::Void,
            refresh: TokenClock::Void,
            hard_cap: TokenClock::Void,
            renew_at: None,
            ..connection("Harbor Books", Provider::Quickbooks, "Harbor Books LLC")
        },
        ConnectionRow {
            status: Status::Failing,
            reason: Some("5 renewals in a row got no answer in time. It is tried again by itself; the grant may be fine.".to_owned()),
            access: clock(56, 4),
            renew_at: Some(ago(-2)),
            generation: 77,
            ..connection("Nordlicht Keramik & Töchter", Provider::Quickbooks, "Nordlicht Keramik GmbH")
        },
        connection("Harbor Books", Provider::Hubspot, "harborbooks.example (8841207)"),
        connection("Nordlicht Keramik & Töchter", Provider::Hubspot, "nordlicht.example (5512099)"),
        connection("Tidewater Supply", Provider::Quickbooks, "Tidewater Supply Co."),
        ConnectionRow {
            status: Status::Disconnected,
            reason: Some("Disconnected on purpose by the operator.".to_owned()),
            access: TokenClock::Void,
            refresh: TokenClock::Void,
            hard_cap: TokenClock::Void,
            renew_at: None,
            ..connection("Tidewater Supply", Provider::Hubspot, "tidewater.example (7730415)")
        },
    ]
}

fn order(account: &str, number: &str, status: &str, tone: Tone, minutes: i64) -> OrderRow {
    OrderRow {
        id: Uuid::nil(),
        account: account.to_owned(),
        number: number.to_owned(),
        amount: Some("1,129.00 USD".to_owned()),
        status: status.to_owned(),
        tone,
        attempts: 1,
        document: (tone == Tone::Good).then(|| "SalesReceipt 10442".to_owned()),
        reason: None,
        updated_at: ago(minutes),
    }
}

fn check(id: &'static str, state: State, message: &str, remedy: Option<&str>) -> Check {
    Check { id, state, message: message.to_owned(), remedy: remedy.map(str::to_owned) }
}

fn open_alerts() -> Listing<AlertRow> {
    let row = AlertRow {
        id: Uuid::nil(),
        quiet: None,
        title: "Connection lapsed".to_owned(),
        subject: "Harbor Books: Harbor Books LLC".to_owned(),
        audience: "owner".to_owned(),
        opened_at: ago(120),
        closed_at: None,
        mail: "1 sent".to_owned(),
    };
    Listing::of(vec![row], 1)
}

fn past_alerts() -> Vec<AlertRow> {
    vec![AlertRow {
        id: Uuid::nil(),
        quiet: None,
        title: "Our own fault".to_owned(),
        subject: "HubSpot".to_owned(),
        audience: "operator".to_owned(),
        opened_at: ago(4 * DAY),
        closed_at: Some(ago(4 * DAY - 40)),
        mail: "2 sent".to_owned(),
    }]
}

fn parked() -> Listing<ParkedRow> {
    let row = ParkedRow {
        id: Uuid::from_u128(0x019a_a8f0_0000_7000_8000_0000_0000_0b01),
        account: "Tidewater Supply".to_owned(),
        number: "HS-20417".to_owned(),
        amount: Some("1,129.00 USD".to_owned()),
        code: Some("6210".to_owned()),
        words: "QuickBooks: the account period is closed.".to_owned(),
        remedy: Some("Reopen it or move the order's date, then retry.".to_owned()),
        received_at: ago(31),
    };
    Listing::of(vec![row], 7)
}

fn providers() -> Vec<ProviderRow> {
    let row = |name: &str, tone, state: &str, since: Option<DateTime<Utc>>| ProviderRow {
        name: name.to_owned(),
        tone,
        state: state.to_owned(),
        since,
        note: "began".to_owned(),
    };
    vec![row("QuickBooks", Tone::Warn, "out", Some(ago(26))), row("HubSpot", Tone::Good, "answers", None)]
}

/// Things go wrong, each in its own way.
pub(super) fn bad_evening() -> StatusPage {
    let harbor = "Harbor Books";
    StatusPage {
        refresh_seconds: Some(10),
        checks: vec![
            check("Database", State::Ok, "PostgreSQL 18 answers in 2 ms; migrations are current.", None),
            check("Keys", State::Ok, "2 keys; everything is sealed with the newest.", None),
            check(
                "Mail",
                State::Warn,
                "3 mails wait; the last try was refused by smtp.example:587.",
                Some("Check smtp.host and smtp.password_file, then run lamplighter doctor."),
            ),
            check("Clock", State::Ok, "0.2 s apart from the database.", None),
        ],
        connection_counts: ConnectionCounts { connected: 308, failing: 1, lapsed: 1, disconnected: 2 },
        connections: Listing::of(connections(), 312),
        has_accounts: true,
        unsettled: vec![("queued".into(), 60), ("parked".into(), 1)],
        orders: vec![
            OrderRow {
                attempts: 2,
                reason: Some(
                    "QuickBooks: the account period is closed (6210). Reopen it or move the date, then retry."
                        .to_owned(),
                ),
                ..order("Tidewater Supply", "HS-20417", "needs a person", Tone::Bad, 31)
            },
            OrderRow { attempts: 0, ..order(harbor, "HS-20433", "waiting", Tone::Quiet, 3) },
            OrderRow { attempts: 0, amount: None, ..order(harbor, "HS-20431", "waiting", Tone::Quiet, 12) },
            order("Nordlicht Keramik & Töchter", "HS-20430", "posted", Tone::Good, 14),
        ],
        parked: parked(),
        providers: providers(),
        open_alerts: open_alerts(),
        past_alerts: past_alerts(),
        outages: vec![OutageRow {
            name: "QuickBooks".to_owned(),
            opened_at: ago(26),
            closed_at: None,
            evidence: "6 of 6 calls from 4 companies failed within 2 min: HTTP 503 (5), no answer in time (1)."
                .to_owned(),
            probes: 7,
            next_probe_at: Some(ago(-4)),
        }],
        frame: Frame {
            links: vec![("Mailbox".to_owned(), "http://127.0.0.1:8081/mailbox".to_owned())],
            visitor: Some("ada".to_owned()),
            may_act: true,
            ..first_day().frame
        },
        ..first_day()
    }
}

/// Nothing is there yet.
pub(super) fn first_day() -> StatusPage {
    StatusPage {
        generated_at: now(),
        version: "0.1.0".to_owned(),
        refresh_seconds: None,
        checks: Vec::new(),
        connection_counts: ConnectionCounts::default(),
        connections: Listing::default(),
        has_accounts: false,
        unsettled: Vec::new(),
        parked: Listing::default(),
        providers: Vec::new(),
        orders: Vec::new(),
        needs: Needs::default(),
        open_alerts: Listing::default(),
        past_alerts: Vec::new(),
        outages: Vec::new(),
        charts: Vec::new(),
        frame: Frame {
            here: Here::Overview,
            visitor: None,
            may_act: false,
            form_token: String::new(),
            said: None,
            now: now(),
            links: Vec::new(),
        },
    }
}
