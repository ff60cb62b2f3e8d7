//! One portal being read: pages of changed orders, then the line items and contacts of those that matter. A refused token
//! is renewed once for every page, a lapse is declared; every other failure is the caller's to judge. Stores nothing.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{super::content::Content, Trouble};
use crate::{
    keeper::{Keeper, access::LiveToken},
    provider::{
        Failure, Verdict,
        hubspot::{Api, Contact, LineItem, MAX_PAGE, OrderRecord, Related, Within},
    },
    store::orders,
};

/// A portal being read.
pub(super) struct Reading<'a> {
    keeper: &'a Keeper,
    api: Api<'a>,
    connection_id: Uuid,
    live: LiveToken,
    renewed: bool,
}

/// Changed orders, oldest change first.
pub(super) struct Page {
    pub(super) orders: Vec<OrderRecord>,
    /// There may be more.
    pub(super) full: bool,
    /// Where the next page begins.
    pub(super) next: DateTime<Utc>,
}

impl<'a> Reading<'a> {
    pub(super) async fn begin(keeper: &'a Keeper, api: Api<'a>, connection_id: Uuid) -> Result<Self, Trouble> {
        let live = keeper.access_token(connection_id).await.map_err(Trouble::Token)?;
        Ok(Self { keeper, api, connection_id, live, renewed: false })
    }

    /// What was read is stored: the next page may need a newer token again.
    pub(super) fn next_page(&mut self) {
        self.renewed = false;
    }

    /// The orders changed since `from`.
    pub(super) async fn page(&mut self, from: DateTime<Utc>, within: Option<Within>) -> Result<Page, Trouble> {
        loop {
            match page(self.api, &self.live, from, within).await {
                Ok(page) => return Ok(page),
                Err(failure) => self.another_token(failure).await?,
            }
        }
    }

    /// Orders with their line items and contacts, as rows for the queue.
    pub(super) async fn contents(&mut self, orders: &[OrderRecord]) -> Result<Vec<orders::NewOrder>, Trouble> {
        loop {
            match contents(self.api, &self.live, orders).await {
                Ok(new) => return Ok(new),
                Err(failure) => self.another_token(failure).await?,
            }
        }
    }

    /// After a refused token: a newer one, once for every page. Any other failure is passed on, a lapse after it was
    /// declared.
    async fn another_token(&mut self, failure: Failure) -> Result<(), Trouble> {
        let (id, generation) = (self.connection_id, self.live.generation);
        match failure.verdict {
            Verdict::TokenRefused if !self.renewed => {
                self.live = self.keeper.renew_generation(id, generation).await.map_err(Trouble::Token)?;
                self.renewed = true;
                Ok(())
            }
            Verdict::Lapsed(cause) => {
                self.keeper.lapse(id, generation, cause, &failure).await?;
                Err(failure.into())
            }
            _ => Err(failure.into()),
        }
    }
}

/// The orders changed since `from`. A page that does not get past one millisecond is completed by walking that
/// millisecond by id, so that the next one begins behind it.
async fn page(api: Api<'_>, live: &LiveToken, from: DateTime<Utc>, within: Option<Within>) -> Result<Page, Failure> {
    let mut orders = api.search_orders(&live.token, from, within, MAX_PAGE).await?.orders;
    let full = orders.len() >= MAX_PAGE;
    let mut next = orders.last().map_or(from, |order| order.modified_at);
    if full && orders.first().is_some_and(|first| first.modified_at == next) {
        let mut after: Option<String> = None;
        loop {
            let more = api.search_orders_at(&live.token, next, after.as_deref(), within, MAX_PAGE).await?.orders;
            let done = more.len() < MAX_PAGE;
            after = more.last().map(|order| order.id.clone());
            orders.extend(more);
            if done {
                break;
            }
        }
        next += TimeDelta::milliseconds(1);
    }
    Ok(Page { orders, full, next })
}

/// Orders with their line items and contacts, as rows for the queue.
async fn contents(api: Api<'_>, live: &LiveToken, orders: &[OrderRecord]) -> Result<Vec<orders::NewOrder>, Failure> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = orders.iter().map(|order| order.id.clone()).collect();
    let line_ids = api.associated(&live.token, &ids, Related::LineItems).await?;
    let contact_ids = api.associated(&live.token, &ids, Related::Contacts).await?;
    let lines = api.line_items(&live.token, &flat(&line_ids)).await?.found;
    let lines: HashMap<&str, &LineItem> = lines.iter().map(|line| (line.id.as_str(), line)).collect();
    let contacts = api.contacts(&live.token, &flat(&contact_ids)).await?.found;
    let contacts: HashMap<&str, &Contact> = contacts.iter().map(|contact| (contact.id.as_str(), contact)).collect();
    let new = orders.iter().filter_map(|order| {
        let mut ids = line_ids.get(&order.id).cloned().unwrap_or_default();
        // Any fixed order will do: the revision must not depend on how HubSpot sorts today.
        ids.sort_by_key(|id| (id.len(), id.clone()));
        let found: Vec<_> = ids.iter().filter_map(|id| lines.get(id.as_str()).copied()).collect();
        let contact = contact_ids.get(&order.id).and_then(|ids| ids.iter().min());
        let contact = contact.and_then(|id| contacts.get(id.as_str())).copied();
        Content::read(order, &found, ids.len() - found.len(), contact).into_new_order(order).ok()
    });
    Ok(new.collect())
}

fn flat(related: &HashMap<String, Vec<String>>) -> Vec<String> {
    let mut ids: Vec<_> = related.values().flatten().cloned().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
