//! An account's own settings of how its orders become documents: shown beside where each comes from, and changed all at once
//! or not at all.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    config::{Mapping, Wrong},
    store::{self, mappings},
};

/// One setting.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Setting)]
pub struct Shown {
    /// What is in force.
    pub value: String,
    /// Where it comes from.
    pub from: From,
    /// What would be in force without the account's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SettingFrom)]
pub enum From {
    /// The account has its own.
    Account,
    /// `orders.mapping` of the configuration.
    Default,
}

impl From {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Default => "default",
        }
    }
}

/// All settings of an account that has these of its own.
///
/// # Errors
/// A stored one cannot be read any more.
pub fn shown(defaults: &Mapping, own: &BTreeMap<String, String>) -> Result<BTreeMap<&'static str, Shown>, Wrong> {
    let effective = defaults.with(own)?;
    let one = |key: &'static str| {
        let (value, default) = (effective.text(key)?, defaults.text(key));
        let shown = match own.contains_key(key) {
            true => Shown { value, from: From::Account, default },
            false => Shown { value, from: From::Default, default: None },
        };
        Some((key, shown))
    };
    Ok(Mapping::KEYS.into_iter().filter_map(one).collect())
}

/// Whether all of these can be set.
///
/// # Errors
/// The first that cannot, and why.
pub fn check<'a>(defaults: &Mapping, set: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), Wrong> {
    let mut checked = defaults.clone();
    set.into_iter().try_for_each(|(key, value)| checked.assign(key, value))
}

/// Makes these an account's own settings and takes all others back to the default.
///
/// # Errors
/// Database trouble.
pub async fn replace(
    conn: &mut PgConnection,
    account_id: Uuid,
    own: &BTreeMap<String, String>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), store::Error> {
    let mut tx = conn.begin().await?;
    for key in Mapping::KEYS {
        match own.get(key) {
            Some(value) => mappings::set(&mut tx, account_id, key, value.trim(), now).await?,
            None => mappings::unset(&mut tx, account_id, key).await?,
        }
    }
    Ok(tx.commit().await?)
}
