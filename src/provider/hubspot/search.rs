//! Finding the orders that changed since an instant, without losing one.
//!
//! HubSpot's own paging ends in an error at ten thousand rows, so Lamplighter pages by key instead:
//!
//! 1. `Api::search_orders` returns the orders from an instant on, oldest change first. The next page is the same
//!    call with the last row's `modified_at`. That row comes again, with all of its millisecond; the caller skips the
//!    ids it has seen.
//! 2. A full page within one millisecond would come again for ever (a bulk import does that). Then the caller walks
//!    that instant by id with `Api::search_orders_at` until a page is not full, and goes on with call 1 from the next
//!    millisecond.
//!
//! HubSpot's index runs a little behind, so the caller starts each round a few minutes before the last one ended.
//! A search finds no archived order and names nothing related to one.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::records::{OrderPage, Record};
use super::{Api, call};
use crate::provider::Failure;
use crate::provider::verdict::Surface;

/// No search returns more rows at once.
pub const MAX_PAGE: usize = 200;

/// What is asked for of every order. HubSpot takes no search of more than 3,000 characters.
const PROPERTIES: [&str; 38] = [
    "hs_order_name",
    "hs_currency_code",
    "hs_source_store",
    "hs_fulfillment_status",
    "hs_total_price",
    "hs_subtotal_price",
    "hs_tax",
    "hs_shipping_cost",
    "hs_order_discount",
    "hs_refund_amount",
    "hs_external_canceled_date",
    "hs_exchange_rate",
    "hs_external_order_id",
    "hs_external_order_status",
    "hs_external_order_url",
    "hs_external_created_date",
    "hs_external_modified_date",
    "hs_payment_status",
    "hs_payment_processing_method",
    "hs_order_note",
    "hs_billing_address_name",
    "hs_billing_address_firstname",
    "hs_billing_address_lastname",
    "hs_billing_address_email",
    "hs_billing_address_phone",
    "hs_billing_address_street",
    "hs_billing_address_city",
    "hs_billing_address_state",
    "hs_billing_address_postal_code",
    "hs_billing_address_country",
    "hs_shipping_address_name",
    "hs_pipeline",
    "hs_pipeline_stage",
    "hs_is_closed",
    "hs_closed_date",
    "hs_createdate",
    "hs_lastmodifieddate",
    "hs_object_id",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Search<'a> {
    filter_groups: Vec<FilterGroup<'a>>,
    sorts: [Sort; 1],
    properties: &'a [&'a str],
    limit: usize,
    /// HubSpot's own paging, always at its start.
    after: &'a str,
}

#[derive(Serialize)]
struct FilterGroup<'a> {
    filters: Vec<Filter<'a>>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    property_name: &'a str,
    operator: &'a str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sort {
    property_name: &'static str,
    direction: &'static str,
}

/// Limits a search to what was created or modified from one instant to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The last one.
    pub to: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Found {
    results: Vec<Record>,
    #[serde(default)]
    total: u64,
}

impl Api<'_> {
    /// Orders changed at or after `from`, oldest change first, at most `limit` (and never more than [`MAX_PAGE`]).
    pub async fn search_orders(
        &self,
        access: &SecretString,
        from: DateTime<Utc>,
        within: Option<Within>,
        limit: usize,
    ) -> Result<OrderPage, Failure> {
        let filters = vec![modified("GTE", from)];
        self.search(access, from, search(filters, within, "hs_lastmodifieddate", limit)).await
    }

    /// Orders changed in the very millisecond `instant` with an id above `after_id`, by id.
    pub async fn search_orders_at(
        &self,
        access: &SecretString,
        instant: DateTime<Utc>,
        after_id: Option<&str>,
        within: Option<Within>,
        limit: usize,
    ) -> Result<OrderPage, Failure> {
        let mut filters = vec![modified("EQ", instant)];
        if let Some(id) = after_id {
            filters.push(Filter { property_name: "hs_object_id", operator: "GT", value: id.to_owned() });
        }
        self.search(access, instant, search(filters, within, "hs_object_id", limit)).await
    }

    async fn search(
        &self,
        access: &SecretString,
        earliest: DateTime<Utc>,
        search: Search<'_>,
    ) -> Result<OrderPage, Failure> {
        let url = self.0.url(&["crm", "objects", &self.0.settings.api_version, "orders", "search"]);
        let request = self.0.post(url).json(&search);
        self.0
            .ask(call("search orders", Surface::Search), access, request, |reply| {
                let found: Found = reply.read()?;
                let orders = found.results.into_iter().map(|record| record.order(earliest)).collect();
                Some(OrderPage { orders, total: found.total })
            })
            .await
    }
}

fn search<'a>(filters: Vec<Filter<'a>>, within: Option<Within>, sorted_by: &'static str, limit: usize) -> Search<'a> {
    let group = |more: Vec<Filter<'a>>| FilterGroup { filters: filters.iter().cloned().chain(more).collect() };
    let filter_groups = match within {
        None => vec![group(Vec::new())],
        // One of the groups must hold.
        Some(Within { from, to }) => {
            let created = |operator, at| instant("hs_createdate", operator, at);
            vec![group(vec![modified("LTE", to)]), group(vec![created("GTE", from), created("LTE", to)])]
        }
    };
    Search {
        filter_groups,
        sorts: [Sort { property_name: sorted_by, direction: "ASCENDING" }],
        properties: &PROPERTIES,
        limit: limit.clamp(1, MAX_PAGE),
        after: "0",
    }
}

fn modified(operator: &'static str, at: DateTime<Utc>) -> Filter<'static> {
    instant("hs_lastmodifieddate", operator, at)
}

fn instant(property_name: &'static str, operator: &'static str, at: DateTime<Utc>) -> Filter<'static> {
    Filter { property_name, operator, value: at.timestamp_millis().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_stays_below_hubspots_limit() {
        let filters = vec![modified("EQ", DateTime::UNIX_EPOCH), modified("GT", DateTime::<Utc>::MAX_UTC)];
        let within = Within { from: DateTime::<Utc>::MIN_UTC, to: DateTime::<Utc>::MAX_UTC };
        let body = serde_json::to_string(&search(filters, Some(within), "hs_object_id", 1000)).unwrap();
        assert!(body.len() < 2500, "{} characters", body.len());
        assert!(body.contains(r#""limit":200"#));
    }
}
