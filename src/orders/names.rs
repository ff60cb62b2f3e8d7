//! Customers, items and accounts in QuickBooks: recalled from our own table, else found, else created. Reads of
//! QuickBooks are metered, so what was found once is remembered.
//!
//! A name alone does not say who is meant: a customer of the same name with another mail address is another person, an
//! item of the same name with another SKU another item. A name that is taken (code 6240: by a vendor, an employee, or
//! somebody inactive whom no query finds) leads to the next candidate, and the last of them to a person. Never around in a
//! circle.

mod customers;
mod items;

use std::collections::HashMap;

use secrecy::SecretString;
use sqlx::PgPool;
use uuid::Uuid;

use super::mapping::{Company, Draft, Role, Unmappable};
use crate::{
    config::Mapping,
    provider::{Failure, quickbooks::Api},
    store::{
        self,
        quickbooks_names::{self, Kind},
    },
};

/// Intuit's code for a name that somebody has.
const NAME_TAKEN: &str = "6240";

/// A way to ask QuickBooks.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) api: Api<'a>,
    pub(super) access: &'a SecretString,
    pub(super) realm: &'a str,
}

/// One company's names, for one order: the request ids of what is created derive from the order's.
pub(super) struct Names<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) connection_id: Uuid,
    pub(super) request_id: Uuid,
    pub(super) settings: &'a Mapping,
    /// `None` looks into what is remembered only.
    pub(super) asking: Option<Asking<'a>>,
    /// Whether what is missing is created, and what was found is remembered.
    pub(super) writes: bool,
    pub(super) memory: Memory,
}

/// What was remembered of the names that an order needs.
pub(super) type Memory = HashMap<(Kind, String), String>;

/// What a name refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// We remember it.
    Remembered(String),
    /// QuickBooks has it.
    Found(String),
    /// We made it just now.
    Created(String),
    /// QuickBooks does not have it.
    Missing,
    /// We do not remember it and could not ask.
    Unasked,
}

/// Why a name could not be settled.
#[derive(Debug)]
pub(super) enum Trouble {
    Provider(Failure),
    Store(store::Error),
    /// A person must look.
    Parked(Unmappable),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Provider(failure)
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Unmappable> for Trouble {
    fn from(wrong: Unmappable) -> Self {
        Self::Parked(wrong)
    }
}

/// What is remembered of everything that a draft names, in one question.
pub(super) async fn recall(
    pool: &PgPool,
    connection_id: Uuid,
    draft: &Draft,
    settings: &Mapping,
) -> Result<Memory, store::Error> {
    let mut wanted = vec![
        (Kind::HomeCurrency, String::new()),
        (Kind::MultiCurrency, String::new()),
        (Kind::Country, String::new()),
        (Kind::Account, settings.income_account.clone()),
    ];
    wanted.extend(settings.deposit_account.iter().map(|name| (Kind::Account, deposit_key(name))));
    wanted.extend(settings.fallback_item.iter().map(|name| (Kind::Item, items::key_of_name(name))));
    if let Some(buyer) = &draft.buyer {
        wanted.push((Kind::Customer, customers::key(buyer, None)));
        wanted.extend(draft.currency.iter().map(|code| (Kind::Customer, customers::key(buyer, Some(code)))));
    }
    for entry in &draft.lines {
        let key = items::key(&entry.item);
        if entry.role == Role::Product && settings.fallback_item.is_some() {
            wanted.push((Kind::UnknownItem, key.clone()));
        }
        wanted.push((Kind::Item, key));
    }
    let mut conn = pool.acquire().await?;
    quickbooks_names::recall(&mut conn, connection_id, &wanted).await
}

impl Names<'_> {
    /// How the company is set up, as far as it matters for a document in `currency`.
    pub(super) async fn company(&mut self, currency: Option<&str>) -> Result<Company, Trouble> {
        let mut home = self.recalled(Kind::HomeCurrency, "");
        let mut multi = self.recalled(Kind::MultiCurrency, "").is_some_and(|word| word == "true");
        let foreign = currency.is_some() && home.is_some() && currency != home.as_deref();
        // A company that is remembered to have one currency only may have got others since.
        if (home.is_none() || (foreign && !multi))
            && let Some(Asking { api, access, realm }) = self.asking
        {
            let preferences = api.preferences(access, realm).await?;
            (home, multi) = (preferences.home_currency, preferences.multi_currency);
            if let Some(code) = home.clone() {
                self.remember(Kind::HomeCurrency, "", &code).await?;
                self.remember(Kind::MultiCurrency, "", if multi { "true" } else { "false" }).await?;
            }
        }
        let mut country = self.recalled(Kind::Country, "");
        if country.is_none()
            && let Some(Asking { api, access, realm }) = self.asking
        {
            country = api.company_info(access, realm).await?.country;
            if let Some(code) = country.clone() {
                self.remember(Kind::Country, "", &code).await?;
            }
        }
        Ok(Company { home_currency: home, multi_currency: multi, country })
    }

