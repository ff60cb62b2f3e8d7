//! What a person must know: one open row per incident, and its mails in the outbox, written together.

/// Pages of them, for programs.
pub mod listing;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::provider::Provider;

/// What people do about an incident.
pub mod by_hand;

/// Alerts as people see them.
mod reading;

/// Whether people were told.
pub mod told;

pub use self::reading::{Alert, get, named, of_operator, open_ones, open_page, over_page, recent};

/// What kind of incident an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = AlertKind)]
pub enum Kind {
    /// Only the owner can repair a connection.
    ConnectionLapsed,
    /// Our own deployment is at fault.
    OperatorFault,
    /// A provider is down for everybody.
    Outage,
    /// A stored token does not open.
    TokenSetAside,
    /// The database looks restored or copied.
    RestoreFence,
    /// The hard cap of a grant comes near.
    HardCapNear,
    /// Refresh windows at a provider run out and nothing renews them.
    RefreshWindowNear,
    /// Orders are parked and wait for the operator.
    OrdersParked,
    /// Orders of an account are parked for a reason that only its owner can put right.
    OrdersForOwner,
    /// So many connections lapsed at once that their owners are not mailed before somebody has looked.
    LapseStorm,
    /// The mail server takes no mail for an address.
    RecipientRefused,
    /// The mail server cannot be used.
    SmtpAway,
    /// An owner asked for a fresh link: no incident, but a mail like every other.
    LinkAsked,
}

impl Kind {
    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::ConnectionLapsed => "Connection lapsed",
            Self::OperatorFault => "Our own fault",
            Self::Outage => "Provider outage",
            Self::TokenSetAside => "Token set aside",
            Self::RestoreFence => "Restored database",
            Self::HardCapNear => "Permission runs out soon",
            Self::RefreshWindowNear => "Tokens run out unrenewed",
            Self::OrdersParked => "Orders parked",
            Self::OrdersForOwner => "Orders wait for their owner",
            Self::LapseStorm => "Very many lapses at once",
            Self::RecipientRefused => "Mail address refused",
            Self::SmtpAway => "Mail server cannot be used",
            Self::LinkAsked => "Fresh link asked for",
        }
    }

    /// Who is told: `owner` or `operator`.
    pub fn audience(self) -> &'static str {
        match self {
            Self::ConnectionLapsed | Self::HardCapNear | Self::OrdersForOwner | Self::LinkAsked => "owner",
            _ => "operator",
        }
    }
}

/// An incident as it begins.
#[derive(Debug)]
pub struct NewAlert<'a> {
    /// Names the incident: one open alert for each.
    pub incident: &'a str,
    /// Its kind.
    pub kind: Kind,
    /// The connection it is about.
    pub connection_id: Option<Uuid>,
    /// The provider it is about.
    pub provider: Option<Provider>,
    /// What its mails say beside what the tables say.
    pub detail: &'a Value,
    /// Who is mailed; nobody when absent.
    pub recipient: Option<&'a str>,
}

/// Opens an alert and queues its mail; `false` when the incident is open already, which notes that it was seen again.
///
/// # Errors
/// Database trouble.
pub async fn open(conn: &mut PgConnection, alert: &NewAlert<'_>, now: DateTime<Utc>) -> Result<bool, Error> {
    let (alert_id, mail_id) = (Uuid::now_v7(), Uuid::now_v7());
    let opened = sqlx::query_scalar!(
        r#"with opened as (
               insert into alerts (id, incident, kind, connection_id, provider, detail, opened_at, seen_at)
               values ($1, $2, $3, $4, $5, $6, $7, $7)
               on conflict (incident) where resolved_at is null do update set seen_at = $7
               returning id
           ), queued as (
               insert into mails (id, alert_id, step, recipient, send_at)
               select $8, id, 'opened', $9, $7 from opened where id = $1 and $9::text is not null
           )
           select count(*) as "count!" from opened where id = $1"#,
        alert_id,
        alert.incident,
        alert.kind as Kind,
        alert.connection_id,
        alert.provider as Option<Provider>,
        alert.detail,
        now,
        mail_id,
        alert.recipient
    )
    .fetch_one(conn)
    .await?;
    Ok(opened == 1)
}

/// Resolves an incident. A first mail that was not sent yet is dropped, because it would ask for what is done already; the
/// all-clear is queued to whoever was told, or may have been: a mail that was tried may have arrived whatever became of the
/// try. `false` when no alert is open.
///
/// # Errors
/// Database trouble.
pub async fn resolve(
    conn: &mut PgConnection,
    incident: &str,
    detail: &Value,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let mail_id = Uuid::now_v7();
    let resolved = sqlx::query_scalar!(
        r#"with resolved as (
               update alerts set resolved_at = $2, detail = detail || $3
               where incident = $1 and resolved_at is null returning id
           ), told as (
               select m.alert_id, m.recipient from mails m join resolved r on r.id = m.alert_id
               where m.step = 'opened' and m.attempts > 0
           ), dropped as (
               delete from mails m using resolved r
               where m.alert_id = r.id and m.step = 'opened' and m.sent_at is null
                 and (m.lease_until is null or m.lease_until < clock_timestamp())
           ), queued as (
               insert into mails (id, alert_id, step, recipient, send_at)
               select $4, alert_id, 'resolved', recipient, $2 from told
           )
           select count(*) as "count!" from resolved"#,
        incident,
        now,
        detail,
        mail_id
    )
    .fetch_one(conn)
    .await?;
    Ok(resolved == 1)
}

/// The open incidents of a kind at a provider that nobody has noticed since `quiet_since`.
///
/// # Errors
/// Database trouble.
pub async fn quiet_incidents(
    conn: &mut PgConnection,
    kind: Kind,
    provider: Provider,
    quiet_since: DateTime<Utc>,
) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar!(
        "select incident from alerts where resolved_at is null and kind = $1 and provider = $2 and seen_at < $3",
        kind as Kind,
        provider as Provider,
        quiet_since
    )
    .fetch_all(conn)
    .await?)
}

/// What somebody chose to end, and with it what is open about it.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    /// A connection, with all of its incidents.
    Connection(Uuid),
    /// What one incident is about.
    Incident(&'a str),
}

/// Closes everything that is open about something without another word: somebody chose to end it. Mails that were not sent
/// yet are dropped.
///
/// # Errors
/// Database trouble.
pub async fn close_silently(conn: &mut PgConnection, ended: Ended<'_>, now: DateTime<Utc>) -> Result<(), Error> {
    let (connection_id, incident) = match ended {
        Ended::Connection(id) => (Some(id), None),
        Ended::Incident(incident) => (None, Some(incident)),
    };
    sqlx::query!(
        "with closed as (
             update alerts set resolved_at = $2
             where (connection_id = $1 or incident = $3) and resolved_at is null returning id
         )
         delete from mails m using closed l
         where m.alert_id = l.id and m.sent_at is null and (m.lease_until is null or m.lease_until < clock_timestamp())",
        connection_id,
        now,
        incident
    )
    .execute(conn)
    .await?;
    Ok(())
}
