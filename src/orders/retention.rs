//! Drops what is kept of orders that are long settled, after `orders.keep`.
//!
//! A round does it in small pieces, each a statement of its own, so that neither the queue nor a stop waits for it. What
//! may be dropped, and what must stay, is decided by `store::order_log::pruning`.

use std::time::Duration;

use chrono::TimeDelta;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    clock::Clock,
    store::{
        self,
        order_log::pruning::{self, Pruned},
    },
};

/// Orders in one statement.
const PIECE: i64 = 500;
/// How often there is a look.
const EVERY: Duration = Duration::from_hours(1);

/// Prunes orders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Retention {
    pool: PgPool,
    clock: Clock,
    keep: Option<Duration>,
    stopping: CancellationToken,
}

impl Retention {
    /// Keeps settled orders whole for as long as `keep` says; for ever without it.
    pub fn new(pool: PgPool, clock: Clock, keep: Option<Duration>, stopping: CancellationToken) -> Self {
        Self { pool, clock, keep, stopping }
    }

    /// Drops everything that is old enough now.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn round(&self) -> Result<Pruned, store::Error> {
        let mut all = Pruned::default();
        let now = self.clock.now();
        let before = self.keep.and_then(|keep| now.checked_sub_signed(TimeDelta::from_std(keep).ok()?));
        let Some(before) = before else { return Ok(all) };
        while !self.stopping.is_cancelled() {
            let mut conn = self.pool.acquire().await?;
            let piece = pruning::prune(&mut conn, before, PIECE, now).await?;
            all.orders += piece.orders;
            all.attempts += piece.attempts;
            if piece.orders < PIECE {
                break;
            }
        }
        if all.orders > 0 {
            info!(orders = all.orders, attempts = all.attempts, "content of old orders dropped");
        }
        Ok(all)
    }

    /// How long there is nothing to do.
    pub fn idle_for() -> Duration {
        EVERY
    }
}
