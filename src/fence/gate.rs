//! The one gate that every loop passes: while the fence is closed a round is not begun, and a loop rests until it opens.

use std::time::Duration;

use super::Fence;
use crate::{
    lifecycle::Round,
    presence::{BEAT_EVERY, Presence},
    store,
};

/// While work is held back, somebody may be waiting for the answer.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// A loop that rests while the fence is closed.
#[derive(Debug)]
pub struct Gated<R>(pub Fence, pub R);

impl<R: Round + Sync> Round for Gated<R> {
    const NAME: &'static str = R::NAME;

    async fn run(&self) -> Result<Duration, store::Error> {
        if self.0.is_open() { self.1.run().await } else { Ok(Duration::ZERO) }
    }

    async fn rest(&self, at_most: Duration) {
        if self.0.is_open() {
            self.1.rest(at_most).await;
        } else {
            self.0.opened().await;
        }
    }
}

/// Looks at the database before anything else does, and again with every beat; says to the other daemons whether this one
/// works.
#[derive(Debug)]
pub struct Lookout(pub Fence, pub Presence);

impl Round for Lookout {
    const NAME: &'static str = "presence";

    async fn run(&self) -> Result<Duration, store::Error> {
        let open = self.0.look().await?;
        self.1.beat(open).await?;
        Ok(if open { BEAT_EVERY } else { LOOK_AGAIN })
    }

    async fn rest(&self, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }
}
