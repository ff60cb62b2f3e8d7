//! Warnings of what is about to run out: the steps they take, and the hard caps that call for one. What refresh windows
//! are at risk is in `store/windows`.
//!
//! The tokens carry no state of a warning; the open alert does. An end that moved by less than a day is the same end: a
//! provider reports what is left, and that wobbles by seconds. Whoever warns does not decide here which step is due; but
//! a step never follows a later one of the same alert, so however often it is asked for, each is mailed once.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, alerts::Kind, mails::Step};
use crate::provider::Provider;

/// A connection whose hard cap is near and whose owner does not know.
#[derive(Debug)]
pub struct CapDue {
    /// The connection.
    pub connection_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// The hard cap.
    pub ends_at: DateTime<Utc>,
    /// The owner's address.
    pub recipient: String,
}

/// Connections whose hard cap comes before `until` and of which no open alert tells, the earliest first. Their tokens stay
/// locked until the transaction ends, so that a reconnect comes either before or after the warning.
///
/// # Errors
/// Database trouble.
pub async fn caps_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<CapDue>, Error> {
    Ok(sqlx::query_as!(
        CapDue,
        r#"select t.connection_id, c.provider as "provider: Provider", t.refresh_hard_expires_at as "ends_at!",
                  a.owner_email as recipient
           from tokens t join connections c on c.id = t.connection_id join accounts a on a.id = c.account_id
           where t.renew_at is not null and t.refresh_hard_expires_at > $1 and t.refresh_hard_expires_at <= $2
             and not exists (select from alerts l
                             where l.connection_id = t.connection_id and l.kind = 'hard_cap_near' and l.resolved_at is null
                               and l.ends_at > t.refresh_hard_expires_at - interval '1 day'
                               and l.ends_at < t.refresh_hard_expires_at + interval '1 day')
           order by t.refresh_hard_expires_at limit $3 for update of t skip locked"#,
        now,
        until,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// One step of a warning.
#[derive(Debug)]
pub struct Warning<'a> {
    /// Names the incident.
    pub incident: &'a str,
    /// Which of the two ends.
    pub kind: Kind,
    /// The connection, if it is about one.
    pub connection_id: Option<Uuid>,
    /// With whom.
    pub provider: Provider,
    /// The end.
    pub ends_at: DateTime<Utc>,
    /// What is known beside it.
    pub detail: &'a Value,
    /// The step that is due.
    pub step: Step,
    /// When the next one is.
    pub remind_at: Option<DateTime<Utc>>,
    /// Who is mailed; nobody when absent.
    pub recipient: Option<&'a str>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The warning was not open before.
    pub opened: bool,
    /// A mail was queued.
    pub mailed: bool,
}

/// Opens the warning or moves it to its step, and queues that step's mail. An earlier one that was not sent yet is
/// dropped: this one says the same, and better.
///
/// # Errors
/// Database trouble.
pub async fn tell(conn: &mut PgConnection, warning: &Warning<'_>, now: DateTime<Utc>) -> Result<Told, Error> {
    let told = sqlx::query_as!(
        Told,
        r#"with alert as (
               insert into alerts (id, incident, kind, connection_id, provider, detail, opened_at, seen_at, ends_at,
                                   remind_at)
               values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)
               on conflict (incident) where resolved_at is null
               do update set seen_at = $7, ends_at = $8, remind_at = $9, detail = alerts.detail || $6
               returning id, acknowledged_at is not null or coalesce(snoozed_until > $7, false) as quiet
           ), ladder as (
               select array['opened', 'reminder', 'last_call'] as steps
           ), dropped as (
               delete from mails m using alert, ladder
               where m.alert_id = alert.id and m.sent_at is null
                 and (m.lease_until is null or m.lease_until < clock_timestamp())
                 and array_position(steps, m.step) < array_position(steps, $10::text)
           ), queued as (
               insert into mails (id, alert_id, step, recipient, send_at)
               select $11, alert.id, $10, $12, $7 from alert, ladder
               where $12::text is not null and not alert.quiet
                 and not exists (select from mails m where m.alert_id = alert.id
                                 and array_position(steps, m.step) >= array_position(steps, $10::text))
               on conflict (alert_id, step, number) do nothing
               returning id
           )
           select exists (select from alert where id = $1) as "opened!", exists (select from queued) as "mailed!""#,
        Uuid::now_v7(),
        warning.incident,
        warning.kind as Kind,
        warning.connection_id,
        warning.provider as Provider,
        warning.detail,
        now,
        warning.ends_at,
        warning.remind_at,
        warning.step as Step,
        Uuid::now_v7(),
        warning.recipient
    )
    .fetch_one(conn)
    .await?;
    Ok(told)
}

