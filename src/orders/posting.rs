//! One order's way to its document. Every try carries the same request id and the same document number; after a try whose
//! outcome nobody knows, QuickBooks is asked for the document before anything is posted again.

use sqlx::PgPool;
use tracing::info;

use super::{
    content::Content,
    mapping::{self, ExtraItems},
    names::{self, Names},
};
use crate::{
    config,
    keeper::access::LiveToken,
    provider::{
        Failure, Verdict,
        quickbooks::{self, DocumentKind},
    },
    store::{self, attempts::Outcome, lanes, orders::Waiting, quickbooks_names},
};

/// Intuit's code for a reference to something that is gone.
const STALE_REFERENCE: &str = "2500";

/// What an order needs on its way.
pub(super) struct Post<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) api: quickbooks::Api<'a>,
    pub(super) config: &'a config::Orders,
    pub(super) lane: &'a lanes::Claim,
    pub(super) order: &'a Waiting,
}

/// A document that stands for the order.
#[derive(Debug)]
pub struct Posted {
    /// Its id there.
    pub document_id: String,
    /// Whether it was made or found.
    pub outcome: Outcome,
}

/// Why there is none.
#[derive(Debug)]
pub enum Trouble {
    /// The order itself cannot be posted.
    Parked {
        /// What is wrong, in the provider's words where it said so.
        message: String,
        /// What a person can do.
        remedy: String,
        /// The refusal, if there was one.
        failure: Option<Box<Failure>>,
    },
    /// It has no document and a later revision took its place.
    Replaced,
    /// QuickBooks did not do it; the verdict says what follows.
    Provider(Failure),
    /// The database did not answer.
    Store(store::Error),
}

impl From<names::Trouble> for Trouble {
    fn from(trouble: names::Trouble) -> Self {
        match trouble {
            names::Trouble::Provider(failure) => failure.into(),
            names::Trouble::Store(error) => Self::Store(error),
        }
    }
}

impl From<mapping::Unmappable> for Trouble {
    fn from(wrong: mapping::Unmappable) -> Self {
        Self::Parked { message: wrong.message, remedy: wrong.remedy, failure: None }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure.verdict {
            Verdict::Rejected => Self::Parked {
                message: failure.message.clone(),
                remedy: remedy(failure.code.as_deref(), failure.rule).to_owned(),
                failure: Some(Box::new(failure)),
            },
            _ => Self::Provider(failure),
        }
    }
}

