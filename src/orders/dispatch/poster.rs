//! Where the machinery of lanes ends and delivering begins. Whoever delivers knows neither leases nor attempts; the lane
//! knows nothing of tokens or documents. So the machinery can be tried, and measured, with orders that go nowhere.

use std::future::Future;

use sqlx::PgPool;
use tracing::debug;

use crate::{
    config::Mapping,
    keeper::{
        Keeper,
        access::{LiveToken, Unavailable},
    },
    orders::{
        Parts, drafting,
        mapping::Unmappable,
        posting::{Post, Posted, Trouble},
    },
    provider::{Failure, Provider, Providers, Verdict, quickbooks},
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

    /// From how many orders on one call for all of them is worth it, and for how many at most; `None` is never.
    const TOGETHER: Option<(usize, usize)> = None;

    /// Delivers several orders that were never tried, with one call. The answers stand in the order of the orders; those
    /// that have none were not sent.
    fn post_together(
        &self,
        lane: &lanes::Claim,
        session: &mut Self::Session,
        orders: &[Waiting],
    ) -> impl Future<Output = Vec<Result<Posted, Trouble>>> + Send {
        async move {
            match orders.first() {
                Some(first) => vec![self.post(lane, session, first).await],
                None => Vec::new(),
            }
        }
    }

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
    /// What is in force where an account says nothing.
    defaults: Mapping,
}

impl ToQuickbooks {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { pool, keeper, providers, config, .. } = parts.clone();
        Self { pool, keeper, providers, defaults: config.mapping }
    }

    pub(super) fn api(&self) -> Result<quickbooks::Api<'_>, Trouble> {
        self.providers.quickbooks().ok_or_else(|| {
            Trouble::Provider(Failure::without_reply(
                Provider::Quickbooks,
                "post order",
                Verdict::OperatorFault,
                "not_configured",
                "QuickBooks is not configured; add the [providers.quickbooks] section and restart",
            ))
        })
    }

    pub(super) fn one<'a>(
        &'a self,
        lane: &'a lanes::Claim,
        settings: &'a Result<Mapping, Unmappable>,
        order: &'a Waiting,
    ) -> Result<Post<'a>, Trouble> {
        let settings = settings.as_ref().map_err(|wrong| Trouble::from(wrong.clone()))?;
        Ok(Post { clock: &self.keeper.clock, pool: &self.pool, api: self.api()?, settings, lane, order })
    }

    /// A token in place of one that the API refused with this failure.
    pub(super) async fn renew(
        &self,
        lane: &lanes::Claim,
        live: &mut LiveToken,
        refused: Failure,
    ) -> Result<(), Trouble> {
        match self.keeper.renew_generation(lane.connection_id, live.generation).await {
            Ok(newer) => {
                *live = newer;
                Ok(())
            }
            Err(Unavailable::Store(error)) => Err(Trouble::Store(error)),
            Err(reason) => {
                debug!(connection_id = %lane.connection_id, %reason, "refused token not renewed");
                Err(Trouble::Provider(refused))
            }
        }
    }
}

/// What one turn at QuickBooks needs.
pub struct Session {
    pub(super) live: LiveToken,
    /// How the account's orders become documents, or why that cannot be read.
    pub(super) settings: Result<Mapping, Unmappable>,
}

impl Poster for ToQuickbooks {
    type Session = Session;

    const TOGETHER: Option<(usize, usize)> = Some((5, quickbooks::BATCH));

    async fn open(&self, lane: &lanes::Claim) -> Result<Session, Unavailable> {
        let live = self.keeper.access_token(lane.connection_id).await?;
        let settings = drafting::settings(&self.pool, &self.defaults, lane.account_id).await?;
        Ok(Session { live, settings })
    }

    async fn post(&self, lane: &lanes::Claim, session: &mut Session, order: &Waiting) -> Result<Posted, Trouble> {
        let Session { live, settings } = session;
        let post = self.one(lane, settings, order)?;
        match post.run(live).await {
            Err(Trouble::Provider(refused)) if refused.verdict == Verdict::TokenRefused => {
                self.renew(lane, live, refused).await?;
                post.run(live).await
            }
            other => other,
        }
    }

    async fn post_together(
        &self,
        lane: &lanes::Claim,
        session: &mut Session,
        orders: &[Waiting],
    ) -> Vec<Result<Posted, Trouble>> {
        self.together(lane, session, orders).await
    }

    async fn look_up(
        &self,
        lane: &lanes::Claim,
        Session { live, settings }: &Session,
        order: &Waiting,
    ) -> Result<Option<Posted>, Trouble> {
        self.one(lane, settings, order)?.look_up(live).await
    }

    async fn tell(
        &self,
        lane: &lanes::Claim,
        Session { live, .. }: &Session,
        failure: &Failure,
    ) -> Result<(), store::Error> {
        match failure.verdict {
            Verdict::Lapsed(cause) => self.keeper.lapse(lane.connection_id, live.generation, cause, failure).await,
            Verdict::OperatorFault => self.keeper.report_operator_fault(failure).await,
            Verdict::Transient | Verdict::OutcomeUnknown | Verdict::TokenRefused | Verdict::Rejected => Ok(()),
        }
    }
}
