//! From the draft of a document to the very document that QuickBooks would be sent: what its names refer to, and the
//! body. One way for posting and for a preview, so that what is shown is what is sent; only posting creates and remembers.

use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    mapping::{Company, Draft, References, Unmappable},
    names::{self, Asking, Known, Names, Trouble},
};
use crate::{
    config::Mapping,
    provider::quickbooks::{DocumentBody, DocumentKind},
    store::{self, mappings},
};

/// Whose order, and how it is known.
pub(super) struct Drafting<'a> {
    pub(super) pool: &'a PgPool,
    /// What is in force for the account.
    pub(super) settings: &'a Mapping,
    /// The QuickBooks connection.
    pub(super) connection_id: Uuid,
    pub(super) request_id: Uuid,
    pub(super) asking: Option<Asking<'a>>,
    pub(super) writes: bool,
}

/// A document with everything that it refers to.
pub(super) struct Drafted {
    pub(super) draft: Draft,
    pub(super) body: DocumentBody,
    pub(super) referred: Vec<Referred>,
}

/// One thing that a document refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Referred {
    /// `customer`, `item` or `account`.
    pub what: &'static str,
    /// What it is called.
    pub name: String,
    /// Where it is known from.
    pub state: State,
    /// QuickBooks' id, if it has one.
    pub id: Option<String>,
}

/// Where a reference is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReferredState)]
pub enum State {
    /// We remember it.
    Remembered,
    /// QuickBooks has it.
    Found,
    /// It would be created.
    New,
    /// We do not remember it and could not ask.
    NotAsked,
}

/// What is in force for an account, or why that cannot be read.
pub(super) async fn settings(
    pool: &PgPool,
    defaults: &Mapping,
    account_id: Uuid,
) -> Result<Result<Mapping, Unmappable>, store::Error> {
    let own = {
        let mut conn = pool.acquire().await?;
        mappings::of_account(&mut conn, account_id).await?
    };
    Ok(defaults.with(&own).map_err(|wrong| {
        let message = format!("a setting of the account cannot be read: {}", wrong.message);
        let remedy = format!("{}: `lamplighter account settings NAME`; then retry the order", wrong.remedy);
        Unmappable::new(message, remedy)
    }))
}

impl Drafting<'_> {
    /// Settles what a draft refers to.
    pub(super) async fn run(&self, draft: Draft) -> Result<Drafted, Trouble> {
        let settings = self.settings;
        let mut names = Names {
            pool: self.pool,
            connection_id: self.connection_id,
            request_id: self.request_id,
            settings,
            asking: self.asking,
            writes: self.writes,
            memory: names::recall(self.pool, self.connection_id, &draft, settings).await?,
        };
        let company = names.company(draft.currency.as_deref()).await?;
        draft.check_currency(&company, settings)?;
        let (references, referred) = refer(&mut names, &draft, &company, settings).await?;
        let body = draft.body(&company, settings, &references);
        Ok(Drafted { draft, body, referred })
    }
}

async fn refer(
    names: &mut Names<'_>,
    draft: &Draft,
    company: &Company,
    settings: &Mapping,
) -> Result<(References, Vec<Referred>), Trouble> {
    let (mut references, mut referred) = (References::default(), Vec::new());
    let mut refer = |what, name: &str, known| {
        let (state, id) = match known {
            Known::Remembered(id) => (State::Remembered, Some(id)),
            Known::Found(id) | Known::Created(id) => (State::Found, Some(id)),
            Known::Missing => (State::New, None),
            Known::Unasked => (State::NotAsked, None),
        };
        let shown = id.clone().unwrap_or_else(|| match state {
            State::New => format!("new: {name}"),
            _ => format!("not known: {name}"),
        });
        let one = Referred { what, name: name.to_owned(), state, id };
        if !referred.contains(&one) {
            referred.push(one);
        }
        shown
    };
    if let Some(buyer) = &draft.buyer {
        let known = names.customer(buyer, company.home_currency.as_deref(), company.foreign(draft)).await?;
        references.customer = Some(refer("customer", &buyer.name, known));
    }
    for (position, entry) in draft.lines.iter().enumerate() {
        let known = names.item(entry, position).await?;
        references.items.push(refer("item", &entry.item.name, known));
    }
    if let Some(name) = settings.deposit_account.as_deref().filter(|_| draft.document != DocumentKind::Invoice) {
        let known = names.deposit_account(name).await?;
        references.deposit_to = Some(refer("account", name, known));
    }
    Ok((references, referred))
}
