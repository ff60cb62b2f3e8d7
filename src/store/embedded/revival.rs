//! Keeps the private PostgreSQL running for as long as its daemon does: one that ends by itself (killed, out of memory)
//! is started again. The daemon's connections find the new one, because it has the same socket.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Server;
use crate::retry::Backoff;

/// Pauses between starts that did not last; the first start comes at once.
const BACKOFF: Backoff = Backoff { min: Duration::from_millis(500), max: Duration::from_secs(30) };
/// A server that ran this long was well: its end is a new incident.
const STEADY: Duration = Duration::from_secs(120);

/// Starts the server again whenever it ends, until `stop`.
pub async fn keep_running(server: Arc<Mutex<Server>>, stop: CancellationToken) {
    let mut starts = 0_u32;
    loop {
        let ended = lock(&server).postmaster.ended();
        let watched_since = Instant::now();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = ended.cancelled() => {}
        }
        if watched_since.elapsed() >= STEADY {
            starts = 0;
        }
        if starts > 0 {
            let pause = BACKOFF.pause(starts, rand::random(), None);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
        starts = starts.saturating_add(1);
        let again = Arc::clone(&server);
        match tokio::task::spawn_blocking(move || lock(&again).restart()).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => tracing::error!(
                error = crate::telemetry::chain(&cause),
                "private PostgreSQL does not start and is tried again; the daemon waits for it"
            ),
            Err(cause) => tracing::error!(%cause, "the start of private PostgreSQL broke off and is tried again"),
        }
    }
}

fn lock(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}
