//! Documents after they were made, and many at once: read, changed, voided, created by the batch.
//!
//! A change names the sync token it was decided on, so QuickBooks refuses it (5010) when the document moved since. The
//! caller decides anew then; nothing here tries twice.

use std::collections::HashMap;

use secrecy::SecretString;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::super::reply::Reply;
use super::super::verdict::{self, Surface};
use super::{Api, Document, DocumentBody, DocumentKind, MINOR_VERSION, call};
use crate::provider::Failure;

/// QuickBooks takes this many creates in one batch.
pub const BATCH: usize = 30;

/// One document as it was when something was decided about it.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Its kind.
    pub kind: DocumentKind,
    /// QuickBooks' id.
    pub id: &'a str,
    /// Its revision at that time.
    pub sync_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Changed<'a> {
    id: &'a str,
    sync_token: &'a str,
    // What the body does not name is not ours and stays as somebody set it.
    #[serde(rename = "sparse")]
    sparse: bool,
    #[serde(flatten)]
    body: Option<&'a DocumentBody>,
}

impl<'a> Api<'a> {
    /// The document with this id. `Rejected` with code `610` means that it is gone.
    pub async fn document(
        &self,
        access: &SecretString,
        realm: &str,
        kind: DocumentKind,
        id: &str,
    ) -> Result<Document, Failure> {
        let url = self.0.url(&["v3", "company", realm, kind.path(), id]);
        self.fetch("read document", access, url, kind.entity()).await
    }

    /// Replaces all that we own of a document: lines, date, customer, note, currency, tax. `Rejected` with code `5010`
    /// means that it was changed since the sync token, with `610` that it is gone.
    pub async fn update_document(
        &self,
        access: &SecretString,
        realm: &str,
        standing: Standing<'_>,
        body: &DocumentBody,
        request_id: &str,
    ) -> Result<Document, Failure> {
        let what = Changed { id: standing.id, sync_token: standing.sync_token, sparse: true, body: Some(body) };
        self.change("update document", access, realm, (standing.kind, &[]), &what, request_id).await
    }

    /// Voids a document: it stays under its number, with nothing on it. Codes as for an update.
    pub async fn void_document(
        &self,
        access: &SecretString,
        realm: &str,
        standing: Standing<'_>,
        request_id: &str,
    ) -> Result<Document, Failure> {
        let what = Changed { id: standing.id, sync_token: standing.sync_token, sparse: true, body: None };
        let how: &[(&str, &str)] = match standing.kind {
            DocumentKind::Invoice => &[("operation", "void")],
            DocumentKind::SalesReceipt | DocumentKind::RefundReceipt => &[("operation", "update"), ("include", "void")],
        };
        self.change("void document", access, realm, (standing.kind, how), &what, request_id).await
    }

    async fn change(
        &self,
        operation: &'static str,
        access: &SecretString,
        realm: &str,
        (kind, how): (DocumentKind, &[(&str, &str)]),
        what: &Changed<'_>,
        request_id: &str,
    ) -> Result<Document, Failure> {
        let url = self.0.url(&["v3", "company", realm, kind.path()]);
        let request = self.0.post(url).query(how).query(&[MINOR_VERSION, ("requestid", request_id)]).json(what);
        let read = |reply: &Reply| super::entity_in(&reply.read()?, kind.entity());
        self.0.ask(call(operation, Surface::Create), access, request, read).await
    }

    /// Creates up to [`BATCH`] documents in one call, which counts as one request; the answers stand in the order of
    /// the documents. QuickBooks refuses each on its own, with HTTP 200. One that the reply does not answer is
    /// `OutcomeUnknown`, as all are when no reply came.
    ///
    /// A batch has one request id, of at most 36 characters, for exactly these documents in this order.
    ///
    /// # Errors
    /// The call as a whole failed.
    pub async fn create_documents(
        &self,
        access: &SecretString,
        realm: &str,
        documents: &[(DocumentKind, &DocumentBody)],
        request_id: &str,
    ) -> Result<Vec<Result<Document, Failure>>, Failure> {
        let items = documents.iter().enumerate();
        let items = items.map(|(position, (kind, body))| Item { position, entity: kind.entity(), body }).collect();
        let url = self.0.url(&["v3", "company", realm, "batch"]);
        let request = self.0.post(url).query(&[MINOR_VERSION, ("requestid", request_id)]);
        let request = request.json(&Items { items });
        let call = call("create documents", Surface::Create);
        self.0
            .ask(call, access, request, |reply| {
                let answers = reply.read::<Answers>()?.items;
                let answers: HashMap<String, &RawValue> =
                    answers.iter().filter_map(|answer| Some((id_of(answer)?, &**answer))).collect();
                let one = |(position, (kind, _)): (usize, &(DocumentKind, &DocumentBody))| {
                    let said = reply.part(answers.get(&position.to_string()).map_or("{}", |answer| answer.get()));
                    let made = said.read().and_then(|members| super::entity_in(&members, kind.entity()));
                    made.ok_or_else(|| verdict::judge(call, &said))
                };
                Some(documents.iter().enumerate().map(one).collect())
            })
            .await
    }
}

#[derive(Serialize)]
struct Items<'a> {
    #[serde(rename = "BatchItemRequest")]
    items: Vec<Item<'a>>,
}

/// One document of a batch, under its position.
struct Item<'a> {
    position: usize,
    entity: &'static str,
    body: &'a DocumentBody,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut item = serializer.serialize_map(Some(3))?;
        item.serialize_entry("bId", &self.position.to_string())?;
        item.serialize_entry("operation", "create")?;
        item.serialize_entry(self.entity, self.body)?;
        item.end()
    }
}

#[derive(Deserialize)]
struct Answers {
    #[serde(rename = "BatchItemResponse")]
    items: Vec<Box<RawValue>>,
}

/// Whom an answer is for.
fn id_of(answer: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "bId")]
        id: String,
    }
    serde_json::from_str::<Named>(answer.get()).ok().map(|named| named.id)
}
