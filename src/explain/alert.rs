//! Everything about one incident: what happened, what to do about it, what happens by itself, who was told and what was
//! done. Its mails say the same to those who get mails; whoever has a browser alone must not know less.

mod said;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::said::{Said, said};
use crate::{
    provider::Provider,
    store::{
        self,
        accounts::{self, Account},
        alerts::{
            self, Alert, Kind,
            told::{self, Told},
        },
        audit_log::{self, Entry},
        digests,
        mails::{self, Sent, Step as Moment},
        order_log,
        set_asides::{self, Resting},
        storms::{self, Strength},
        warnings,
    },
    words,
};

/// The most deeds that are shown.
const DEEDS: i64 = 50;
/// The most companies that are named.
const NAMED: i64 = 5;

/// Everything that is known.
#[derive(Debug)]
pub struct Facts {
    /// The alert.
    pub alert: Alert,
    /// Its mails, the earliest first.
    pub mails: Vec<Sent>,
    /// How they stand.
    pub told: Told,
    /// What was done about it by hand, the last one first.
    pub deeds: Vec<Entry>,
    /// Whose it is, if it is an account's.
    pub account: Option<Account>,
    /// What its kind has beside that.
    pub more: More,
    /// The moment that is spoken of.
    pub now: DateTime<Utc>,
}

/// How what an incident is about stands today.
#[derive(Debug)]
pub enum More {
    /// There is no more.
    Nothing,
    /// Orders that are parked, or that wait until an outage is over.
    Orders(u64),
    /// A storm.
    Storm(Strength),
    /// Tokens that do not open.
    Tokens(Resting),
    /// When a grant ends.
    Cap(Option<DateTime<Utc>>),
}

/// Reads everything about an alert; nothing when there is none.
///
/// # Errors
/// Database trouble.
pub async fn gather(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<Option<Facts>, store::Error> {
    let Some(alert) = alerts::get(conn, id).await? else { return Ok(None) };
    let mails = mails::of_alert(conn, id).await?;
    let told = told::of(conn, &[id]).await?.pop().map(|(_, told)| told).unwrap_or_default();
    let deeds = audit_log::of_alert(conn, id, DEEDS).await?;
    let account = match alert.connection_id {
        Some(connection_id) => Some(accounts::of_connection(conn, connection_id).await?),
        None => None,
    };
    let more = more(conn, &alert).await?;
    Ok(Some(Facts { alert, mails, told, deeds, account, more, now }))
}

async fn more(conn: &mut PgConnection, alert: &Alert) -> Result<More, store::Error> {
    Ok(match alert.kind {
        Kind::OrdersParked => More::Orders(digests::parked(conn).await?.count.unsigned_abs()),
        Kind::Outage => More::Orders(order_log::count_waiting(conn, None).await?.unsigned_abs()),
        Kind::LapseStorm => {
            let since = serde_json::from_value(alert.detail["since"].clone()).unwrap_or(alert.opened_at);
            let provider = alert.provider.unwrap_or(Provider::Quickbooks);
            More::Storm(storms::strength(conn, provider, since).await?)
        }
        Kind::TokenSetAside => More::Tokens(set_asides::resting(conn, alert.detail["key_id"].as_str(), NAMED).await?),
        Kind::HardCapNear => match alert.connection_id {
            Some(id) => More::Cap(warnings::open_cap(conn, id).await?.map(|cap| cap.ends_at.unwrap_or(cap.told_end))),
            None => More::Cap(None),
        },
        _ => More::Nothing,
    })
}

/// What was seen, as labels and values.
pub fn evidence(facts: &Facts) -> Vec<(&'static str, String)> {
    let detail = &facts.alert.detail;
    // A lapse keeps its evidence as it was judged; the others keep it among the rest.
    let inner = if detail["evidence"].is_object() { &detail["evidence"] } else { detail };
    let text = |name: &str| inner[name].as_str().filter(|text| !text.is_empty()).map(|text| words::line(text, 300));
    let number = |name: &str| inner[name].as_i64().map(|n| n.to_string());
    let judged_at = serde_json::from_value::<DateTime<Utc>>(inner["judged_at"].clone()).ok().map(words::instant);
    let seen = [
        ("Message", text("message")),
        ("What was seen", text("evidence").or_else(|| text("words"))),
        ("Rule", text("rule")),
        ("Answer to", text("operation")),
        ("HTTP status", number("status")),
        ("Provider’s code", text("code")),
        ("Provider’s reference", text("correlation_id")),
        ("Generation", number("generation")),
        ("Judged", judged_at),
        ("Second look", inner["second_look"]["rule"].as_str().map(|rule| words::line(rule, 80))),
        ("Vault key", text("key_id")),
        ("Host", text("spool_host").or_else(|| text("webhook_host"))),
        ("Directory", text("spool_directory")),
        ("Webhook", text("webhook_id")),
        ("What it told", text("event")),
        ("Seen by", text("daemon")),
    ];
    seen.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}

/// Which of an alert's mails it is.
pub fn moment(mail: &Sent) -> String {
    match (mail.step, mail.number) {
        (Moment::Opened, _) => "first mail".to_owned(),
        (Moment::Resolved, _) => "all-clear".to_owned(),
        (Moment::LastCall, _) => "last call".to_owned(),
        (Moment::Reminder, 0) => "reminder".to_owned(),
        (Moment::Reminder, number) => format!("reminder {number}"),
    }
}

/// How a mail stands.
pub fn standing(facts: &Facts, mail: &Sent) -> String {
    if let Some(at) = mail.sent_at {
        return format!("sent {}", super::moment(at, facts.now));
    }
    if facts.told.held > 0 && mail.step != Moment::Resolved {
        return "held, until somebody decides about the storm".to_owned();
    }
    let due = words::until(mail.send_at, facts.now);
    match &mail.last_error {
        Some(error) => {
            let tries = words::count(u64::try_from(mail.attempts).unwrap_or(0), "attempt");
            format!("not sent after {tries}, again {due}: {}", words::line(error, 200))
        }
        None if mail.send_at <= facts.now => "on its way".to_owned(),
        None => format!("due {due}"),
    }
}