    /// The account that gets the money of receipts.
    pub(super) async fn deposit_account(&mut self, name: &str) -> Result<Known, Trouble> {
        let key = deposit_key(name);
        if let Some(id) = self.recalled(Kind::Account, &key) {
            return Ok(Known::Remembered(id));
        }
        let Some(Asking { api, access, realm }) = self.asking else { return Ok(Known::Unasked) };
        let Some(found) = api.account_by_name(access, realm, name).await? else {
            return Err(Unmappable::new(
                format!("QuickBooks has no account {name:?} for the money of receipts"),
                "add it in QuickBooks, or name another one: `lamplighter account settings NAME --set \
                 deposit_account=...`; then retry the order",
            )
            .into());
        };
        self.remember(Kind::Account, &key, &found.id).await?;
        Ok(Known::Found(found.id))
    }

    /// Where a new item's sales are booked: the account of the settings, or any that can take them.
    async fn income_account(&mut self, Asking { api, access, realm }: Asking<'_>) -> Result<String, Trouble> {
        let name = self.settings.income_account.clone();
        if let Some(id) = self.recalled(Kind::Account, &name) {
            return Ok(id);
        }
        let mut found = api.account_by_name(access, realm, &name).await?;
        if found.is_none() {
            found = api.any_income_account(access, realm).await?;
        }
        let account = found.ok_or_else(|| {
            Unmappable::new(
                format!("the company has no account {name:?} and no other income account for a new item"),
                "add an income account in QuickBooks, or name one: `lamplighter account settings NAME --set \
                 income_account=...`; then retry the order",
            )
        })?;
        self.remember(Kind::Account, &name, &account.id).await?;
        Ok(account.id)
    }

    fn recalled(&self, kind: Kind, key: &str) -> Option<String> {
        self.memory.get(&(kind, key.to_owned())).cloned()
    }

    async fn remember(&mut self, kind: Kind, key: &str, id: &str) -> Result<(), store::Error> {
        self.memory.insert((kind, key.to_owned()), id.to_owned());
        if !self.writes {
            return Ok(());
        }
        let mut conn = self.pool.acquire().await?;
        quickbooks_names::remember(&mut conn, self.connection_id, kind, key, id).await
    }
}

fn deposit_key(name: &str) -> String {
    format!("deposit:{name}")
}

fn is_taken(failure: &Failure) -> bool {
    failure.code.as_deref() == Some(NAME_TAKEN)
}

/// What to say when every candidate belongs to somebody else.
fn all_taken(what: &str, candidates: &[String]) -> Trouble {
    let names: Vec<_> = candidates.iter().map(|name| format!("{name:?}")).collect();
    Unmappable::new(
        format!("QuickBooks gives no name to the new {what}: {} are all taken", names.join(", ")),
        "somebody has them there who is another person, a vendor, an employee or inactive: rename one of them in \
         QuickBooks, or make an inactive one active; then retry the order",
    )
    .into()
}
