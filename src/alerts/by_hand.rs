//! What people do about an incident: they know of it, want to hear of it later, or say that it is over. The command line,
//! the pages and the API all come through here, so each deed is written down the same way, in its own transaction.
//!
//! It repairs nothing: what is wrong stays wrong until it is put right. What is looked at again and again cannot be said to
//! be over, because it would be opened again at once, and mailed again.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    provider::Provider,
    store::{
        self,
        alerts::{self, Alert, Kind, by_hand},
        audit_log::{self, Actor, Deed},
        connections,
    },
    words,
};

/// The fewest characters of an id that name an alert.
const FEWEST: usize = 6;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No alert has that id.
    #[error("there is no alert {0:?}: `lamplighter alert list --all` shows all of them")]
    Missing(String),
    /// Several alerts have it.
    #[error("more than one alert is called {0:?}: write more characters of its id")]
    Ambiguous(String),
    /// The incident has ended.
    #[error("this alert is over since {}: there is nothing to do about it", words::instant(*.0))]
    Over(DateTime<Utc>),
    /// It ends when its cause does.
    #[error("this alert cannot be resolved by hand: {0}")]
    EndsByItself(&'static str),
    /// The moment lies behind us.
    #[error("{} has passed: name a later moment", words::instant(*.0))]
    Passed(DateTime<Utc>),
    /// No storm is open there.
    #[error("no mail to owners at {} is held: there is nothing to release or drop", .0.title())]
    NothingHeld(Provider),
    /// It is about something else.
    #[error("this alert is not about mails that are held: there is nothing to release or drop")]
    HoldsNothing,
    /// The database does not work.
    #[error("the database failed")]
    Store(#[from] store::Error),
}

/// The alert that a person means: its id, or six or more characters of its beginning or end.
///
/// # Errors
/// None or several are called so; database trouble.
pub async fn find(conn: &mut PgConnection, text: &str) -> Result<Alert, Refused> {
    let part = text.trim().to_lowercase();
    if part.len() < FEWEST || !part.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        return Err(Refused::Missing(words::line(text, 80)));
    }
    let mut found = alerts::named(conn, &part).await?;
    match (found.pop(), found.is_empty()) {
        (Some(alert), true) => Ok(alert),
        (None, _) => Err(Refused::Missing(part)),
        (Some(_), false) => Err(Refused::Ambiguous(part)),
    }
}

/// What a person decides about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Somebody knows: nobody is reminded any more. The all-clear still comes.
    Acknowledge,
    /// Nobody is reminded before then.
    Snooze(DateTime<Utc>),
    /// It is over, because somebody says so. Nobody gets an all-clear, and what was not sent yet is not sent any more.
    Resolve,
}

/// Carries out what a person decided, and gives the alert as it is then.
///
/// # Errors
/// The incident is over, it would be opened again at once, or the moment has passed; database trouble.
pub async fn decide(
    conn: &mut PgConnection,
    id: Uuid,
    decision: Decision,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Alert, Refused> {
    let mut tx = conn.begin().await.map_err(store::Error::from)?;
    let alert = again(&mut tx, id).await?;
    if let Some(at) = alert.resolved_at {
        return Err(Refused::Over(at));
    }
    let by = actor.to_string();
    let (action, detail, is_news) = match decision {
        Decision::Acknowledge => ("alert.acknowledge", json!({}), by_hand::acknowledge(&mut tx, id, &by, now).await?),
        Decision::Snooze(until) if until <= now => return Err(Refused::Passed(until)),
        Decision::Snooze(until) => {
            ("alert.snooze", json!({ "until": until }), by_hand::snooze(&mut tx, id, until, &by).await?)
        }
        Decision::Resolve => {
            if let Some(how) = ends_by_itself(&alert) {
                return Err(Refused::EndsByItself(how));
            }
            ("alert.resolve", json!({}), by_hand::resolve(&mut tx, id, &by, now).await?)
        }
    };
    if is_news {
        write_down(&mut tx, &alert, action, detail, actor, now).await?;
    }
    tx.commit().await.map_err(store::Error::from)?;
    again(conn, id).await
}

/// How an incident ends that is looked at again and again; nothing for one that may be said to be over.
pub fn ends_by_itself(alert: &Alert) -> Option<&'static str> {
    match alert.kind {
        Kind::OperatorFault if alert.detail["spool_host"].is_string() => {
            Some("that host's spool is looked at every 20 seconds, and it ends when nothing is wrong there any more")
        }
        // Nobody sees that a mailbox which sent mail back takes it again.
        Kind::ConnectionLapsed | Kind::OperatorFault | Kind::Outage | Kind::RecipientRefused => None,
        Kind::RestoreFence => Some("work is held back until `lamplighter resume` lets it go on"),
        Kind::HardCapNear => Some("it ends when the owner reconnects; to stop the reminders, acknowledge or snooze it"),
        Kind::RefreshWindowNear => Some("it ends when renewals work; to stop the reminders, acknowledge or snooze it"),
        Kind::TokenSetAside => Some("it ends when the tokens open again; `lamplighter key list` shows what is missing"),
        Kind::OrdersParked | Kind::OrdersForOwner => Some(
            "it ends when no such order is parked: `lamplighter order retry` or `lamplighter order skip`; to stop the \
             mails, acknowledge or snooze it",
        ),
        Kind::LapseStorm => {
            Some("decide about the mails that are held: `lamplighter alert release PROVIDER`, or the same with --drop")
        }
        Kind::LinkAsked => Some("it is over already: it only stands for a mail that an owner asked for"),
        Kind::SmtpAway => Some("it ends with the first mail that goes through; `lamplighter alert test` sends one"),
    }
}

async fn again(conn: &mut PgConnection, id: Uuid) -> Result<Alert, Refused> {
    alerts::get(conn, id).await?.ok_or_else(|| Refused::Missing(id.to_string()))
}

async fn write_down(
    conn: &mut PgConnection,
    alert: &Alert,
    action: &str,
    mut detail: Value,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    detail["alert_id"] = json!(alert.id);
    detail["incident"] = json!(alert.incident);
    let account_id = match alert.connection_id {
        Some(id) => connections::get(conn, id).await?.map(|connection| connection.account_id),
        None => None,
    };
    let subject = match alert.about() {
        Some(about) => format!("{}: {about}", alert.title()),
        None => alert.title().to_owned(),
    };
    audit_log::record(conn, actor, &Deed { action, account_id, subject: &subject, detail }, now).await
}
