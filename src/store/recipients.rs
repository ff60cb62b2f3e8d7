//! Addresses that mail does not reach, and how an owner's address changes. A refusal is an incident of the account whose
//! owner was written to, or of the operator's own address.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, accounts::Account, alerts::Kind};

/// The incident of the operator's own address.
const OPERATORS: &str = "recipient_refused/operator";

/// Whose address a mail goes to.
#[derive(Clone, Debug)]
pub struct Addressee {
    /// The incident of its refusal.
    pub incident: String,
    /// A connection of the account, if it is an owner's.
    pub connection_id: Option<Uuid>,
}

/// Whose address this mail goes to.
///
/// # Errors
/// Database trouble.
pub async fn of_mail(conn: &mut PgConnection, mail_id: Uuid) -> Result<Addressee, Error> {
    let row = sqlx::query!(
        "select a.id as account_id, c.id as connection_id
         from mails m join alerts l on l.id = m.alert_id join connections c on c.id = l.connection_id
              join accounts a on a.id = c.account_id
         where m.id = $1 and m.recipient = a.owner_email",
        mail_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        Some(row) => Addressee { incident: of_account(row.account_id), connection_id: Some(row.connection_id) },
        None => Addressee { incident: OPERATORS.to_owned(), connection_id: None },
    })
}

fn of_account(account_id: Uuid) -> String {
    format!("recipient_refused/{account_id}")
}

/// Whether an alert about mail itself is open: a refused address, or a server that cannot be used.
///
/// # Errors
/// Database trouble.
pub async fn any_trouble(conn: &mut PgConnection) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from alerts where resolved_at is null and kind in ($1, $2)) as "open!""#,
        Kind::RecipientRefused as Kind,
        Kind::SmtpAway as Kind
    )
    .fetch_one(conn)
    .await?)
}

/// Changes who is told, and where; mails that wait go there at once. `false` when there is no such account.
///
/// # Errors
/// Database trouble.
pub async fn change_owner(conn: &mut PgConnection, account: &Account, now: DateTime<Utc>) -> Result<bool, Error> {
    let changed = sqlx::query_scalar!(
        r#"with former as (
               select id, owner_email from accounts where id = $1 for update
           ), changed as (
               update accounts a set owner_name = $2, owner_email = $3 from former f where a.id = f.id returning a.id
           ), redirected as (
               update mails m set recipient = $3, send_at = least(m.send_at, $4), last_error = null
               from former f, alerts l, connections c
               where l.id = m.alert_id and c.id = l.connection_id and c.account_id = f.id and m.sent_at is null
                 and m.recipient = f.owner_email and f.owner_email <> $3
           )
           select count(*) as "count!" from changed"#,
        account.id,
        account.owner_name,
        account.owner_email,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(changed == 1)
}
