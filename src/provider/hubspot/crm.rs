//! Reading records by id, a hundred at a time.
//!
//! A batch may succeed in part (HTTP 207). An id that HubSpot does not know is then reported as missing; any other
//! error in the list fails the whole batch, because an order must not go out without the lines that could just not be
//! read.

use std::collections::{HashMap, HashSet};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::records::{Batch, Contact, LineItem, Record, Related, Text};
use super::{Api, call};
use crate::provider::Failure;
use crate::provider::verdict::{self, Surface};

/// HubSpot takes this many ids in one call.
const CHUNK: usize = 100;
/// An order's relations come in pages. No order has this many, so more of them means that the pages go round.
const MOST_PAGES: usize = 100;

#[derive(Serialize)]
struct Inputs<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    properties: &'a [&'a str],
    #[serde(rename = "propertiesWithHistory", skip_serializing_if = "Option::is_none")]
    history: Option<[&'a str; 0]>,
    inputs: Vec<Input<'a>>,
}

#[derive(Serialize)]
struct Input<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
}

#[derive(Deserialize)]
struct Results<T> {
    results: Vec<T>,
    #[serde(default)]
    errors: Vec<Partial>,
}

#[derive(Deserialize)]
struct Partial {
    #[serde(default)]
    category: Option<String>,
}

#[derive(Deserialize)]
struct Relations {
    from: From,
    to: Vec<To>,
    #[serde(default)]
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct From {
    id: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct To {
    to_object_id: Text,
}

#[derive(Deserialize)]
struct Paging {
    next: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    after: Text,
}

/// Takes in what came, and names the orders that have more, with where to go on.
fn gather(related: &mut HashMap<String, Vec<String>>, rows: Vec<Relations>) -> Vec<(String, Option<String>)> {
    let mut more = Vec::new();
    for Relations { from: From { id: Text(order) }, to, paging } in rows {
        for Text(id) in to.into_iter().map(|to| to.to_object_id) {
            let found = related.entry(order.clone()).or_default();
            if !found.contains(&id) {
                found.push(id);
            }
        }
        if let Some(next) = paging.and_then(|paging| paging.next) {
            more.push((order, Some(next.after.0)));
        }
    }
    more
}

impl<T> Results<T> {
    /// The results, unless something other than a missing record went wrong.
    fn unless_failed(self) -> Option<Vec<T>> {
        let missing = |error: &Partial| error.category.as_deref() == Some("OBJECT_NOT_FOUND");
        self.errors.iter().all(missing).then_some(self.results)
    }
}

impl Api<'_> {
    /// The ids of what is related to each order. An order without relations is not in the map.
    pub async fn associated(
        &self,
        access: &SecretString,
        order_ids: &[String],
        to: Related,
    ) -> Result<HashMap<String, Vec<String>>, Failure> {
        let read = call("read associations", Surface::Read);
        let version = self.0.settings.api_version.as_str();
        let url = self.0.url(&["crm", "associations", version, "orders", to.path(), "batch", "read"]);
        let mut related = HashMap::new();
        let mut open: Vec<_> = order_ids.iter().map(|id| (id.clone(), None)).collect();
        for _ in 0..MOST_PAGES {
            let mut more = Vec::new();
            for chunk in open.chunks(CHUNK) {
                let inputs = chunk.iter().map(|(id, after)| Input { id, after: after.as_deref() });
                let inputs = Inputs { properties: &[], history: None, inputs: inputs.collect() };
                let request = self.0.post(url.clone()).json(&inputs);
                let rows = self.0.ask(read, access, request, |reply| reply.read::<Results<_>>()?.unless_failed());
                more.extend(gather(&mut related, rows.await?));
            }
            if more.is_empty() {
                return Ok(related);
            }
            open = more;
        }
        Err(verdict::unusable(read))
    }

    /// Line items by id.
    pub async fn line_items(&self, access: &SecretString, ids: &[String]) -> Result<Batch<LineItem>, Failure> {
        self.batch("read line items", access, "line_items", &Record::LINE_ITEM, ids, Record::line_item).await
    }

    /// Contacts by id.
    pub async fn contacts(&self, access: &SecretString, ids: &[String]) -> Result<Batch<Contact>, Failure> {
        self.batch("read contacts", access, "contacts", &Record::CONTACT, ids, Record::contact).await
    }

    async fn batch<T>(
        &self,
        operation: &'static str,
        access: &SecretString,
        object: &str,
        properties: &[&str],
        ids: &[String],
        read: impl Fn(Record) -> T,
    ) -> Result<Batch<T>, Failure> {
        let url = self.0.url(&["crm", "objects", &self.0.settings.api_version, object, "batch", "read"]);
        let mut seen = HashSet::new();
        let wanted: Vec<&String> = ids.iter().filter(|id| seen.insert(id.as_str())).collect();
        let mut batch = Batch { found: Vec::new(), missing: Vec::new() };
        for chunk in wanted.chunks(CHUNK) {
            let inputs = chunk.iter().map(|id| Input { id, after: None }).collect();
            let request = self.0.post(url.clone()).json(&Inputs { properties, history: Some([]), inputs });
            let records: Vec<Record> = self
                .0
                .ask(call(operation, Surface::Read), access, request, |reply| {
                    reply.read::<Results<_>>()?.unless_failed()
                })
                .await?;
            let came: HashSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
            let missing = chunk.iter().filter(|id| !came.contains(id.as_str()));
            batch.missing.extend(missing.map(|id| (*id).clone()));
            batch.found.extend(records.into_iter().map(&read));
        }
        Ok(batch)
    }
}
