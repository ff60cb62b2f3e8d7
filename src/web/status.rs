//! The overview: one look at everything, what needs attention first.

use axum::response::Response;
use sqlx::PgConnection;

use super::{
    Error,
    dashboard::{Desk, alert_rows},
    pages::{
        ConnectionCounts, ConnectionRow, Here, Listing, Needs, OrderRow, OutageRow, ParkedRow, ProviderRow, SpendRow,
        StatusPage, TokenClock, Tone,
    },
};
use crate::{
    health::Depth,
    provider::Provider,
    store::{
        self, accounts,
        alerts::{
            self, Kind,
            told::{self, Lapse},
        },
        connections::{self, Status},
        mails, order_log, orders, outages, spends,
    },
};

/// Of each kind: each has a page of its own, and whoever looks here wants to know where to look.
const ROWS: i64 = 10;
const REFRESH_SECONDS: u32 = 10;

/// Shows it.
pub(super) async fn page(desk: Desk) -> Result<Response, Error> {
    let web = &desk.web;
    let checks = web.health.checks(Depth::Quick).await;
    let mut page = StatusPage {
        generated_at: desk.now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        refresh_seconds: Some(REFRESH_SECONDS),
        checks,
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
        charts: web.trends.charts(&web.pool, desk.now()).await?,
        frame: desk.frame(Here::Overview),
    };
    fill(&mut page, &mut *web.pool.acquire().await?).await?;
    Ok(desk.show(&page))
}

async fn fill(page: &mut StatusPage, conn: &mut PgConnection) -> Result<(), store::Error> {
    let counts = connections::count_by_status(conn).await?;
    let with = |status| counts.iter().filter(|(_, s, _)| *s == status).map(|(_, _, n)| n.unsigned_abs()).sum();
    page.connection_counts = ConnectionCounts {
        connected: with(Status::Connected),
        failing: with(Status::Failing),
        lapsed: with(Status::Lapsed),
        disconnected: with(Status::Disconnected),
    };
    let all_connections = counts.iter().map(|(_, _, n)| n.unsigned_abs()).sum();
    let overview = connections::overview(conn, ROWS).await?;
    let lapsed = overview.iter().filter(|row| row.status == Status::Lapsed).map(|row| row.id).collect::<Vec<_>>();
    let told = told::of_lapsed(conn, &lapsed).await?;
    let rows = overview.iter().map(|row| connection_row(row, told.iter().find(|one| one.connection_id == row.id)));
    page.connections = Listing::of(rows.collect(), all_connections);
    page.has_accounts = all_connections > 0 || accounts::any(conn).await?;
    let unsettled = order_log::count_unsettled(conn).await?;
    page.unsettled = unsettled.iter().map(|(status, n)| (status.as_str().to_owned(), n.unsigned_abs())).collect();
    let parked = order_log::Filter { statuses: vec![orders::Status::Parked], ..order_log::Filter::default() };
    let parked_in_all =
        unsettled.iter().filter(|(status, _)| *status == orders::Status::Parked).map(|(_, n)| n.unsigned_abs());
    let rows = order_log::list(conn, &parked, None, ROWS).await?;
    page.parked = Listing::of(rows.into_iter().map(parked_row).collect(), parked_in_all.sum());
    let used: Vec<Provider> =
        Provider::ALL.into_iter().filter(|p| counts.iter().any(|(used, _, _)| used == p)).collect();
    page.providers = outages::standing(conn, &used).await?.into_iter().map(provider_row).collect();
    let recent = order_log::list(conn, &order_log::Filter::default(), None, ROWS).await?;
    page.orders = recent.into_iter().map(order_row).collect();
    page.outages = outages::open_ones(conn).await?.into_iter().map(outage_row).collect();
    fill_alerts(page, conn).await
}

/// What is open: first what the operator is told of, because nobody else looks after it.
async fn fill_alerts(page: &mut StatusPage, conn: &mut PgConnection) -> Result<(), store::Error> {
    let now = page.generated_at;
    let open = told::open(conn, now).await?;
    let mut rows = alerts::of_operator(conn, ROWS).await?;
    let counted_elsewhere = [Kind::Outage, Kind::OrdersParked, Kind::LapseStorm];
    let first = rows.iter().find(|alert| !alert.is_quiet(now) && !counted_elsewhere.contains(&alert.kind));
    page.needs = Needs {
        pressing: open.pressing,
        first: first.map(|alert| match alert.about() {
            Some(about) => format!("{}: {about}", alert.title()),
            None => alert.title().to_owned(),
        }),
        known: open.known,
        held: mails::held(conn).await?.into_iter().map(|(_, count)| count).sum(),
    };
    if rows.len() < usize::try_from(ROWS).unwrap_or(usize::MAX) {
        let others = alerts::open_ones(conn, ROWS).await?;
        rows.extend(others.into_iter().filter(|alert| alert.kind.audience() == "owner"));
        rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    }
    page.open_alerts = Listing::of(alert_rows(conn, rows, now).await?, open.all);
    let past = alerts::over_page(conn, None, ROWS).await?;
    page.past_alerts = alert_rows(conn, past, now).await?;
    Ok(())
}

