//! Where the machinery of lanes ends and delivering begins. Whoever delivers knows neither leases nor attempts; the lane
//! knows nothing of tokens or documents. So the machinery can be tried, and measured, with orders that go nowhere.

use std::future::Future;

use sqlx::PgPool;
use tracing::debug;

use crate::{
    config,
    keeper::{
        Keeper,
        access::{LiveToken, Unavailable},
    },
    orders::{
        Parts,
        posting::{Post, Posted, Trouble},
    },
    provider::{Failure, Providers, Verdict},
    store::{self, lanes, orders::Waiting},
};

/// Delivers orders, one at a time, in the order in which it is asked.
pub trait Poster: Clone + Send + Sync + 'static {
    /// What one turn of a lane needs: for QuickBooks a live token.
    type Session: Send + Sync;

    /// Begins a turn.
    ///
    /// # Errors
    /// Why the lane must wait.
    fn open(&self, lane: &lanes::Claim) -> impl Future<Output = Result<Self::Session, Unavailable>> + Send;

    /// Delivers one order, or finds that it was delivered.
    ///
    /// # Errors
    /// Why not.
    fn post(
        &self,
        lane: &lanes::Claim,
        session: &mut Self::Session,
        order: &Waiting,
    ) -> impl Future<Output = Result<Posted, Trouble>> + Send;

    /// Whether an earlier try delivered the order; delivers nothing.
    ///
    /// # Errors
    /// The company did not answer.
    fn look_up(
        &self,
        lane: &lanes::Claim,
        session: &Self::Session,
        order: &Waiting,
    ) -> impl Future<Output = Result<Option<Posted>, Trouble>> + Send;

    /// Tells whom a failure concerns beyond its order.
    ///
    /// # Errors
    /// Database trouble.
    fn tell(
        &self,
        lane: &lanes::Claim,
        session: &Self::Session,
        failure: &Failure,
    ) -> impl Future<Output = Result<(), store::Error>> + Send;
}

/// Delivers to QuickBooks.
#[derive(Clone)]
pub struct ToQuickbooks {
    pool: PgPool,
    keeper: Keeper,
    providers: Providers,
    config: config::Orders,
}

impl ToQuickbooks {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { pool, keeper, providers, config, .. } = parts.clone();
        Self { pool, keeper, providers, config }
    }

    fn one<'a>(&'a self, lane: &'a lanes::Claim, order: &'a Waiting) -> Result<Post<'a>, Trouble> {
        let api = self.providers.quickbooks().ok_or_else(|| {
            Trouble::Provider(Failure::without_reply(
                crate::provider::Provider::Quickbooks,
                "post order",
                Verdict::OperatorFault,
                "not_configured",
                "QuickBooks is not configured; add the [providers.quickbooks] section and restart",
            ))
        })?;
        Ok(Post { clock: &self.keeper.clock, pool: &self.pool, api, config: &self.config, lane, order })
    }
}

impl Poster for ToQuickbooks {
    type Session = LiveToken;

    async fn open(&self, lane: &lanes::Claim) -> Result<LiveToken, Unavailable> {
        self.keeper.access_token(lane.connection_id).await
    }

    async fn post(&self, lane: &lanes::Claim, live: &mut LiveToken, order: &Waiting) -> Result<Posted, Trouble> {
        let post = self.one(lane, order)?;
        let refused = match post.run(live).await {
            Err(Trouble::Provider(failure)) if failure.verdict == Verdict::TokenRefused => failure,
            other => return other,
        };
        match self.keeper.renew_generation(lane.connection_id, live.generation).await {
            Ok(newer) => {
                *live = newer;
                post.run(live).await
            }
            Err(Unavailable::Store(error)) => Err(Trouble::Store(error)),
            Err(reason) => {
                debug!(connection_id = %lane.connection_id, %reason, "refused token not renewed");
                Err(Trouble::Provider(refused))
            }
        }
    }

    async fn look_up(&self, lane: &lanes::Claim, live: &LiveToken, order: &Waiting) -> Result<Option<Posted>, Trouble> {
        self.one(lane, order)?.look_up(live).await
    }

    async fn tell(&self, lane: &lanes::Claim, live: &LiveToken, failure: &Failure) -> Result<(), store::Error> {
        match failure.verdict {
            Verdict::Lapsed(cause) => self.keeper.lapse(lane.connection_id, live.generation, cause, failure).await,
            Verdict::OperatorFault => self.keeper.report_operator_fault(failure).await,
            Verdict::Transient | Verdict::OutcomeUnknown | Verdict::TokenRefused | Verdict::Rejected => Ok(()),
        }
    }
}
