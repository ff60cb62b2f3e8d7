//! One order's way to its document. Every try carries the same request id and the same document number; after a try whose
//! outcome nobody knows, QuickBooks is asked for the document before anything is posted again. What a later revision does
//! to a document that stands is decided in `changes`.

use sqlx::{PgPool, Postgres, pool::PoolConnection};
use tracing::info;
use uuid::Uuid;

use super::{
    changes::Change,
    content::{Content, Wish},
    drafting::Drafting,
    mapping::{self, Draft},
    names::{self, Asking},
};
use crate::{
    clock::Clock,
    config::Mapping,
    failpoint,
    keeper::access::LiveToken,
    provider::{
        Failure, Verdict,
        quickbooks::{self, DocumentBody, DocumentKind},
    },
    store::{self, attempts::Outcome, documents, lanes, orders::Waiting, quickbooks_names},
};

/// Intuit's code for a reference to something that is gone.
const STALE_REFERENCE: &str = "2500";

/// What is said of an order that was edited before it had a document.
pub(super) const REPLACED: &str = "a later revision of this order took its place";

/// What is said of an order that was called off before it had a document.
const CANCELLED: &str = "the order was cancelled before it had a document";

/// The kinds of documents that orders become.
const KINDS: [DocumentKind; 2] = [DocumentKind::SalesReceipt, DocumentKind::Invoice];

/// What an order needs on its way.
pub(super) struct Post<'a> {
    pub(super) clock: &'a Clock,
    pub(super) pool: &'a PgPool,
    pub(super) api: quickbooks::Api<'a>,
    pub(super) settings: &'a Mapping,
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
    /// It has no document and needs none, for this reason.
    Moot(&'static str),
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
            names::Trouble::Parked(wrong) => wrong.into(),
        }
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
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
                remedy: remedy(failure.code.as_deref()).to_owned(),
                failure: Some(Box::new(failure)),
            },
            _ => Self::Provider(failure),
        }
    }
}