impl Post<'_> {
    /// Posts the order, or finds that it was posted.
    pub(super) async fn run(&self, live: &LiveToken) -> Result<Posted, Trouble> {
        let order = self.order;
        let content: Content = serde_json::from_value(order.content.clone()).map_err(|error| Trouble::Parked {
            message: format!("the stored order cannot be read: {error}"),
            remedy:
                "it was stored by another version of lamplighter: change the order in HubSpot, so that it comes in \
                     again"
                    .to_owned(),
            failure: None,
        })?;
        if order.unsettled {
            match self.existing(live).await? {
                Some(document) => return self.adopt(document),
                None if order.replaced => return Err(Trouble::Replaced),
                None => {}
            }
        }
        match self.post(live, &content).await {
            // What is remembered may be gone in QuickBooks: forget it all and look again, once.
            Err(Trouble::Parked { failure: Some(failure), .. }) if failure.code.as_deref() == Some(STALE_REFERENCE) => {
                self.forget_names().await.map_err(Trouble::Store)?;
                self.post(live, &content).await
            }
            other => other,
        }
    }

    /// Whether an earlier try made the document; posts nothing.
    pub(super) async fn look_up(&self, live: &LiveToken) -> Result<Option<Posted>, Trouble> {
        self.existing(live).await?.map(|document| self.adopt(document)).transpose()
    }

    async fn post(&self, live: &LiveToken, content: &Content) -> Result<Posted, Trouble> {
        let order = self.order;
        let extra = ExtraItems { shipping: &self.config.shipping_item, tax: &self.config.tax_item };
        let entries = mapping::entries(content, extra)?;
        let names = Names {
            pool: self.pool,
            api: self.api,
            access: &live.token,
            connection_id: self.lane.connection_id,
            realm: &self.lane.company_id,
            request_id: order.request_id,
        };
        if let Some(home) = names.home_currency().await? {
            mapping::check_currency(content, &home)?;
        }
        let customer_id = match &content.customer {
            Some(customer) => names.customer(customer).await?,
            None => None,
        };
        let mut item_ids = Vec::with_capacity(entries.len());
        for (position, entry) in entries.iter().enumerate() {
            item_ids.push(names.item(&entry.item, position, &self.config.income_account).await?);
        }
        let note = self.note(content);
        let receipt =
            mapping::receipt(content, &entries, &item_ids, customer_id.as_deref(), &order.document_number, &note);
        let request_id = order.request_id.to_string();
        let made = self
            .api
            .create_document(&live.token, &self.lane.company_id, DocumentKind::SalesReceipt, &receipt, &request_id)
            .await;
        match made {
            Ok(document) => Ok(Posted { document_id: document.id, outcome: Outcome::Posted }),
            Err(failure) if failure.code.as_deref() == Some("6140") => match self.existing(live).await? {
                Some(document) => self.adopt(document),
                None => Err(failure.into()),
            },
            Err(failure) => Err(failure.into()),
        }
    }

    async fn existing(&self, live: &LiveToken) -> Result<Option<quickbooks::Document>, Failure> {
        let number = &self.order.document_number;
        self.api.document_by_number(&live.token, &self.lane.company_id, DocumentKind::SalesReceipt, number).await
    }

    /// A document under our number is ours only if it carries our request id: somebody may have used the number by hand.
    fn adopt(&self, document: quickbooks::Document) -> Result<Posted, Trouble> {
        let marked =
            document.private_note.as_deref().is_some_and(|note| note.contains(&self.order.request_id.to_string()));
        if marked {
            info!(order_id = %self.order.id, document_id = document.id, "an earlier try had posted this order");
            return Ok(Posted { document_id: document.id, outcome: Outcome::Adopted });
        }
        Err(Trouble::Parked {
            message: format!(
                "QuickBooks has a sales receipt {} of {} already (id {}) that was not made for this order's revision",
                self.order.document_number, document.total, document.id
            ),
            remedy:
                "compare the two; renumber or delete the one in QuickBooks if it is wrong, then change the order in \
                     HubSpot, so that it comes in again"
                    .to_owned(),
            failure: None,
        })
    }

    async fn forget_names(&self) -> Result<(), store::Error> {
        let mut conn = self.pool.acquire().await?;
        quickbooks_names::forget(&mut conn, self.lane.connection_id).await
    }

    fn note(&self, content: &Content) -> String {
        let external =
            content.external_number.as_ref().map(|number| format!(", shop order {number}")).unwrap_or_default();
        // The mark by which an earlier try is known comes first: what is too long is cut at the end.
        format!("{} HubSpot order {} ({}{external})", self.order.request_id, self.order.external_id, content.name)
    }
}

/// What a person can do about a rejection, by Intuit's code.
fn remedy(code: Option<&str>, rule: &str) -> &'static str {
    match code {
        Some("6210") => {
            "the period is closed in QuickBooks: reopen it or move the order's date, then change the order in HubSpot"
        }
        Some("6140") => "the document's number is used by another document: renumber that one in QuickBooks",
        Some("6240") => "a customer, vendor, employee or inactive item of that name exists: rename it in QuickBooks",
        Some("5020") => "the feature or the permission is missing in QuickBooks: ask the company's administrator",
        Some("2050") => "a text is too long for QuickBooks: shorten it in HubSpot",
        _ if rule == "no_income_account" => {
            "add an income account in QuickBooks, or name one in orders.income_account, then change the order in HubSpot"
        }
        _ => {
            "read QuickBooks' words, correct the order in HubSpot or the company's settings; a change in HubSpot brings \
              the order in again"
        }
    }
}
