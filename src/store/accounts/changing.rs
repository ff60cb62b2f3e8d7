//! What is changed of an account by hand: its name, and who is told about it and where. What waits for the owner goes to the
//! new address at once. Every change stands in the audit log, in its own transaction.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::Error;
use crate::store::audit_log::{self, Actor, Deed};

/// What is to be changed; the rest stays as it is.
#[derive(Debug, Default)]
pub struct Change<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// Its owner.
    pub owner_name: Option<&'a str>,
    /// Where the owner is told.
    pub owner_email: Option<&'a str>,
}

/// How a change went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is stored, or was so before.
    Done,
    /// Another account has that name.
    NameTaken,
    /// There is no such account.
    Missing,
}

/// Changes an account.
///
/// # Errors
/// Database trouble.
pub async fn change(
    conn: &mut PgConnection,
    id: Uuid,
    change: &Change<'_>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Changed, Error> {
    let mut tx = conn.begin().await?;
    let former = sqlx::query!("select name, owner_name, owner_email from accounts where id = $1 for update", id)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(former) = former else { return Ok(Changed::Missing) };
    let name = change.name.unwrap_or(&former.name);
    let owner_name = change.owner_name.unwrap_or(&former.owner_name);
    let owner_email = change.owner_email.unwrap_or(&former.owner_email);
    let done = sqlx::query!(
        "update accounts set name = $2, owner_name = $3, owner_email = $4 where id = $1",
        id,
        name,
        owner_name,
        owner_email
    )
    .execute(&mut *tx)
    .await;
    match done {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(Changed::NameTaken),
        done => done?,
    };
    if owner_email != former.owner_email {
        sqlx::query!(
            "update mails m set recipient = $3, send_at = least(m.send_at, $4), last_error = null
             from alerts l join connections c on c.id = l.connection_id
             where l.id = m.alert_id and c.account_id = $1 and m.sent_at is null and m.recipient = $2",
            id,
            former.owner_email,
            owner_email,
            now
        )
        .execute(&mut *tx)
        .await?;
    }
    let fields = [
        ("name", former.name.as_str(), name),
        ("owner_name", former.owner_name.as_str(), owner_name),
        ("owner_email", former.owner_email.as_str(), owner_email),
    ];
    let mut detail = json!({});
    for (field, before, after) in fields.into_iter().filter(|(_, before, after)| before != after) {
        detail[field] = json!([before, after]);
    }
    if detail != json!({}) {
        let deed = Deed { action: "account.change", account_id: Some(id), subject: name, detail };
        audit_log::record(&mut tx, actor, &deed, now).await?;
    }
    tx.commit().await?;
    Ok(Changed::Done)
}