impl Post<'_> {
    /// Posts the order, or finds that it was posted.
    pub(super) async fn run(&self, live: &LiveToken) -> Result<Posted, Trouble> {
        let content = self.content()?;
        match self.go(live, &content).await {
            // What is remembered may be gone in QuickBooks: forget it all and look again, once.
            Err(Trouble::Parked { failure: Some(failure), .. }) if failure.code.as_deref() == Some(STALE_REFERENCE) => {
                self.forget_names().await.map_err(Trouble::Store)?;
                self.go(live, &content).await
            }
            other => other,
        }
    }

    /// Whether an earlier try made or changed the document as this revision says; writes nothing to QuickBooks.
    pub(super) async fn look_up(&self, live: &LiveToken) -> Result<Option<Posted>, Trouble> {
        let Some((kind, document)) = self.existing(live, KINDS[0]).await? else { return Ok(None) };
        match self.revision_of(&document).await? {
            // What stands there is another revision's.
            Some(revision) if revision != self.order.id => Ok(None),
            None if self.order.has_earlier => Ok(None),
            _ => Ok(Some(self.adopt(kind, &document).await?)),
        }
    }

    async fn go(&self, live: &LiveToken, content: &Content) -> Result<Posted, Trouble> {
        let order = self.order;
        // Whoever comes first and was never tried has no document, nor has anybody before it.
        let (mut sale, mut refunds) =
            if order.has_earlier || order.attempts > 0 { self.documents().await? } else { (None, Vec::new()) };
        let mut made = None;
        if sale.is_none() {
            let first = self.first(live, content).await?;
            // What was found may be what an earlier revision made, one that a person skipped perhaps.
            let found = first.outcome == Outcome::Adopted;
            made = Some(first);
            if found || order.has_earlier || content.wish() != Wish::Stand {
                (sale, refunds) = self.documents().await?;
            }
        }
        let Some(sale) = sale else {
            return made.ok_or(Trouble::Moot(REPLACED));
        };
        let document_id = sale.document_id.clone().unwrap_or_default();
        let written = Change { post: self, live, content, sale, refunds }.carry_out().await?;
        let posted = written || made.is_some_and(|made| made.outcome == Outcome::Posted);
        Ok(Posted { document_id, outcome: if posted { Outcome::Posted } else { Outcome::Adopted } })
    }

    /// The order's first document: found from an earlier try, or made.
    async fn first(&self, live: &LiveToken, content: &Content) -> Result<Posted, Trouble> {
        if self.order.unsettled {
            // The settings, or a payment, may have made another kind of it since.
            let kind = mapping::document(content, self.settings).unwrap_or(KINDS[0]);
            match self.existing(live, kind).await? {
                Some((kind, document)) => return self.adopt(kind, &document).await,
                None if self.order.replaced => return Err(Trouble::Moot(REPLACED)),
                None => {}
            }
        }
        let (kind, body) = self.prepare(live, content).await?;
        let request_id = self.order.request_id.to_string();
        let made = self.api.create_document(&live.token, &self.lane.company_id, kind, &body, &request_id).await;
        failpoint::reach("create_answered");
        match made {
            Ok(document) => self.made(kind, document).await,
            Err(failure) if failure.code.as_deref() == Some("6140") => match self.existing(live, kind).await? {
                Some((kind, document)) => self.adopt(kind, &document).await,
                None => Err(failure.into()),
            },
            Err(failure) => Err(failure.into()),
        }
    }

    /// What the order says.
    pub(super) fn content(&self) -> Result<Content, Trouble> {
        Ok(mapping::stored(&self.order.content)?)
    }

    /// What is to be sent to make the order's first document.
    pub(super) async fn prepare(
        &self,
        live: &LiveToken,
        content: &Content,
    ) -> Result<(DocumentKind, DocumentBody), Trouble> {
        if content.wish() == Wish::Void {
            return Err(Trouble::Moot(CANCELLED));
        }
        let draft = self.draft(content, None)?;
        Ok((draft.document, self.body(live, self.order.request_id, draft).await?))
    }

    /// Keeps a document that was made just now.
    pub(super) async fn made(&self, kind: DocumentKind, document: quickbooks::Document) -> Result<Posted, Trouble> {
        self.keep(&document, kind, self.order.id, true).await?;
        failpoint::reach("create_kept");
        Ok(Posted { document_id: document.id, outcome: Outcome::Posted })
    }

    /// The draft of the order's document, of this kind if it stands already.
    pub(super) fn draft(&self, content: &Content, kind: Option<DocumentKind>) -> Result<Draft, Trouble> {
        Ok(mapping::draft(content, self.settings, kind, &self.order.document_number, &self.note(content))?)
    }

    /// What is sent for a draft; what has to be created for it derives its request ids from this one.
    pub(super) async fn body(&self, live: &LiveToken, request_id: Uuid, draft: Draft) -> Result<DocumentBody, Trouble> {
        let asking = Asking { api: self.api, access: &live.token, realm: &self.lane.company_id };
        let drafting = Drafting {
            pool: self.pool,
            settings: self.settings,
            connection_id: self.lane.connection_id,
            request_id,
            asking: Some(asking),
            writes: true,
        };
        Ok(drafting.run(draft).await?.body)
    }

    pub(super) async fn conn(&self) -> Result<PoolConnection<Postgres>, store::Error> {
        Ok(self.pool.acquire().await?)
    }

    /// The order's sale and its refunds.
    pub(super) async fn documents(&self) -> Result<(Option<documents::Document>, Vec<documents::Document>), Trouble> {
        let all = documents::of_order(&mut *self.conn().await?, self.order.id).await?;
        let (mut sales, refunds): (Vec<_>, Vec<_>) = all.into_iter().partition(|document| document.part == 0);
        Ok((sales.pop(), refunds))
    }

    /// Keeps that the sale has the content of this revision; what stands there is only `known` to be ours when nobody
    /// else can have changed it since.
    pub(super) async fn keep(
        &self,
        stands: &quickbooks::Document,
        kind: DocumentKind,
        revision: Uuid,
        known: bool,
    ) -> Result<(), Trouble> {
        let fingerprint = known.then(|| stands.fingerprint());
        let written = self.written(stands, fingerprint.as_deref());
        let connection_id = self.lane.connection_id;
        Ok(documents::keep_sale(&mut *self.conn().await?, revision, connection_id, kind, &written).await?)
    }

    pub(super) fn written<'w>(
        &self,
        stands: &'w quickbooks::Document,
        fingerprint: Option<&'w str>,
    ) -> documents::Written<'w> {
        documents::Written {
            document_id: &stands.id,
            sync_token: fingerprint.map(|_| stands.sync_token.as_str()),
            fingerprint,
            total: stands.total,
            at: self.clock.now(),
        }
    }

    /// The document under the order's number, of this kind or any other that an order becomes.
    async fn existing(
        &self,
        live: &LiveToken,
        kind: DocumentKind,
    ) -> Result<Option<(DocumentKind, quickbooks::Document)>, Failure> {
        let (number, realm) = (&self.order.document_number, &self.lane.company_id);
        for kind in [kind].into_iter().chain(KINDS.into_iter().filter(|other| *other != kind)) {
            if let Some(found) = self.api.document_by_number(&live.token, realm, kind, number).await? {
                return Ok(Some((kind, found)));
            }
        }
        Ok(None)
    }

    /// The revision whose request id a document carries.
    async fn revision_of(&self, document: &quickbooks::Document) -> Result<Option<Uuid>, Trouble> {
        if document.carries(&self.order.request_id.to_string()) {
            return Ok(Some(self.order.id));
        }
        let note = document.private_note.as_deref().unwrap_or_default();
        Ok(documents::marked(&mut *self.conn().await?, self.order.id, note).await?)
    }

    /// A document under our number is ours only if it carries the request id of a revision of this order: somebody may
    /// have used the number by hand.
    async fn adopt(&self, kind: DocumentKind, document: &quickbooks::Document) -> Result<Posted, Trouble> {
        if let Some(revision) = self.revision_of(document).await? {
            info!(order_id = %self.order.id, document_id = document.id, "an earlier try had posted this order");
            // At its first sync token it is as it was made.
            self.keep(document, kind, revision, document.sync_token == "0").await?;
            return Ok(Posted { document_id: document.id.clone(), outcome: Outcome::Adopted });
        }
        Err(Trouble::Parked {
            message: format!(
                "QuickBooks has a {} {} of {} already (id {}) that was not made for this order's revision",
                kind.title(),
                self.order.document_number,
                document.total,
                document.id
            ),
            remedy:
                "compare the two; renumber or delete the one in QuickBooks if it is wrong, then change the order at its \
                     source, so that it comes in again"
                    .to_owned(),
            failure: None,
        })
    }

    async fn forget_names(&self) -> Result<(), store::Error> {
        let mut conn = self.pool.acquire().await?;
        quickbooks_names::forget(&mut conn, self.lane.connection_id).await
    }

    pub(super) fn note(&self, content: &Content) -> String {
        note(self.order.request_id, &self.order.external_id, content)
    }
}

/// What a document's note begins with: the mark by which an earlier try is known comes first, what is too long is cut at
/// the end.
pub(super) fn note(request_id: Uuid, external_id: &str, content: &Content) -> String {
    let external = content.external_number.as_ref().map(|number| format!(", shop order {number}")).unwrap_or_default();
    format!("{request_id} order {external_id} ({}{external})", content.name)
}

/// What a person can do about a rejection, by Intuit's code.
fn remedy(code: Option<&str>) -> &'static str {
    match code {
        Some("6210") => {
            "the period is closed in QuickBooks: reopen it or move the order's date, then change the order at its source"
        }
        Some("6140") => "the document's number is used by another document: renumber that one in QuickBooks",
        Some("6240") => "a customer, vendor, employee or inactive item of that name exists: rename it in QuickBooks",
        Some("6540" | "6480") => {
            "the document's money was deposited or it is linked to another one: undo that in QuickBooks, then retry the \
             order"
        }
        Some("5020") => "the feature or the permission is missing in QuickBooks: ask the company's administrator",
        Some("2050") => "a text is too long for QuickBooks: shorten it at the order's source",
        _ => {
            "read QuickBooks' words, correct the order at its source or the company's settings; a change there brings \
              the order in again"
        }
    }
}
