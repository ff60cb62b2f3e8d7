//! Signals, supervised loops and the way out. A loop that ends or panics takes the process down with a failure, so that a
//! dead loop is never unseen; a loop whose database is away waits for it. A soft stop lets every round finish what it has
//! begun (a refresh token that was spent is kept); a second signal, or a stop that takes too long, is a hard one.

use std::{future::Future, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::store;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Because it was asked to.
    Asked,
    /// Because a loop died, or the stop took too long.
    Failed,
}

/// Watches over loops.
#[derive(Debug)]
pub struct Supervisor {
    loops: JoinSet<&'static str>,
    stop: CancellationToken,
    grace: Duration,
}

/// What a supervised loop does over and over.
pub trait Round: Send + 'static {
    /// What it is called in logs.
    const NAME: &'static str;

    /// Works until nothing is left to do, and says how long it may rest.
    ///
    /// # Errors
    /// Database trouble: the round is tried again.
    fn run(&self) -> impl Future<Output = Result<Duration, store::Error>> + Send;

    /// Rests, unless something comes up.
    fn rest(&self, at_most: Duration) -> impl Future<Output = ()> + Send;
}

impl Supervisor {
    /// A supervisor whose loops get `grace` to finish what they have begun once `stop` is cancelled.
    pub fn new(stop: CancellationToken, grace: Duration) -> Self {
        Self { loops: JoinSet::new(), stop, grace }
    }

    /// Cancelled when the process should end.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs something until it ends by itself, which it must not do before the stop.
    pub fn spawn(&mut self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.loops.spawn(async move {
            future.await;
            name
        });
    }

    /// Runs a round over and over.
    pub fn spawn_rounds<R: Round>(&mut self, round: R) {
        let stop = self.stop.clone();
        self.spawn(R::NAME, async move { run_rounds(round, stop).await });
    }

    /// Waits for a signal or for a loop that dies, then ends the loops.
    pub async fn run(mut self) -> End {
        // In this order: loops that end because they were asked to have not died.
        let mut end = tokio::select! {
            biased;
            () = signalled() => {
                info!("stopping: what has been begun is finished first; a second signal stops at once");
                End::Asked
            }
            () = self.stop.cancelled() => End::Asked,
            died = self.loops.join_next() => {
                report_death(died);
                End::Failed
            }
        };
        tell_systemd(&[NotifyState::Stopping]);
        self.stop.cancel();
        let all_ended = async {
            let mut clean = true;
            while let Some(ended) = self.loops.join_next().await {
                clean &= ended.is_ok();
            }
            clean
        };
        let clean = tokio::select! {
            clean = all_ended => clean,
            () = signalled() => false,
            () = tokio::time::sleep(self.grace) => {
                warn!("the stop took longer than {:?}: leaving now; leases run out by themselves", self.grace);
                false
            }
        };
        if !clean {
            end = End::Failed;
        }
        info!("stopped");
        end
    }
}

/// Tells systemd that the service is up.
pub fn ready() {
    tell_systemd(&[NotifyState::Ready]);
}

fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        warn!(%cause, "systemd could not be told");
    }
}

/// How long to wait after a round that failed: doubled from the one to the other.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

async fn run_rounds<R: Round>(round: R, stop: CancellationToken) {
    let (mut failed, mut away) = (0_u32, false);
    while !stop.is_cancelled() {
        // A round is never cancelled in the middle: that would abandon what it has spent.
        let pause = match round.run().await {
            Ok(rest) => {
                if away {
                    info!(task = R::NAME, "the database is back");
                }
                (failed, away) = (0, false);
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = round.rest(rest) => {}
                }
                continue;
            }
            Err(cause) => {
                let text = crate::telemetry::chain(&cause);
                match (cause.is_away(), away) {
                    (true, false) => warn!(task = R::NAME, error = text, "the database is away: waiting for it"),
                    (true, true) => {}
                    (false, _) => error!(task = R::NAME, error = text, "a round failed and is tried again"),
                }
                away = cause.is_away();
                failed = failed.saturating_add(1);
                FIRST_WAIT.saturating_mul(1 << failed.saturating_sub(1).min(6)).min(LONGEST_WAIT)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn report_death(died: Option<Result<&'static str, tokio::task::JoinError>>) {
    match died {
        Some(Ok(name)) => error!(task = name, "a loop ended by itself: stopping the process, so that it is seen"),
        Some(Err(cause)) => error!(%cause, "a loop panicked: stopping the process, so that it is seen"),
        None => error!("nothing to supervise"),
    }
}

/// SIGTERM, or Ctrl-C.
pub(crate) async fn signalled() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(cause), _) | (_, Err(cause)) => {
            error!(%cause, "signals cannot be caught: only kill -9 ends this process");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn loops_that_end_when_asked_have_not_died() {
        for _ in 0..500 {
            let stop = CancellationToken::new();
            let mut supervisor = Supervisor::new(stop.clone(), Duration::from_secs(5));
            for _ in 0..4 {
                let stop = stop.clone();
                supervisor.spawn("loop", async move { stop.cancelled().await });
            }
            let (end, ()) = tokio::join!(supervisor.run(), async {
                tokio::task::yield_now().await;
                stop.cancel();
            });
            assert_eq!(end, End::Asked);
        }
    }

    #[tokio::test]
    async fn a_loop_that_ends_or_panics_by_itself_ends_the_process_with_a_failure() {
        for panics in [false, true] {
            let mut supervisor = Supervisor::new(CancellationToken::new(), Duration::from_secs(5));
            supervisor.spawn("loop", async move { assert!(!panics, "on purpose") });
            assert_eq!(supervisor.run().await, End::Failed);
        }
    }

    #[tokio::test]
    async fn a_loop_that_does_not_end_is_left_behind_after_the_grace() {
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(stop.clone(), Duration::from_millis(50));
        supervisor.spawn("stuck", std::future::pending());
        stop.cancel();
        assert_eq!(supervisor.run().await, End::Failed);
    }
}