/// `told` is how the mails about its lapse stand, if it has lapsed and that is not over for its owner.
fn connection_row(row: &connections::Overview, told: Option<&Lapse>) -> ConnectionRow {
    let clock = |until| TokenClock::of(row.status, row.provider, row.renewed_at, until);
    let reason = match (row.status, row.cause) {
        (Status::Lapsed, Some(cause)) => {
            let told = told.map_or_else(|| "its alert was closed by hand".to_owned(), |lapse| lapse.told.of_owner());
            Some(format!("{}: {told}", cause.as_str()))
        }
        (Status::Failing, _) => Some(format!(
            "{} in a row; tried again by itself",
            crate::words::count(u64::try_from(row.failures).unwrap_or(0), "failed renewal")
        )),
        _ => None,
    };
    ConnectionRow {
        id: row.id,
        account: row.account.clone(),
        provider: row.provider,
        company: row.company_name.clone(),
        status: row.status,
        reason,
        access: clock(Some(row.access_expires_at)),
        refresh: clock(row.refresh_expires_at),
        hard_cap: clock(row.refresh_hard_expires_at),
        generation: row.generation,
        renew_at: row.renew_at,
        verified_at: row.verified_at,
    }
}

fn order_row(row: order_log::Overview) -> OrderRow {
    let tone = match row.status {
        orders::Status::Posted => Tone::Good,
        orders::Status::Queued if row.last_message.is_some() => Tone::Warn,
        orders::Status::Parked => Tone::Bad,
        orders::Status::Queued | orders::Status::Superseded | orders::Status::Skipped => Tone::Quiet,
    };
    let reason = row.last_message.filter(|_| row.status != orders::Status::Posted);
    OrderRow {
        id: row.id,
        account: row.account,
        number: row.name,
        amount: row.total.map(|total| format!("{total} {}", row.currency.as_deref().unwrap_or("")).trim().to_owned()),
        status: row.status.as_str().to_owned(),
        tone,
        attempts: u64::try_from(row.attempts).unwrap_or(0),
        document: row.document_id.map(|_| row.document_number),
        reason: reason.map(|reason| match row.remedy {
            Some(remedy) => format!("{reason}. To do: {remedy}"),
            None => reason,
        }),
        updated_at: row.posted_at.unwrap_or(row.received_at),
    }
}

fn parked_row(row: order_log::Overview) -> ParkedRow {
    ParkedRow {
        id: row.id,
        account: row.account,
        number: row.name,
        amount: row.total.map(|total| format!("{total} {}", row.currency.as_deref().unwrap_or("")).trim().to_owned()),
        code: row.code,
        words: row.last_message.unwrap_or_else(|| "it needs a person".to_owned()),
        remedy: row.remedy,
        received_at: row.received_at,
    }
}

/// A provider that is out, that has failed in a row but not for everybody, or that answers.
fn provider_row(row: outages::Standing) -> ProviderRow {
    let failures = || crate::words::count(u64::try_from(row.failures).unwrap_or(0), "failure");
    let (tone, state, since, note) = match (row.out_since, row.failing_since, row.back_since) {
        (Some(since), ..) => (Tone::Warn, "out", Some(since), "began".to_owned()),
        (None, Some(since), _) => (Tone::Warn, "doubtful", Some(since), format!("{} in a row, the first", failures())),
        (None, None, Some(back)) => (Tone::Good, "answers", Some(back), "back since".to_owned()),
        (None, None, None) => (Tone::Good, "answers", None, String::new()),
    };
    ProviderRow { name: row.endpoint.title(row.provider), tone, state: state.to_owned(), since, note }
}

pub(super) fn spend_row(row: spends::Spend) -> SpendRow {
    use spends::Outcome;
    let tone = match row.outcome {
        Some(Outcome::Renewed) => Tone::Good,
        Some(Outcome::DeadGrant | Outcome::OperatorFault | Outcome::SetAside) => Tone::Bad,
        Some(Outcome::Transient | Outcome::Unknown) => Tone::Warn,
        Some(Outcome::Adopted | Outcome::Discarded) | None => Tone::Quiet,
    };
    let outcome = row.outcome.map_or("open", Outcome::as_str);
    SpendRow {
        at: row.started_at,
        account: row.account,
        provider: row.provider,
        generation: row.generation,
        outcome: row.code.map_or_else(|| outcome.to_owned(), |code| format!("{outcome} ({code})")),
        tone,
        holder: row.daemon,
        correlation_id: row.correlation_id,
    }
}

pub(super) fn outage_row(row: outages::Outage) -> OutageRow {
    OutageRow {
        name: row.endpoint.title(row.provider),
        opened_at: row.opened_at,
        closed_at: row.closed_at,
        evidence: row.evidence,
        probes: u64::try_from(row.canaries).unwrap_or(0),
        next_probe_at: row.closed_at.is_none().then_some(row.canary_at),
    }
}
