//! An order that fails again and again while its company answers everything else. Behind it the whole lane waits, so it
//! is parked after a while, with the provider's words. Whether the company answers is asked, not guessed: the question is
//! the look for the order's document, which settles an unknown outcome at the same time. A failure during which that
//! question is not answered either, or during an outage, says nothing about the order and is not counted.

use chrono::TimeDelta;

use super::{poster::Poster, turn::Turn};
use crate::{
    orders::posting::{Posted, Trouble},
    provider::{Endpoint, Failure, Provider, Verdict},
    store::{self, orders::Waiting},
    words,
};

/// From this failure in a row on, it is asked whether the company answers: before, the question is not worth a metered
/// read.
const ASK_FROM: i32 = 3;

/// What a failure says about its order.
pub(super) enum Stuck {
    /// Nothing, or not yet enough.
    No,
    /// An earlier try had posted it.
    Posted(Posted),
    /// Nobody but a person gets it any further.
    Parked { message: String, remedy: String },
}

impl<P: Poster> Turn<'_, P> {
    /// Counts a failure of the order itself; says when it was the last one.
    pub(super) async fn stuck(
        &mut self,
        session: &P::Session,
        order: &Waiting,
        failure: &Failure,
    ) -> Result<Stuck, store::Error> {
        // A pause that the provider asks for is about the company.
        let may_be_its_own =
            matches!(failure.verdict, Verdict::Transient | Verdict::OutcomeUnknown) && failure.retry_after.is_none();
        if !may_be_its_own || self.dispatch.outages.is_out(Provider::Quickbooks, Endpoint::Api).await? {
            return Ok(Stuck::No);
        }
        let now = self.dispatch.keeper.clock.now();
        let (tries, since) = match (self.lane.stuck_on, self.lane.stuck_since) {
            (Some(id), Some(since)) if id == order.id => (self.lane.stuck_tries.saturating_add(1), since),
            _ => (1, now),
        };
        let config = &self.dispatch.config;
        let long = TimeDelta::from_std(config.give_up_earliest).unwrap_or(TimeDelta::MAX);
        let last = u32::try_from(tries).unwrap_or(0) >= config.give_up_after && now - since >= long;
        if tries >= ASK_FROM || last {
            match self.dispatch.poster.look_up(&self.lane, session, order).await {
                Ok(None) | Err(Trouble::Moot(_)) => self.evidence.answered(),
                Ok(Some(posted)) => return Ok(Stuck::Posted(posted)),
                Err(Trouble::Parked { message, remedy, .. }) => return Ok(Stuck::Parked { message, remedy }),
                Err(Trouble::Store(error)) => return Err(error),
                Err(Trouble::Provider(silent)) => {
                    self.evidence.failed(&silent);
                    return Ok(Stuck::No);
                }
            }
        }
        (self.lane.stuck_on, self.lane.stuck_tries, self.lane.stuck_since) = (Some(order.id), tries, Some(since));
        if !last {
            return Ok(Stuck::No);
        }
        Ok(Stuck::Parked {
            message: format!(
                "QuickBooks failed {tries} times on this order since {}, while it answered other calls of the company; the \
                 last time: {}",
                words::instant(since),
                failure.message
            ),
            remedy:
                "look for what is special about this order, and change it at its source so that it comes in again, or \
                     enter it in QuickBooks by hand; Intuit's support can trace the correlation id"
                    .to_owned(),
        })
    }
}
