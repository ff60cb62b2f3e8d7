//! Changes to the document that stands: read, compared with what we last wrote, then updated or voided.
//!
//! QuickBooks refuses a write that was decided on an older state (5010); then it is read and decided again. A write whose
//! reply was lost shows itself by its mark in the note, one sync token further on, and is not sent a second time. The
//! request id on the wire ends with the sync token: a refusal that QuickBooks should remember stays with the state that
//! it was about.

use rust_decimal::Decimal;
use tracing::info;
use uuid::Uuid;

use super::{Plan, Standing, parked, plain, plan, same_document};
use crate::{
    failpoint,
    keeper::access::LiveToken,
    orders::{
        content::Content,
        posting::{Post, REPLACED, Trouble},
    },
    provider::{
        Failure,
        quickbooks::{self, Document, DocumentKind, TxnTaxDetail},
    },
    store::documents,
    words,
};

/// QuickBooks' code for a document that moved.
const STALE: &str = "5010";
/// Its codes for one that is gone.
const GONE: [&str; 2] = ["610", "620"];
/// How often a document may move under our hands.
const ROUNDS: usize = 3;

/// What a revision does to the documents of its order.
pub(in crate::orders) struct Change<'a> {
    pub(in crate::orders) post: &'a Post<'a>,
    pub(in crate::orders) live: &'a LiveToken,
    pub(in crate::orders) content: &'a Content,
    pub(in crate::orders) sale: documents::Document,
    pub(in crate::orders) refunds: Vec<documents::Document>,
}

/// What is found where our document should be.
enum Found {
    /// As we left it.
    Ours(Box<Document>),
    /// This revision's content stands there already.
    Done,
}

