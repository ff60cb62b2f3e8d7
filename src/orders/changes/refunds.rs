//! Refund receipts beside a sale. Each has its number, its request id and its amount stored before it is sent, and one
//! that may have been sent is looked for by its number before it is sent again.

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};
use tracing::info;
use uuid::Uuid;

use super::{parked, standing::Change};
use crate::{
    failpoint,
    orders::{content::DOCUMENT_NUMBER_LENGTH, posting::Trouble},
    provider::quickbooks::{Document, DocumentBody, DocumentKind, Reference},
    store::documents,
};

/// A receipt that QuickBooks made over less than was asked is followed by another, so often.
const ROUNDS: usize = 3;

/// One refund on its way.
struct Refund {
    part: i16,
    number: String,
    request_id: Uuid,
    amount: Decimal,
}

impl Change<'_> {
    /// What the refund receipts come to.
    pub(super) fn refunded(&self) -> Decimal {
        self.refunds.iter().filter(|refund| refund.document_id.is_some()).filter_map(|refund| refund.total).sum()
    }

    /// A refund that was planned may have been made: what follows depends on it.
    pub(super) async fn settle_refund(&mut self) -> Result<(), Trouble> {
        let Some(open) = self.refunds.iter().find(|refund| refund.document_id.is_none()) else { return Ok(()) };
        let refund = Refund {
            part: open.part,
            number: open.document_number.clone(),
            request_id: open.request_id,
            amount: open.total.unwrap_or_default(),
        };
        match self.made_before(&refund).await? {
            Some(made) => self.keep_refund(&refund, &made).await,
            None => Ok(()),
        }
    }

    /// Adds what is missing until the refund receipts come to `target`; says whether anything was written.
    pub(super) async fn refund(&mut self, target: Decimal) -> Result<bool, Trouble> {
        let mut written = false;
        for _ in 0..ROUNDS {
            let due = target - self.refunded();
            if due <= Decimal::ZERO {
                return Ok(written);
            }
            let refund = self.plan_refund(due).await?;
            failpoint::reach("refund_planned");
            let made = self.make(&refund).await?;
            failpoint::reach("refund_answered");
            self.keep_refund(&refund, &made).await?;
            failpoint::reach("refund_kept");
            written = true;
        }
        Err(parked(
            format!("QuickBooks makes no refund receipts that come to {target}: {}", self.name()),
            "look at the refund receipts of this order in QuickBooks",
        ))
    }

    async fn plan_refund(&self, due: Decimal) -> Result<Refund, Trouble> {
        let open = self.refunds.iter().find(|refund| refund.document_id.is_none());
        let (part, number, request_id) = match open {
            Some(open) => (open.part, open.document_number.clone(), open.request_id),
            None => {
                let part = self.refunds.iter().map(|refund| refund.part).max().unwrap_or(0) + 1;
                (part, number(&self.sale.document_number, part), Uuid::new_v4())
            }
        };
        let order_id = self.post.order.id;
        documents::plan_refund(&mut *self.post.conn().await?, order_id, part, (&number, request_id), due).await?;
        Ok(Refund { part, number, request_id, amount: due })
    }

    async fn make(&self, refund: &Refund) -> Result<Document, Trouble> {
        let body = self.receipt(refund).await?;
        let request_id = refund.request_id.to_string();
        let (access, realm) = (&self.live.token, &self.post.lane.company_id);
        let kind = DocumentKind::RefundReceipt;
        match self.post.api.create_document(access, realm, kind, &body, &request_id).await {
            Err(failure) if failure.code.as_deref() == Some("6140") => match self.made_before(refund).await? {
                Some(made) => Ok(made),
                None => Err(failure.into()),
            },
            other => Ok(other?),
        }
    }

    /// The receipt under this number; one that does not carry our mark is somebody else's.
    async fn made_before(&self, refund: &Refund) -> Result<Option<Document>, Trouble> {
        let (access, realm, kind) = (&self.live.token, &self.post.lane.company_id, DocumentKind::RefundReceipt);
        match self.post.api.document_by_number(access, realm, kind, &refund.number).await? {
            Some(made) if made.carries(&refund.request_id.to_string()) => {
                info!(order_id = %self.post.order.id, document_id = made.id, "an earlier try had made this refund");
                Ok(Some(made))
            }
            Some(other) => Err(parked(
                format!(
                    "QuickBooks has a refund receipt {} of {} already (id {}) that was not made for this order",
                    refund.number, other.total, other.id
                ),
                "renumber it in QuickBooks if it belongs to something else, then retry the order",
            )),
            None => Ok(None),
        }
    }

    /// All of the sale line by line, or a part of it as one amount.
    async fn receipt(&self, refund: &Refund) -> Result<DocumentBody, Trouble> {
        let (content, settings) = (self.content, self.post.settings);
        let note = format!("{} refund of {}", refund.request_id, self.post.note(content));
        let sale = self.post.draft(content, Some(self.sale.kind))?;
        let draft = sale.refund(refund.amount, settings, &refund.number, &note);
        let body = self.post.body(self.live, refund.request_id, draft).await?;
        let account = self.paid_from().await?;
        Ok(DocumentBody { deposit_to_account_ref: Some(Reference::to(account)), ..body })
    }

    /// The account that got the money, else the configured one.
    async fn paid_from(&self) -> Result<String, Trouble> {
        if let Some(account) = self.read().await?.deposit_to {
            return Ok(account.id);
        }
        let name = &self.post.settings.refund_account;
        let found = self.post.api.account_by_name(&self.live.token, &self.post.lane.company_id, name).await?;
        found.map(|account| account.id).ok_or_else(|| {
            parked(
                format!("the company has no account {name:?} that the refund could be paid from"),
                "name one of the company's bank accounts in the setting refund_account, then retry the order",
            )
        })
    }

    async fn keep_refund(&mut self, refund: &Refund, made: &Document) -> Result<(), Trouble> {
        let fingerprint = made.fingerprint();
        let written = self.post.written(made, Some(&fingerprint));
        documents::keep_refund(&mut *self.post.conn().await?, self.post.order.id, refund.part, &written).await?;
        self.refunds = self.post.documents().await?.1;
        Ok(())
    }
}

/// The number of an order's refund: the sale's with a mark, as long as that fits.
fn number(sale: &str, part: i16) -> String {
    let plain = format!("{sale}-R{part}");
    if plain.len() <= DOCUMENT_NUMBER_LENGTH {
        return plain;
    }
    let mark = format!("R{part}-");
    let hash: String = Sha256::digest(sale.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    mark.chars().chain(hash.chars()).take(DOCUMENT_NUMBER_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_has_a_number_of_its_own_that_fits() {
        assert_eq!(number("HS-33451", 1), "HS-33451-R1");
        let long = "HS-123456789012345678";
        for part in [1, 2, 12, 300] {
            let number = number(long, part);
            assert!(number.len() <= DOCUMENT_NUMBER_LENGTH && number.starts_with(&format!("R{part}-")), "{number}");
        }
        assert_ne!(number(long, 1), number("HS-123456789012345679", 1));
    }
}
