//! The work of one round, side by side. Each piece is a task of its own, so that it goes on, and gives its database
//! connection back, while the round looks for more: a round that polled its own pieces could wait for a connection that
//! only they can give back.

use std::{future::Future, panic::resume_unwind};

use tokio::task::{JoinError, JoinSet};

/// Pieces of work under way.
#[derive(Debug)]
pub struct Crew<T>(JoinSet<T>);

impl<T> Default for Crew<T> {
    fn default() -> Self {
        Self(JoinSet::new())
    }
}

impl<T: Send + 'static> Crew<T> {
    /// Begins one more.
    pub fn begin(&mut self, work: impl Future<Output = T> + Send + 'static) {
        self.0.spawn(work);
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits for the next to end, and takes with it all that have ended too; nothing when none is under way. One that
    /// panicked takes its round down, as if it had run there: a bug must be seen.
    pub async fn ended(&mut self) -> Vec<T> {
        let mut ended = Vec::new();
        let mut next = self.0.join_next().await;
        while let Some(one) = next {
            match one.map_err(JoinError::try_into_panic) {
                Ok(one) => ended.push(one),
                Err(Ok(panic)) => resume_unwind(panic),
                // Nobody aborts them but the end of the runtime.
                Err(Err(_cancelled)) => {}
            }
            next = self.0.try_join_next();
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_was_begun_ends() {
        let mut crew = Crew::default();
        (0..5).for_each(|n| crew.begin(async move { n }));
        let mut ended = Vec::new();
        while !crew.is_empty() {
            ended.extend(crew.ended().await);
        }
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2, 3, 4]);
        assert!(crew.ended().await.is_empty());
    }

    #[tokio::test]
    #[should_panic(expected = "on purpose")]
    async fn a_panic_is_the_rounds_own() {
        let mut crew = Crew::default();
        crew.begin(async { panic!("on purpose") });
        let _: Vec<()> = crew.ended().await;
    }
}
