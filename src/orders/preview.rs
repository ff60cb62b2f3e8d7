//! What would be sent for an order, for a person who wants to see it before it is. Nothing is sent, created, renewed or
//! remembered. Without a token that works, or when QuickBooks does not answer, names are looked up in what is remembered,
//! and it is said so.

use serde::Serialize;
use sqlx::PgPool;

use super::{
    content::{Content, Wish},
    drafting::{self, Drafted, Drafting, Referred},
    mapping::{self, Draft, Unmappable},
    names::{Asking, Trouble},
    posting,
};
use crate::{
    config::Mapping,
    keeper::Keeper,
    provider::{Failure, Providers, quickbooks::DocumentBody},
    store::{self, mappings::Shown},
};

/// What a preview is made with.
pub struct Previewer<'a> {
    /// The database.
    pub pool: &'a PgPool,
    /// Has tokens.
    pub keeper: &'a Keeper,
    /// Where names are looked up.
    pub providers: &'a Providers,
    /// What is in force where the account says nothing.
    pub defaults: &'a Mapping,
}

/// What would become of an order.
#[derive(Serialize)]
pub struct Preview {
    /// Why names were looked up in what is remembered only; `None` when QuickBooks was asked.
    pub unasked: Option<String>,
    /// What would be sent, or why nothing.
    pub outcome: Outcome,
}

/// What would be sent, or why nothing.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// This document.
    Document(Box<Sheet>),
    /// Nothing: a person must look.
    Parked(Unmappable),
    /// Nothing: the order was called off.
    Cancelled,
}

/// A document to be.
#[derive(Serialize)]
pub struct Sheet {
    /// In our words.
    pub draft: Draft,
    /// What it refers to.
    pub references: Vec<Referred>,
    /// In QuickBooks' words; what has no id yet has a word instead.
    pub body: DocumentBody,
}

impl Previewer<'_> {
    /// Drafts the document of an order.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn run(&self, order: &Shown) -> Result<Preview, store::Error> {
        let content = match mapping::stored(&order.content) {
            Ok(content) => content,
            Err(wrong) => return Ok(Preview { unasked: None, outcome: Outcome::Parked(wrong) }),
        };
        if content.wish() == Wish::Void {
            return Ok(Preview { unasked: None, outcome: Outcome::Cancelled });
        }
        let (Some(connection_id), Some(realm)) = (order.connection_id, order.company_id.as_deref()) else {
            return self.remembered(order, &content, "the account has no QuickBooks company".to_owned()).await;
        };
        let live = match self.keeper.token_at_hand(connection_id).await {
            Ok(live) => live,
            Err(crate::keeper::access::Unavailable::Store(error)) => return Err(error),
            Err(reason) => return self.remembered(order, &content, reason.to_string()).await,
        };
        let Some(api) = self.providers.quickbooks() else {
            return self.remembered(order, &content, "QuickBooks is not configured".to_owned()).await;
        };
        let asking = Asking { api, access: &live.token, realm };
        match self.draft(order, &content, Some(asking)).await {
            Ok(drafted) => Ok(preview(None, drafted)),
            Err(Trouble::Parked(wrong)) => Ok(Preview { unasked: None, outcome: Outcome::Parked(wrong) }),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Provider(failure)) => self.remembered(order, &content, failed(&failure)).await,
        }
    }

    async fn remembered(&self, order: &Shown, content: &Content, why: String) -> Result<Preview, store::Error> {
        match self.draft(order, content, None).await {
            Ok(drafted) => Ok(preview(Some(why), drafted)),
            Err(Trouble::Parked(wrong)) => Ok(Preview { unasked: Some(why), outcome: Outcome::Parked(wrong) }),
            Err(Trouble::Store(error)) => Err(error),
            // Nobody was asked.
            Err(Trouble::Provider(failure)) => {
                let wrong = Unmappable::new(failed(&failure), "try again");
                Ok(Preview { unasked: Some(why), outcome: Outcome::Parked(wrong) })
            }
        }
    }

    async fn draft(&self, order: &Shown, content: &Content, asking: Option<Asking<'_>>) -> Result<Drafted, Trouble> {
        let settings = drafting::settings(self.pool, self.defaults, order.account_id).await??;
        let mark = posting::note(order.request_id, &order.external_id, content);
        let draft = mapping::draft(content, &settings, None, &order.document_number, &mark)?;
        let drafting = Drafting {
            pool: self.pool,
            settings: &settings,
            // Of a company that there is not, nothing is remembered.
            connection_id: order.connection_id.unwrap_or_default(),
            request_id: order.request_id,
            asking,
            writes: false,
        };
        drafting.run(draft).await
    }
}

fn preview(unasked: Option<String>, drafted: Drafted) -> Preview {
    let Drafted { draft, body, referred: references, .. } = drafted;
    Preview { unasked, outcome: Outcome::Document(Box::new(Sheet { draft, references, body })) }
}

fn failed(failure: &Failure) -> String {
    format!("QuickBooks did not answer as hoped: {}", failure.message)
}
