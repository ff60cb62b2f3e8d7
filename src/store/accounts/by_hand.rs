//! What people add and change by hand: accounts, what they are called, and who is told about them and where. What waits for
//! the owner, or came back from the former address and still holds, goes to the new address at once. Each deed stands in the audit log, in its own transaction.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{Account, Error};
use crate::{
    store::audit_log::{self, Actor, Deed},
    words,
};

/// The longest name, in characters.
pub const LONGEST_NAME: usize = 200;

/// The longest address, in bytes: RFC 5321, 4.5.3.1.3, less the brackets.
pub const LONGEST_ADDRESS: usize = 254;

/// What a text is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// An account's name.
    Name,
    /// An owner's name.
    OwnerName,
    /// Where an owner is told.
    OwnerEmail,
}

impl Field {
    /// The word in requests and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::OwnerName => "owner_name",
            Self::OwnerEmail => "owner_email",
        }
    }

    /// For people.
    fn title(self) -> &'static str {
        match self {
            Self::Name => "the account's name",
            Self::OwnerName => "the owner's name",
            Self::OwnerEmail => "the owner's address",
        }
    }
}

/// A text that cannot be what it is meant to be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be {text:?}: {remedy}", .field.title())]
pub struct Unfit {
    /// Which one.
    pub field: Field,
    /// What was given, cut to one line.
    pub text: String,
    /// What to write instead.
    pub remedy: String,
}

/// Why nothing was done.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// A text cannot be stored.
    Unfit(Unfit),
    /// Another account has that name.
    NameTaken(String),
    /// There is no such account.
    Missing,
}

/// What an account is called, who its owner is, and where they are told; as it was written.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its owner.
    pub owner_name: &'a str,
    /// Where the owner is told.
    pub owner_email: &'a str,
}

/// What is to be changed, as it was written; the rest stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// Its owner.
    pub owner_name: Option<&'a str>,
    /// Where the owner is told.
    pub owner_email: Option<&'a str>,
}

/// Adds an account.
///
/// # Errors
/// Database trouble.
pub async fn add(
    conn: &mut PgConnection,
    new: New<'_>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Result<Account, Refused>, Error> {
    let fields =
        || Ok((name(Field::Name, new.name)?, name(Field::OwnerName, new.owner_name)?, address(new.owner_email)?));
    let (name, owner_name, owner_email) = match fields() {
        Ok(fields) => fields,
        Err(unfit) => return Ok(Err(Refused::Unfit(unfit))),
    };
    let account = Account { id: Uuid::now_v7(), name, owner_name, owner_email, created_at: now };
    let mut tx = conn.begin().await?;
    if super::add(&mut tx, &account).await?.is_none() {
        return Ok(Err(Refused::NameTaken(account.name)));
    }
    let detail = json!({ "owner_name": account.owner_name });
    let deed = Deed { action: "account.add", account_id: Some(account.id), subject: &account.name, detail };
    audit_log::record(&mut tx, actor, &deed, now).await?;
    tx.commit().await?;
    Ok(Ok(account))
}

/// Changes an account.
///
/// # Errors
/// Database trouble.
pub async fn change(
    conn: &mut PgConnection,
    id: Uuid,
    change: Change<'_>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Result<(), Refused>, Error> {
    let fields = || {
        let called = change.name.map(|text| name(Field::Name, text)).transpose()?;
        let owner_name = change.owner_name.map(|text| name(Field::OwnerName, text)).transpose()?;
        Ok((called, owner_name, change.owner_email.map(address).transpose()?))
    };
    let (name, owner_name, owner_email) = match fields() {
        Ok(fields) => fields,
        Err(unfit) => return Ok(Err(Refused::Unfit(unfit))),
    };
    let mut tx = conn.begin().await?;
    let former = sqlx::query!("select name, owner_name, owner_email from accounts where id = $1 for update", id)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(former) = former else { return Ok(Err(Refused::Missing)) };
    let name = name.as_deref().unwrap_or(&former.name);
    let owner_name = owner_name.as_deref().unwrap_or(&former.owner_name);
    let owner_email = owner_email.as_deref().unwrap_or(&former.owner_email);
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
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            return Ok(Err(Refused::NameTaken(name.to_owned())));
        }
        done => done?,
    };
    if owner_email != former.owner_email {
        sqlx::query!(
            "update mails m
             set recipient = $3, send_at = least(m.send_at, $4), sent_at = null, bounced_at = null, unanswered = 0,
                 last_error = null, failing_since = null, failed_at = null
             from alerts l join connections c on c.id = l.connection_id
             where l.id = m.alert_id and c.account_id = $1 and m.recipient = $2
               and (m.sent_at is null
                    or m.bounced_at is not null and l.resolved_at is null and m.step = 'opened')",
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
    Ok(Ok(()))
}

fn name(field: Field, text: &str) -> Result<String, Unfit> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control) {
        let remedy = format!("write 1 to {LONGEST_NAME} characters in one line");
        return Err(Unfit { field, text: words::name(text), remedy });
    }
    // Commands and pages take either, and an id must mean one account.
    if field == Field::Name && Uuid::parse_str(text).is_ok() {
        let remedy = "it reads as an id: write another name".to_owned();
        return Err(Unfit { field, text: words::name(text), remedy });
    }
    Ok(text.to_owned())
}

fn address(text: &str) -> Result<String, Unfit> {
    let address = text.trim().parse::<lettre::Address>().ok().map(|address| address.to_string());
    address.filter(|address| address.len() <= LONGEST_ADDRESS).ok_or_else(|| Unfit {
        field: Field::OwnerEmail,
        text: words::name(text),
        remedy: "write one mail address, such as ada@harborbooks.example".to_owned(),
    })
}