impl Change<'_> {
    /// Does what the revision asks for; says whether anything was written.
    pub(in crate::orders) async fn carry_out(mut self) -> Result<bool, Trouble> {
        if self.sale.connection_id != self.post.lane.connection_id {
            return Err(parked(
                format!("the order's {} stands in another QuickBooks company than the one connected now", self.name()),
                "change it there by hand, then skip this revision of the order",
            ));
        }
        self.settle_void().await?;
        self.settle_refund().await?;
        let plan = self.plan().await?;
        let mut written = false;
        if plan.update {
            written |= self.update().await?;
        }
        if self.post.order.replaced {
            // What else it asks for is for the revision that took its place.
            let done = plan.update || plan == Plan::default();
            return if done { Ok(written) } else { Err(Trouble::Moot(REPLACED)) };
        }
        if plan.void {
            written |= self.void().await?;
        }
        if let Some(target) = plan.refund {
            written |= self.refund(target).await?;
        }
        Ok(written)
    }

    async fn plan(&self) -> Result<Plan, Trouble> {
        let stands = self.sale.order_id == Some(self.post.order.id);
        let same = stands || self.made_of_the_same().await?;
        // Until the sale is as the order says, the order's own total is the one that counts.
        let total = if same { self.sale.total } else { self.content.total.or(self.sale.total) };
        let invoice = self.sale.kind == DocumentKind::Invoice;
        let standing =
            Standing { same, voided: self.sale.voided_at.is_some(), refunded: self.refunded(), total, invoice };
        let settings = self.post.settings;
        plan(self.content.wish(), standing, settings.on_cancel, settings.on_refund)
            .map_err(|(message, remedy)| parked(format!("{message}: {}", self.name()), remedy))
    }

    /// Whether the revision that stands there makes the same document.
    async fn made_of_the_same(&self) -> Result<bool, Trouble> {
        let Some(order_id) = self.sale.order_id else { return Ok(false) };
        let Some(said) = documents::said(&mut *self.post.conn().await?, order_id).await? else { return Ok(false) };
        Ok(match serde_json::from_value::<Content>(said.content) {
            Ok(standing) => same_document(&standing, self.content),
            // It grew old and was dropped; its hash is left.
            Err(_) => plain(self.content).revision() == said.revision,
        })
    }

    /// The sale gets this revision's content.
    async fn update(&mut self) -> Result<bool, Trouble> {
        for _ in 0..ROUNDS {
            let stands = match self.look().await? {
                Found::Ours(stands) => stands,
                Found::Done => return Ok(false),
            };
            if self.post.order.replaced {
                return Err(Trouble::Moot(REPLACED));
            }
            let mut body = {
                let draft = self.post.draft(self.content, Some(self.sale.kind))?;
                self.post.body(self.live, self.post.order.request_id, draft).await?
            };
            if body.txn_tax_detail.is_none() && !stands.tax().is_zero() {
                // A tax that is left out stays.
                body.txn_tax_detail = Some(TxnTaxDetail { total_tax: Decimal::ZERO });
            }
            let request_id = format!("{}-{}", self.post.order.request_id, stands.sync_token);
            failpoint::reach("change_decided");
            let (access, realm) = (&self.live.token, &self.post.lane.company_id);
            let sent = self.post.api.update_document(access, realm, self.at(&stands), &body, &request_id).await;
            failpoint::reach("change_answered");
            match sent {
                Ok(changed) => {
                    self.keep(&changed, self.post.order.id, true).await?;
                    failpoint::reach("change_kept");
                    return Ok(true);
                }
                Err(failure) if failure.code.as_deref() == Some(STALE) => {}
                Err(failure) => return Err(self.refused(failure)),
            }
        }
        Err(self.restless())
    }

    /// Nothing is left on the sale.
    async fn void(&mut self) -> Result<bool, Trouble> {
        let order_id = self.post.order.id;
        let fixed = documents::plan_void(&mut *self.post.conn().await?, order_id, Uuid::new_v4()).await?;
        failpoint::reach("void_planned");
        for _ in 0..ROUNDS {
            let stands = self.read().await?;
            if stands.is_void() {
                self.keep_void(&stands).await?;
                return Ok(false);
            }
            self.compare(&stands).await?;
            let request_id = format!("{fixed}-{}", stands.sync_token);
            let (access, realm) = (&self.live.token, &self.post.lane.company_id);
            let sent = self.post.api.void_document(access, realm, self.at(&stands), &request_id).await;
            failpoint::reach("void_answered");
            match sent {
                Ok(void) => {
                    self.keep_void(&void).await?;
                    failpoint::reach("void_kept");
                    return Ok(true);
                }
                Err(failure) if failure.code.as_deref() == Some(STALE) => {}
                Err(failure) => return Err(self.refused(failure)),
            }
        }
        Err(self.restless())
    }

    /// A void that was planned may have been carried out: what follows depends on it.
    async fn settle_void(&mut self) -> Result<(), Trouble> {
        if self.sale.void_request_id.is_some() && self.sale.voided_at.is_none() {
            let stands = self.read().await?;
            if stands.is_void() {
                self.keep_void(&stands).await?;
            }
        }
        Ok(())
    }

    /// Reads the sale and says whether it may be changed.
    async fn look(&mut self) -> Result<Found, Trouble> {
        let stands = self.read().await?;
        match self.compare(&stands).await? {
            Some(revision) if revision == self.post.order.id => Ok(Found::Done),
            _ => Ok(Found::Ours(Box::new(stands))),
        }
    }

    /// Compares what stands with what we last wrote. A write of ours whose reply was lost is kept on the way; the answer
    /// is its revision. What somebody else changed is for a person.
    async fn compare(&mut self, stands: &Document) -> Result<Option<Uuid>, Trouble> {
        let order_id = self.post.order.id;
        if self.sale.sync_token.as_ref() == Some(&stands.sync_token) {
            return Ok(None);
        }
        if self.sale.fingerprint.as_ref() == Some(&stands.fingerprint()) {
            // Something else about it moved: a payment, a mail that was sent.
            documents::keep_token(&mut *self.post.conn().await?, order_id, &stands.sync_token).await?;
            self.sale.sync_token = Some(stands.sync_token.clone());
            return Ok(None);
        }
        let note = stands.private_note.as_deref().unwrap_or_default();
        let marked = documents::marked(&mut *self.post.conn().await?, order_id, note).await?;
        match marked.filter(|revision| self.sale.order_id != Some(*revision)) {
            Some(revision) if self.one_further(stands) => {
                info!(order_id = %revision, document_id = stands.id, "an earlier try had changed this document");
                self.keep(stands, revision, true).await?;
                Ok(Some(revision))
            }
            // It was changed by us, and then by somebody else: what we wrote is not known.
            Some(revision) if revision == order_id => {
                self.keep(stands, revision, false).await?;
                Ok(Some(revision))
            }
            _ => Err(self.changed_by_hand(stands)),
        }
    }

    /// Whether exactly one write happened since ours.
    fn one_further(&self, stands: &Document) -> bool {
        let number = |token: &str| token.parse::<u64>().ok();
        let ours = self.sale.sync_token.as_deref().and_then(number);
        ours.is_some() && ours.map(|token| token + 1) == number(&stands.sync_token)
    }

    pub(super) async fn read(&self) -> Result<Document, Trouble> {
        let (access, realm) = (&self.live.token, &self.post.lane.company_id);
        let read = self.post.api.document(access, realm, self.sale.kind, self.id()).await;
        read.map_err(|failure| self.refused(failure))
    }

    /// Keeps what stands there now, as the content of this revision.
    async fn keep(&mut self, stands: &Document, revision: Uuid, known: bool) -> Result<(), Trouble> {
        self.post.keep(stands, self.sale.kind, revision, known).await?;
        self.sale.order_id = Some(revision);
        self.sale.sync_token = known.then(|| stands.sync_token.clone());
        self.sale.fingerprint = known.then(|| stands.fingerprint());
        self.sale.total = Some(stands.total);
        Ok(())
    }

    async fn keep_void(&mut self, stands: &Document) -> Result<(), Trouble> {
        let fingerprint = stands.fingerprint();
        let written = self.post.written(stands, Some(&fingerprint));
        documents::keep_void(&mut *self.post.conn().await?, self.post.order.id, &written).await?;
        self.sale.voided_at = Some(written.at);
        Ok(())
    }

    fn at<'s>(&self, stands: &'s Document) -> quickbooks::Standing<'s> {
        quickbooks::Standing { kind: self.sale.kind, id: &stands.id, sync_token: &stands.sync_token }
    }

    fn id(&self) -> &str {
        self.sale.document_id.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> String {
        format!("{} {} (id {})", self.sale.kind.title(), self.sale.document_number, self.id())
    }

    fn refused(&self, failure: Failure) -> Trouble {
        if !failure.code.as_deref().is_some_and(|code| GONE.contains(&code)) {
            return failure.into();
        }
        Trouble::Parked {
            message: format!("the order's {} was deleted in QuickBooks", self.name()),
            remedy: "if it should be there, enter it in QuickBooks by hand; then skip this revision of the order"
                .to_owned(),
            failure: Some(Box::new(failure)),
        }
    }

    fn restless(&self) -> Trouble {
        parked(
            format!("the order's {} changed in QuickBooks each time it was about to be changed from here", self.name()),
            "see who else works on it, then retry the order",
        )
    }

    fn changed_by_hand(&self, stands: &Document) -> Trouble {
        let ours = match (self.sale.total, self.sale.written_at) {
            (Some(total), Some(at)) => format!("a total of {total:.2} on {}", words::instant(at)),
            (Some(total), None) => format!("a total of {total:.2}"),
            (None, _) => "a total that is not known any more".to_owned(),
        };
        let when = stands.updated_at().map_or_else(String::new, |at| format!(", changed on {}", words::instant(at)));
        parked(
            format!(
                "the order's {} was changed in QuickBooks by somebody else: written from here was {ours}; there stands \
                 a total of {:.2} (sync token {}){when}",
                self.name(),
                stands.total,
                stands.sync_token
            ),
            "decide which of the two is right: either undo the change in QuickBooks and retry the order, or put there \
             what the order says now and skip this revision of it",
        )
    }
}
