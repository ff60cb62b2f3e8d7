//! Whether people were told of an incident. A mail that is queued was not sent, one that is held may never be, and one that
//! the server does not take has reached nobody: nothing says "mailed" that was not.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::words;

/// How many characters of a server's words are repeated.
const ERROR: usize = 160;

/// How the mails of an alert stand.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// How many were handed over.
    pub sent: i64,
    /// When the last one was.
    pub sent_at: Option<DateTime<Utc>>,
    /// How many wait to be sent.
    pub waiting: i64,
    /// How many of a storm are held until somebody decides.
    pub held: i64,
    /// What the server said last of those that wait.
    pub last_error: Option<String>,
}

impl Told {
    /// In a few words.
    pub fn in_short(&self) -> String {
        let mut said = Vec::new();
        if self.sent > 0 {
            said.push(format!("{} sent", self.sent));
        }
        if self.held > 0 {
            said.push(format!("{} held", self.held));
        }
        if self.waiting > 0 {
            let error = self.last_error.as_deref().map(|error| format!(": {}", words::line(error, ERROR)));
            said.push(format!("{} waiting{}", self.waiting, error.unwrap_or_default()));
        }
        if said.is_empty() { "no mail".to_owned() } else { said.join(", ") }
    }

    /// Whether the owner of a lapsed connection knows, as a part of a sentence.
    pub fn of_owner(&self) -> String {
        if self.sent > 0 {
            return "the owner was mailed a reconnect link".to_owned();
        }
        if self.held > 0 {
            return "the owner’s mail is held until somebody decides, because very many lapsed at once".to_owned();
        }
        match (self.waiting > 0, &self.last_error) {
            (true, Some(error)) => format!(
                "the owner does not know yet, their mail was not taken: {}. It is tried again",
                words::line(error, ERROR).trim_end_matches('.')
            ),
            (true, None) => "the owner’s mail is on its way".to_owned(),
            (false, _) => "the owner was not mailed".to_owned(),
        }
    }
}

/// How the mails of these alerts stand; an alert without mails is left out.
///
/// # Errors
/// Database trouble.
pub async fn of(conn: &mut PgConnection, alert_ids: &[Uuid]) -> Result<Vec<(Uuid, Told)>, Error> {
    let rows = sqlx::query!(
        r#"select m.alert_id, count(m.sent_at) as "sent!", max(m.sent_at) as sent_at,
                  count(*) filter (where m.sent_at is null and not held) as "waiting!",
                  count(*) filter (where held) as "held!",
                  (array_agg(m.last_error order by m.send_at desc)
                   filter (where m.sent_at is null and m.last_error is not null))[1] as last_error
           from mails m
                cross join lateral (select m.sent_at is null and exists (select from held_mails h where h.id = m.id) as held) h
           where m.alert_id = any($1) group by m.alert_id"#,
        alert_ids
    )
    .fetch_all(conn)
    .await?;
    let told = rows.into_iter().map(|row| {
        let (sent, waiting, held) = (row.sent, row.waiting, row.held);
        (row.alert_id, Told { sent, sent_at: row.sent_at, waiting, held, last_error: row.last_error })
    });
    Ok(told.collect())
}

/// What was told of a connection that has lapsed.
#[derive(Clone, Debug)]
pub struct Lapse {
    /// The connection.
    pub connection_id: Uuid,
    /// How its mails stand.
    pub told: Told,
}

/// What was told of these connections, of those of which an alert about a lapse is open.
///
/// # Errors
/// Database trouble.
pub async fn of_lapsed(conn: &mut PgConnection, connection_ids: &[Uuid]) -> Result<Vec<Lapse>, Error> {
    let incidents: Vec<_> = connection_ids.iter().map(|id| format!("connection_lapsed/{id}")).collect();
    let alerts = sqlx::query!(
        r#"select id, connection_id as "connection_id!" from alerts
           where resolved_at is null and incident = any($1) and connection_id is not null"#,
        &incidents
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<_> = alerts.iter().map(|alert| alert.id).collect();
    let told = of(conn, &ids).await?;
    let of_one = |id| told.iter().find(|(one, _)| *one == id).map(|(_, told)| told.clone()).unwrap_or_default();
    let lapses = alerts.into_iter().map(|alert| Lapse { connection_id: alert.connection_id, told: of_one(alert.id) });
    Ok(lapses.collect())
}

/// What is open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    /// All of it.
    pub all: u64,
    /// Of which the operator is told and nobody has said that they know, beside what is counted elsewhere: outages, parked
    /// orders and storms.
    pub pressing: u64,
    /// Of the same, those of which somebody knows or wants to hear later.
    pub known: u64,
}

/// How much is open.
///
/// # Errors
/// Database trouble.
pub async fn open(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Open, Error> {
    let row = sqlx::query!(
        r#"select (select count(*) from alerts where resolved_at is null) as "all!", count(*) as "ours!",
                  count(*) filter (where acknowledged_at is not null or snoozed_until > $1) as "known!"
           from alerts
           where resolved_at is null and kind not in ('connection_lapsed', 'hard_cap_near', 'orders_for_owner',
                                                      'outage', 'orders_parked', 'lapse_storm')"#,
        now
    )
    .fetch_one(conn)
    .await?;
    let (ours, known) = (row.ours.unsigned_abs(), row.known.unsigned_abs());
    Ok(Open { all: row.all.unsigned_abs(), pressing: ours.saturating_sub(known), known })
}
