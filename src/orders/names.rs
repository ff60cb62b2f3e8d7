//! Customers, items and accounts in QuickBooks: recalled from our own table, else found, else created. Reads of
//! QuickBooks are metered, so what was found once is remembered.

use secrecy::SecretString;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    content::Customer,
    mapping::{ItemName, customer_name},
};
use crate::{
    provider::{
        Failure, Provider, Verdict,
        quickbooks::{Api, NewCustomer, NewItem, Ref},
    },
    store::{
        self,
        quickbooks_names::{self, Kind},
    },
};

/// One company's names, for one order: the request ids of what is created derive from the order's.
pub(super) struct Names<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) api: Api<'a>,
    pub(super) access: &'a SecretString,
    pub(super) connection_id: Uuid,
    pub(super) realm: &'a str,
    pub(super) request_id: Uuid,
}

/// Why a name could not be settled.
#[derive(Debug)]
pub(super) enum Trouble {
    Provider(Failure),
    Store(store::Error),
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

impl Names<'_> {
    /// The customer of an order; `None` when the order names nobody.
    pub(super) async fn customer(&self, customer: &Customer) -> Result<Option<String>, Trouble> {
        let Some(name) = customer_name(customer) else { return Ok(None) };
        let key = customer.email.as_ref().map_or_else(|| format!("name:{name}"), |email| email.to_lowercase());
        if let Some(id) = self.recall(Kind::Customer, &key).await? {
            return Ok(Some(id));
        }
        let mut found = None;
        if let Some(email) = &customer.email {
            found = self.api.customer_by_email(self.access, self.realm, email).await?;
        }
        if found.is_none() {
            found = self.api.customer_by_name(self.access, self.realm, &name).await?;
        }
        let customer = match found {
            Some(found) => found,
            None => self.create_customer(customer, name).await?,
        };
        self.remember(Kind::Customer, &key, &customer.id).await?;
        Ok(Some(customer.id))
    }

    async fn create_customer(&self, customer: &Customer, name: String) -> Result<Ref, Trouble> {
        let new = |display_name: String| NewCustomer {
            display_name,
            given_name: customer.given_name.clone(),
            family_name: customer.family_name.clone(),
            email: customer.email.clone(),
        };
        let request = |step: &str| format!("{}-{step}", self.request_id);
        let created = self.api.create_customer(self.access, self.realm, &new(name.clone()), &request("c")).await;
        match created {
            // The name belongs to a vendor or an employee, who share it with customers in QuickBooks.
            Err(failure) if is_taken(&failure) => {
                let other = format!("{} (customer)", name.chars().take(88).collect::<String>());
                if let Some(found) = self.api.customer_by_name(self.access, self.realm, &other).await? {
                    return Ok(found);
                }
                Ok(self.api.create_customer(self.access, self.realm, &new(other), &request("c2")).await?)
            }
            other => Ok(other?),
        }
    }

    /// The item of a line. `position` tells the lines of one order apart.
    pub(super) async fn item(&self, item: &ItemName, position: usize, income_account: &str) -> Result<String, Trouble> {
        let key = item.sku.as_ref().map_or_else(|| format!("name:{}", item.name), |sku| format!("sku:{sku}"));
        if let Some(id) = self.recall(Kind::Item, &key).await? {
            return Ok(id);
        }
        let mut found = None;
        if let Some(sku) = &item.sku {
            found = self.api.item_by_sku(self.access, self.realm, sku).await?;
        }
        if found.is_none() {
            found = self.api.item_by_name(self.access, self.realm, &item.name).await?;
        }
        let item = match found {
            Some(found) => found,
            None => {
                let new = NewItem {
                    name: item.name.clone(),
                    sku: item.sku.clone(),
                    income_account_id: self.account(income_account).await?,
                    description: None,
                };
                let request = format!("{}-i{position}", self.request_id);
                self.api.create_item(self.access, self.realm, &new, &request).await?
            }
        };
        self.remember(Kind::Item, &key, &item.id).await?;
        Ok(item.id)
    }

    /// The company's own currency; `None` when QuickBooks does not say.
    pub(super) async fn home_currency(&self) -> Result<Option<String>, Trouble> {
        if let Some(code) = self.recall(Kind::HomeCurrency, "").await? {
            return Ok(Some(code));
        }
        let code = self.api.preferences(self.access, self.realm).await?.home_currency;
        if let Some(code) = &code {
            self.remember(Kind::HomeCurrency, "", code).await?;
        }
        Ok(code)
    }

    async fn account(&self, name: &str) -> Result<String, Trouble> {
        if let Some(id) = self.recall(Kind::Account, name).await? {
            return Ok(id);
        }
        let mut found = self.api.account_by_name(self.access, self.realm, name).await?;
        if found.is_none() {
            found = self.api.any_income_account(self.access, self.realm).await?;
        }
        let account = found.ok_or_else(|| {
            let message = format!("the company has no account {name:?} and no other income account for a new item");
            let (provider, verdict) = (Provider::Quickbooks, Verdict::Rejected);
            Failure::without_reply(provider, "find income account", verdict, "no_income_account", message)
        })?;
        self.remember(Kind::Account, name, &account.id).await?;
        Ok(account.id)
    }

    async fn recall(&self, kind: Kind, key: &str) -> Result<Option<String>, store::Error> {
        let mut conn = self.pool.acquire().await?;
        quickbooks_names::recall(&mut conn, self.connection_id, kind, key).await
    }

    async fn remember(&self, kind: Kind, key: &str, id: &str) -> Result<(), store::Error> {
        let mut conn = self.pool.acquire().await?;
        quickbooks_names::remember(&mut conn, self.connection_id, kind, key, id).await
    }
}

fn is_taken(failure: &Failure) -> bool {
    failure.code.as_deref() == Some("6240")
}
