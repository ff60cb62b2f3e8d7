//! One turn of a lane: a batch, in order, in handfuls. The orders of a handful stand in the lane's row, committed, before
//! the first of them is sent; one statement writes how they ended, fenced. A failure that concerns the company ends the
//! turn: what was begun behind it was not sent, and nothing is written of it.
//!
//! An order with an earlier revision begins a handful of its own: what became of that one must be written by then. What
//! the last worker of a lane left under way is unknown, and looked up before it is posted again.

use std::time::Instant;

use chrono::{DateTime, Utc};
use tracing::{Instrument as _, Span, debug, field::Empty, info, info_span, warn};
use uuid::Uuid;

use super::{Dispatch, Report, pace::Pace, poster::Poster, stuck::Stuck};
use crate::{
    failpoint,
    keeper::access::Unavailable,
    orders::posting::{Posted, Trouble},
    outage::Evidence,
    provider::{Failure, Provider, Verdict},
    retry::{Backoff, later},
    store::{
        self,
        attempts::{self, Begun, Ended, Outcome},
        documents,
        lanes::{self, Leave},
        orders::{self, Status, Waiting},
    },
};

/// A lane in the hands of its worker.
pub(super) struct Turn<'a, P> {
    pub(super) dispatch: &'a Dispatch<P>,
    pub(super) lane: lanes::Claim,
    pub(super) report: Report,
    pub(super) evidence: Evidence,
    /// The company was asked for something.
    pub(super) asked: bool,
}

/// What delivering a handful came to.
enum Delivered {
    /// So many were sent, and their ends are written.
    Sent(usize),
    /// Nothing was sent, because a person decided about an order of the lane.
    Decided,
    /// The lane was given back with the last word, or is somebody else's.
    Over,
}

/// How one order ended, and whether the turn ends with it.
type Judged = (Ended, Option<Leave>);

impl<'a, P: Poster> Turn<'a, P> {
    pub(super) fn new(dispatch: &'a Dispatch<P>, lane: lanes::Claim) -> Self {
        Self { dispatch, lane, report: Report::default(), evidence: Evidence::default(), asked: false }
    }

