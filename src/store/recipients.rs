//! Addresses that mail does not reach. Each is an incident of the account whose owner was written to, or of the
//! operator's own address.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, alerts::Kind};

/// The incident of the operator's own address. `mails::backlog` knows these names, too.
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
        r#"select a.id as account_id, c.id as "connection_id?"
           from mails m join alerts l on l.id = m.alert_id left join connections c on c.id = l.connection_id
                join accounts a on a.id = coalesce(c.account_id, (l.detail ->> 'account_id')::uuid)
           where m.id = $1 and m.recipient = a.owner_email"#,
        mail_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        Some(row) => Addressee { incident: of_account(row.account_id), connection_id: row.connection_id },
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

/// Whom mail does not reach: the names of accounts, or nothing for the operator; who was found first comes first.
///
/// # Errors
/// Database trouble.
pub async fn unreached(conn: &mut PgConnection) -> Result<Vec<Option<String>>, Error> {
    Ok(sqlx::query_scalar!(
        r#"select a.name as "name?"
           from alerts l left join connections c on c.id = l.connection_id left join accounts a on a.id = c.account_id
           where l.resolved_at is null and l.kind = $1 order by l.opened_at"#,
        Kind::RecipientRefused as Kind
    )
    .fetch_all(conn)
    .await?)
}
