//! Fresh links that owners ask for by an old one. Each is an alert that is over when it begins, because nobody has to do
//! anything about it; its mail is an outbox row like every other. The account's row is the lock: however many ask at once,
//! one mail is queued.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, alerts::Kind};

/// Queues the mail, unless one was asked for after `since` or still waits. The account's name, if it was queued.
///
/// # Errors
/// Database trouble.
pub async fn ask(
    conn: &mut PgConnection,
    account_id: Uuid,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<String>, Error> {
    let account = sqlx::query!("select name, owner_email from accounts where id = $1 for no key update", account_id)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(account) = account else { return Ok(None) };
    let queued = sqlx::query_scalar!(
        r#"with asked as (
               insert into alerts (id, incident, kind, connection_id, detail, opened_at, seen_at, resolved_at)
               select $1, $2, $3,
                      (select id from connections where account_id = $4 order by status = 'disconnected', id limit 1),
                      jsonb_build_object('account_id', $4::uuid), $5::timestamptz, $5, $5
               where not exists (
                   select from alerts l where l.incident = $2
                     and (l.opened_at > $6
                          or exists (select from mails m where m.alert_id = l.id and m.sent_at is null)))
               returning id
           ), queued as (
               insert into mails (id, alert_id, step, recipient, send_at)
               select $7, id, 'opened', $8, $5 from asked returning id
           )
           select exists (select from queued) as "queued!""#,
        Uuid::now_v7(),
        format!("link_asked/{account_id}"),
        Kind::LinkAsked as Kind,
        account_id,
        now,
        since,
        Uuid::now_v7(),
        account.owner_email
    )
    .fetch_one(conn)
    .await?;
    Ok(queued.then_some(account.name))
}