    /// Works a batch off; `None` when the lane is given back already, or went to somebody else.
    pub(super) async fn work(&mut self, batch: usize) -> Result<Option<Leave>, store::Error> {
        let mut waiting = {
            let mut conn = self.dispatch.pool.acquire().await?;
            let now = self.dispatch.keeper.clock.now();
            if !attempts::abandon(&mut conn, &self.lane, now).await? {
                return Ok(None);
            }
            // One more than is taken tells whether any are left.
            let limit = i64::try_from(batch).unwrap_or(i64::MAX).saturating_add(1);
            orders::next(&mut conn, self.lane.account_id, limit).await?
        };
        if waiting.is_empty() {
            return Ok(Some(Leave::Empty));
        }
        let more = waiting.len() > batch;
        waiting.truncate(batch);
        let through = if more { Leave::More } else { Leave::Empty };
        let mut session = match self.dispatch.poster.open(&self.lane).await {
            Ok(session) => session,
            Err(Unavailable::Store(error)) => return Err(error),
            Err(reason) => {
                debug!(connection_id = %self.lane.connection_id, %reason, "lane waits for its token");
                return Ok(Some(self.pause(None)));
            }
        };
        let mut rest = waiting.as_slice();
        while let Some(first) = rest.first() {
            if self.dispatch.stopping.is_cancelled() {
                return Ok(Some(Leave::More));
            }
            if self.dispatch.settle_without_a_try(first).await? {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let together = self.together(rest);
            let (handful, behind) = rest.split_at(together.unwrap_or_else(|| self.handful(rest)));
            let last = behind.is_empty().then_some(through);
            match self.deliver(&mut session, handful, together.is_some(), last).await? {
                Delivered::Sent(count) => rest = rest.get(count..).unwrap_or_default(),
                // What was read is no longer true: the lane is claimed and read anew.
                Delivered::Decided => return Ok(Some(Leave::More)),
                Delivered::Over => return Ok(None),
            }
        }
        Ok(Some(through))
    }

    /// How many of these are sent with one call, if that is worth it: orders that were never tried and follow nothing.
    fn together(&self, rest: &[Waiting]) -> Option<usize> {
        let (worth, most) = P::TOGETHER?;
        let fresh = |order: &&Waiting| order.attempts == 0 && !order.has_earlier && !order.replaced;
        let count = rest.iter().take(most).take_while(fresh).count();
        Some(count).filter(|count| *count >= worth)
    }

    /// How many of these are begun together.
    fn handful(&self, rest: &[Waiting]) -> usize {
        let apart = |order: &Waiting| order.has_earlier || order.replaced;
        let together = rest.iter().skip(1).take_while(|order| !apart(order)).count();
        self.dispatch.pace.handful().min(together + 1)
    }

    /// Begins a handful, posts it, and writes how it ended, all in the lane's own row or beside it.
    async fn deliver(
        &mut self,
        session: &mut P::Session,
        handful: &[Waiting],
        together: bool,
        last: Option<Leave>,
    ) -> Result<Delivered, store::Error> {
        let dispatch = self.dispatch;
        let (clock, lease) = (&dispatch.keeper.clock, dispatch.config.lease);
        let ids: Vec<_> = handful.iter().map(|order| order.id).collect();
        let begun = {
            let mut conn = dispatch.pool.acquire().await?;
            attempts::begin(&mut conn, &self.lane, &ids, lease, clock.now()).await?
        };
        match begun {
            Begun::Ours => {}
            Begun::Decided => return Ok(Delivered::Decided),
            Begun::Lost => return Ok(Delivered::Over),
        }
        failpoint::reach("order_begun");
        let (ended, leave) = if together {
            self.in_one_call(session, handful).await?
        } else {
            self.one_by_one(session, handful).await?
        };
        for one in &ended {
            dispatch.metrics.count_attempt(one.outcome.as_str());
        }
        let leave = leave.or(last.filter(|_| ended.len() == handful.len()));
        self.report.held = u32::from(matches!(leave, Some(Leave::Pause { .. })));
        let parting = leave.map(|leave| (leave, clock.now()));
        // What was tried before, or follows an earlier revision, may take a document over.
        let heirs = handful
            .iter()
            .zip(&ended)
            .filter(|(order, one)| one.order_status == Status::Posted && (order.has_earlier || order.attempts > 0));
        let heirs: Vec<_> = heirs.map(|(order, _)| order.id).collect();
        let ours = if heirs.is_empty() {
            let mut conn = dispatch.pool.acquire().await?;
            attempts::finish(&mut conn, &self.lane, &dispatch.daemon, &ended, lease, parting).await?
        } else {
            self.hand_over(&heirs, &ended, parting).await?
        };
        failpoint::reach("order_finished");
        Ok(if ours && leave.is_none() { Delivered::Sent(ended.len()) } else { Delivered::Over })
    }

    /// Until one of them ends the turn, or the moment is over.
    async fn one_by_one(
        &mut self,
        session: &mut P::Session,
        handful: &[Waiting],
    ) -> Result<(Vec<Ended>, Option<Leave>), store::Error> {
        let (dispatch, begun) = (self.dispatch, Instant::now());
        let (mut ended, mut leave) = (Vec::with_capacity(handful.len()), None);
        for order in handful {
            if !ended.is_empty() && (Pace::is_over(begun.elapsed()) || dispatch.stopping.is_cancelled()) {
                break;
            }
            let started_at = dispatch.keeper.clock.now();
            let span = span(order);
            let result =
                in_time(dispatch, dispatch.poster.post(&self.lane, session, order)).instrument(span.clone()).await;
            let judging = self.judge(session, order, result.unwrap_or_else(|late| Err(late.into())));
            let (one, stop) = judging.instrument(span.clone()).await?;
            record(&span, &one);
            ended.push(Ended { started_at, ..one });
            if stop.is_some() {
                leave = stop;
                break;
            }
        }
        dispatch.pace.learn(ended.len(), begun.elapsed());
        Ok((ended, leave))
    }

    /// All that were sent have an end, those behind a failure too; of one failure one word is enough.
    async fn in_one_call(
        &mut self,
        session: &mut P::Session,
        handful: &[Waiting],
    ) -> Result<(Vec<Ended>, Option<Leave>), store::Error> {
        let dispatch = self.dispatch;
        let started_at = dispatch.keeper.clock.now();
        let posting = dispatch.poster.post_together(&self.lane, session, handful);
        let results = in_time(dispatch, posting)
            .instrument(info_span!("order.post_together", orders = handful.len()))
            .await
            .unwrap_or_else(|late| handful.iter().map(|_| Err(Trouble::Provider(late.clone()))).collect());
        let (mut ended, mut leave) = (Vec::with_capacity(handful.len()), None);
        for (order, result) in handful.iter().zip(results) {
            let span = span(order);
            let (one, stop) = match result {
                Err(Trouble::Provider(failure)) if leave.is_some() => {
                    (self.of_failure(order, outcome(failure.verdict), &failure), None)
                }
                result => self.judge(session, order, result).instrument(span.clone()).await?,
            };
            record(&span, &one);
            ended.push(Ended { started_at, ..one });
            leave = leave.or(stop);
        }
        Ok((ended, leave))
    }

    /// Writes how a handful ended, and that the revisions whose documents these orders have now are superseded.
    async fn hand_over(
        &self,
        heirs: &[Uuid],
        ended: &[Ended],
        parting: Option<(Leave, DateTime<Utc>)>,
    ) -> Result<bool, store::Error> {
        let dispatch = self.dispatch;
        let mut tx = dispatch.pool.begin().await?;
        let mut again = false;
        for heir in heirs {
            again |= documents::hand_over(&mut tx, *heir).await?;
        }
        if !attempts::finish(&mut tx, &self.lane, &dispatch.daemon, ended, dispatch.config.lease, parting).await? {
            return Ok(false);
        }
        if again {
            lanes::wake(&mut tx, self.lane.account_id, dispatch.keeper.clock.now()).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn judge(
        &mut self,
        session: &P::Session,
        order: &Waiting,
        result: Result<Posted, Trouble>,
    ) -> Result<Judged, store::Error> {
        self.asked = true;
        Ok(match result {
            Ok(posted) => (self.posted(order, posted), None),
            Err(Trouble::Store(error)) => return Err(error),
            Err(Trouble::Moot(why)) => {
                self.evidence.answered();
                let words = Some(why.to_owned());
                (
                    Ended { order_status: Status::Superseded, message: words, ..self.ended(order, Outcome::Transient) },
                    None,
                )
            }
            Err(Trouble::Parked { message, remedy, failure }) => {
                (self.parked(order, message, remedy, failure.as_deref()), None)
            }
            Err(Trouble::Provider(failure)) => self.failed(session, order, &failure).await?,
        })
    }

    pub(super) fn posted(&mut self, order: &Waiting, posted: Posted) -> Ended {
        self.evidence.answered();
        self.report.posted += 1;
        self.lane.unstick();
        let Posted { document_id, outcome } = posted;
        Ended { order_status: Status::Posted, document_id: Some(document_id), ..self.ended(order, outcome) }
    }

    pub(super) fn parked(
        &mut self,
        order: &Waiting,
        message: String,
        remedy: String,
        failure: Option<&Failure>,
    ) -> Ended {
        self.evidence.answered();
        self.report.parked += 1;
        self.lane.unstick();
        warn!(order_id = %order.id, message, remedy, "order parked");
        let ended = failure.map_or_else(
            || self.ended(order, Outcome::Parked),
            |failure| self.of_failure(order, Outcome::Parked, failure),
        );
        Ended { order_status: Status::Parked, message: Some(message), remedy: Some(remedy), ..ended }
    }

    /// QuickBooks did not take the order now: it is kept, and the turn ends. Unless it is stuck for a reason of its own.
    async fn failed(
        &mut self,
        session: &P::Session,
        order: &Waiting,
        failure: &Failure,
    ) -> Result<Judged, store::Error> {
        self.evidence.failed(failure);
        self.dispatch.poster.tell(&self.lane, session, failure).await?;
        match self.stuck(session, order, failure).await? {
            Stuck::Posted(posted) => return Ok((self.posted(order, posted), None)),
            Stuck::Parked { message, remedy } => return Ok((self.parked(order, message, remedy, Some(failure)), None)),
            Stuck::No => {}
        }
        let leave = self.pause(failure.retry_after);
        info!(order_id = %order.id, %failure, pause = ?leave, "order waits: QuickBooks did not take it now");
        Ok((self.of_failure(order, outcome(failure.verdict), failure), Some(leave)))
    }

    /// Pauses grow from failure to failure, until an order went through.
    fn pause(&self, retry_after: Option<std::time::Duration>) -> Leave {
        let config = &self.dispatch.config;
        let backoff = Backoff { min: config.retry_min, max: config.retry_max };
        let before = if self.report.posted + self.report.parked > 0 { 0 } else { self.lane.failures };
        let failures = before.saturating_add(1);
        let pause = backoff.pause(u32::try_from(failures).unwrap_or(1), rand::random(), retry_after);
        Leave::Pause { until: later(self.dispatch.keeper.clock.now(), pause), failures, asked: retry_after.is_some() }
    }

    fn ended(&self, order: &Waiting, outcome: Outcome) -> Ended {
        let now = self.dispatch.keeper.clock.now();
        Ended {
            order_id: order.id,
            order_status: Status::Queued,
            started_at: now,
            finished_at: now,
            outcome,
            status: None,
            code: None,
            message: None,
            remedy: None,
            correlation_id: None,
            document_id: None,
        }
    }

    fn of_failure(&self, order: &Waiting, outcome: Outcome, failure: &Failure) -> Ended {
        Ended {
            status: failure.status.map(i32::from),
            code: failure.code.clone(),
            message: Some(failure.message.clone()),
            correlation_id: failure.correlation_id.clone(),
            ..self.ended(order, outcome)
        }
    }
}

fn span(order: &Waiting) -> Span {
    info_span!("order.post", order_id = %order.id, attempt = order.attempts + 1, outcome = Empty, status = Empty,
        document_id = Empty, correlation_id = Empty, error_type = Empty)
}

fn record(span: &Span, one: &Ended) {
    let outcome = one.outcome.as_str();
    span.record("outcome", outcome).record("document_id", one.document_id.as_deref());
    span.record("status", one.status).record("correlation_id", one.correlation_id.as_deref());
    if !matches!(one.order_status, Status::Posted | Status::Superseded) {
        span.record("error_type", outcome);
    }
}

/// What an attempt came to that failed like this.
fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::OutcomeUnknown => Outcome::Unknown,
        Verdict::Lapsed(_) => Outcome::Held,
        Verdict::OperatorFault | Verdict::Transient | Verdict::TokenRefused | Verdict::Rejected => Outcome::Transient,
    }
}

/// Half the lease is the most that one delivery may take, a renewal of a refused token included: the lane must still be
/// ours when it ends.
async fn in_time<P, T>(dispatch: &Dispatch<P>, posting: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(dispatch.config.lease / 2, posting).await.map_err(|_| {
        Failure::without_reply(
            Provider::Quickbooks,
            "post order",
            Verdict::OutcomeUnknown,
            "took_too_long",
            "QuickBooks took longer than half of orders.lease",
        )
    })
}
