//! The connections that a person may mean. Each way of naming one is answered by an index of its own.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, Status};
use crate::provider::Provider;

/// A connection as a person named it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account: String,
    /// With whom.
    pub provider: Provider,
    /// `production` or `sandbox`.
    pub environment: String,
    /// Realm or hub id.
    pub company_id: String,
    /// The company.
    pub company_name: String,
    /// The status.
    pub status: Status,
    /// When its owner last agreed.
    pub connected_at: DateTime<Utc>,
}

/// The fewest characters of an id that name a connection.
const LEAST_OF_AN_ID: usize = 6;

/// Finds connections by id, by the beginning of an id (6 characters at least), by company id, or as `ACCOUNT/PROVIDER`
/// with the account's name or id, which means the one that is not ended if there is one. At most 20.
///
/// # Errors
/// Database trouble.
pub async fn find(conn: &mut PgConnection, named: &str) -> Result<Vec<Found>, Error> {
    let between = ids_beginning_with(named);
    let (least, most) = between.map_or((None, None), |(least, most)| (Some(least), Some(most)));
    let of_account = named.rsplit_once('/').and_then(|(account, provider)| {
        let provider = Provider::ALL.into_iter().find(|known| known.as_str() == provider.trim())?;
        Some((account.trim(), provider))
    });
    let (account, provider) = of_account.unzip();
    let account_id = account.and_then(|account| Uuid::parse_str(account).ok());
    let mut found = sqlx::query_as!(
        Found,
        r#"with named as (
               select id from connections where id between $1 and $2
               union
               select id from connections
               where provider = any(array['quickbooks', 'hubspot']) and environment = any(array['production', 'sandbox'])
                 and company_id = $3
               union
               select c.id from accounts a join connections c on c.account_id = a.id
               where (a.name = $4 or a.id = $5) and c.provider = $6
           )
           select c.id, a.name as account, c.provider as "provider: Provider", c.environment, c.company_id,
                  c.company_name, c.status as "status: Status", c.connected_at
           from named n join connections c on c.id = n.id join accounts a on a.id = c.account_id
           order by c.status = 'disconnected', a.name, c.provider, c.id limit 20"#,
        least,
        most,
        named,
        account,
        account_id,
        provider as Option<Provider>
    )
    .fetch_all(conn)
    .await?;
    if account.is_some() && found.first().is_some_and(|first| first.status != Status::Disconnected) {
        found.truncate(1);
    }
    Ok(found)
}

/// The first and the last id that begin with this; dashes may be left out.
pub(in crate::store) fn ids_beginning_with(text: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let fits = (LEAST_OF_AN_ID..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let filled = |with: &str| Uuid::parse_str(&(digits.clone() + &with.repeat(32 - digits.len()))).ok();
    fits.then(|| Some((filled("0")?, filled("f")?))).flatten()
}
