//! An account's own settings of how its orders become documents: shown beside where each comes from, and changed all at once
//! or not at all.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use utoipa::ToSchema;

use crate::{
    config::{Mapping, Wrong},
    store::{
        self,
        accounts::Whose,
        audit_log::{self, Actor, Deed},
        mappings,
    },
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

/// Sets some of an account's own settings and takes others back to the default, all or none; and what it has then. What was
/// changed stands in the audit log.
///
/// # Errors
/// Database trouble.
pub async fn change(
    conn: &mut PgConnection,
    whose: Whose<'_>,
    set: &[(&str, &str)],
    unset: &[&str],
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, String>, store::Error> {
    let mut tx = conn.begin().await?;
    for (key, value) in set {
        mappings::set(&mut tx, whose.id, key, value.trim(), now).await?;
    }
    for key in unset {
        mappings::unset(&mut tx, whose.id, key).await?;
    }
    let own = mappings::of_account(&mut tx, whose.id).await?;
    if !set.is_empty() || !unset.is_empty() {
        let detail = json!({ "own": own });
        let deed = Deed { action: "account.settings", account_id: Some(whose.id), subject: whose.name, detail };
        audit_log::record(&mut tx, actor, &deed, now).await?;
    }
    tx.commit().await?;
    Ok(own)
}
