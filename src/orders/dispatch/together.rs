//! Several orders with one call: QuickBooks' batch, for a backlog of orders that were never tried.
//!
//! Everything about an order is as it would be alone: it stands in the lane's row before anything is sent, its document
//! carries its mark and its number, and what QuickBooks refuses is sent again alone, where each refusal has its answer. The
//! batch has a request id of its own. Without a reply it is repeated once under that id, which QuickBooks answers as it did
//! the first time; when that brings no reply either, every document of it is looked up by its number later.

use uuid::Uuid;

use super::poster::{Poster as _, Session, ToQuickbooks};
use crate::{
    failpoint,
    keeper::access::LiveToken,
    orders::posting::{Post, Posted, Trouble},
    provider::{
        Failure, Verdict,
        quickbooks::{Document, DocumentBody, DocumentKind},
    },
    store::{lanes, orders::Waiting},
};

/// What became of an order before anything was sent.
enum Ready {
    /// It becomes this.
    Document(DocumentKind, DocumentBody),
    /// It becomes nothing.
    Not(Trouble),
}

impl ToQuickbooks {
    /// Posts orders with one call; those that have no answer were not sent.
    pub(super) async fn together(
        &self,
        lane: &lanes::Claim,
        session: &mut Session,
        orders: &[Waiting],
    ) -> Vec<Result<Posted, Trouble>> {
        let ready = self.prepare(lane, session, orders).await;
        let bodies: Vec<_> = ready.iter().filter_map(Ready::document).collect();
        let Some(first) = ready.iter().position(|one| one.document().is_some()) else {
            // Whatever stops the first one is told as if it had been sent alone.
            return match (ready.is_empty(), orders.first()) {
                (true, Some(order)) => vec![self.post(lane, session, order).await],
                _ => ready.into_iter().filter_map(Ready::trouble).map(Err).collect(),
            };
        };
        let sent = self.send(lane, &mut session.live, &bodies).await;
        failpoint::reach("batch_answered");
        let mut answers = match sent {
            Ok(answers) => answers.into_iter(),
            Err(Trouble::Provider(failure)) if failure.verdict == Verdict::OutcomeUnknown => {
                // Any of them may have been made.
                bodies.iter().map(|_| Err(failure.clone())).collect::<Vec<_>>().into_iter()
            }
            Err(trouble) => {
                let before = ready.into_iter().take(first).filter_map(Ready::trouble).map(Err);
                return before.chain([Err(trouble)]).collect();
            }
        };
        let mut results = Vec::with_capacity(ready.len());
        for (one, order) in ready.into_iter().zip(orders) {
            let result = match one {
                Ready::Not(trouble) => Err(trouble),
                Ready::Document(kind, _) => match answers.next() {
                    Some(answer) => self.settle(lane, session, order, kind, answer).await,
                    None => break,
                },
            };
            results.push(result);
        }
        results
    }

    /// As far as it goes: from the first order on that the company or the database does not let us prepare, none.
    async fn prepare(&self, lane: &lanes::Claim, session: &Session, orders: &[Waiting]) -> Vec<Ready> {
        let mut ready = Vec::with_capacity(orders.len());
        for order in orders {
            let prepared = match self.one(lane, &session.settings, order) {
                Ok(post) => prepare(&post, &session.live).await,
                Err(trouble) => Err(trouble),
            };
            ready.push(match prepared {
                Ok((kind, body)) => Ready::Document(kind, body),
                Err(Trouble::Provider(_) | Trouble::Store(_)) => break,
                Err(trouble) => Ready::Not(trouble),
            });
        }
        ready
    }

    async fn send(
        &self,
        lane: &lanes::Claim,
        live: &mut LiveToken,
        bodies: &[(DocumentKind, &DocumentBody)],
    ) -> Result<Vec<Result<Document, Failure>>, Trouble> {
        let (api, request_id) = (self.api()?, Uuid::new_v4().to_string());
        match api.create_documents(&live.token, &lane.company_id, bodies, &request_id).await {
            Err(refused) if refused.verdict == Verdict::TokenRefused => {
                self.renew(lane, live, refused).await?;
                Ok(api.create_documents(&live.token, &lane.company_id, bodies, &request_id).await?)
            }
            Err(unknown) if unknown.verdict == Verdict::OutcomeUnknown => {
                let again = api.create_documents(&live.token, &lane.company_id, bodies, &request_id).await;
                match again {
                    Ok(answers) => Ok(repeated(answers, &unknown)),
                    Err(_) => Err(Trouble::Provider(unknown)),
                }
            }
            other => Ok(other?),
        }
    }

    async fn settle(
        &self,
        lane: &lanes::Claim,
        session: &mut Session,
        order: &Waiting,
        kind: DocumentKind,
        answer: Result<Document, Failure>,
    ) -> Result<Posted, Trouble> {
        match answer {
            Ok(document) => self.one(lane, &session.settings, order)?.made(kind, document).await,
            Err(failure) if failure.verdict == Verdict::Rejected => self.post(lane, session, order).await,
            Err(failure) => Err(Trouble::Provider(failure)),
        }
    }
}

/// The answers to a batch that was sent a second time: what is put off now, or not answered, may have been made the first
/// time.
fn repeated<T>(answers: Vec<Result<T, Failure>>, unknown: &Failure) -> Vec<Result<T, Failure>> {
    let open = |failure: Failure| if failure.verdict == Verdict::Rejected { failure } else { unknown.clone() };
    answers.into_iter().map(|answer| answer.map_err(open)).collect()
}

async fn prepare(post: &Post<'_>, live: &LiveToken) -> Result<(DocumentKind, DocumentBody), Trouble> {
    post.prepare(live, &post.content()?).await
}

impl Ready {
    fn document(&self) -> Option<(DocumentKind, &DocumentBody)> {
        match self {
            Self::Document(kind, body) => Some((*kind, body)),
            Self::Not(_) => None,
        }
    }

    fn trouble(self) -> Option<Trouble> {
        match self {
            Self::Document(..) => None,
            Self::Not(trouble) => Some(trouble),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;

    #[test]
    fn what_a_repeated_batch_puts_off_may_have_been_made_the_first_time() {
        let failure = |verdict| Failure::without_reply(Provider::Quickbooks, "create documents", verdict, "test", "no");
        let answers = vec![Ok(()), Err(failure(Verdict::Transient)), Err(failure(Verdict::Rejected))];
        let verdicts = repeated(answers, &failure(Verdict::OutcomeUnknown));
        let verdicts: Vec<_> = verdicts.into_iter().map(|answer| answer.map_err(|failure| failure.verdict)).collect();
        assert_eq!(verdicts, [Ok(()), Err(Verdict::OutcomeUnknown), Err(Verdict::Rejected)]);
    }
}