/// An open warning of a hard cap, and how its connection stands now.
#[derive(Debug)]
pub struct OpenCap {
    /// The connection.
    pub connection_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// The end that was told.
    pub told_end: DateTime<Utc>,
    /// The end that is stored now.
    pub ends_at: Option<DateTime<Utc>>,
    /// Whether the keeper still renews it.
    pub renewable: bool,
    /// The owner's address.
    pub recipient: String,
}

/// Open warnings of hard caps that are due to be looked at again. They stay locked until the transaction ends.
///
/// # Errors
/// Database trouble.
pub async fn caps_to_remind(conn: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<Vec<OpenCap>, Error> {
    Ok(sqlx::query_as!(
        OpenCap,
        r#"select c.id as connection_id, c.provider as "provider: Provider", l.ends_at as "told_end!",
                  t.refresh_hard_expires_at as ends_at, t.renew_at is not null as "renewable!", a.owner_email as recipient
           from alerts l join connections c on c.id = l.connection_id join tokens t on t.connection_id = c.id
                join accounts a on a.id = c.account_id
           where l.resolved_at is null and l.remind_at <= $1 and l.kind = 'hard_cap_near'
           order by l.remind_at limit $2 for update of l skip locked"#,
        now,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// The open warning of one connection's hard cap.
///
/// # Errors
/// Database trouble.
pub async fn open_cap(conn: &mut PgConnection, connection_id: Uuid) -> Result<Option<OpenCap>, Error> {
    Ok(sqlx::query_as!(
        OpenCap,
        r#"select c.id as connection_id, c.provider as "provider: Provider", l.ends_at as "told_end!",
                  t.refresh_hard_expires_at as ends_at, t.renew_at is not null as "renewable!", a.owner_email as recipient
           from alerts l join connections c on c.id = l.connection_id join tokens t on t.connection_id = c.id
                join accounts a on a.id = c.account_id
           where l.resolved_at is null and l.kind = 'hard_cap_near' and l.connection_id = $1"#,
        connection_id
    )
    .fetch_optional(conn)
    .await?)
}

/// How a warning ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// With an all-clear to whoever was told; in silence if nobody was.
    AllClear,
    /// Without a word: something else tells what became of it.
    Silent,
}

/// What became of a warning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// It was open, and is not any more.
    pub resolved: bool,
    /// An all-clear was queued.
    pub mailed: bool,
}

/// Ends a warning. What it had not sent yet is not sent any more.
///
/// # Errors
/// Database trouble.
pub async fn end(
    conn: &mut PgConnection,
    incident: &str,
    farewell: Farewell,
    detail: &Value,
    now: DateTime<Utc>,
) -> Result<Ended, Error> {
    let ended = sqlx::query_as!(
        Ended,
        r#"with resolved as (
               update alerts set resolved_at = $2, detail = detail || $3
               where incident = $1 and resolved_at is null returning id
           ), told as (
               select m.alert_id, m.recipient from mails m join resolved r on r.id = m.alert_id
               where m.sent_at is not null or m.lease_until >= clock_timestamp() order by m.id desc limit 1
           ), dropped as (
               delete from mails m using resolved r
               where m.alert_id = r.id and m.sent_at is null
                 and (m.lease_until is null or m.lease_until < clock_timestamp())
           ), queued as (
               insert into mails (id, alert_id, step, recipient, send_at)
               select $4, alert_id, 'resolved', recipient, $2 from told where $5
               returning id
           )
           select exists (select from resolved) as "resolved!", exists (select from queued) as "mailed!""#,
        incident,
        now,
        detail,
        Uuid::now_v7(),
        farewell == Farewell::AllClear
    )
    .fetch_one(conn)
    .await?;
    Ok(ended)
}
